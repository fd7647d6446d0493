import { NO_POINTERS } from "../journal/record-pointers.ts";
import type { CheckpointEnd, HandledTell, OpenEffect, Snapshot, SnapshotBatch } from "../journal/snapshots.ts";
import type { TimerChange } from "../journal/timer.ts";
import type { Json } from "../kernel/json.ts";
import type { RetiredBatch } from "./retired.ts";
import type { Slot } from "./slot.ts";

interface Item {
  readonly slot: Slot;
  readonly state: unknown;
  readonly seq: number;
  readonly version: number;
  readonly keys: readonly Json[] | null;
  readonly isFirst: boolean;
}

/** Sequence of a stored snapshot that may be there or not. */
export const UNKNOWN_SEQ = -1;

/** The snapshot of an entity; `state` and `keys` are of the moment that it is to hold. */
export function snapshotOf(slot: Slot, state: unknown, keys: readonly unknown[] | null): Snapshot {
  const encoded = slot.definition.snapshot.encode(state as never);
  const body = JSON.stringify(keys === null ? { state: encoded } : { state: encoded, keys });
  slot.snapshotChars = body.length;
  return {
    entity: slot.address,
    shard: slot.shard,
    seq: slot.seq,
    version: slot.version,
    definition: slot.definition.version,
    body,
    isFirst: slot.snapshotSeq === 0,
  };
}

/**
 * One checkpoint of one domain. It takes references at a group boundary (states are immutable values, so that is cheap and exact)
 * and encodes them in slices after the group is committed, so that no turn of the shard thread becomes long.
 *
 * C1. Taken when no entry gathers: the states are exactly those after the group `group`.
 * C2. Nothing of it leaves before that group is committed: snapshots may fall behind the journal and never lead it.
 * C3. `end` is written after all its snapshots; its positions, open effects and handled tells replace the old ones in one transaction.
 */
export class Checkpoint {
  readonly group: number;
  /** Entities that were finished before. */
  readonly #retired: RetiredBatch;
  readonly #items: readonly Item[];
  readonly #effects: readonly OpenEffect[];
  readonly #handled: readonly HandledTell[];
  readonly #timers: readonly TimerChange[];
  readonly #seqs: ReadonlyMap<number, number>;
  readonly #at: number;
  #position: number | null;
  #next = 0;

  constructor(options: {
    readonly group: number;
    /** Null while the group is not committed. */
    readonly position: number | null;
    readonly dirty: Iterable<Slot>;
    readonly retired: RetiredBatch;
    readonly effects: Iterable<OpenEffect>;
    readonly handled: Iterable<HandledTell>;
    readonly timers: readonly TimerChange[];
    readonly seqs: ReadonlyMap<number, number>;
    readonly at: number;
  }) {
    this.group = options.group;
    this.#position = options.position;
    this.#retired = options.retired;
    const items: Item[] = [];
    for (const slot of options.dirty) {
      const keys = slot.keys === null ? null : (slot.keys.toJson() as unknown as readonly Json[]);
      items.push({ slot, state: slot.state, seq: slot.seq, version: slot.version, keys, isFirst: slot.snapshotSeq === 0 });
      // Until the store has answered nobody knows whether the row is there; what is written of it meanwhile must look.
      if (slot.snapshotSeq === 0) slot.snapshotSeq = UNKNOWN_SEQ;
    }
    this.#items = items;
    this.#effects = Array.from(options.effects, (effect) => ({ ...effect }));
    this.#handled = [...options.handled];
    this.#timers = options.timers;
    this.#seqs = new Map(options.seqs);
    this.#at = options.at;
  }

  get count(): number {
    return this.#items.length + this.#retired.count;
  }
  get isEncoded(): boolean {
    return this.#next >= this.count;
  }

  /** The next rows, at most `rowsMax`. */
  encode(rowsMax: number): SnapshotBatch {
    const from = this.#next;
    if (from >= this.#items.length) {
      this.#next = Math.min(from + rowsMax, this.count);
      return this.#retired.next(rowsMax);
    }
    const items = this.#items.slice(from, from + rowsMax);
    this.#next = from + items.length;
    const snapshots = items.map(({ slot, state, keys, seq, version, isFirst }) => ({
      ...snapshotOf(slot, state, keys),
      seq,
      version,
      isFirst,
    }));
    return { snapshots, pointers: NO_POINTERS };
  }

  /** The group is in the journal, at this sequence (C2). */
  groupCommitted(seq: number): void {
    this.#position = seq;
  }

  /** A journal sequence at or above that of the group, and below every later group of the domain; null until the group is committed. */
  get position(): number | null {
    return this.#position;
  }

  /** @throws Error before the group is committed (C2). */
  end(): CheckpointEnd {
    const position = this.#position;
    if (position === null) throw new Error(`the checkpoint's group ${this.group} is not committed`);
    return {
      positions: Array.from(this.#seqs, ([shard, seq]) => ({ shard, seq, position })),
      effects: this.#effects,
      handled: this.#handled,
      timers: this.#timers,
      at: this.#at,
    };
  }

  /** States that are held for it; retired entities are not among them. */
  get statesCount(): number {
    return this.#items.length;
  }

  get slots(): readonly Slot[] {
    return this.#items.map(({ slot }) => slot);
  }

  /** The store holds it: the slots whose state has not moved on are clean. */
  confirm(): void {
    for (const { slot, seq } of this.#items) slot.snapshotSeq = Math.max(slot.snapshotSeq, seq);
  }
}
