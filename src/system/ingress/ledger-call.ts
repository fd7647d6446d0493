/** Runs what the door let in, and says how it ended, in the words that every ingress shares. */
import type { Answer, AskOptions, Code, Json, Refusal } from "../../runtime/index.ts";
import type { TroupeSystem } from "../system.ts";
import type { LedgerCall } from "./ledger-door.ts";

/** The stored answer of a finished command: `body` are the very bytes of the first time (L3). `code` when an account refused a transfer. */
export interface Outcome {
  readonly kind: "outcome";
  readonly status: number;
  readonly body: string;
  readonly isReplayed: boolean;
  readonly code: string | null;
}
/** Accepted and durable, not finished while the caller waited; `body` is the transfer as it stands. */
export interface Pending {
  readonly kind: "pending";
  readonly body: string;
}
export interface Refused extends Refusal {
  readonly kind: "refused";
}
export type CallResult = Outcome | Pending | Refused;

/** How long the second look at a transfer may take whose first answer did not come. */
const LOOK_MS_MAX = 1000;

/**
 * Asks for a deposit, withdrawal or transfer, or the opening or change of an account. `OUTCOME_UNKNOWN` of a transfer is looked into: it may well be there.
 * Rejects only for a programmer's error.
 */
export async function runCall(system: TroupeSystem, call: LedgerCall, options: Omit<AskOptions, "id">): Promise<CallResult> {
  const asked = call.commandId === null ? options : { ...options, id: call.commandId };
  const answer = await system.ask(call.address, call.command, call.body, asked);
  if (answer.ok) return outcomeOf(answer);
  if (answer.code === "OUTCOME_UNKNOWN" && call.command === "request") return await lookAgain(system, call, answer);
  return refused(answer);
}

/** A refusal that says "surely not done" or "not finished": the same command with the same key may be sent again at once. */
export function isWorthRepeating(code: Code): boolean {
  return REPEATABLE.has(code);
}
const REPEATABLE: ReadonlySet<Code> = new Set([
  "MAILBOX_FULL",
  "OVERLOADED",
  "JOURNAL_UNAVAILABLE",
  "NOT_OWNER",
  "DEADLINE_EXCEEDED",
  "OUTCOME_UNKNOWN",
  "key_in_progress",
] as const);

/**
 * Is the transfer there, and is it this caller's? Looked at first, because a request that never arrived must not begin now, after its caller
 * was told to wait no longer; then asked for again, because only the transfer can say whether the body is the one that began it.
 */
async function lookAgain(system: TroupeSystem, call: LedgerCall, unknown: Refusal): Promise<CallResult> {
  const seen = await system.ask(call.address, "get", {}, { timeoutMs: LOOK_MS_MAX });
  if (!seen.ok) return refused(unknown);
  const again = await system.ask(call.address, call.command, call.body, { id: call.commandId ?? "", timeoutMs: LOOK_MS_MAX });
  if (again.ok) return outcomeOf(again);
  if (again.code === "key_in_progress") return { kind: "pending", body: outcomeOf(seen).body };
  return refused(again.code === "key_reused" ? again : unknown);
}

/** What an entity answered. @throws TypeError for what is no outcome. */
export function outcomeOf({ value, isRepeat }: Extract<Answer<Json>, { ok: true }>): Outcome {
  if (typeof value === "object" && value !== null && "status" in value && "body" in value) {
    const { status, body, replayed, code } = value;
    // An entity that knows its repeats says `replayed`; for the others the runtime does.
    const isReplayed = replayed === true || isRepeat === true;
    if (typeof status === "number" && typeof body === "string")
      return { kind: "outcome", status, body, isReplayed, code: typeof code === "string" ? code : null };
  }
  throw new TypeError("an entity answered something that is no outcome");
}

const refused = ({ code, detail }: Refusal): Refused => ({ kind: "refused", ok: false, code, detail });
