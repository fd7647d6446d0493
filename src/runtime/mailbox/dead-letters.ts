import { Ring } from "./ring.ts";

/**
 * Why nobody handled a message: its actor had ended, ended first, does not take this kind (now), or its stash was full; or the sender
 * had been given up, and may not speak any more.
 */
export type DeadLetterReason = "gone" | "stopped" | "unhandled" | "stash-full" | "sender-given-up";

/** A message that nobody handled. Its body is not kept: it may be large, or secret, and letters live long. */
export interface DeadLetter {
  readonly to: string;
  readonly kind: string;
  readonly reason: DeadLetterReason;
  /** On the clock of the ports. */
  readonly atMs: number;
}

/** Counts every dead letter and keeps the newest `capacity` for inspection. Never throws. */
export class DeadLetters {
  readonly capacity: number; // letters
  readonly #letters = new Ring<DeadLetter>();
  #count = 0;

  constructor(capacity: number) {
    this.capacity = capacity;
  }

  /** All there ever were. */
  get count(): number {
    return this.#count;
  }

  /** The newest ones, oldest first. */
  get newest(): readonly DeadLetter[] {
    return [...this.#letters];
  }

  add(letter: DeadLetter): void {
    this.#count++;
    if (this.#letters.count >= this.capacity) this.#letters.shift();
    if (this.capacity > 0) this.#letters.push(letter);
  }
}
