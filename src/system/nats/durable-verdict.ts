/** What is done with a command of the stream, by what came of it. Pure. */
import { type Code, type Refusal, STATUS_OF_CODE } from "../../runtime/index.ts";
import { clearsSoon } from "../ingress/clears-soon.ts";
import { refuse } from "../ingress/ledger-door.ts";
import type { ServiceAnswer, ServiceCommand } from "../ingress/service-commands.ts";

export type Verdict =
  /** Its outcome is durable: acknowledged. */
  | { readonly kind: "done"; readonly answer: ServiceAnswer }
  /** The node takes no commands now: it waits here, and no attempt is counted. */
  | { readonly kind: "held" }
  /** It comes again after a rest. */
  | { readonly kind: "again" }
  | { readonly kind: "dead"; readonly refusal: Refusal };

export interface Attempt {
  /** How often it was given, this time included. */
  readonly given: number;
  readonly attemptsMax: number;
}

export function verdictOf(result: ServiceAnswer | Refusal, { given, attemptsMax }: Attempt): Verdict {
  if ("status" in result) return { kind: "done", answer: result };
  const { code } = result;
  if (OF_THE_NODE.has(code)) return { kind: "held" };
  if (isFinal(code) || given >= attemptsMax) return { kind: "dead", refusal: result };
  return { kind: "again" };
}

/** Why a command must not come by the stream, or null. */
export function whyNotDurable({ type, command }: Pick<ServiceCommand, "type" | "command">): Refusal | null {
  return type === "conversation" && command === "stop" ? NO_STOP : null;
}

/** Why it is not tried once more, or null: what ended the process each time would end it for ever. */
export function whyGivenTooOften(given: number, attemptsMax: number): Refusal | null {
  if (given <= attemptsMax + LOST_MAX) return null;
  return refuse(
    "INTERNAL_ERROR",
    `it was given ${given} times and came to no end: it may end the process that works on it, or its acknowledgements are lost. It may have been done; its status tells`,
  );
}

/** What a dead letter says and its client hears. That a deadline had passed says of this time only that it was not begun: an earlier one may have done it. */
export function asFarAsKnown(refusal: Refusal, given: number): Refusal {
  if (refusal.code !== "DEADLINE_EXCEEDED" || given <= 1) return refusal;
  return refuse(
    "OUTCOME_UNKNOWN",
    `it was given ${given} times, and its deadline had passed this time; an earlier one may have done it. Its status tells, and the same key is safe`,
  );
}

/** Times that a command may be given beyond its attempts: acknowledgements are lost when a connection or a process ends. */
const LOST_MAX = 16;

/** Refusals that every other command would meet too. */
const OF_THE_NODE: ReadonlySet<Code> = new Set(["OVERLOADED", "JOURNAL_UNAVAILABLE", "NOT_OWNER", "SHUTTING_DOWN"]);

/** Would be refused at each repeat. */
const isFinal = (code: Code): boolean => STATUS_OF_CODE[code] < 500 && !clearsSoon(code);

const NO_STOP = refuse(
  "validation_failed",
  "stop has no key: given twice by the stream it could stop a later reply. Send it by request and reply",
);
