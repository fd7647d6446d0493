import { Histogram, type HistogramLook, SECONDS_BOUNDS } from "../../runtime/records.ts";

/**
 * How late the event loop of this thread is: a timer every 100 ms looks how much later than that it ran. It costs ten wake-ups a second and sees
 * whatever holds the loop for longer than a few milliseconds. Does not keep a process alive.
 */
export class LoopLag implements Disposable {
  readonly #lags = new Histogram(SECONDS_BOUNDS);
  readonly #timer: NodeJS.Timeout;
  #dueMs = performance.now() + EVERY_MS;
  #windowMs = performance.now();
  /** Highest lag of the window that runs and of the one before. */
  #highMs = 0;
  #highBeforeMs = 0;

  constructor() {
    this.#timer = setInterval(this.#look, EVERY_MS);
    this.#timer.unref();
  }

  /** The thread serves from now on: that its start held the loop, for modules and files, says nothing of how it gets on. */
  begin(): void {
    const nowMs = performance.now();
    this.#lags.observe(Math.max(nowMs - this.#dueMs, 0) / 1000);
    this.#dueMs = nowMs + EVERY_MS;
    this.#windowMs = nowMs;
    this.#highMs = 0;
    this.#highBeforeMs = 0;
  }

  /** In seconds, those of the start included. */
  get lags(): HistogramLook {
    return this.#lags.look();
  }

  /** The highest lag of the last 5 to 10 s, since `begin` at most, in milliseconds; what holds the loop at this moment included. */
  get recentMsMax(): number {
    return Math.max(this.#highMs, this.#highBeforeMs, performance.now() - this.#dueMs, 0);
  }

  [Symbol.dispose](): void {
    clearInterval(this.#timer);
  }

  readonly #look = (): void => {
    const nowMs = performance.now();
    const lagMs = Math.max(nowMs - this.#dueMs, 0);
    this.#lags.observe(lagMs / 1000);
    if (nowMs - this.#windowMs >= WINDOW_MS) {
      this.#windowMs = nowMs;
      this.#highBeforeMs = this.#highMs;
      this.#highMs = 0;
    }
    this.#highMs = Math.max(this.#highMs, lagMs);
    this.#dueMs = nowMs + EVERY_MS;
  };
}

const EVERY_MS = 100;
const WINDOW_MS = 5_000;
