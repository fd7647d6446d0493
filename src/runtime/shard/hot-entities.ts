/** An entity and how many of the sampled messages were its own, counted low by at most `errorMax` of the look. */
export interface HotEntity {
  readonly address: string;
  readonly samples: number;
}
export interface HotLook {
  readonly entities: readonly HotEntity[];
  /** All samples since the last look. */
  readonly samples: number;
  readonly errorMax: number;
}

/**
 * Who gets the most messages, from a sample of them, in the memory of `capacity` addresses however many entities there are (Misra and Gries): every
 * entity with more than a `capacity`-th of the samples is in it. Never throws.
 */
export class HotEntities {
  readonly capacity: number; // addresses
  readonly #counts = new Map<string, number>();
  #samples = 0;
  #lowered = 0;

  constructor(capacity: number) {
    this.capacity = capacity;
  }

  add(address: string): void {
    this.#samples++;
    const count = this.#counts.get(address);
    if (count !== undefined || this.#counts.size < this.capacity) {
      this.#counts.set(address, (count ?? 0) + 1);
      return;
    }
    this.#lowered++;
    for (const [other, samples] of this.#counts) {
      if (samples === 1) this.#counts.delete(other);
      else this.#counts.set(other, samples - 1);
    }
  }

  /** The `limit` hottest, hottest first, since the last look; counts anew from now on. */
  take(limit: number): HotLook {
    const sorted = Array.from(this.#counts, ([address, samples]) => ({ address, samples })).sort((a, b) => b.samples - a.samples);
    const look = { entities: sorted.slice(0, limit), samples: this.#samples, errorMax: this.#lowered };
    this.#counts.clear();
    this.#samples = 0;
    this.#lowered = 0;
    return look;
  }
}
