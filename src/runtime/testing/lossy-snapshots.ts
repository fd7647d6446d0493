import { MemorySnapshots } from "../journal/memory-snapshots.ts";
import type { RecordPointers } from "../journal/record-pointers.ts";
import type { CheckpointEnd, CheckpointHead, PointedRecords, Snapshot, SnapshotReader, SnapshotStore } from "../journal/snapshots.ts";
import type { StoredTimer, TimerWindow } from "../journal/timer.ts";

type Transaction = (store: MemorySnapshots) => void;

/**
 * A snapshot store that can lose its last transactions, as a file with synchronous=NORMAL can in a power cut, and refuse the next ones.
 * The object is the disk.
 */
export class LossySnapshots implements SnapshotStore, SnapshotReader {
  readonly shardCount: number;
  readonly #transactions: Transaction[] = [];
  #store: MemorySnapshots;
  #failures = 0;

  constructor(options: { readonly shardCount: number }) {
    this.shardCount = options.shardCount;
    this.#store = new MemorySnapshots(options);
  }

  /** So many of the next transactions are refused. */
  failNext(count: number): void {
    this.#failures += count;
  }

  loseLast(count: number): void {
    this.#transactions.length = Math.max(0, this.#transactions.length - count);
    this.#store = new MemorySnapshots({ shardCount: this.shardCount });
    for (const apply of this.#transactions) apply(this.#store);
  }

  head(): CheckpointHead {
    return JSON.parse(JSON.stringify(this.#store.head())) as CheckpointHead;
  }

  write(snapshots: readonly Snapshot[], pointers?: RecordPointers): void {
    this.#commit((store) => store.write(snapshots, pointers));
  }

  end(end: CheckpointEnd): void {
    this.#commit((store) => store.end(end));
  }

  load(entity: string): Snapshot | PointedRecords | null {
    return this.#store.load(entity);
  }

  timers(window: TimerWindow): ReadonlyArray<StoredTimer & { readonly id: number }> {
    return this.#store.timers(window);
  }

  close(): void {}

  #commit(apply: Transaction): void {
    if (this.#failures > 0) {
      this.#failures--;
      throw new Error("the disk refused a checkpoint");
    }
    this.#transactions.push(apply);
    apply(this.#store);
  }
}
