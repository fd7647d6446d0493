import { packPointers } from "../journal/record-pointers.ts";
import type { Snapshot, SnapshotBatch } from "../journal/snapshots.ts";

/** By address. `records`: the record that is the entity's whole history. */
interface Batch {
  readonly snapshots: ReadonlyMap<string, Snapshot>;
  readonly records: ReadonlyMap<string, number>;
}

/**
 * Finished entities that left memory as objects and wait to be stored: as the number of the record that says all about them, or as their snapshot. As
 * objects they would be copied and marked by every collection until the checkpoint; most of what a ledger changes is transfers that are
 * finished within their first group.
 *
 * Y1. Only what is committed retires, so nothing here leads the journal (C2, P1).
 * Y2. What the store is taking is not changed meanwhile, and is found here until the store has answered.
 */
export class RetiredEntities {
  #snapshots = new Map<string, Snapshot>();
  #records = new Map<string, number>();
  #storing: Batch | null = null;

  get isStoring(): boolean {
    return this.#storing !== null;
  }
  get snapshotsCount(): number {
    return this.#snapshots.size + (this.#storing?.snapshots.size ?? 0);
  }
  get recordsCount(): number {
    return this.#records.size + (this.#storing?.records.size ?? 0);
  }
  get count(): number {
    return this.snapshotsCount + this.recordsCount;
  }

  keepSnapshot(snapshot: Snapshot): void {
    this.#snapshots.set(snapshot.entity, snapshot);
  }

  keepRecord(address: string, record: number): void {
    this.#records.set(address, record);
  }

  find(address: string): Snapshot | number | undefined {
    return this.#latest(address) ?? this.#storing?.snapshots.get(address) ?? this.#storing?.records.get(address);
  }

  #latest(address: string): Snapshot | number | undefined {
    return this.#snapshots.get(address) ?? this.#records.get(address);
  }

  /** The entity is in memory again. */
  forget(address: string): void {
    this.#snapshots.delete(address);
    this.#records.delete(address);
  }

  /** The oldest of them for the store, at most `rowsMax`; null when there are fewer than `rowsMin` or the store is taking others. */
  take({ rowsMin, rowsMax }: { readonly rowsMin: number; readonly rowsMax: number }): RetiredBatch | null {
    const waiting = this.#snapshots.size + this.#records.size;
    if (this.#storing !== null || waiting < rowsMin) return null;
    if (waiting <= rowsMax) return this.takeAll();
    const snapshots = takeFirst(this.#snapshots, rowsMax);
    this.#storing = { snapshots, records: takeFirst(this.#records, rowsMax - snapshots.size) };
    return new RetiredBatch(this.#storing);
  }

  /** All of them for a checkpoint. @throws Error while the store is taking others. */
  takeAll(): RetiredBatch {
    if (this.#storing !== null) throw new Error("the store is taking retired entities already");
    this.#storing = { snapshots: this.#snapshots, records: this.#records };
    this.#snapshots = new Map();
    this.#records = new Map();
    return new RetiredBatch(this.#storing);
  }

  /** The store has what was taken. Answers how many. */
  stored(): number {
    const count = (this.#storing?.snapshots.size ?? 0) + (this.#storing?.records.size ?? 0);
    this.#storing = null;
    return count;
  }

  /** The store has not all of what was taken: it waits again, in front of what came later, but for what is in memory again. */
  putBack(isInMemory: (address: string) => boolean): void {
    if (this.#storing === null) return;
    const [snapshots, records] = [this.#snapshots, this.#records];
    const taken = this.#storing;
    this.#storing = null;
    const isGone = (address: string): boolean => isInMemory(address) || snapshots.has(address) || records.has(address);
    this.#snapshots = new Map();
    this.#records = new Map();
    // Some of the rows may be there.
    for (const [address, snapshot] of taken.snapshots) if (!isGone(address)) this.#snapshots.set(address, { ...snapshot, isFirst: false });
    for (const [address, record] of taken.records) if (!isGone(address)) this.#records.set(address, record);
    for (const [address, snapshot] of snapshots) this.#snapshots.set(address, snapshot);
    for (const [address, record] of records) this.#records.set(address, record);
  }
}

/** What was taken, handed out in slices: packing many thousands at once would make a turn long. */
export class RetiredBatch {
  readonly count: number;
  readonly #snapshots: Iterator<Snapshot>;
  readonly #records: Iterator<readonly [string, number]>;

  constructor({ snapshots, records }: Batch) {
    this.count = snapshots.size + records.size;
    this.#snapshots = snapshots.values();
    this.#records = records.entries();
  }

  next(rowsMax: number): SnapshotBatch {
    const snapshots = nextOf(this.#snapshots, rowsMax);
    const records = nextOf(this.#records, rowsMax - snapshots.length);
    return { snapshots, pointers: packPointers(records) };
  }
}

function nextOf<Item>(items: Iterator<Item>, max: number): readonly Item[] {
  const taken: Item[] = [];
  while (taken.length < max) {
    const { done, value } = items.next();
    if (done === true) break;
    taken.push(value);
  }
  return taken;
}

function takeFirst<Value>(from: Map<string, Value>, max: number): Map<string, Value> {
  const taken = new Map<string, Value>();
  for (const [key, value] of from) {
    if (taken.size >= max) break;
    taken.set(key, value);
    from.delete(key);
  }
  return taken;
}
