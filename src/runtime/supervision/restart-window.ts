import { nextDelayMs } from "../kernel/backoff.ts";
import type { RestartPolicy } from "./supervision.ts";

/**
 * The crashes of one child that still count. A window per child and not per parent: a child that crashes often must not use up the
 * restarts of its siblings (TRAPS 21). Holds at most `restartsMax + 1` times. Never throws.
 */
export class RestartWindow {
  readonly #policy: RestartPolicy;
  readonly #crashesMs: number[] = [];

  constructor(policy: RestartPolicy) {
    this.#policy = policy;
  }

  /** Counts a crash. Milliseconds until the restart, or null when the child had its restarts. `random`: from 0, below 1. */
  crashed(nowMs: number, random: number): number | null {
    const { restartsMax, windowMs } = this.#policy;
    while (this.#crashesMs.length > 0 && nowMs - (this.#crashesMs[0] ?? 0) >= windowMs) this.#crashesMs.shift();
    this.#crashesMs.push(nowMs);
    const recent = this.#crashesMs.length;
    // A fault that outlives this many restarts is not transient; restarting again would hide it and burn the thread.
    if (recent > restartsMax) return null;
    return nextDelayMs(this.#policy, recent, random);
  }

  /** Milliseconds until the restart after a crash that does not count. */
  uncounted(random: number): number {
    return nextDelayMs(this.#policy, 1, random);
  }
}
