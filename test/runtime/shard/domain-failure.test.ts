/** The journal goes down, groups are refused, entities cannot be rebuilt: what callers hear and what is kept (S5-S7, L5). */
import { describe, expect, it } from "vitest";
import type { AnyDefinition, Json } from "../../../src/runtime/index.ts";
import { ball, codeOf, counter, DomainBench, replyIn } from "./domain-bench.ts";

describe("while the journal takes no writes", () => {
  it("reads are answered, writes are refused with JOURNAL_UNAVAILABLE, and both go on when it is up", () => {
    const bench = new DomainBench();
    bench.ask("counter/a", "add", { by: 1 });
    bench.domain.journalDown(true);
    expect(replyIn(bench.ask("counter/a", "get"))).toMatchObject({ total: 1 });
    expect(codeOf(bench.ask("counter/a", "add", { by: 1 }))).toBe("JOURNAL_UNAVAILABLE");
    expect(codeOf(bench.ask("counter/a", "addOnce", { by: 1 }, { id: "k" }))).toBe("JOURNAL_UNAVAILABLE");
    bench.domain.journalDown(false);
    expect(replyIn(bench.ask("counter/a", "addOnce", { by: 1 }, { id: "k" }))).toEqual({ total: 2 });
  });

  it("tells wait and are handled afterwards, in the order in which they were sent", () => {
    const bench = new DomainBench();
    const tell = (by: number) => bench.send("counter/a", "tell", { to: "counter/b", command: "add", by, isAnswered: false });
    tell(1);
    tell(2);
    bench.domain.loaded("counter/a", null);
    bench.loads.length = 0;
    bench.domain.run(1); // Both are told; the receiver is still being read.
    bench.domain.journalDown(true);
    bench.domain.loaded("counter/b", null);
    bench.loads.length = 0;
    bench.domain.run(1_000); // Both are parked.
    expect(bench.domain.effectsOpen).toBe(2);
    bench.domain.journalDown(false);
    tell(3);
    bench.drive();
    const handled = bench.entries.filter(({ entity }) => entity === "counter/b").flatMap(({ events }) => events ?? []);
    expect(handled).toEqual([1, 2, 3].map((by) => ({ kind: "added", by })));
    expect(bench.domain.effectsOpen).toBe(0);
  });

  it("a tell that arrived before the journal came back stands behind those that were parked", () => {
    const bench = new DomainBench({ isOwned: (shard) => shard > 0 });
    const to = "counter/b";
    const effect = (n: number, command: string) => ({
      kind: "tell" as const,
      effect: { id: `0.1.${n}.0`, kind: "tell" as const, from: "counter/x", shard: 0, to, command, body: { by: 1 }, hops: 1 },
    });
    bench.domain.journalDown(true);
    bench.domain.receive(effect(1, "add"));
    bench.settle(); // Parked.
    bench.domain.receive(effect(2, "refuse")); // Waits in the mailbox.
    bench.domain.journalDown(false);
    bench.drive();
    expect(bench.entries.flatMap(({ handled }) => handled ?? []).map(({ cause }) => cause)).toEqual(["0.1.1.0", "0.1.2.0"]);
  });
});

describe("after a refused group", () => {
  it("S5: what a command wrote in a lost group is surely not done, all else is unknown, and nothing leaves any more", () => {
    const bench = new DomainBench();
    const later = bench.send("counter/a", "tellLater", { to: "counter/b", command: "add" });
    bench.domain.loaded("counter/a", null);
    bench.domain.run(1);
    bench.commit(); // Accepted and durable; its answer comes later.
    const lost = bench.send("counter/c", "add", { by: 1 });
    bench.settle();
    // It may be the repeat of one that is durable: what nobody looked at yet is not called "not done".
    const waiting = bench.send("counter/c", "add", { by: 1 });
    const read = bench.send("counter/c", "get");
    bench.domain.refused();
    const after = bench.send("counter/c", "add", { by: 1 });
    expect([later, lost, waiting, read, after].map((caller) => codeOf(bench.answers.get(caller)))).toEqual([
      "OUTCOME_UNKNOWN",
      "JOURNAL_UNAVAILABLE",
      "OUTCOME_UNKNOWN",
      "OUTCOME_UNKNOWN",
      "JOURNAL_UNAVAILABLE",
    ]);
    bench.groups.length = 0;
    expect(bench.domain.run(100)).toBe(false);
    expect(bench.groups).toEqual([]);
    expect(bench.domain.beginCheckpoint(9)).toBeNull();
  });

  it("L3: a repeat of a durable command is not told that nothing was done when a later group is lost", () => {
    const bench = new DomainBench();
    const first = bench.send("counter/a", "tellLater", { to: "counter/b", command: "add" });
    bench.domain.loaded("counter/a", null);
    bench.domain.run(1);
    bench.commit();
    bench.settle(); // The answer of counter/b changes counter/a in a group that will be lost.
    const repeat = bench.send("counter/a", "get");
    bench.settle();
    bench.domain.refused();
    expect([first, repeat].map((caller) => codeOf(bench.answers.get(caller)))).toEqual(["OUTCOME_UNKNOWN", "OUTCOME_UNKNOWN"]);
  });

  it("a command that settles in a lost group but was accepted in a committed one is unknown", () => {
    const bench = new DomainBench();
    const later = bench.send("counter/a", "tellLater", { to: "counter/b", command: "add" });
    bench.domain.loaded("counter/a", null);
    bench.loads.length = 0;
    bench.domain.run(1);
    bench.commit();
    bench.loads.push(["counter/b", null]);
    bench.settle(); // Told, answered and settled, in groups that are not committed.
    bench.domain.refused();
    expect(codeOf(bench.answers.get(later))).toBe("OUTCOME_UNKNOWN");
  });
});

