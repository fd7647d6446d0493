import type { Slot } from "./slot.ts";

/**
 * A set of slots, in no order. A slot stands in one such set at most and knows its place there, so that nothing is hashed: every message that changes
 * an entity comes by here.
 */
export class DirtySlots {
  readonly #slots: Slot[] = [];

  get size(): number {
    return this.#slots.length;
  }

  add(slot: Slot): void {
    if (slot.dirtyAt >= 0) return;
    slot.dirtyAt = this.#slots.length;
    this.#slots.push(slot);
  }

  /** False when it was not there. The last one takes its place. */
  delete(slot: Slot): boolean {
    const at = slot.dirtyAt;
    if (at < 0) return false;
    const last = this.#slots.pop() as Slot;
    if (last !== slot) {
      this.#slots[at] = last;
      last.dirtyAt = at;
    }
    slot.dirtyAt = -1;
    return true;
  }

  clear(): void {
    for (const slot of this.#slots) slot.dirtyAt = -1;
    this.#slots.length = 0;
  }

  [Symbol.iterator](): Iterator<Slot> {
    return this.#slots.values();
  }
}
