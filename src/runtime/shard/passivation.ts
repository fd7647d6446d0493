import { snapshotOf } from "./checkpoint.ts";
import type { DomainMeter } from "./domain-meter.ts";
import type { EntityMemory } from "./entity-memory.ts";
import type { PendingEntry } from "./pending-entry.ts";
import type { Slot } from "./slot.ts";

/** Entities that were finished when their group was handed out; `whole` have their whole history in it. */
interface Finishing {
  readonly group: number;
  readonly whole: readonly Slot[];
  readonly others: readonly Slot[];
}

/**
 * Lets entities leave memory (S6): finished ones when their group is committed, retired until the store has them; others when they were not touched for
 * long, or when all take too many bytes.
 */
export class Passivation {
  readonly #memory: EntityMemory;
  readonly #meter: DomainMeter;
  /** In the order of their groups, which are in flight. */
  readonly #finishing: Finishing[] = [];
  /** Where the next look at the entities goes on. */
  #sweep: MapIterator<Slot> | null = null;

  constructor(options: { readonly memory: EntityMemory; readonly meter: DomainMeter }) {
    this.#memory = options.memory;
    this.#meter = options.meter;
  }

  /** Its turn is over and its mailbox is empty. */
  turnEnded(slot: Slot): void {
    if (slot.seq === 0 && isClean(slot))
      this.#memory.slots.delete(slot); // Looking at what does not exist must cost no memory.
    else this.releaseFinished(slot);
  }

  releaseFinished(slot: Slot): void {
    if (!isClean(slot) || slot.definition.isFinished?.(slot.state as never) !== true) return;
    if (this.#memory.slots.delete(slot)) this.#meter.passivations++;
  }

  /** Notes which entities of a group that was handed out are finished: they may leave memory when it is committed. */
  groupCut(group: number, entries: readonly PendingEntry<Slot>[]): void {
    const whole: Slot[] = [];
    const others: Slot[] = [];
    for (const { slot, isBirth, mayFinish } of entries) {
      if (!mayFinish || slot.status !== "ready" || slot.definition.isFinished?.(slot.state as never) !== true) continue;
      (isBirth ? whole : others).push(slot);
    }
    if (whole.length > 0 || others.length > 0) this.#finishing.push({ group, whole, others });
  }

  /** The group is committed as this record: those of its finished entities that nobody waits for leave memory as objects. */
  groupCommitted(number: number, record: number): void {
    if (this.#finishing[0]?.group !== number) return;
    const finishing = this.#finishing.shift();
    if (finishing === undefined) return;
    const { group, whole, others } = finishing;
    for (const slot of whole) if (this.#leave(slot, group)) this.#memory.retired.keepRecord(slot.address, record);
    for (const slot of others) if (this.#leave(slot, group)) this.#keepSnapshot(slot);
  }

  /** False when it is in use, has changed since, or is in a checkpoint. */
  #leave(slot: Slot, group: number): boolean {
    if (slot.changedIn !== group || !isIdle(slot) || !this.#memory.dirty.delete(slot)) return false;
    return this.#memory.slots.delete(slot);
  }

  #keepSnapshot(slot: Slot): void {
    const snapshot = snapshotOf(slot, slot.state, slot.keys?.toJson() ?? null);
    this.#memory.footprint.measureText(snapshot.body.length);
    this.#memory.retired.keepSnapshot(snapshot);
  }

  /** Looks at most at `stepsMax` entities and passivates those untouched since `idleSince`. Returns how many left. */
  passivate({ idleSince, stepsMax }: { readonly idleSince: number; readonly stepsMax: number }): number {
    let gone = 0;
    for (const slot of this.#nextSlots(stepsMax)) {
      if (slot.touchedAt >= idleSince || !isClean(slot)) continue;
      this.#memory.slots.delete(slot);
      gone++;
    }
    this.#meter.passivations += gone;
    return gone;
  }

  /**
   * Does something only while all entities take more than `bytesMax`: looks at `stepsMax` of them and passivates of these the ones with the largest
   * bytes x idle time, at most half, so that what is small or in use stays. Returns how many left.
   */
  passivateLargest({
    bytesMax,
    stepsMax,
    nowMs,
  }: {
    readonly bytesMax: number;
    readonly stepsMax: number;
    readonly nowMs: number;
  }): number {
    if (this.#memory.bytes <= bytesMax) return 0;
    const clean: Slot[] = [];
    let seenBytes = 0;
    for (const slot of this.#nextSlots(stepsMax)) {
      seenBytes += slot.bytes;
      if (isClean(slot)) clean.push(slot);
    }
    const weightOf = ({ bytes, touchedAt }: Slot): number => bytes * (nowMs - touchedAt + 1);
    clean.sort((a, b) => weightOf(b) - weightOf(a));
    let gone = 0;
    for (let over = Math.min(this.#memory.bytes - bytesMax, seenBytes / 2); over > 0 && gone < clean.length; gone++) {
      const slot = clean[gone] as Slot;
      over -= slot.bytes;
      this.#memory.slots.delete(slot);
    }
    this.#meter.passivations += gone;
    return gone;
  }

  /** The next entities from where the last look ended, at most `stepsMax`; fewer at the end of all, from where the next look begins anew. */
  *#nextSlots(stepsMax: number): Generator<Slot, void> {
    this.#sweep ??= this.#memory.slots.values();
    for (let steps = 0; steps < stepsMax; steps++) {
      const next = this.#sweep.next();
      if (next.done === true) {
        this.#sweep = null;
        return;
      }
      yield next.value;
    }
  }
}

/** Nothing waits in it or for it. */
const isIdle = (slot: Slot): boolean => slot.status === "ready" && slot.mailbox.count === 0 && !slot.isQueued && slot.waiters === null;

/** Nothing waits in it or for it, and the store holds its last entry (S6). */
function isClean(slot: Slot): boolean {
  return isIdle(slot) && slot.seq <= slot.snapshotSeq;
}
