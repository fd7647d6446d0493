import { unreachable } from "../kernel/json.ts";

/** When a port stops trying, and when it tries again. */
export interface BreakerPolicy {
  /** Outcomes that are looked at: the last so many. */
  readonly outcomesMax: number;
  /** Fewer say nothing yet. */
  readonly outcomesMin: number;
  /** It opens when this share of them, from 0 to 1, failed or was slow. */
  readonly failureRatio: number;
  /** A success that took longer counts as a failure; null = time does not matter. */
  readonly slowMs: number | null;
  /** Time for which it stays open. */
  readonly openMs: number;
  /** Attempts that are let in when it is half-open. All must succeed before it closes; the first that fails opens it again. */
  readonly probesMax: number;
}

/** What an attempt that was let in gives back with its outcome. */
export interface Admission {
  readonly generation: number;
  readonly startedMs: number;
}
export type Admitted = { readonly ok: true; readonly admission: Admission } | { readonly ok: false; readonly afterMs: number };
export type BreakerState = "closed" | "open" | "half-open";

/**
 * The circuit breaker of one port. Times are milliseconds of a monotonic clock. Never throws.
 *
 * B1. It counts the last outcomes, not those in a row: FFFFS still opens it (TRAPS 3).
 * B2. Half-open it lets in `probesMax` attempts and no more.
 * B3. An outcome counts in the state in which its attempt was let in: a late one of an older state neither closes nor opens it.
 * B4. What was cancelled counts as nothing, and gives its probe back.
 */
export class CircuitBreaker {
  readonly #policy: BreakerPolicy;
  #state: BreakerState = "closed";
  /** Goes up with every change of state. */
  #generation = 0;
  #outcomes: boolean[] = [];
  #openUntilMs = 0;
  #probesLeft = 0;
  #probesToSucceed = 0;

  constructor(policy: BreakerPolicy) {
    this.#policy = policy;
  }

  get state(): BreakerState {
    return this.#state;
  }

  /** May an attempt begin? If not, when to ask again. */
  admit(nowMs: number): Admitted {
    if (this.#state === "open" && nowMs >= this.#openUntilMs) this.#halfOpen();
    switch (this.#state) {
      case "closed":
        return this.#letIn(nowMs);
      case "open":
        return { ok: false, afterMs: this.#openUntilMs - nowMs };
      case "half-open":
        // The probes decide soon; how soon is not known.
        if (this.#probesLeft === 0) return { ok: false, afterMs: this.#policy.openMs };
        this.#probesLeft--;
        return this.#letIn(nowMs);
      default:
        return unreachable(this.#state);
    }
  }

  succeeded({ generation, startedMs }: Admission, nowMs: number): void {
    if (generation !== this.#generation) return;
    const { slowMs } = this.#policy;
    this.#count(slowMs === null || nowMs - startedMs <= slowMs, nowMs);
  }

  failed({ generation }: Admission, nowMs: number): void {
    if (generation === this.#generation) this.#count(false, nowMs);
  }

  cancelled({ generation }: Admission): void {
    if (generation === this.#generation && this.#state === "half-open") this.#probesLeft++;
  }

  #letIn(startedMs: number): Admitted {
    return { ok: true, admission: { generation: this.#generation, startedMs } };
  }

  #count(isGood: boolean, nowMs: number): void {
    if (this.#state === "half-open") {
      if (!isGood) this.#open(nowMs);
      else if (--this.#probesToSucceed === 0) this.#close();
      return;
    }
    const { outcomesMax, outcomesMin, failureRatio } = this.#policy;
    this.#outcomes.push(isGood);
    if (this.#outcomes.length > outcomesMax) this.#outcomes.shift();
    const bad = this.#outcomes.filter((outcome) => !outcome).length;
    if (this.#outcomes.length >= outcomesMin && bad >= failureRatio * this.#outcomes.length && bad > 0) this.#open(nowMs);
  }

  #open(nowMs: number): void {
    this.#state = "open";
    this.#generation++;
    this.#outcomes = [];
    this.#openUntilMs = nowMs + this.#policy.openMs;
  }

  #halfOpen(): void {
    this.#state = "half-open";
    this.#generation++;
    this.#probesLeft = this.#policy.probesMax;
    this.#probesToSucceed = this.#policy.probesMax;
  }

  #close(): void {
    this.#state = "closed";
    this.#generation++;
  }
}
