import type { HandledTell } from "../journal/snapshots.ts";
import { Checkpoint } from "./checkpoint.ts";
import type { DomainMeter } from "./domain-meter.ts";
import type { EffectTable } from "./effect-table.ts";
import type { EntityMemory } from "./entity-memory.ts";
import type { Passivation } from "./passivation.ts";
import type { RetiredBatch } from "./retired.ts";
import type { Timers } from "./timers.ts";

/** What the store is taking of a domain: one checkpoint, or retired entities apart from one; never both. */
export class Checkpoints {
  readonly #memory: EntityMemory;
  readonly #passivation: Passivation;
  readonly #effects: EffectTable;
  readonly #timers: Timers;
  readonly #meter: DomainMeter;
  #current: Checkpoint | null = null;
  /** Entities stored apart since the last checkpoint began: a recovery would still read their entries. */
  #storedApart = 0;

  constructor(options: {
    readonly memory: EntityMemory;
    readonly passivation: Passivation;
    readonly effects: EffectTable;
    readonly timers: Timers;
    readonly meter: DomainMeter;
  }) {
    this.#memory = options.memory;
    this.#passivation = options.passivation;
    this.#effects = options.effects;
    this.#timers = options.timers;
    this.#meter = options.meter;
  }

  get mayBegin(): boolean {
    return this.#current === null && !this.#memory.retired.isStoring;
  }
  /** Entities with changes that no snapshot holds. */
  get dirtyCount(): number {
    return this.#memory.dirty.size + this.#memory.retired.count + (this.#current?.statesCount ?? 0);
  }
  /** Entities that changed since the last checkpoint began. */
  get changedCount(): number {
    return this.#memory.dirty.size + this.#memory.retired.count + this.#storedApart;
  }

  /** Only when one may begin and no entry gathers (C1). */
  begin(options: {
    readonly group: number;
    readonly position: number | null;
    readonly handled: Iterable<HandledTell>;
    readonly seqs: ReadonlyMap<number, number>;
    readonly at: number;
  }): Checkpoint {
    const { dirty, retired } = this.#memory;
    this.#current = new Checkpoint({
      ...options,
      dirty,
      retired: retired.takeAll(),
      effects: this.#effects.toCheckpoint(),
      timers: this.#timers.beginStoring(),
    });
    dirty.clear();
    this.#storedApart = 0;
    return this.#current;
  }

  groupCommitted(number: number, record: number): void {
    if (this.#current?.group === number) this.#current.groupCommitted(record);
  }

  /** The store could not take it: its entities are to be in the next one. */
  abandon(): void {
    for (const slot of this.#current?.slots ?? []) {
      if (slot.seq > slot.snapshotSeq && this.#memory.slots.get(slot.address) === slot) this.#memory.dirty.add(slot);
    }
    if (this.#current !== null) this.#timers.endStoring(false);
    this.#memory.retired.putBack(this.#isReady);
    this.#current = null;
  }

  /** The store holds it: clean entities that are finished leave memory. `isPinned`: its positions did not move. */
  end(isPinned: boolean): void {
    this.#current?.confirm();
    if (this.#current !== null) this.#timers.endStoring(!isPinned);
    for (const slot of this.#current?.slots ?? []) {
      if (this.#memory.slots.get(slot.address) === slot) this.#memory.footprint.measure(slot);
      this.#passivation.releaseFinished(slot);
    }
    if (this.#current !== null) this.#meter.passivations += this.#memory.retired.stored();
    this.#current = null;
  }

  takeRetired(limits: { readonly rowsMin: number; readonly rowsMax: number }): RetiredBatch | null {
    return this.#current !== null ? null : this.#memory.retired.take(limits);
  }

  retiredStored(isStored: boolean): void {
    if (!isStored) return this.#memory.retired.putBack(this.#isReady);
    const count = this.#memory.retired.stored();
    this.#meter.passivations += count;
    this.#storedApart += count;
  }

  /** What is being read, or cannot be, has no state that a checkpoint could take. */
  readonly #isReady = (address: string): boolean => this.#memory.slots.get(address)?.status === "ready";
}
