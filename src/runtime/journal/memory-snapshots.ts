import { entityHash, NO_POINTERS, type RecordPointers } from "./record-pointers.ts";
import type {
  CheckpointEnd,
  CheckpointHead,
  HandledTell,
  OpenEffect,
  PointedRecords,
  ShardPosition,
  Snapshot,
  SnapshotReader,
  SnapshotStore,
} from "./snapshots.ts";
import type { StoredTimer, TimerWindow } from "./timer.ts";

/** Snapshots in memory: states what the ports mean, and simulations run on it. The object is the disk and survives those that use it. */
export class MemorySnapshots implements SnapshotStore, SnapshotReader {
  readonly shardCount: number;
  readonly #snapshots = new Map<string, Snapshot>();
  /** By hash. */
  readonly #records = new Map<number, Set<number>>();
  readonly #positions: ShardPosition[];
  #effects: readonly OpenEffect[] = [];
  #handled: readonly HandledTell[] = [];
  readonly #timers = new Map<string, StoredTimer & { readonly id: number }>();
  #timerId = 0;
  #at = 0;

  constructor(options: { readonly shardCount: number }) {
    this.shardCount = options.shardCount;
    this.#positions = Array.from({ length: options.shardCount }, (_, shard) => ({ shard, seq: 0, position: 0 }));
  }

  /** `positions` has one of every shard, 0 for those that were never covered; effects stand in the order in which `end` named them, per shard. */
  head(): CheckpointHead {
    return { positions: [...this.#positions], effects: this.#effects, handled: this.#handled, at: this.#at };
  }

  write(snapshots: readonly Snapshot[], pointers: RecordPointers = NO_POINTERS): void {
    for (const snapshot of snapshots) {
      const stored = this.#snapshots.get(snapshot.entity);
      if (snapshot.isFirst === true && stored !== undefined) throw new Error(`${snapshot.entity} is not the first of its entity`);
      // A thread that died may have left older rows on their way.
      if (snapshot.seq >= (stored?.seq ?? 0)) this.#snapshots.set(snapshot.entity, snapshot);
    }
    for (let at = 0; at < pointers.length; at += 2) this.#point(pointers[at] as number, pointers[at + 1] as number);
  }

  end(end: CheckpointEnd): void {
    const ended = new Set(end.positions.map(({ shard }) => shard));
    for (const position of end.positions) this.#positions[position.shard] = position;
    this.#effects = [...this.#effects.filter(({ shard }) => !ended.has(shard)), ...end.effects].sort((a, b) => a.shard - b.shard);
    this.#handled = [...this.#handled.filter(({ shard }) => !ended.has(shard)), ...end.handled].sort(byShardAndId);
    for (const { key, timer } of end.timers) {
      const before = this.#timers.get(key);
      if (timer === null) this.#timers.delete(key);
      else this.#timers.set(key, { ...timer, id: before?.id ?? ++this.#timerId });
    }
    this.#at = Math.max(this.#at, end.at);
  }

  load(entity: string): Snapshot | PointedRecords | null {
    const records = this.#records.get(entityHash(entity));
    return this.#snapshots.get(entity) ?? (records === undefined ? null : { records: [...records] });
  }

  timers({ after, until, limit }: TimerWindow): ReadonlyArray<StoredTimer & { readonly id: number }> {
    return [...this.#timers.values()]
      .filter(({ at, id }) => (at > after.at || (at === after.at && id > after.id)) && at < until)
      .sort((a, b) => a.at - b.at || a.id - b.id)
      .slice(0, limit);
  }

  close(): void {}

  #point(hash: number, record: number): void {
    const records = this.#records.get(hash);
    if (records === undefined) this.#records.set(hash, new Set([record]));
    else records.add(record);
  }
}

function byShardAndId(left: HandledTell, right: HandledTell): number {
  if (left.shard !== right.shard) return left.shard - right.shard;
  return left.id < right.id ? -1 : 1;
}
