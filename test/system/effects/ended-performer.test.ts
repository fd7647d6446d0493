/** Ports that end the effects thread (P4; DESIGN 4.3, L5, TRAPS 19): a real node, and the count by itself. */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { AttemptNotes } from "../../../src/system/effects/attempt-notes.ts";
import { LostAttempts } from "../../../src/system/effects/lost-attempts.ts";
import { igniter } from "../../support/ending-ports-module.ts";
import { openNode, until } from "../../support/test-node.ts";

const MODULE = new URL("../../support/ending-ports-module.ts", import.meta.url);

let dir: string;
beforeAll(() => {
  dir = mkdtempSync(join(tmpdir(), "troupe-ended-"));
});
afterAll(() => rmSync(dir, { recursive: true, force: true }));

describe("a port that ends its thread at every attempt", () => {
  it.each(["throws later", "exits", "exits later", "loops", "loops later"])(
    "%s: a dead letter after its third end; the node goes on, and what was under way for another port is done",
    async (mode) => {
      const flags = { "--shard.threads": 1, "--threads.heartbeat-ms": 1_000 };
      const { node, errors } = await openNode(join(dir, mode.replaceAll(" ", "-")), flags, [MODULE]);
      await using _closes = node;
      const beside = mode === "loops later" ? null : node.entity(igniter, "beside").ask.wait({ ms: 400 }, { timeoutMs: 60_000 });
      await node.entity(igniter, "a").ask.light({ mode });
      const dead = await until(
        "the dead letter",
        async () => (await node.effects.page({ after: null, limit: 9, state: "dead" })).items[0] ?? null,
        60_000,
      );
      expect(dead).toMatchObject({ to: "fuse", lastError: expect.stringContaining("the thread that performed it ended: ") });
      expect(errors).toEqual(Array(3).fill("a part ended; it is replaced"));
      // Its policy allows one attempt: an end that were counted would be a refusal.
      if (beside !== null) expect(await beside).toEqual({ ok: true, value: null });
      await node.entity(igniter, "b").ask.light({ mode: "burns out" });
      await until(
        "the next effect",
        async () => (await node.effects.page({ after: null, limit: 9, state: null })).items.length === 1,
        60_000,
      );
    },
  );
});

describe("what is counted", () => {
  const noted = (port: string, id: string) => ({ port, id, attempt: 1 });
  const lostOf = (losses: LostAttempts, run: (notes: AttemptNotes) => void, reason = "Error: boom\n at x") => {
    run(new AttemptNotes(losses.next().attempts));
    const ports = losses.ended(reason);
    return { ports, ...losses.next().before };
  };

  it("all that were under way when nobody knows whose code it was; never one that is over", async () => {
    const overs: Array<() => void> = [];
    const losses = new LostAttempts();
    const notes = new AttemptNotes(losses.next().attempts);
    for (const [port, id] of [
      ["a", "1"],
      ["a", "2"],
      ["b", "3"],
    ] as const)
      overs.push(notes.begin(noted(port, id), () => null)[1]);
    overs[1]?.();
    await new Promise((resolve) => setImmediate(resolve));
    expect([...losses.ended("Error: boom\n at x")].sort()).toEqual(["a", "b"]);
    const error = "the thread that performed it ended: Error: boom";
    const { lost, rests } = losses.next().before;
    expect([...lost].sort((left, right) => (left.id < right.id ? -1 : 1))).toEqual([
      { id: "1", attempt: 1, error, isPoison: false },
      { id: "3", attempt: 1, error, isPoison: false },
    ]);
    expect(rests.size).toBe(0);
  });

  it("only those of the port whose code it was; the effect itself is poison at the third end", () => {
    const losses = new LostAttempts();
    const poisoned: boolean[] = [];
    for (let end = 1; end <= 3; end++) {
      const { ports, lost } = lostOf(losses, (notes) => {
        notes.begin(noted("b", "3"), () => null);
        notes.begin(noted("a", "2"), () => null);
        try {
          notes.begin(noted("a", "1"), () => {
            throw new Error("as a thread that ends in it: nothing is noted after it");
          });
        } catch {}
      });
      expect(ports).toEqual(["a"]);
      expect(lost.map(({ id }) => id).sort()).toEqual(["1", "2"]);
      poisoned.push(lost.some(({ id, isPoison }) => id === "1" && isPoison));
      expect(lost.some(({ id, isPoison }) => id === "2" && isPoison)).toBe(false);
    }
    expect(poisoned).toEqual([false, false, true]);
  });

  it("L6: new effects for a broken port end their thread less often than the node has restarts: 10 in 60 s", () => {
    let nowMs = 0;
    const losses = new LostAttempts(() => nowMs);
    const endsMs: number[] = [];
    for (let i = 0; i < 30; i++) {
      const { rests } = lostOf(losses, (notes) => void notes.begin(noted("a", String(i)), () => null));
      endsMs.push(nowMs);
      nowMs += rests.get("a") ?? 0;
    }
    for (const from of endsMs) expect(endsMs.filter((at) => at >= from && at < from + 60_000).length).toBeLessThanOrEqual(10);
    nowMs += 600_000;
    expect(lostOf(losses, (notes) => void notes.begin(noted("a", "later"), () => null)).rests.size).toBe(0);
  });
});
