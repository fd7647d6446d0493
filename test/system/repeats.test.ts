/** Repeats in a whole node, threads and files: known whoever died since, with or without a look into the store, and answered as what they are (L3, R-LED-2). */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, it } from "vitest";
import { outcomeOf } from "../../src/system/ingress/ledger-call.ts";
import type { Node } from "../../src/system/node.ts";
import { openOnNode } from "../support/node-door.ts";
import { balanceOf, deposit, endThread, openNode, until } from "../support/test-node.ts";

let dir: string;
beforeAll(() => {
  dir = mkdtempSync(join(tmpdir(), "troupe-repeats-"));
});
afterAll(() => rmSync(dir, { recursive: true, force: true }));

const KEYS = Array.from({ length: 300 }, (_, n) => `key-${n}`);

/** What `/metrics` shows of it. */
const knowsAll = (node: Node) =>
  until("all hashes are known", async () => {
    const parts = await node.measures();
    const known = parts.flatMap(({ taken }) => taken?.measures ?? []).find(({ name }) => name === "snapshot_hashes_known");
    return known?.value === 1;
  });

/** Every key again: its first answer, as a repeat. */
async function assertRepeats(node: Node, first: ReadonlyMap<string, string>): Promise<void> {
  for (const [key, body] of first) {
    const outcome = await until(`${key} is answered`, async () => {
      const answer = await deposit(node, key, "alice");
      return answer.ok ? outcomeOf(answer) : null;
    });
    expect(outcome).toMatchObject({ kind: "outcome", body, isReplayed: true });
  }
  expect(await balanceOf(node, "alice")).toBe("300.00");
}

it("deposits of a life before, stored and out of memory, are repeats: at once, when all hashes are known, and after threads died", async () => {
  const first = new Map<string, string>();
  const before = await openNode(dir);
  await openOnNode(before.node, "alice", "0");
  for (const key of KEYS) {
    const answer = await deposit(before.node, key, "alice");
    if (!answer.ok) throw new Error(answer.detail);
    const outcome = outcomeOf(answer);
    if (outcome.kind !== "outcome") throw new Error("no outcome");
    first.set(key, outcome.body);
  }
  await before.node.close(); // With a checkpoint of everything.

  const { node } = await openNode(dir);
  await assertRepeats(node, first);
  await knowsAll(node);
  await endThread(node, "/system/shards/0");
  await assertRepeats(node, first);
  await endThread(node, "/system/checkpoint");
  await knowsAll(node);
  await assertRepeats(node, first);
  expect(await deposit(node, "key-new", "alice")).toMatchObject({ ok: true });
  expect(await balanceOf(node, "alice")).toBe("301.00");
  await node.close();
});

it("a command whose id the runtime remembers is answered as a repeat, however long its answer is", async () => {
  const { node } = await openNode(join(dir, "recorded"));
  await openOnNode(node, "bob", "0");
  const freeze = async () => {
    const answer = await node.ask("account/bob", "freeze", {}, { id: "freeze-1" });
    if (!answer.ok) throw new Error(answer.detail);
    const outcome = outcomeOf(answer);
    if (outcome.kind !== "outcome") throw new Error("no outcome");
    return outcome;
  };
  const first = await freeze();
  const again = await freeze();
  expect(first.body.length).toBeGreaterThan(128); // It travels beside the JSON of its answer.
  expect(again).toEqual({ ...first, isReplayed: true });
  expect(first.isReplayed).toBe(false);
  await node.close();
});
