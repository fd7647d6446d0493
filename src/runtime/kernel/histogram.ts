/** A histogram as it crosses threads. `counts[i]` are the values above `bounds[i - 1]` and at most `bounds[i]`; the last are those above all bounds. */
export interface HistogramLook {
  readonly bounds: readonly number[];
  readonly counts: readonly number[];
  readonly sum: number;
}

/** Counts values in fixed buckets: a few nanoseconds each, no garbage, and sums of several are exact. Never throws. */
export class Histogram {
  readonly #bounds: readonly number[];
  readonly #counts: Float64Array;
  #sum = 0;

  /** `bounds` ascend; their unit is that of the values. */
  constructor(bounds: readonly number[]) {
    this.#bounds = bounds;
    this.#counts = new Float64Array(bounds.length + 1);
  }

  observe(value: number): void {
    let at = 0;
    while (at < this.#bounds.length && value > (this.#bounds[at] ?? 0)) at++;
    this.#counts[at] = (this.#counts[at] ?? 0) + 1;
    this.#sum += value;
  }

  look(): HistogramLook {
    return { bounds: this.#bounds, counts: [...this.#counts], sum: this.#sum };
  }
}

/** From 5 us to 10 s: from a handler's turn to a client that gives up. */
export const SECONDS_BOUNDS: readonly number[] = [
  0.000005, 0.00001, 0.000025, 0.00005, 0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10,
];
/** Of counts that are bounded by the limit of a group. */
export const COUNT_BOUNDS: readonly number[] = [1, 2, 5, 10, 20, 50, 100, 200, 500, 1_000, 2_000, 5_000, 10_000];
