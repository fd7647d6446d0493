/** What the checkpoint thread writes, and what it says when the store refuses. */
import { describe, expect, it } from "vitest";
import {
  type CheckpointEnd,
  CheckpointWriter,
  MemorySnapshots,
  NO_POINTERS,
  type RecordPointers,
  type Snapshot,
} from "../../../src/runtime/index.ts";

const row = (key: string): Snapshot => ({ entity: `counter/${key}`, shard: 0, seq: 1, version: 1, definition: 1, body: "{}" });
const END: CheckpointEnd = { positions: [{ shard: 0, seq: 1, position: 7 }], effects: [], handled: [], timers: [], at: 5 };

class FailingSnapshots extends MemorySnapshots {
  readonly sizes: number[] = [];
  failures = 0;

  override write(snapshots: readonly Snapshot[], pointers: RecordPointers = NO_POINTERS): void {
    if (this.failures-- > 0) throw new Error("the disk is full");
    this.sizes.push(snapshots.length + pointers.length / 2);
    super.write(snapshots, pointers);
  }
}

function writer() {
  const store = new FailingSnapshots({ shardCount: 1 });
  return { store, writer: new CheckpointWriter({ store, batchRows: 2 }) };
}
const positionIn = (store: MemorySnapshots): number | undefined => store.head().positions[0]?.position;

describe("CheckpointWriter", () => {
  it("W1: writes rows as they come and moves the positions at the end", () => {
    const { store, writer: taking } = writer();
    expect(taking.take({ kind: "rows", rows: [row("a")], pointers: NO_POINTERS })).toBeNull();
    expect(taking.take({ kind: "rows", rows: [row("b")], pointers: NO_POINTERS })).toBeNull();
    expect(taking.take({ kind: "rows", rows: [row("c")], pointers: NO_POINTERS })).toBeNull();
    expect([store.sizes, positionIn(store)]).toEqual([[2], 0]);
    expect(taking.take({ kind: "end", end: END })).toEqual({ kind: "ended" });
    expect([store.sizes, positionIn(store)]).toEqual([[2, 1], 7]);
  });

  it("W2: after a refused write the positions stay, the domain is told why, and the next checkpoint is written", () => {
    const { store, writer: taking } = writer();
    store.failures = 1;
    taking.take({ kind: "rows", rows: [row("a"), row("b")], pointers: NO_POINTERS });
    taking.take({ kind: "rows", rows: [row("c"), row("d")], pointers: NO_POINTERS });
    expect(taking.take({ kind: "end", end: END })).toEqual({ kind: "failed", reason: "Error: the disk is full" });
    expect([store.sizes, positionIn(store)]).toEqual([[], 0]);
    expect(taking.take({ kind: "end", end: END })).toEqual({ kind: "ended" });
  });

  it("a checkpoint without an end leaves the positions where they are", () => {
    const { store, writer: taking } = writer();
    taking.take({ kind: "rows", rows: [row("a")], pointers: NO_POINTERS });
    expect(taking.take({ kind: "end", end: null })).toEqual({ kind: "ended" });
    expect([store.load("counter/a"), positionIn(store)]).toMatchObject([{ seq: 1 }, 0]);
  });

  it("rows apart from a checkpoint are stored at once, or refused as a whole without harm to the next checkpoint", () => {
    const { store, writer: taking } = writer();
    expect(taking.take({ kind: "apart", rows: [row("a")], pointers: NO_POINTERS })).toEqual({ kind: "storedApart" });
    store.failures = 1;
    expect(taking.take({ kind: "apart", rows: [row("b")], pointers: NO_POINTERS })).toEqual({
      kind: "failedApart",
      reason: "Error: the disk is full",
    });
    expect(store.load("counter/b")).toBeNull();
    expect(taking.take({ kind: "end", end: END })).toEqual({ kind: "ended" });
  });
});
