import { CliError } from "./cli-error.ts";
import type { Outcome } from "./ledger-target.ts";

/** Waits before a command is sent again: doubled from the least to the most, spread by chance, until the time is up. All milliseconds. */
const BACKOFF_MS_MIN = 20;
const BACKOFF_MS_MAX = 1000;
/** From the first answer that asked for a repeat. Long enough for a server to be started again. */
const REPEAT_MS_MAX = 10_000;

/** Time as the commands see it; tests bring their own. */
export interface Clock {
  nowMs(): number;
  wait(ms: number): Promise<void>;
  /** From 0 up to 1. */
  random(): number;
}

export const realClock: Clock = {
  nowMs: () => performance.now(),
  wait: (ms) =>
    new Promise((resolve) => {
      setTimeout(resolve, ms);
    }),
  random: Math.random,
};

/** Sends a command again while its outcome says that this is safe and useful, at most `REPEAT_MS_MAX`; then that outcome is the last. */
export async function repeated(send: () => Promise<Outcome>, clock: Clock): Promise<Outcome> {
  const backoff = new Backoff(clock);
  for (;;) {
    const outcome = await send();
    if (outcome.ok || outcome.repeatAfterMs === null || !(await backoff.wait(outcome.repeatAfterMs))) return outcome;
  }
}

/** The same for a read, which says by its error that it may be tried again: a view that is behind, for example. */
export async function repeatedRead<Value>(read: () => Promise<Value>, clock: Clock): Promise<Value> {
  const backoff = new Backoff(clock);
  for (;;) {
    try {
      return await read();
    } catch (error) {
      if (!(error instanceof CliError) || !error.isRetryable || !(await backoff.wait(0))) throw error;
    }
  }
}

class Backoff {
  readonly #clock: Clock;
  #startedMs: number | null = null;
  #backoffMs = BACKOFF_MS_MIN;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** Waits `leastMs` and its own share; false, at once, when the time is up. */
  async wait(leastMs: number): Promise<boolean> {
    this.#startedMs ??= this.#clock.nowMs();
    if (this.#clock.nowMs() - this.#startedMs >= REPEAT_MS_MAX) return false;
    // Spread, so that what was refused together does not come back together.
    await this.#clock.wait(leastMs + this.#backoffMs * (0.5 + this.#clock.random()));
    this.#backoffMs = Math.min(this.#backoffMs * 2, BACKOFF_MS_MAX);
    return true;
  }
}
