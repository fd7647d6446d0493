/** DESIGN 4.3, the rule of three deaths: what is at work is known by words that outlive the thread, and what is poison is not done again (S9). */
import { describe, expect, it } from "vitest";
import { accept, commandWork, defineEntity, type Json, shardOf } from "../../../src/runtime/index.ts";
import { any, codeOf, counter, DomainBench, replyIn, SHARD_COUNT } from "./domain-bench.ts";

/** Sets a timer for itself. */
const alarm = defineEntity({
  type: "alarm",
  version: 1,
  commands: { set: { body: any<object>(), reply: any<null>() }, ring: { body: any<object>(), reply: any<null>() } },
  events: { changed: any<{ readonly kind: "changed" }>() },
  initial: () => ({ changes: 0 }),
  decide: {
    set: () => accept([{ kind: "changed" }], { effects: [{ kind: "schedule", label: "ring", at: 5_000, command: "ring", body: {} }] }),
    ring: () => accept([{ kind: "changed" }]),
  },
  evolve: { changed: ({ changes }) => ({ changes: changes + 1 }) },
  snapshot: { encode: (state) => state, decode: (json) => json as unknown as { changes: number } },
});
const definitions = [counter, alarm] as never;

describe("what is at work", () => {
  it("is the client's command, also while what it caused is handled in its group; nothing when all is done", () => {
    const bench = new DomainBench();
    const caller = bench.send("counter/a", "tell", { to: "counter/b", command: "add", by: 1, isAnswered: true }, { id: "key" });
    bench.drive();
    expect(bench.works.filter((work) => typeof work === "number")).toEqual([caller, caller]); // The entity that is told was read in between.
    expect(bench.works.at(-1)).toBeNull();
  });

  it("is nothing for a command without an id: it cannot come again", () => {
    const bench = new DomainBench();
    bench.ask("counter/a", "add", { by: 1 });
    bench.works.length = 0;
    bench.ask("counter/a", "add", { by: 1 });
    expect(bench.works).toEqual([]);
  });

  it("is the tell by its own id once that is committed, here or elsewhere, and then its answer", () => {
    const bench = new DomainBench();
    bench.send("counter/a", "tell", { to: "counter/b", command: "add", by: 1, isAnswered: true }, { id: "key" });
    bench.domain.loaded("counter/a", null);
    bench.domain.run(1);
    bench.commit();
    bench.works.length = 0;
    const successor = new DomainBench({ records: bench.records, incarnation: 2 });
    successor.drive();
    const [id] = bench.entries.flatMap(({ opens }) => opens ?? []).map((effect) => effect.id);
    expect(successor.works.filter((work) => work !== null && !String(work).startsWith("rebuild "))).toEqual([id, `answer to ${id}`]);
    expect(successor.entries.flatMap(({ closes }) => closes ?? [])).toEqual([id]);
  });
});