describe("an entity that cannot be rebuilt", () => {
  const badUpcaster: AnyDefinition = {
    ...counter,
    version: 2,
    upcast: {
      state: {
        1: (old: Json) => {
          throw new Error(`no idea what ${JSON.stringify(old)} is`);
        },
      },
    },
  };

  it("L5: is ENTITY_FAILED by name, and others are not affected", () => {
    const before = new DomainBench();
    before.ask("counter/a", "add", { by: 1 });
    before.checkpoint();
    const bench = new DomainBench({ definitions: [badUpcaster, ball], snapshots: before.snapshots, records: before.records });
    expect(codeOf(bench.ask("counter/a", "get"))).toBe("ENTITY_FAILED");
    expect(bench.ask("counter/a", "add", { by: 1 })).toMatchObject({ ok: false, detail: expect.stringContaining("counter/a") });
    expect(bench.crashes[0]).toContain("counter/a rebuild: no idea");
    expect(replyIn(bench.ask("counter/b", "add", { by: 1 }))).toEqual({ total: 1 });
  });

  it("keeps the positions where they are while it has entries after the checkpoint", () => {
    const before = new DomainBench();
    before.ask("counter/a", "add", { by: 1 });
    before.checkpoint();
    before.ask("counter/a", "add", { by: 1 });
    const bench = new DomainBench({ definitions: [badUpcaster], snapshots: before.snapshots, records: before.records });
    bench.drive();
    expect(bench.domain.isPinned).toBe(true);
  });

  it("refuses a tell as a dead letter, and its version goes on where it was when a program can rebuild it", () => {
    const before = new DomainBench();
    before.ask("counter/a", "add", { by: 1 });
    before.ask("counter/a", "add", { by: 1 });
    before.checkpoint();
    const failing = new DomainBench({ definitions: [badUpcaster], snapshots: before.snapshots, records: before.records, incarnation: 2 });
    failing.ask("counter/b", "tell", { to: "counter/a", command: "add", by: 1, isAnswered: true });
    expect(failing.entries.flatMap(({ entity, handled }) => (entity === "counter/a" ? (handled ?? []) : []))).toMatchObject([
      { isDeadLetter: true, answer: { ok: false, code: "ENTITY_FAILED" } },
    ]);
    const again = new DomainBench({ snapshots: before.snapshots, records: failing.records, incarnation: 3 });
    expect(replyIn(again.ask("counter/a", "add", { by: 1 }))).toEqual({ total: 3 });
    expect(again.entries.at(-1)?.version).toBe(3);
  });

  it("S7: the answer to its effect is not thrown away: a program that can rebuild it gets it", () => {
    const before = new DomainBench();
    before.ask("counter/a", "add", { by: 1 });
    before.checkpoint();
    before.send("counter/a", "tell", { to: "counter/b", command: "add", by: 1, isAnswered: true });
    before.domain.run(1);
    before.commit(); // Told, not handled: here the program changes.
    const options = { snapshots: before.snapshots, records: before.records };
    const onlyA: AnyDefinition = {
      ...badUpcaster,
      upcast: {
        state: {
          1: () => {
            throw new Error("not yet");
          },
        },
      },
    };
    const failing = new DomainBench({ ...options, definitions: [onlyA], incarnation: 2 });
    failing.drive();
    expect(failing.domain.figures().openEffects).toBe(1);
    expect(failing.domain.effectsOpen).toBe(0); // Nothing is still to come here.
    const fixed = new DomainBench({ snapshots: before.snapshots, records: failing.records, incarnation: 3 });
    fixed.drive();
    expect(fixed.domain.figures().openEffects).toBe(0);
    expect(replyIn(fixed.ask("counter/a", "get"))).toMatchObject({ total: 101 });
    expect(replyIn(fixed.ask("counter/b", "get"))).toMatchObject({ total: 1 });
  });
});

describe("upcasters", () => {
  it("turn old states and old events into what the handlers know, step by step", () => {
    const old = new DomainBench();
    old.ask("counter/a", "add", { by: 2 });
    old.checkpoint();
    old.ask("counter/a", "add", { by: 3 });
    const newer: AnyDefinition = {
      ...counter,
      version: 3,
      evolve: {
        ...counter.evolve,
        added: (state: never, event: never) =>
          counter.evolve.added(state, { ...(event as object), by: (event as { plus: number }).plus } as never),
      },
      decide: { ...counter.decide, get: (state: { total: number }) => ({ kind: "reply", value: state.total }) } as AnyDefinition["decide"],
      upcast: {
        state: {
          1: (json: Json) => ({ ...(json as object), total: (json as { total: number }).total * 10 }),
          2: (json: Json) => ({ ...(json as object), total: (json as { total: number }).total + 1 }),
        },
        events: {
          added: {
            1: (event: Json) => ({ ...(event as object), v: 2, more: (event as { by: number }).by * 2 }),
            2: (event: Json) => ({ kind: "added", v: 3, plus: (event as { more: number }).more + 1 }),
          },
        },
      },
    };
    const bench = new DomainBench({ definitions: [newer], snapshots: old.snapshots, records: old.records });
    expect(replyIn(bench.ask("counter/a", "get"))).toBe(2 * 10 + 1 + (3 * 2 + 1));
  });

  it("a snapshot of a newer program is refused by name", () => {
    const newer = new DomainBench({ definitions: [{ ...counter, version: 2 }] });
    newer.ask("counter/a", "add", { by: 2 });
    newer.checkpoint();
    const bench = new DomainBench({ snapshots: newer.snapshots, records: newer.records });
    expect(bench.ask("counter/a", "get")).toMatchObject({ code: "ENTITY_FAILED", detail: expect.stringContaining("version 2") });
  });
});
