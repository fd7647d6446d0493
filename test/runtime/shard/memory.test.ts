/** Who leaves memory and who may not, and when a checkpoint may begin (S6, C1-C3). */
import { describe, expect, it } from "vitest";
import { tagOfShard } from "../../../src/runtime/index.ts";
import { counter, DomainBench, recoveredOf, replyIn, SHARD_COUNT } from "./domain-bench.ts";

const everything = { idleSince: Number.POSITIVE_INFINITY, stepsMax: 1_000 };

describe("passivation", () => {
  it("S6: an entity leaves only when a snapshot holds its last entry", () => {
    const bench = new DomainBench();
    bench.ask("counter/a", "add", { by: 1 });
    expect(bench.domain.passivate(everything)).toBe(0);
    const checkpoint = bench.domain.beginCheckpoint(1);
    bench.ask("counter/a", "add", { by: 1 }); // Changed after the checkpoint took it.
    for (const row of checkpoint?.encode(10) ?? []) bench.snapshots.set(row.entity, row);
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
    expect(JSON.parse(checkpoint?.encode(10)[0]?.body ?? "")).toEqual({ state: { total: 1, refusals: 0 } });
  });
});
