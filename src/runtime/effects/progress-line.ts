import type { Json } from "../kernel/json.ts";

/** Values of one attempt that its entity has not handled, from which on the port waits (L6). */
export const PROGRESS_UNHANDLED_MAX = 100;

/** What one attempt tells while it is under way. Its bulkhead owns it; the attempt offers, and what the shard thread credits makes room. */
export class ProgressLine {
  readonly #tell: (value: Json) => void;
  #unhandled = 0;
  #hasTold = false;
  #isOver = false;
  #goOn: (() => void) | null = null;

  constructor(tell: (value: Json) => void) {
    this.#tell = tell;
  }

  /** Something was told: whoever is told the rest would miss the beginning. */
  get hasTold(): boolean {
    return this.#hasTold;
  }

  /**
   * Hands the value over at once, and resolves when there is room for another one, or the attempt is over: then nobody hears it. Null, and nothing is
   * kept, when there is no room: the port did not wait.
   */
  offer(value: Json): Promise<void> | null {
    if (this.#isOver) return NOW;
    if (this.#unhandled >= PROGRESS_UNHANDLED_MAX) return null;
    this.#unhandled++;
    this.#hasTold = true;
    this.#tell(value);
    if (this.#unhandled < PROGRESS_UNHANDLED_MAX) return NOW;
    return new Promise((resolve) => {
      this.#goOn = resolve;
    });
  }

  /** The entity has handled so many, and what it made of them is committed. */
  credit(count: number): void {
    this.#unhandled = Math.max(this.#unhandled - count, 0);
    if (this.#unhandled < PROGRESS_UNHANDLED_MAX) this.#wake();
  }

  /** The attempt is over: nothing is told any more, and nobody is left waiting. */
  close(): void {
    this.#isOver = true;
    this.#wake();
  }

  #wake(): void {
    this.#goOn?.();
    this.#goOn = null;
  }
}

const NOW = Promise.resolve();
