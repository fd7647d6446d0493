/** Finished entities leave memory apart from checkpoints: never ahead of the journal, and never unreachable on the way. */
import { describe, expect, it } from "vitest";
import type { Snapshot } from "../../../src/runtime/index.ts";
import { DomainBench } from "./domain-bench.ts";

const ALL = { rowsMin: 1, rowsMax: 100 };
const namesOf = (rows: readonly Snapshot[] | null): readonly string[] | null => rows?.map(({ entity }) => entity) ?? null;

function finished(...keys: readonly string[]): DomainBench {
  const bench = new DomainBench();
  for (const key of keys) {
    bench.ask(`counter/${key}`, "add", { by: 1 });
    bench.ask(`counter/${key}`, "finish");
  }
  return bench;
}

/** What the store would do with the rows. */
function store(bench: DomainBench, rows: readonly Snapshot[] | null): void {
  for (const row of rows ?? []) bench.snapshots.set(row.entity, row);
  bench.domain.retiredStored(true);
}

describe("finished entities on their way to the store", () => {
  it("C2: nothing is given whose group is not committed", () => {
    const bench = finished("a");
    bench.send("counter/b", "finish");
    bench.settle(); // Handed out, not committed.
    expect(namesOf(bench.domain.takeRetired(ALL))).toEqual(["counter/a"]);
  });

  it("L6: at most `rowsMax` are given, none when there are fewer than `rowsMin`, and no more until the store has answered", () => {
    const bench = finished("a", "b", "c");
    expect(bench.domain.takeRetired({ rowsMin: 4, rowsMax: 9 })).toBeNull();
    expect(namesOf(bench.domain.takeRetired({ rowsMin: 1, rowsMax: 2 }))).toEqual(["counter/a", "counter/b"]);
    expect(bench.domain.takeRetired(ALL)).toBeNull();
    expect(bench.domain.beginCheckpoint(bench.records.length)).toBeNull();
    bench.domain.retiredStored(true);
    expect(namesOf(bench.domain.takeRetired(ALL))).toEqual(["counter/c"]);
  });

  it("they leave memory once they are stored, count for the next checkpoint, and are read from the store", () => {
    const bench = finished("a");
    expect(bench.domain.entitiesCount).toBe(1);
    store(bench, bench.domain.takeRetired(ALL));
    expect([bench.domain.entitiesCount, bench.domain.dirtyCount, bench.domain.changedCount]).toEqual([0, 0, 1]);
    expect(bench.ask("counter/a", "get")).toMatchObject({ ok: true, value: { total: 1_001 } });
    bench.checkpoint();
    expect(bench.domain.changedCount).toBe(0);
  });

  it("L3: one that is wanted meanwhile has its state, and its next row is looked for", () => {
    const bench = finished("a");
    const rows = bench.domain.takeRetired(ALL);
    expect(rows?.map(({ isFirst }) => isFirst)).toEqual([true]);
    expect(bench.ask("counter/a", "add", { by: 2 })).toMatchObject({ ok: true, value: { total: 1_003 } });
    store(bench, rows);
    expect(bench.ask("counter/a", "get")).toMatchObject({ ok: true, value: { total: 1_003 } });
    expect(
      bench
        .checkpoint()
        .slots.map(({ address }) => address)
        .concat(bench.snapshots.get("counter/a")?.isFirst === true ? ["marked as first"] : []),
    ).toEqual(["counter/a"]);
  });

  it("what the store refused is kept, given again before what came later, and not marked as first: a part may be there", () => {
    const bench = finished("a", "b");
    bench.domain.takeRetired({ rowsMin: 1, rowsMax: 1 });
    bench.domain.retiredStored(false);
    const again = bench.domain.takeRetired(ALL);
    expect(again?.map(({ entity, isFirst }) => [entity, isFirst])).toEqual([
      ["counter/a", false],
      ["counter/b", true],
    ]);
  });

  it("a checkpoint takes those that wait, and while it is under way none leave apart from it", () => {
    const bench = finished("a");
    const checkpoint = bench.domain.beginCheckpoint(bench.records.length);
    expect(namesOf(checkpoint?.encode(10) ?? null)).toEqual(["counter/a"]);
    expect(bench.domain.takeRetired(ALL)).toBeNull();
    bench.domain.endCheckpoint();
    expect(bench.domain.takeRetired(ALL)).toBeNull();
  });
});
