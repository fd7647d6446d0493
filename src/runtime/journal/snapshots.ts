import type { Answer } from "../kernel/decision.ts";
import type { Json } from "../kernel/json.ts";
import type { DeadEffect, OpenedEffect } from "./record.ts";
import type { RecordPointers } from "./record-pointers.ts";
import type { StoredTimer, TimerChange, TimerWindow } from "./timer.ts";

/**
 * A snapshot of one entity. `seq` is the sequence in its shard of the last entry it holds: entries at or below it are skipped in replay.
 * `body` is JSON: {state, keys?}. `definition` is the version of the state's format, for upcasters.
 */
export interface Snapshot {
  readonly entity: string;
  readonly shard: number;
  readonly seq: number;
  readonly version: number;
  readonly definition: number;
  readonly body: string;
  /** No snapshot of the entity is stored as far as its domain knows: the store may add the row without looking for an older one. */
  readonly isFirst?: boolean;
}

/** Rows for the store: snapshots, and pointers to records that say all that a snapshot would. */
export interface SnapshotBatch {
  readonly snapshots: readonly Snapshot[];
  readonly pointers: RecordPointers;
}

/** No snapshot of the entity is stored, but pointers to records that may be of it. */
export interface PointedRecords {
  readonly records: readonly number[];
}

/** How far a shard is covered: its entries up to `seq` are, and those lie in records up to `position`. */
export interface ShardPosition {
  readonly shard: number;
  readonly seq: number;
  readonly position: number;
}

/** An effect that is open at a checkpoint; `answer` once it was handled by an entry at or before the checkpoint. */
export interface OpenEffect extends OpenedEffect {
  /** Address of the entity that opened it. */
  readonly from: string;
  readonly shard: number;
  readonly answer?: Answer<Json>;
  /** Of an effect that leaves the runtime: how far it is. */
  readonly outside?: OutsideProgress;
}

/** `attempts` failed so far, the last of them for `lastError`; the next one is not begun before `nextAt`. `dead`: none is, until it is replayed. */
export interface OutsideProgress {
  readonly openedAt: number;
  readonly attempts: number;
  readonly nextAt: number;
  readonly lastError: string | null;
  readonly dead: DeadEffect | null;
  /** The youngest attempt of which the entity has handled progress; absent = none. */
  readonly progressed?: number;
}

/** A tell of another domain that this shard's entities handled and whose sender has not yet said that it closed it. */
export interface HandledTell {
  readonly id: string;
  readonly shard: number;
  readonly answer: Answer<Json>;
}

/** The end of a checkpoint of one domain: positions, open effects and handled tells of its shards replace what was there, all in one transaction. */
export interface CheckpointEnd {
  readonly positions: readonly ShardPosition[];
  readonly effects: readonly OpenEffect[];
  readonly handled: readonly HandledTell[];
  /** Timers that were set or are over since the domain's last checkpoint. */
  readonly timers: readonly TimerChange[];
  /** Highest `at` given so far in the domain: time never goes back across a restart. */
  readonly at: number;
}

/** What a checkpoint holds besides snapshots: where recovery starts. */
export interface CheckpointHead {
  readonly positions: readonly ShardPosition[];
  readonly effects: readonly OpenEffect[];
  readonly handled: readonly HandledTell[];
  readonly at: number;
}

/** The store of snapshots as the checkpoint thread (the only writer) sees it. It may fall behind the journal and never leads it. */
export interface SnapshotStore {
  readonly shardCount: number;
  head(): CheckpointHead;
  /** One transaction; an older row never replaces a newer one, and a pointer that is there already is no other one. */
  write(snapshots: readonly Snapshot[], pointers?: RecordPointers): void;
  /** One transaction. */
  end(end: CheckpointEnd): void;
  close(): void;
}

/** Point reads of snapshots; a key that was never written answers null at the same cost. */
export interface SnapshotReader {
  load(entity: string): Snapshot | PointedRecords | null;
  timers(window: TimerWindow): ReadonlyArray<StoredTimer & { readonly id: number }>;
}
