interface Timer {
  readonly atMs: number;
  readonly order: number;
  readonly run: () => void;
  isCancelled: boolean;
}

/**
 * Time that passes only when the simulation takes its next step. Timers of one instant run in the order in which they were set. `wallMs`
 * is what a machine's clock would show: it may be set back and forth, timers do not care.
 */
export class VirtualClock {
  /** Milliseconds by which the machine's clock is off. */
  skewMs = 0;
  readonly #startMs: number;
  readonly #heap: Timer[] = [];
  #nowMs = 0;
  #order = 0;

  constructor(startMs: number) {
    this.#startMs = startMs;
  }

  /** Milliseconds since the simulation began; never goes back. */
  get nowMs(): number {
    return this.#nowMs;
  }

  /** Whole milliseconds since 1970. */
  wallMs(): number {
    return Math.floor(this.#startMs + this.#nowMs + this.skewMs);
  }

  /** When the next timer is due; null when there is none. */
  get nextAtMs(): number | null {
    this.#dropCancelled();
    return this.#heap[0]?.atMs ?? null;
  }

  at(atMs: number, run: () => void): void {
    this.#push({ atMs: Math.max(atMs, this.#nowMs), order: this.#order++, run, isCancelled: false });
  }

  after(delayMs: number, run: () => void): void {
    this.at(this.#nowMs + delayMs, run);
  }

  /** As `after`; returns what cancels it. A cancelled timer neither runs nor makes time pass. */
  timer(delayMs: number, run: () => void): () => void {
    const timer = { atMs: this.#nowMs + Math.max(0, delayMs), order: this.#order++, run, isCancelled: false };
    this.#push(timer);
    return () => {
      timer.isCancelled = true;
    };
  }

  /** Lets time pass without running anything; never beyond the next timer. */
  passTo(atMs: number): void {
    this.#nowMs = Math.max(this.#nowMs, Math.min(atMs, this.nextAtMs ?? atMs));
  }

  /** Moves to the next timer and runs it. False when there is none. */
  step(): boolean {
    this.#dropCancelled();
    const timer = this.#pop();
    if (timer === undefined) return false;
    this.#nowMs = timer.atMs;
    timer.run();
    return true;
  }

  #dropCancelled(): void {
    while (this.#heap[0]?.isCancelled === true) this.#pop();
  }

  #push(timer: Timer): void {
    const heap = this.#heap;
    heap.push(timer);
    let at = heap.length - 1;
    while (at > 0) {
      const up = (at - 1) >> 1;
      if (isBefore(heap[up], timer)) break;
      heap[at] = heap[up] as Timer;
      at = up;
    }
    heap[at] = timer;
  }

  #pop(): Timer | undefined {
    const heap = this.#heap;
    const first = heap[0];
    const last = heap.pop();
    if (first === undefined || last === undefined || heap.length === 0) return first;
    let at = 0;
    for (;;) {
      let down = 2 * at + 1;
      if (down >= heap.length) break;
      if (down + 1 < heap.length && isBefore(heap[down + 1], heap[down] as Timer)) down++;
      if (isBefore(last, heap[down] as Timer)) break;
      heap[at] = heap[down] as Timer;
      at = down;
    }
    heap[at] = last;
    return first;
  }
}

const isBefore = (a: Timer | undefined, b: Timer): boolean =>
  a !== undefined && (a.atMs < b.atMs || (a.atMs === b.atMs && a.order < b.order));
