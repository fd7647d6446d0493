import type { Backoff } from "../kernel/backoff.ts";
import type { OutsideKind } from "../kernel/decision.ts";
import { Fault } from "../kernel/fault.ts";
import type { Json } from "../kernel/json.ts";
import type { BreakerPolicy } from "./circuit-breaker.ts";

/** One attempt, as the port sees it. */
export interface PortRequest {
  /** As `troupe effects` shows it; another store has effects of the same ids. */
  readonly id: string;
  /** The upstream's idempotency key: the same for every attempt at this effect, also after a crash, and for no effect of any other store. */
  readonly key: string;
  readonly command: string;
  readonly body: Json;
  /** Counts from 1. */
  readonly attempt: number;
  /** Address of the entity that opened the effect. */
  readonly from: string;
  /** W3C traceparent of what caused it. */
  readonly trace?: string;
}

/** How a port is treated. All of it is optional in a definition: `policyOf` fills in what `DEFAULT_POLICIES` says for its kind. */
export interface PortPolicy extends Backoff {
  /** Time for one attempt, after which it is aborted and counts as failed. */
  readonly attemptMsMax: number;
  /**
   * Time for all of it, from the moment in which the entity opened the effect; then no attempt begins any more and it is a dead letter with
   * `UPSTREAM_TIMEOUT`, even if none was made. null = no limit: what merely waits is never given up.
   */
  readonly deadlineMs: number | null;
  /**
   * Attempts, not repeats: 1 means that there is no second one. What fails while the breaker is not closed uses none up, so that an outage does not end what waits
   * for its end; the deadline goes on, and an effect without one uses its attempts up again when it is 24 hours old.
   */
  readonly attemptsMax: number;
  /** The bulkhead: attempts of this port under way at once, and effects that wait for their turn here. What exceeds both is offered again later. */
  readonly concurrencyMax: number;
  readonly queueMax: number;
  /** Size of an answer, and of a value of progress, as JSON text; a larger one is refused with `UPSTREAM_BAD_RESPONSE`. */
  readonly answerCharsMax: number;
  /** null = none. */
  readonly breaker: BreakerPolicy | null;
}

/**
 * Something outside that effects may go to, by its `name`. A module exports it in `ports`, and the thread that performs loads that module:
 * the effects thread (`call`, `publish`), or a thread of the worker pool (`compute`), where it may keep the processor busy and is ended with its
 * thread when it takes too long.
 *
 * `perform` answers what the entity is told, as JSON, or throws: a `PortFailure` for what the upstream said. It is called at least once for an
 * effect, and again after a crash. The words of what it throws stand in the journal and the log: no text of a person's. It should end soon after
 * `signal` is aborted; what it does after that goes nowhere.
 *
 * `progress` tells the entity something meanwhile, when the effect asks for it (`progressTo`; from the worker pool it goes nowhere). Await each call: it resolves
 * when fewer than 100 values wait for the entity, or the attempt is over. An attempt that tells more without waiting, or what is no JSON of at most
 * `answerCharsMax`, is refused.
 */
export interface PortDefinition {
  readonly name: string;
  readonly kind: OutsideKind;
  readonly perform: (request: PortRequest, context: PortContext) => Promise<Json> | Json;
  readonly policy?: Partial<PortPolicy>;
}

export interface PortContext {
  readonly signal: AbortSignal;
  readonly progress: (value: Json) => Promise<void>;
}

/** R-API-9, with one probe. */
export const DEFAULT_BREAKER: BreakerPolicy = {
  counts: "attempts",
  outcomesMax: 10,
  outcomesMin: 5,
  failureRatio: 0.5,
  slowMs: null,
  openMs: 1_000,
  probesMax: 1,
};

const CALL_POLICY: PortPolicy = {
  attemptMsMax: 10_000,
  deadlineMs: 600_000,
  attemptsMax: 5,
  backoffMsMin: 1_000,
  backoffMsMax: 30_000,
  jitterRatio: 0.5,
  concurrencyMax: 16,
  queueMax: 1_000,
  answerCharsMax: 1_048_576,
  breaker: DEFAULT_BREAKER,
};

/** An event or a task that waits for a long time is as good as ever; a breaker would keep tasks from a pool that has nothing wrong with it. */
export const DEFAULT_POLICIES: Readonly<Record<OutsideKind, PortPolicy>> = {
  call: CALL_POLICY,
  publish: { ...CALL_POLICY, deadlineMs: null, attemptsMax: 10 },
  compute: { ...CALL_POLICY, attemptMsMax: 60_000, deadlineMs: null, attemptsMax: 3, breaker: null },
};

export const policyOf = ({ kind, policy }: PortDefinition): PortPolicy => ({ ...DEFAULT_POLICIES[kind], ...policy });

/** @throws Fault `CONFIG_INVALID` that names the port and what is wrong with it. */
export function assertPort(port: PortDefinition): void {
  const { name, kind, perform } = port;
  const refuse = (what: string): never => {
    throw new Fault("CONFIG_INVALID", `the port ${JSON.stringify(name)} cannot be used: ${what}`);
  };
  if (typeof name !== "string" || !/^[A-Za-z0-9._-]{1,64}$/.test(name)) refuse("its name must be 1 to 64 of A-Z, a-z, 0-9, . _ -");
  if (!Object.hasOwn(DEFAULT_POLICIES, kind)) refuse(`its kind is ${JSON.stringify(kind)}; expected call, compute or publish`);
  if (typeof perform !== "function") refuse("its perform is no function");
  const policy = policyOf(port);
  const { breaker, deadlineMs, jitterRatio, backoffMsMin, backoffMsMax } = policy;
  for (const key of COUNTS) if (!isCount(policy[key])) refuse(`${key} is ${policy[key]}; expected a whole number from 1 to 2^31-1`);
  if (!(Number.isInteger(policy.queueMax) && policy.queueMax >= 0))
    refuse(`queueMax is ${policy.queueMax}; expected a whole number from 0`);
  if (deadlineMs !== null && !(deadlineMs > 0)) refuse(`deadlineMs is ${deadlineMs}; expected null or a number above 0`);
  if (!(jitterRatio >= 0 && jitterRatio <= 1)) refuse(`jitterRatio is ${jitterRatio}; expected 0 to 1`);
  if (backoffMsMax < backoffMsMin * (1 + jitterRatio)) refuse(`backoffMsMax is less than backoffMsMin with its jitter`);
  if (breaker === null) return;
  for (const key of BREAKER_COUNTS) if (!isCount(breaker[key])) refuse(`breaker.${key} is ${breaker[key]}; expected a whole number from 1`);
  if (!(breaker.failureRatio > 0 && breaker.failureRatio <= 1))
    refuse(`breaker.failureRatio is ${breaker.failureRatio}; expected above 0 to 1`);
  if (breaker.outcomesMin > breaker.outcomesMax) refuse("breaker.outcomesMin is above breaker.outcomesMax, so it would never open");
}

const COUNTS = ["attemptMsMax", "attemptsMax", "backoffMsMin", "backoffMsMax", "concurrencyMax", "answerCharsMax"] as const;
const BREAKER_COUNTS = ["outcomesMax", "outcomesMin", "openMs", "probesMax"] as const;
const isCount = (value: number): boolean => Number.isInteger(value) && value >= 1 && value < 2 ** 31;
