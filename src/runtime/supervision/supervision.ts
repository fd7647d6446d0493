import type { Backoff } from "../kernel/backoff.ts";

/** Whom a directive hits: the child alone, all its siblings, or the siblings that were started after it. */
export type Strategy = "one-for-one" | "all-for-one" | "rest-for-one";

/**
 * What a supervisor does about a crash. `resume` goes on with the state as it is; it is taken as `restart` where nothing is left to go on
 * with (a failed start, a turn that was given up, an escalation, a component). `escalate` stops the child and crashes the supervisor.
 */
export type Directive = "resume" | "restart" | "stop" | "escalate";

/** When a child comes back: always; after a crash only; never. A `restart` of a temporary child is a `stop`. */
export type RestartMode = "permanent" | "transient" | "temporary";

/** What crashed and why. `doing` is the message's kind, or in brackets what else it did: `(started)`, `(running)`. */
export interface Crash {
  readonly address: string;
  readonly doing: string;
  readonly cause: unknown;
}

/**
 * How often and how fast one child may come back. `restartsMax` restarts (not attempts) within `windowMs`; the next crash escalates.
 * The delay doubles with every crash in the window from `backoffMsMin`, and `jitterRatio` of it is drawn: it stays in [min, max].
 */
export interface RestartPolicy extends Backoff {
  readonly restartsMax: number;
  readonly windowMs: number;
}

/** The policy of one parent, as data. Its functions are pure; if one throws, the crash escalates. Each child has a window of its own. */
export interface Supervision {
  readonly strategy: Strategy;
  readonly restart: RestartPolicy;
  /** `restart` when absent. */
  readonly decide?: (crash: Crash) => Directive;
  /**
   * Whether the crash uses up a restart and lengthens the delay of the next; every one does when absent. For a child that only followed the end of
   * something that has a window of its own: it comes back after the first delay, however often.
   */
  readonly counts?: (crash: Crash) => boolean;
}

/** 10 restarts a minute, after 100 ms to 10 s. */
export const DEFAULT_SUPERVISION: Supervision = {
  strategy: "one-for-one",
  restart: { restartsMax: 10, windowMs: 60_000, backoffMsMin: 100, backoffMsMax: 10_000, jitterRatio: 0.2 },
};

/** Who is hit by a `restart` or `stop` of `crashed`, in the order of their start. */
export function affectedBy<Item>(strategy: Strategy, children: readonly Item[], crashed: Item): readonly Item[] {
  if (strategy === "one-for-one") return [crashed];
  return strategy === "all-for-one" ? children : children.slice(children.indexOf(crashed));
}

/** @throws RangeError for a policy that cannot be meant, such as a largest delay below the smallest. */
export function assertSupervision({ restart }: Supervision): void {
  const { restartsMax, windowMs, backoffMsMin, backoffMsMax, jitterRatio } = restart;
  if (!(Number.isInteger(restartsMax) && restartsMax >= 0)) throw policyError(`restartsMax is ${restartsMax}, not a whole number >= 0`);
  if (!(windowMs > 0)) throw policyError(`windowMs is ${windowMs}, not above 0`);
  if (!(jitterRatio >= 0 && jitterRatio <= 1)) throw policyError(`jitterRatio is ${jitterRatio}, not from 0 to 1`);
  if (!(backoffMsMin > 0 && backoffMsMax >= backoffMsMin * (1 + jitterRatio))) {
    throw policyError(`backoffMsMin ${backoffMsMin} is not above 0, or with its jitter it is above backoffMsMax ${backoffMsMax}`);
  }
  if (backoffMsMax >= 2 ** 31) throw policyError(`backoffMsMax is ${backoffMsMax}, more than the 2^31-1 ms that a timer knows`);
}
const policyError = (what: string): RangeError => new RangeError(`This supervision cannot be used: ${what}.`);
