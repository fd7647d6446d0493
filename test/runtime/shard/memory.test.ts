/** Who leaves memory and who may not, and when a checkpoint may begin (S6, C1-C3). */
import { describe, expect, it } from "vitest";
import { tagOfShard } from "../../../src/runtime/index.ts";
import { codeOf, counter, DomainBench, recoveredOf, replyIn, SHARD_COUNT } from "./domain-bench.ts";

const everything = { idleSince: Number.POSITIVE_INFINITY, stepsMax: 1_000 };

describe("passivation", () => {
  it("S6: an entity leaves only when a snapshot holds its last entry", () => {
    const bench = new DomainBench();
    bench.ask("counter/a", "add", { by: 1 });
    expect(bench.domain.passivate(everything)).toBe(0);
    const checkpoint = bench.domain.beginCheckpoint(1);
    bench.ask("counter/a", "add", { by: 1 }); // Changed after the checkpoint took it.
    for (const row of checkpoint?.encode(10).snapshots ?? []) bench.snapshots.set(row.entity, row);
    bench.domain.endCheckpoint();
    expect(bench.domain.passivate(everything)).toBe(0);
    bench.checkpoint();
    expect(bench.domain.passivate(everything)).toBe(1);
    expect(replyIn(bench.ask("counter/a", "get"))).toMatchObject({ total: 2 });
  });

  it("S6: not with a message that waits, and not while somebody waits for it", () => {
    const here = `counter/here-{${tagOfShard(0, SHARD_COUNT)}}`;
    const bench = new DomainBench({ isOwned: (shard) => shard !== 7 });
    bench.ask(here, "add", { by: 1 });
    bench.checkpoint();
    bench.send(here, "get");
    expect(bench.domain.passivate(everything)).toBe(0);
    bench.drive();
    bench.send(here, "tellLater", { to: `counter/there-{${tagOfShard(7, SHARD_COUNT)}}`, command: "add" });
    bench.drive();
    bench.checkpoint();
    expect(bench.domain.figures().openEffects).toBe(1);
    expect(bench.domain.passivate(everything)).toBe(0);
  });

  it("an entity that left while it waits for an answer wakes to it", () => {
    const bench = new DomainBench();
    bench.ask("counter/a", "add", { by: 1 });
    bench.send("counter/b", "get"); // In memory and not yet read.
    bench.send("counter/a", "tell", { to: "counter/b", command: "add", by: 1, isAnswered: true });
    bench.domain.run(1_000);
    bench.checkpoint();
    expect(bench.domain.passivate(everything)).toBe(1);
    bench.drive();
    expect(bench.crashes).toEqual([]);
    expect(replyIn(bench.ask("counter/b", "get"))).toMatchObject({ total: 1 });
    expect(replyIn(bench.ask("counter/a", "get"))).toMatchObject({ total: 101 });
  });

  it("an idle entity leaves, one touched since does not, and a sweep is cut at its limit", () => {
    const bench = new DomainBench();
    for (const id of ["a", "b", "c"]) bench.ask(`counter/${id}`, "add", { by: 1 });
    bench.checkpoint();
    bench.nowMs = 5_000;
    bench.ask("counter/b", "get");
    expect(bench.domain.passivate({ idleSince: 4_000, stepsMax: 1 })).toBe(1);
    expect(bench.domain.passivate({ idleSince: 4_000, stepsMax: 10 })).toBe(1);
    expect(bench.domain.entitiesCount).toBe(1);
  });

  it("trap 26: looking at what does not exist costs no memory", () => {
    const bench = new DomainBench();
    expect(replyIn(bench.ask("counter/nobody", "get"))).toMatchObject({ total: 0 });
    expect(bench.domain.entitiesCount).toBe(0);
    expect(bench.entries).toEqual([]);
  });

  it("a finished entity leaves memory as soon as a checkpoint holds it, and again after each look", () => {
    const bench = new DomainBench();
    bench.ask("counter/a", "finish");
    expect(bench.domain.entitiesCount).toBe(1);
    bench.checkpoint();
    expect(bench.domain.entitiesCount).toBe(0);
    expect(replyIn(bench.ask("counter/a", "get"))).toMatchObject({ total: 1_000 });
    expect(bench.domain.entitiesCount).toBe(0);
  });
});

