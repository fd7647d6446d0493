import { Ring } from "../mailbox/ring.ts";
import type { Slot } from "./slot.ts";

/** How many of those that go on may come before one that only begins. */
export const CONTINUED_IN_A_ROW_MAX = 256;

/** The entities whose mailboxes wait for a turn, each once. Bounded by the entities in memory. */
export class ReadyEntities {
  readonly #beginning = new Ring<Slot>(64);
  /**
   * Ready because of a message from inside the domain: taken first, so that what was begun is finished before more is begun. A transfer then runs
   * through its entities in one go, its group can leave while the next transfers run, and its states are still in the cache.
   */
  readonly #continuing = new Ring<Slot>(64);
  #continuedInARow = 0;

  get isEmpty(): boolean {
    return this.#beginning.count === 0 && this.#continuing.count === 0;
  }
  /** Does anything wait that goes on? */
  get isContinuing(): boolean {
    return this.#continuing.count > 0;
  }

  /** It has messages. One that is being loaded gets its turn later. */
  add(slot: Slot, isContinuing = false): void {
    if (slot.isQueued || slot.status === "loading") return;
    slot.isQueued = true;
    (isContinuing ? this.#continuing : this.#beginning).push(slot);
  }

  /** Whose turn it is. What goes on comes first, but not for ever: a chain of tells without end must not starve the others. */
  next(): Slot | undefined {
    if (this.#continuedInARow < CONTINUED_IN_A_ROW_MAX) {
      const continuing = this.#continuing.shift();
      if (continuing !== undefined) {
        this.#continuedInARow++;
        return continuing;
      }
    }
    this.#continuedInARow = 0;
    return this.#beginning.shift() ?? this.#continuing.shift();
  }
}
