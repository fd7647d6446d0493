/** The order of a stop, over parts that only write down what is asked of them; and its deadline, over real ones. */
import { join } from "node:path";
import Database from "better-sqlite3";
import { expect, it } from "vitest";
import { loadConfig } from "../../src/system/config/config.ts";
import { HttpListener } from "../../src/system/http/index.ts";
import type { Tally } from "../../src/system/node.ts";
import { type OrderedStop, stopInOrder } from "../../src/system/ordered-stop.ts";
import { fieldsOf, post } from "../support/http-client.ts";
import { folder } from "../support/journal-bench.ts";
import { openOnNode } from "../support/node-door.ts";
import { balanceOf, deposit, openNode, until } from "../support/test-node.ts";

function parts(failed: Promise<string> = new Promise(() => {})) {
  const steps: string[] = [];
  const tallies: Tally[] = [
    { answered: 100, unanswered: 3, entries: 1_000, effectsOpen: 2 },
    { answered: 103, unanswered: 0, entries: 1_004, effectsOpen: 0 },
  ];
  const tally = (name: string): Tally => {
    steps.push(name);
    return tallies.shift() ?? { answered: 0, unanswered: 0, entries: null, effectsOpen: null };
  };
  const stop: OrderedStop = {
    node: {
      failed,
      tally: async () => tally("tally"),
      drain: async () => tally("node drains"),
      close: async () => void steps.push("node closes"),
    },
    doors: [
      {
        leave: () => void steps.push("readyz is red"),
        drain: async () => steps.push("doors drain") * 0,
      },
    ],
    lameDuckMs: 0,
    deadlineMs: 5_000,
    requestsMsMax: 1_000,
  };
  return { steps, stop };
}

it("O1-O3: red, doors, node, listener, files; the report is what happened since work was refused", async () => {
  const { steps, stop } = parts();
  const { ms: _, ...report } = await stopInOrder(stop);
  expect(steps).toEqual(["readyz is red", "doors drain", "tally", "node drains", "node closes"]);
  expect(report).toEqual({ answered: 3, unanswered: 0, entriesCommitted: 4, effectsOpen: 0, isClosed: true });
});

it("a node that fails is no lame duck, and a node that cannot close is told as such", async () => {
  const { steps, stop } = parts(Promise.resolve("The journal thread ended"));
  const node = { ...stop.node, close: () => Promise.reject(new Error("the disk is gone")) };
  const report = await stopInOrder({ ...stop, node, lameDuckMs: 86_400_000 });
  expect(report.isClosed).toBe(false);
  expect(steps.at(-1)).toBe("node drains");
});

it("DESIGN 4.6: at the deadline who still waits is told OUTCOME_UNKNOWN in a whole answer, and the same key is safe at the next start", async () => {
  using dir = folder();
  const config = loadConfig({ argv: ["--http.port", "0"], env: {}, cwd: dir.path });
  const { node } = await openNode(dir.path, { "--shard.threads": 1, "--journal.busy-timeout-ms": 2_000 });
  await openOnNode(node, "alice", "0");
  const nothing = (): void => {};
  const http = new HttpListener({ system: node, config, log: { info: nothing, error: nothing } });
  await node.open(http);
  const other = new Database(join(dir.path, "journal.db"));
  other.exec("BEGIN IMMEDIATE"); // Nothing can be committed while another program holds the lock.
  const waiting = post(http.url, "/v1/deposits", { accountId: "alice", amount: "1.00", currency: "CZK" }, "k");
  await until("it is accepted", () => node.inFlight === 1);
  const report = await stopInOrder({ node, doors: [http], lameDuckMs: 0, deadlineMs: 300, requestsMsMax: 100 });
  expect(report).toMatchObject({ answered: 0, unanswered: 1 });
  const answer = await waiting;
  expect([answer.status, fieldsOf(answer).code]).toEqual([504, "OUTCOME_UNKNOWN"]);
  other.exec("ROLLBACK");
  other.close();
  await node.close();

  await using again = (await openNode(dir.path, { "--shard.threads": 1 })).node;
  // What was accepted before the stop goes on at the start; until it is done the key says so.
  let repeated = await deposit(again, "k", "alice");
  while (!repeated.ok && repeated.code === "key_in_progress") repeated = await deposit(again, "k", "alice");
  expect(repeated).toMatchObject({ ok: true });
  expect(await balanceOf(again, "alice")).toBe("1.00");
});