describe("passivation by bytes", () => {
  const fill = (count: number, options: { readonly limits?: Record<string, number> } = {}): DomainBench => {
    const bench = new DomainBench({ ...options, limits: { dirtyMax: 1e6, ...options.limits } });
    for (let n = 0; n < count; n++) bench.ask(`counter/${n}`, "add", { by: 1 });
    return bench;
  };

  it("S6, L6: nothing leaves below the bound; over it only what a snapshot holds, and no more than is needed", () => {
    const bench = fill(20);
    const bytesMax = bench.domain.bytes / 2;
    expect(bench.domain.passivateLargest({ bytesMax, stepsMax: 100 })).toBe(0); // No snapshot holds them.
    bench.checkpoint();
    expect(bench.domain.passivateLargest({ bytesMax: bench.domain.bytes, stepsMax: 100 })).toBe(0);
    const half = bench.domain.bytes / 2;
    expect(bench.domain.passivateLargest({ bytesMax: half, stepsMax: 100 })).toBe(10);
    expect(bench.domain.bytes).toBeLessThanOrEqual(half);
    expect(bench.domain.figures()).toMatchObject({ entities: 10, passivations: 10 });
    expect(replyIn(bench.ask("counter/0", "get"))).toMatchObject({ total: 1 });
  });

  it("the idlest and largest leave first: bytes x idle time", () => {
    const bench = fill(4);
    // Counter 1 keeps ids of commands, which are part of its snapshot.
    for (let n = 0; n < 50; n++) bench.ask("counter/1", "addOnce", { by: 1 }, { id: `a-command-with-a-long-id-${n}` });
    bench.checkpoint();
    bench.nowMs += 60_000;
    for (const id of [1, 2, 3]) bench.ask(`counter/${id}`, "get");
    bench.nowMs += 100;
    bench.ask("counter/3", "get");
    const inMemory = (): string[] => [...bench.domain.look()].map(({ address }) => address.slice("counter/".length)).sort();
    const { bytes } = bench.domain;
    bench.domain.passivateLargest({ bytesMax: bytes - 1, stepsMax: 100 });
    expect(inMemory()).toEqual(["1", "2", "3"]); // 60 s idle outweighs being large.
    bench.domain.passivateLargest({ bytesMax: bench.domain.bytes - 1, stepsMax: 100 });
    expect(inMemory()).toEqual(["2", "3"]); // Equally idle: the larger one.
  });

  it("L6: entities that cannot leave close the door, and a checkpoint opens it", () => {
    const bench = fill(10, { limits: { entitiesBytesMax: 6_000 } });
    while (bench.domain.bytes < 6_000) bench.ask(`counter/more-${bench.domain.entitiesCount}`, "add", { by: 1 });
    expect(codeOf(bench.ask("counter/another", "add", { by: 1 }))).toBe("OVERLOADED");
    bench.checkpoint();
    while (bench.domain.passivateLargest({ bytesMax: 3_000, stepsMax: 100 }) > 0);
    expect(replyIn(bench.ask("counter/another", "add", { by: 1 }))).toEqual({ total: 1 });
  });
});

describe("checkpoints", () => {
  it("C2: positions are not known, and the end is refused, before the group is committed", () => {
    const bench = new DomainBench();
    bench.send("counter/a", "add", { by: 1 });
    bench.settle();
    const checkpoint = bench.domain.beginCheckpoint(0);
    expect(checkpoint?.position).toBeNull();
    expect(() => checkpoint?.end()).toThrow("not committed");
    bench.commit();
    expect(checkpoint?.position).toBe(1);
    expect(checkpoint?.end().positions.find(({ seq }) => seq === 1)).toMatchObject({ position: 1 });
  });

  it("with nothing in flight the position is that of the whole journal, so that an idle domain moves on", () => {
    const bench = new DomainBench();
    bench.ask("counter/a", "add", { by: 1 });
    expect(bench.domain.beginCheckpoint(77)?.position).toBe(77);
  });

  it("one at a time; what a failed one had taken is in the next", () => {
    const bench = new DomainBench();
    bench.ask("counter/a", "add", { by: 1 });
    expect(bench.domain.beginCheckpoint(1)?.count).toBe(1);
    expect(bench.domain.beginCheckpoint(1)).toBeNull();
    bench.domain.abandonCheckpoint();
    expect(bench.domain.dirtyCount).toBe(1);
    expect(bench.checkpoint().count).toBe(1);
    expect(bench.checkpoint().count).toBe(0);
  });

  it("none begins while entities with entries after the last one are still being read: the positions would move past them", () => {
    const before = new DomainBench();
    before.ask("counter/a", "add", { by: 1 });
    const bench = new DomainBench({ records: before.records, recovered: recoveredOf(before.records) });
    expect(bench.domain.beginCheckpoint(1)).toBeNull();
    bench.settle();
    expect(bench.domain.beginCheckpoint(1)?.count).toBe(1);
  });

  it("holds states as they were when it was taken", () => {
    const bench = new DomainBench({ definitions: [counter] });
    bench.ask("counter/a", "add", { by: 1 });
    const checkpoint = bench.domain.beginCheckpoint(1);
    bench.ask("counter/a", "add", { by: 5 });
    expect(JSON.parse(checkpoint?.encode(10).snapshots[0]?.body ?? "")).toEqual({ state: { total: 1, refusals: 0 } });
  });
});
