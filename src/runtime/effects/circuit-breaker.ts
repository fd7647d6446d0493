import { unreachable } from "../kernel/json.ts";

/** When a port stops trying, and when it tries again. */
export interface BreakerPolicy {
  /**
   * What counts while it is closed. "attempts": each attempt. "effects": each effect as whoever waits for it sees it, with all its attempts; one that failed and is
   * made again says nothing. Half-open it is always attempts: they are probes.
   */
  readonly counts: "attempts" | "effects";
  /** Outcomes that are looked at: the last so many. */
  readonly outcomesMax: number;
  /** Fewer say nothing yet. */
  readonly outcomesMin: number;
  /** It opens when this share of them, above 0 to 1, failed or was slow; half-open, when this share of the probes did, and else it closes. */
  readonly failureRatio: number;
  /** A success that took longer counts as a failure; null = time does not matter. */
  readonly slowMs: number | null;
  /** Time for which it stays open. */
  readonly openMs: number;
  /** Attempts that are let in when it is half-open. It opens or closes as soon as what is left of them cannot change the judgement. */
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
 * B5. The probes are judged by the same share as all others: of three, two decide.
 */
export class CircuitBreaker {
  readonly #policy: BreakerPolicy;
  #state: BreakerState = "closed";
  /** Goes up with every change of state. */
  #generation = 0;
  #outcomes: boolean[] = [];
  #openUntilMs = 0;
  #probesLeft = 0;
  #probesGood = 0;
  #probesBad = 0;

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
        if (this.#probesLeft === 0) return { ok: false, afterMs: this.#probeWaitMs };
        this.#probesLeft--;
        return this.#letIn(nowMs);
      default:
        return unreachable(this.#state);
    }
  }

  /** For how long nothing would be let in; null when an attempt would be. Changes nothing. */
  refusesMs(nowMs: number): number | null {
    switch (this.#state) {
      case "closed":
        return null;
      case "open":
        return nowMs < this.#openUntilMs ? this.#openUntilMs - nowMs : null;
      case "half-open":
        return this.#probesLeft === 0 ? this.#probeWaitMs : null;
      default:
        return unreachable(this.#state);
    }
  }

  succeeded({ generation, startedMs }: Admission, nowMs: number): void {
    if (generation !== this.#generation) return;
    const { slowMs } = this.#policy;
    this.#count(slowMs === null || nowMs - startedMs <= slowMs, nowMs);
  }

  /** `isLast`: no other attempt at the effect follows. */
  failed({ generation }: Admission, nowMs: number, isLast: boolean): void {
    if (generation !== this.#generation) return;
    if (isLast || this.#policy.counts === "attempts" || this.#state === "half-open") this.#count(false, nowMs);
  }

  cancelled({ generation }: Admission): void {
    if (generation === this.#generation && this.#state === "half-open") this.#probesLeft++;
  }

  /** The probes decide soon; how soon is not known. */
  get #probeWaitMs(): number {
    return Math.min(this.#policy.openMs, PROBE_WAIT_MS);
  }

  #letIn(startedMs: number): Admitted {
    return { ok: true, admission: { generation: this.#generation, startedMs } };
  }

  #count(isGood: boolean, nowMs: number): void {
    if (this.#state === "half-open") return this.#judgeProbe(isGood, nowMs);
    const { outcomesMax, outcomesMin, failureRatio } = this.#policy;
    this.#outcomes.push(isGood);
    if (this.#outcomes.length > outcomesMax) this.#outcomes.shift();
    const bad = this.#outcomes.filter((outcome) => !outcome).length;
    if (this.#outcomes.length >= outcomesMin && bad >= failureRatio * this.#outcomes.length && bad > 0) this.#open(nowMs);
  }

  #judgeProbe(isGood: boolean, nowMs: number): void {
    const { probesMax, failureRatio } = this.#policy;
    if (isGood) this.#probesGood++;
    else this.#probesBad++;
    if (this.#probesBad >= failureRatio * probesMax) this.#open(nowMs);
    else if (probesMax - this.#probesGood < failureRatio * probesMax) this.#close();
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
    this.#probesGood = 0;
    this.#probesBad = 0;
  }

  #close(): void {
    this.#state = "closed";
    this.#generation++;
  }
}

/** Who comes while the probes are under way asks again after so long at most. */
const PROBE_WAIT_MS = 1_000;
