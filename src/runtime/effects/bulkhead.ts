import { nextDelayMs } from "../kernel/backoff.ts";
import type { EffectOutcome, LostAttempt, PerformEffect, ProgressCredit } from "../kernel/effect-protocol.ts";
import { unreachable } from "../kernel/json.ts";
import { type Admission, type BreakerState, CircuitBreaker } from "./circuit-breaker.ts";
import type { AttemptResult, PerformerPorts, PortTold, Tell } from "./performer-ports.ts";
import { type PortDefinition, type PortPolicy, policyOf } from "./port-definition.ts";
import type { AttemptFailure } from "./port-failure.ts";
import { ProgressLine } from "./progress-line.ts";

/** Attempts since the start by how they were told, and what stands now. */
export interface BulkheadFigures {
  readonly outcomes: Readonly<Record<EffectOutcome["kind"], number>>;
  readonly running: number;
  readonly queued: number;
  /** null = the port has none. */
  readonly breaker: BreakerState | null;
}

/** An effect that was handed out and not told. */
interface Flight {
  readonly effect: PerformEffect;
  tell: Tell;
  /** Null while it waits for its turn. */
  attempt: RunningAttempt | null;
}
interface RunningAttempt {
  readonly admission: Admission | null;
  readonly startedMs: number;
  readonly abort: (why: Error) => void;
  readonly stopTimer: () => void;
  /** Null when nobody wants to hear of it meanwhile. */
  readonly progress: ProgressLine | null;
}

/**
 * One port's share of the work: so many attempts at once, so many effects that wait, and the port's breaker, so that a slow or broken port
 * takes nothing from the others. What is too much is postponed, never dropped (L6). Never throws.
 */
export class Bulkhead {
  readonly #storeId: string;
  readonly #definition: PortDefinition;
  readonly #policy: PortPolicy;
  readonly #ports: PerformerPorts;
  readonly #breaker: CircuitBreaker | null;
  readonly #flights = new Map<string, Flight>();
  /** Those of them that wait, in the order in which they came. */
  readonly #queue = new Map<string, Flight>();
  readonly #outcomes: Record<EffectOutcome["kind"], number> = { done: 0, refused: 0, failed: 0, postponed: 0, dead: 0 };
  #running = 0;
  #isLeaving = false;
  #isFailing = false;
  #told: PortTold = { breaker: "closed", refusesMs: null, isFailing: false };
  /** How long an attempt takes, smoothed: by it is judged when a full queue has room again. */
  #usualMs = 0;
  /** No attempt begins before. */
  readonly #restsUntilMs: number;

  constructor(options: {
    readonly storeId: string;
    readonly definition: PortDefinition;
    readonly ports: PerformerPorts;
    /** So long no attempt begins. */
    readonly restMs: number;
  }) {
    this.#storeId = options.storeId;
    this.#definition = options.definition;
    this.#policy = policyOf(options.definition);
    this.#ports = options.ports;
    this.#restsUntilMs = options.ports.monotonicMs() + options.restMs;
    this.#breaker = this.#policy.breaker === null ? null : new CircuitBreaker(this.#policy.breaker);
  }

