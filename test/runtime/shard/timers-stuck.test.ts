/** Durable timers when something is in the way: the journal, a lost group, an entity that cannot be rebuilt, a type that is gone (L5, L6, TRAPS 7, 20, 24). */
import { describe, expect, it } from "vitest";
import { type AnyDefinition, accept, defineEntity, MemorySnapshots, type StoredTimer } from "../../../src/runtime/index.ts";
import { any, DomainBench, SHARD_COUNT } from "./domain-bench.ts";

type BellEvent = { readonly kind: "rang"; readonly id: string };

const bell = defineEntity({
  type: "bell",
  version: 1,
  commands: {
    set: { body: any<{ readonly at: number }>(), reply: any<null>() },
    ring: { body: any<object>(), reply: any<null>() },
    get: { body: any<object>(), reply: any<readonly string[]>() },
  },
  events: { rang: any<BellEvent>() },
  initial: (): readonly string[] => [],
  decide: {
    set: (_state, { at }) => accept<BellEvent>([], { effects: [{ kind: "schedule", label: "one", at, command: "ring", body: {} }] }),
    ring: (_state, _body, { id }) => accept<BellEvent>([{ kind: "rang", id }]),
    get: (state) => ({ kind: "reply", value: state }),
  },
  evolve: { rang: (state, { id }) => [...state, id] },
  snapshot: { encode: (state) => [...state], decode: (json) => json as readonly string[] },
}) as unknown as AnyDefinition;

const timerOf = (entity: string, label: string, at: number): StoredTimer => ({ entity, label, shard: 0, at, command: "ring", body: {} });
function storeOf(timers: readonly StoredTimer[]): MemorySnapshots {
  const store = new MemorySnapshots({ shardCount: SHARD_COUNT });
  const changes = timers.map((timer) => ({ key: `${timer.entity}\n${timer.label}`, timer }));
  store.end({ positions: [], effects: [], handled: [], timers: changes, at: 0 });
  return store;
}
const benchOf = (options: ConstructorParameters<typeof DomainBench>[0] = {}) =>
  new DomainBench({ definitions: [bell], limits: { dirtyMax: 1_000_000 }, ...options });
const firedBy = (bench: DomainBench): readonly string[] =>
  bench.entries.filter(({ timersOver }) => timersOver !== undefined).map(({ entity }) => entity);

describe("durable timers with something in the way", () => {
  it("TRAPS 20: while a group cannot be handed out, a timer that is due is no reason to look again: the commit is", () => {
    const bench = benchOf({ limits: { groupsInFlightMax: 1 } });
    bench.ask("bell/a", "set", { at: 1_500 });
    bench.send("bell/b", "set", { at: 9_000 });
    bench.settle();
    bench.send("bell/c", "set", { at: 9_000 });
    bench.settle();
    bench.nowMs = 2_000;
    bench.settle();
    expect(bench.domain.nextDueMs).toBeGreaterThan(bench.nowMs);
    bench.commit();
    bench.settle();
    // The group that waited carries an older time than the timer's: it fires in the next one.
    expect(bench.domain.nextDueMs).toBe(1_500);
    bench.drive();
    expect(firedBy(bench)).toEqual(["bell/a"]);
  });

  it("TRAPS 20: nothing is due in a domain that lost a group", () => {
    const bench = benchOf();
    bench.ask("bell/a", "set", { at: 1_500 });
    bench.send("bell/b", "set", { at: 9_000 });
    bench.settle();
    bench.domain.refused();
    bench.nowMs = 2_000;
    expect(bench.domain.nextDueMs).toBe(Number.POSITIVE_INFINITY);
  });

  it("L6, TRAPS 24: while the journal takes no writes, timers stay in the store, wake nobody, and all fire afterwards", () => {
    const timers = Array.from({ length: 12_000 }, (_, i) => timerOf(`bell/${i}`, "one", 2_000 + i * 20));
    const bench = benchOf({ store: storeOf(timers) });
    bench.domain.journalDown(true);
    for (let i = 0; i < 20; i++) {
      bench.settle();
      bench.nowMs += 20_000;
    }
    expect(bench.domain.timersArmed).toBeLessThanOrEqual(5_000);
    expect(bench.domain.entitiesCount).toBe(0);
    expect(bench.domain.nextDueMs).toBeGreaterThan(bench.nowMs);
    bench.domain.journalDown(false);
    for (let i = 0; i < 10; i++) bench.drive();
    expect([firedBy(bench).length, new Set(firedBy(bench)).size]).toEqual([12_000, 12_000]);
  });

  it("L5, TRAPS 7: timers of an entity that cannot be rebuilt hold up nobody else's, and stay for a program that can", () => {
    const poison = Array.from({ length: 5_000 }, (_, i) => timerOf("bell/bad", `t${i}`, 1_000));
    const store = storeOf([...poison, timerOf("bell/good", "one", 1_001)]);
    const snapshots = new Map([["bell/bad", { entity: "bell/bad", shard: 0, seq: 1, version: 1, definition: 99, body: '{"state":[]}' }]]);
    const bench = benchOf({ store, snapshots });
    bench.nowMs = 2_000;
    for (let i = 0; i < 5; i++) bench.drive();
    expect(firedBy(bench)).toEqual(["bell/good"]);
    expect(bench.domain.timersArmed).toBe(0);
    expect(store.timers({ after: { at: 0, id: 0 }, until: 2_000, limit: 9_999 }).length).toBe(5_001);
  });

  it("L5: a timer of a type that this program does not have is told, and the thread goes on", () => {
    const bench = benchOf({ store: storeOf([timerOf("gone/x", "one", 1_000), timerOf("bell/a", "one", 1_001)]) });
    bench.nowMs = 2_000;
    bench.drive();
    expect(firedBy(bench)).toEqual(["bell/a"]);
    expect(bench.crashes).toEqual([expect.stringContaining("gone/x")]);
  });

  it("L3: the id that a timer's command carries is the timer's own: two entities never get the same", () => {
    const bench = benchOf();
    for (const key of ["a", "b"]) bench.ask(`bell/${key}`, "set", { at: 1_500 });
    bench.nowMs = 2_000;
    bench.drive();
    const ids = ["a", "b"].flatMap((key) => {
      const answer = bench.ask(`bell/${key}`, "get");
      return answer?.ok === true ? (answer.value as string[]) : [];
    });
    expect(ids.length).toBe(2);
    expect(new Set(ids).size).toBe(2);
  });

  it("TRAPS 24: late ones that may wait are many: money that comes after them in the store does not wait for all of them", () => {
    const late = Array.from({ length: 30_000 }, (_, i) => ({
      ...timerOf(`bell/${i % 50}`, `t${i}`, 1_000 + i),
      catchUp: "spread" as const,
    }));
    const bench = benchOf({
      store: storeOf([...late, timerOf("bell/money", "one", 90_000)]),
      limits: { effectsMax: 1_000_000, dirtyMax: 1_000_000 },
    });
    bench.nowMs = 100_000;
    for (let ms = 0; ms < 10_000; ms += 100) {
      bench.drive();
      bench.nowMs += 100;
    }
    expect(firedBy(bench)).toContain("bell/money");
    const rung = bench.entries.flatMap(({ timersOver }) => timersOver ?? []);
    expect(new Set(rung).size).toBe(30_001);
  });
});