describe("S9: what is poison", () => {
  it("a command is refused at the door and reaches nobody, its repeat too; another key is handled", () => {
    const bench = new DomainBench({ poison: [commandWork("counter/a", "bad")] });
    for (let tries = 0; tries < 2; tries++)
      expect(codeOf(bench.ask("counter/a", "addOnce", { by: 1 }, { id: "bad" }))).toBe("INTERNAL_ERROR");
    expect(replyIn(bench.ask("counter/a", "addOnce", { by: 1 }, { id: "good" }))).toEqual({ total: 1 });
    expect(bench.entries).toHaveLength(1);
  });

  it("a tell becomes a dead letter, which is an entry, and its sender gets the fault as its answer", () => {
    const bench = new DomainBench();
    bench.send("counter/a", "tell", { to: "counter/b", command: "add", by: 1, isAnswered: true });
    bench.domain.loaded("counter/a", null);
    bench.domain.run(1);
    bench.commit();
    const [id = ""] = bench.entries.flatMap(({ opens }) => opens ?? []).map((effect) => effect.id);
    const successor = new DomainBench({ records: bench.records, incarnation: 2, poison: [id] });
    successor.drive();
    expect(successor.domain.figures()).toMatchObject({ deadLetters: 1, openEffects: 0 });
    expect(successor.entries.flatMap(({ handled }) => handled ?? [])).toMatchObject([{ cause: id, isDeadLetter: true }]);
    expect(replyIn(successor.ask("counter/b", "get"))).toMatchObject({ total: 0 });
    expect(successor.entries.flatMap(({ events }) => events ?? [])).toContainEqual({ kind: "refused" });
  });

  it("a tell of another domain becomes a dead letter too, and that domain hears it", () => {
    const own = shardOf("counter/b", SHARD_COUNT);
    const bench = new DomainBench({ isOwned: (shard) => shard === own, poison: ["0.1.1.0"] });
    const effect = {
      id: "0.1.1.0",
      kind: "tell",
      from: "counter/x",
      shard: 0,
      to: "counter/b",
      command: "add",
      body: { by: 1 },
      hops: 1,
    } as const;
    bench.domain.receive({ kind: "tell", effect });
    bench.drive();
    expect(bench.sent.map(({ message }) => message)).toContainEqual(
      expect.objectContaining({ kind: "answer", id: "0.1.1.0", answer: expect.objectContaining({ code: "INTERNAL_ERROR" }) }),
    );
  });

  it("a question is answered by the fault", () => {
    const bench = new DomainBench();
    bench.send("counter/a", "ask", { to: "counter/b", command: "get" });
    bench.domain.loaded("counter/a", null);
    bench.domain.run(1);
    bench.commit();
    const [id = ""] = bench.entries.flatMap(({ opens }) => opens ?? []).map((effect) => effect.id);
    const successor = new DomainBench({ records: bench.records, incarnation: 2, poison: [id] });
    successor.drive();
    expect(successor.entries.flatMap(({ events }) => events ?? [])).toContainEqual({ kind: "refused" });
  });

  it("an answer is not given to its entity, and its effect is closed", () => {
    const bench = new DomainBench();
    bench.send("counter/a", "tell", { to: "counter/b", command: "add", by: 1, isAnswered: true });
    bench.domain.loaded("counter/a", null);
    bench.domain.run(1);
    bench.commit();
    const [id = ""] = bench.entries.flatMap(({ opens }) => opens ?? []).map((effect) => effect.id);
    const successor = new DomainBench({ records: bench.records, incarnation: 2, poison: [`answer to ${id}`] });
    successor.drive();
    expect(replyIn(successor.ask("counter/a", "get"))).toMatchObject({ total: 0 });
    expect(successor.domain.figures()).toMatchObject({ deadLetters: 1, openEffects: 0 });
  });

  it("a timer is over", () => {
    const bench = new DomainBench({ definitions });
    bench.ask("alarm/a", "set");
    const successor = new DomainBench({ definitions, records: bench.records, incarnation: 2, poison: ["timer ring of alarm/a at 5000"] });
    successor.drive();
    successor.nowMs = 10_000;
    successor.drive();
    expect(successor.entries.flatMap(({ timersOver }) => timersOver ?? [])).toEqual(["ring"]);
    expect(successor.entries.flatMap(({ events }) => events ?? [])).toHaveLength(1);
    expect(successor.domain.figures().deadLetters).toBe(1);
  });

  it("an entity that cannot be read without ending the thread is ENTITY_FAILED, and others are not affected", () => {
    const before = new DomainBench();
    before.ask("counter/a", "add", { by: 1 });
    const bench = new DomainBench({ records: before.records, incarnation: 2, poison: ["rebuild counter/a"] });
    expect(codeOf(bench.ask("counter/a", "get"))).toBe("ENTITY_FAILED");
    expect(replyIn(bench.ask("counter/b", "add", { by: 2 } as Json))).toEqual({ total: 2 });
    expect(bench.crashes).toEqual([expect.stringMatching(/counter\/a rebuild: Rebuilding it ended its thread 3 times/)]);
  });
});