  get runningCount(): number {
    return this.#running;
  }
  has(id: string): boolean {
    return this.#flights.has(id);
  }
  figures(): BulkheadFigures {
    return { outcomes: { ...this.#outcomes }, running: this.#running, queued: this.#queue.size, breaker: this.#breaker?.state ?? null };
  }

  offer(effect: PerformEffect, tell: Tell): void {
    const present = this.#flights.get(effect.id);
    if (present !== undefined) {
      if (present.effect.attempt === effect.attempt && present.attempt?.progress?.hasTold !== true) {
        present.tell = tell; // P1.
        return;
      }
      this.#forget(present, new Error("it is attempted anew: who heard of it has ended"));
      if (this.#isLeaving) return;
    }
    const flight: Flight = { effect, tell, attempt: null };
    this.#flights.set(effect.id, flight);
    if (this.#running < this.#policy.concurrencyMax) this.#begin(flight);
    else if (this.#queue.size < this.#policy.queueMax) this.#queue.set(effect.id, flight);
    else this.#end(flight, { kind: "postponed", reason: `the port ${effect.to} has no room`, afterMs: this.#roomAfterMs() });
  }

  /**
   * P4. One that told progress has a higher number by now (X4), so that its loss is counted already. What is told here makes a dead letter at the third loss
   * at the earliest, whatever the policy says: it may have been under way beside the one that ended the thread.
   */
  lost(effect: PerformEffect, { attempt, error, isPoison }: LostAttempt, tell: Tell): void {
    const failure = { error, status: 0, isRetryable: true, retryAfterMs: null, code: "UPSTREAM_BAD_RESPONSE" } as const;
    const number = Math.min(attempt, effect.attempt);
    const judged: EffectOutcome = isPoison
      ? { kind: "dead", code: failure.code, error: `it is not done again: ${error}`, attempts: number }
      : this.#judged({ ...effect, attempt: number }, failure, Math.max(this.#policy.attemptsMax, LOSSES_MAX));
    const isCounted = judged.kind === "failed" && effect.attempt > number;
    const outcome: EffectOutcome = isCounted ? { kind: "postponed", reason: error, afterMs: judged.afterMs } : judged;
    this.#end({ effect, tell, attempt: null }, outcome);
  }

  cancel(id: string): void {
    const flight = this.#flights.get(id);
    if (flight === undefined) return;
    this.#forget(flight, new Error("the effect was cancelled"));
    this.#next();
  }

  credit({ id, attempt, count }: ProgressCredit): void {
    const flight = this.#flights.get(id);
    if (flight?.effect.attempt === attempt) flight.attempt?.progress?.credit(count);
  }

  /** What waits is forgotten; what is under way goes on. */
  leave(): void {
    this.#isLeaving = true;
    for (const id of this.#queue.keys()) this.#flights.delete(id);
    this.#queue.clear();
  }

  close(): void {
    for (const flight of [...this.#flights.values()]) this.#forget(flight, new Error("the node stops"));
  }

  #forget(flight: Flight, why: Error): void {
    const { attempt } = flight;
    this.#flights.delete(flight.effect.id);
    this.#queue.delete(flight.effect.id);
    if (attempt === null) return;
    this.#release(flight, attempt);
    if (attempt.admission !== null) this.#breaker?.cancelled(attempt.admission);
    this.#tellChange();
    attempt.abort(why);
  }

  #begin(flight: Flight): void {
    const { effect } = flight;
    const leftMs = this.#leftMs(effect);
    if (leftMs <= 0) {
      const attempts = effect.attempt - 1;
      const error = `the deadline of ${this.#policy.deadlineMs} ms passed after ${attempts} attempts`;
      return this.#end(flight, { kind: "dead", code: "UPSTREAM_TIMEOUT", error, attempts });
    }
    const nowMs = this.#ports.monotonicMs();
    if (nowMs < this.#restsUntilMs) {
      const afterMs = Math.min(this.#restsUntilMs - nowMs + this.#ports.random() * this.#policy.backoffMsMin, leftMs);
      const reason = `the port ${effect.to} has ended its thread and rests`;
      return this.#end(flight, { kind: "postponed", reason, afterMs: Math.ceil(afterMs) });
    }
    const admitted = this.#breaker?.admit(nowMs) ?? null;
    this.#tellChange();
    if (admitted?.ok === false) {
      // Drawn on top, so that all that waited does not come in one instant; but not beyond the deadline, which must be told in time.
      const afterMs = Math.min(admitted.afterMs + this.#ports.random() * this.#policy.backoffMsMin, leftMs);
      return this.#end(flight, { kind: "postponed", reason: `the breaker of the port ${effect.to} is open`, afterMs: Math.ceil(afterMs) });
    }
    this.#running++;
    const { id, command, body, attempt, from, trace } = effect;
    const request = { id, key: `${this.#storeId}.${id}`, command, body, attempt, from, ...(trace === undefined ? {} : { trace }) };
    const msMax = Math.min(this.#policy.attemptMsMax, leftMs);
    const progress =
      effect.wantsProgress === true
        ? new ProgressLine((value) => flight.tell({ id, attempt, outcome: { kind: "progress", value } }))
        : null;
    const running: RunningAttempt = {
      admission: admitted?.admission ?? null,
      startedMs: nowMs,
      stopTimer: this.#ports.timer(msMax, () => this.#timeOut(flight, running, msMax)),
      abort: this.#ports.begin(this.#definition, request, (result) => this.#settled(flight, running, result), progress),
      progress,
    };
    flight.attempt = running;
  }

  /** The port may go on for a while, but nobody listens: the place is given to the next one, or a port that never ends would keep it. */
  #timeOut(flight: Flight, running: RunningAttempt, msMax: number): void {
    const error = `no answer within ${msMax} ms`;
    const failure = { error, status: 0, isRetryable: true, retryAfterMs: null, code: "UPSTREAM_TIMEOUT" } as const;
    this.#settled(flight, running, { kind: "failed", failure });
    running.abort(new Error(error));
  }

  #settled(flight: Flight, running: RunningAttempt, result: AttemptResult): void {
    if (this.#flights.get(flight.effect.id) !== flight || flight.attempt !== running) return; // Cancelled, or too late.
    const nowMs = this.#ports.monotonicMs();
    const { admission } = running;
    this.#release(flight, running);
    if (result.kind !== "busy") this.#usualMs += (nowMs - running.startedMs - this.#usualMs) * USUAL_SHARE;
    const outcome = this.#outcomeOf(flight.effect, result, running.progress?.hasTold === true);
    if (admission !== null) this.#judge(admission, result, outcome, nowMs);
    this.#end(flight, outcome);
    this.#next();
  }

  #judge(admission: Admission, result: AttemptResult, outcome: EffectOutcome, nowMs: number): void {
    if (result.kind === "busy") this.#breaker?.cancelled(admission);
    else {
      this.#isFailing = result.kind === "failed" && result.failure.isRetryable;
      if (this.#isFailing) this.#breaker?.failed(admission, nowMs, outcome.kind === "dead");
      else this.#breaker?.succeeded(admission, nowMs); // A refusal of this one request: the upstream is well.
    }
    this.#tellChange();
  }

  #tellChange(): void {
    if (this.#breaker === null) return;
    const { state: breaker } = this.#breaker;
    const refusesMs = this.#breaker.refusesMs(this.#ports.monotonicMs());
    const { breaker: stateTold, refusesMs: refusesTold, isFailing: failingTold } = this.#told;
    // How long it refuses runs down by itself; whether it does is told.
    const isSame = breaker === stateTold && (refusesMs === null) === (refusesTold === null) && this.#isFailing === failingTold;
    if (isSame) return;
    this.#told = { breaker, refusesMs, isFailing: this.#isFailing };
    this.#ports.portChanged?.(this.#definition.name, this.#told);
  }

  #outcomeOf(effect: PerformEffect, result: AttemptResult, hasTold: boolean): EffectOutcome {
    switch (result.kind) {
      case "done":
        return { kind: "done", value: result.value };
      case "busy":
        return { kind: "postponed", reason: result.reason, afterMs: this.#roomAfterMs() };
      case "failed":
        return (hasTold ? null : this.#spared(effect, result.failure)) ?? this.#judged(effect, result.failure);
      default:
        return unreachable(result);
    }
  }

  #judged(
    { attempt, openedAt }: PerformEffect,
    { error, isRetryable, retryAfterMs, code }: AttemptFailure,
    attemptsMax = this.#policy.attemptsMax,
  ): EffectOutcome {
    const { deadlineMs } = this.#policy;
    if (!isRetryable) return { kind: "refused", code, detail: error };
    const attempts = attempt;
    if (attempt >= attemptsMax) return { kind: "dead", code, error: `attempt ${attempt} of ${attemptsMax} failed: ${error}`, attempts };
    const afterMs = Math.ceil(Math.max(nextDelayMs(this.#policy, attempt, this.#ports.random()), retryAfterMs ?? 0));
    if (deadlineMs === null || this.#ports.wallMs() + afterMs < openedAt + deadlineMs) return { kind: "failed", error, afterMs };
    const why = `attempt ${attempt} failed, and the next one would begin after the deadline of ${deadlineMs} ms`;
    return { kind: "dead", code: "UPSTREAM_TIMEOUT", error: `${why}: ${error}`, attempts };
  }

  /**
   * What fails while the breaker is not closed, as a probe or because it was under way when it opened, uses up no attempt: an outage would else end, probe by
   * probe, the effects that wait for its end. What told progress has used up its attempt already (X4). Null when it is judged like any other.
   */
  #spared({ openedAt }: PerformEffect, { error, isRetryable, retryAfterMs }: AttemptFailure): EffectOutcome | null {
    if (!isRetryable || this.#breaker === null || this.#breaker.state === "closed") return null;
    const restMs = Math.max(nextDelayMs(this.#policy, 1, this.#ports.random()), retryAfterMs ?? 0);
    const afterMs = Math.ceil(restMs);
    if (this.#ports.wallMs() + afterMs >= openedAt + (this.#policy.deadlineMs ?? SPARED_MS_MAX)) return null;
    return { kind: "postponed", reason: `${error}; the port's breaker is ${this.#breaker.state}, so this used up no attempt`, afterMs };
  }

  #leftMs({ openedAt }: PerformEffect): number {
    const { deadlineMs } = this.#policy;
    return deadlineMs === null ? Number.POSITIVE_INFINITY : openedAt + deadlineMs - this.#ports.wallMs();
  }

  /** When the queue as it stands is likely to be worked off. */
  #roomAfterMs(): number {
    const { concurrencyMax, backoffMsMin, backoffMsMax, jitterRatio } = this.#policy;
    const baseMs = Math.min(Math.max((this.#usualMs * this.#queue.size) / concurrencyMax, backoffMsMin), backoffMsMax);
    return Math.ceil(baseMs * (1 + jitterRatio * this.#ports.random()));
  }

  #release(flight: Flight, running: RunningAttempt): void {
    running.stopTimer();
    running.progress?.close();
    flight.attempt = null;
    this.#running--;
  }

  #end({ effect, tell }: Flight, outcome: EffectOutcome): void {
    this.#flights.delete(effect.id);
    this.#queue.delete(effect.id);
    this.#outcomes[outcome.kind]++;
    tell({ id: effect.id, attempt: effect.attempt, outcome });
  }

  /** Ends at the latest with the queue: whoever does not begin is told and leaves it. */
  #next(): void {
    for (const flight of this.#queue.values()) {
      if (this.#running >= this.#policy.concurrencyMax) return;
      this.#queue.delete(flight.effect.id);
      this.#begin(flight);
    }
  }
}

/** An effect without a deadline that is older uses up its attempts all the same: it may be itself what the port cannot do. */
const SPARED_MS_MAX = 24 * 60 * 60 * 1_000;
/** The number of deaths after which DESIGN 4.3 calls a message poison. */
const LOSSES_MAX = 3;
/** Weight of the last attempt in what is usual. */
const USUAL_SHARE = 0.2;
