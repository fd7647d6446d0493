/** A connection's place in the limit; `free` gives it back and may be called again without effect. */
export interface Slot {
  free(): void;
}

/** At most `count` requests at once and `waitingMax` that wait for one, in the order in which they came. Whoever gives up waiting leaves the queue at once. */
export class ConnectionSlots {
  readonly #waitingMax: number;
  readonly #waiting = new Set<(slot: Slot) => void>();
  #free: number;

  constructor(options: { readonly count: number; readonly waitingMax: number }) {
    this.#free = options.count;
    this.#waitingMax = options.waitingMax;
  }

  get waitingCount(): number {
    return this.#waiting.size;
  }

  /** Null when too many wait. Rejects with the reason of `signal`. */
  take(signal: AbortSignal): Promise<Slot> | null {
    if (this.#free > 0) {
      this.#free--;
      return Promise.resolve(this.#slot());
    }
    if (this.#waiting.size >= this.#waitingMax) return null;
    return new Promise((resolve, reject) => {
      const leave = (): void => {
        this.#waiting.delete(enter);
        reject(signal.reason);
      };
      const enter = (slot: Slot): void => {
        signal.removeEventListener("abort", leave);
        resolve(slot);
      };
      if (signal.aborted) return reject(signal.reason);
      signal.addEventListener("abort", leave, { once: true });
      this.#waiting.add(enter);
    });
  }

  #slot(): Slot {
    let isFree = false;
    return {
      free: () => {
        if (isFree) return;
        isFree = true;
        this.#pass();
      },
    };
  }

  #pass(): void {
    const [next] = this.#waiting;
    if (next === undefined) {
      this.#free++;
      return;
    }
    this.#waiting.delete(next);
    next(this.#slot());
  }
}
