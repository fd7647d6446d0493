/** Finished entities leave memory apart from checkpoints: never ahead of the journal, and never unreachable on the way. */
import { describe, expect, it } from "vitest";
import { entityHash, packEntries, type RetiredBatch, type SnapshotBatch } from "../../../src/runtime/index.ts";
import { DomainBench } from "./domain-bench.ts";

const ALL = { rowsMin: 1, rowsMax: 100 };
const rowsOf = (batch: RetiredBatch | null): SnapshotBatch | null => batch?.next(batch.count) ?? null;
const namesOf = (batch: SnapshotBatch | null): readonly string[] | null => batch?.snapshots.map(({ entity }) => entity) ?? null;

function finished(...keys: readonly string[]): DomainBench {
  const bench = new DomainBench();
  for (const key of keys) {
    bench.ask(`counter/${key}`, "add", { by: 1 });
    bench.ask(`counter/${key}`, "finish");
  }
  return bench;
}

function store(bench: DomainBench, rows: SnapshotBatch | null): void {
  if (rows !== null) bench.storeRows(rows);
  bench.domain.retiredStored(true);
}

describe("finished entities on their way to the store", () => {
  it("C2: nothing is given whose group is not committed", () => {
    const bench = finished("a");
    bench.send("counter/b", "finish");
    bench.settle(); // Handed out, not committed.
    expect(namesOf(rowsOf(bench.domain.takeRetired(ALL)))).toEqual(["counter/a"]);
  });

  it("L6: at most `rowsMax` are given, none when there are fewer than `rowsMin`, and no more until the store has answered", () => {
    const bench = finished("a", "b", "c");
    expect(bench.domain.takeRetired({ rowsMin: 4, rowsMax: 9 })).toBeNull();
    expect(namesOf(rowsOf(bench.domain.takeRetired({ rowsMin: 1, rowsMax: 2 })))).toEqual(["counter/a", "counter/b"]);
    expect(bench.domain.takeRetired(ALL)).toBeNull();
    expect(bench.domain.beginCheckpoint(bench.records.length)).toBeNull();
    bench.domain.retiredStored(true);
    expect(namesOf(rowsOf(bench.domain.takeRetired(ALL)))).toEqual(["counter/c"]);
  });

  it("they leave memory once they are stored, count for the next checkpoint, and are read from the store", () => {
    const bench = finished("a");
    expect(bench.domain.entitiesCount).toBe(1);
    store(bench, rowsOf(bench.domain.takeRetired(ALL)));
    expect([bench.domain.entitiesCount, bench.domain.dirtyCount, bench.domain.changedCount]).toEqual([0, 0, 1]);
    expect(bench.ask("counter/a", "get")).toMatchObject({ ok: true, value: { total: 1_001 } });
    bench.checkpoint();
    expect(bench.domain.changedCount).toBe(0);
  });

  it("L3: one that is wanted meanwhile has its state, and its next row is looked for", () => {
    const bench = finished("a");
    const rows = rowsOf(bench.domain.takeRetired(ALL));
    expect(rows?.snapshots.map(({ isFirst }) => isFirst)).toEqual([true]);
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
    const again = rowsOf(bench.domain.takeRetired(ALL));
    expect(again?.snapshots.map(({ entity, isFirst }) => [entity, isFirst])).toEqual([
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

/** Entities that begin and finish in one group each. */
function born(...keys: readonly string[]): DomainBench {
  const bench = new DomainBench();
  for (const key of keys) bench.ask(`counter/${key}`, "finish");
  return bench;
}
const pointersOf = (batch: SnapshotBatch | null): readonly number[] => [...(batch?.pointers ?? [])];

describe("finished entities whose whole history is one record", () => {
  it("P1: are stored as a pointer to it, once it is committed", () => {
    const bench = born("a");
    bench.send("counter/b", "finish");
    bench.settle(); // Handed out, not committed.
    const batch = rowsOf(bench.domain.takeRetired(ALL));
    expect([namesOf(batch), pointersOf(batch)]).toEqual([[], [entityHash("counter/a"), 1]]);
    store(bench, batch);
    bench.commit();
    expect(pointersOf(rowsOf(bench.domain.takeRetired(ALL)))).toEqual([entityHash("counter/b"), 2]);
  });

  it("one that had an entry before is stored as its snapshot, though its version does not say so", () => {
    const bench = new DomainBench();
    bench.ask("counter/z", "tell", { to: "counter/a", command: "refuse", by: 0, isAnswered: false });
    bench.ask("counter/a", "finish");
    const batch = rowsOf(bench.domain.takeRetired(ALL));
    expect([namesOf(batch), pointersOf(batch)]).toEqual([["counter/a"], []]);
  });

  it("are read from the record while they wait, while the store takes them, and when it has them", () => {
    const bench = born("a", "b", "c");
    expect(bench.ask("counter/a", "get")).toMatchObject({ ok: true, value: { total: 1_000 } });
    const batch = rowsOf(bench.domain.takeRetired(ALL));
    expect(pointersOf(batch)).toHaveLength(4);
    expect(bench.ask("counter/b", "get")).toMatchObject({ ok: true, value: { total: 1_000 } });
    store(bench, batch);
    expect(bench.ask("counter/c", "get")).toMatchObject({ ok: true, value: { total: 1_000 } });
    expect(bench.domain.dirtyCount).toBe(2); // What was wanted before the store had it is stored again.
    expect(bench.checkpoint().slots.map(({ address }) => address)).toEqual(["counter/a", "counter/b"]);
    expect(bench.crashes).toEqual([]);
  });

  it("C3: one that is being read when a checkpoint begins is in it, and one whose rows were refused meanwhile is in the next", () => {
    for (const isRefused of [false, true]) {
      const bench = born("a");
      bench.send("counter/a", "get"); // Wants its record, which nobody has read yet.
      const checkpoint = bench.domain.beginCheckpoint(bench.records.length);
      expect(pointersOf(checkpoint?.encode(10) ?? null)).toEqual([entityHash("counter/a"), 1]);
      if (isRefused) bench.domain.abandonCheckpoint();
      else bench.domain.endCheckpoint();
      bench.drive();
      expect(bench.domain.dirtyCount).toBe(isRefused ? 1 : 0);
    }
  });

  it("what comes later is kept on top, and read before the pointer", () => {
    const bench = born("a");
    store(bench, rowsOf(bench.domain.takeRetired(ALL)));
    expect(bench.ask("counter/a", "add", { by: 5 })).toMatchObject({ ok: true, value: { total: 1_005 } });
    bench.checkpoint();
    bench.domain.passivate({ idleSince: Number.POSITIVE_INFINITY, stepsMax: 10 });
    expect(bench.domain.entitiesCount).toBe(0);
    expect(bench.ask("counter/a", "get")).toMatchObject({ ok: true, value: { total: 1_005 } });
  });

  it("a recovery that has the entry in its tail reads no record", () => {
    const before = born("a");
    before.storeRows(rowsOf(before.domain.takeRetired(ALL)) ?? { snapshots: [], pointers: new Float64Array(0) });
    const after = new DomainBench({ records: before.records, store: before.store });
    after.domain.run(1); // Wakes it.
    expect(after.loads).toEqual([["counter/a", "tail"]]);
    expect(after.ask("counter/a", "get")).toMatchObject({ ok: true, value: { total: 1_000 } });
  });

  it("JOURNAL_CORRUPT: a record that is not what the pointer says fails this entity alone, and it stays pointed to", () => {
    const bench = born("a", "b");
    const [first] = bench.records;
    if (first === undefined) throw new Error("no record");
    bench.records[0] = { ...first, body: packEntries([]) };
    expect(bench.ask("counter/a", "get")).toMatchObject({ ok: false, code: "ENTITY_FAILED" });
    expect(bench.crashes).toEqual([expect.stringMatching(/counter\/a rebuild: Record 1 of the journal: .*no entry of counter\/a/)]);
    expect(bench.ask("counter/b", "get")).toMatchObject({ ok: true });
    expect(pointersOf(rowsOf(bench.domain.takeRetired(ALL)))).toEqual([entityHash("counter/a"), 1]);
  });
});
