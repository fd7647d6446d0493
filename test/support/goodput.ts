/** Counts useful answers over time, and what belongs to stretches in which something was wrong. */
export class Goodput implements Disposable {
  readonly #count: () => number;
  readonly #samples: Array<{ readonly atMs: number; readonly count: number }> = [];
  readonly #timer: NodeJS.Timeout;

  /** `count`: all there have been so far. */
  constructor(count: () => number) {
    this.#count = count;
    this.sample();
    this.#timer = setInterval(() => this.sample(), EVERY_MS);
  }

  sample(): number {
    const atMs = performance.now();
    this.#samples.push({ atMs, count: this.#count() });
    return atMs;
  }

  /** A second, over all these stretches; their ends must have been sampled. */
  rateIn(stretches: readonly Stretch[]): number {
    let answers = 0;
    let ms = 0;
    for (const { fromMs, toMs } of stretches) {
      answers += this.#at(toMs) - this.#at(fromMs);
      ms += toMs - fromMs;
    }
    return ms === 0 ? 0 : (answers * 1_000) / ms;
  }

  #at(ms: number): number {
    return this.#samples.findLast(({ atMs }) => atMs <= ms)?.count ?? 0;
  }

  [Symbol.dispose](): void {
    clearInterval(this.#timer);
  }
}

export interface Stretch {
  readonly fromMs: number;
  readonly toMs: number;
}

const EVERY_MS = 50;
