/** Runs what the door let in, and says how it ended, in the words that every ingress shares. */
import type { AskOptions, Code, Json, Refusal } from "../../runtime/index.ts";
import type { TroupeSystem } from "../system.ts";
import type { LedgerCall } from "./ledger-door.ts";

/** The stored answer of a finished command: `body` are the very bytes of the first time (L3). `code` when it was refused by an account. */
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
 * Asks for a deposit, withdrawal, transfer or opening. `OUTCOME_UNKNOWN` of a transfer is looked into: it may well be there.
 * Rejects only for a programmer's error.
 */
export async function runCall(system: TroupeSystem, call: LedgerCall, options: Omit<AskOptions, "id">): Promise<CallResult> {
  const asked = call.commandId === null ? options : { ...options, id: call.commandId };
  const answer = await system.ask(call.address, call.command, call.body, asked);
  if (answer.ok) return outcomeOf(answer.value);
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

async function lookAgain(system: TroupeSystem, call: LedgerCall, unknown: Refusal): Promise<CallResult> {
  const seen = await system.ask(call.address, "get", {}, { timeoutMs: LOOK_MS_MAX });
  if (!seen.ok) return refused(unknown);
  const view = outcomeOf(seen.value);
  const { status } = JSON.parse(view.body) as { readonly status?: unknown };
  if (status === "PENDING") return { kind: "pending", body: view.body };
  // It is finished, so the same request meets its stored outcome and starts nothing.
  const repeated = await system.ask(call.address, call.command, call.body, { id: call.commandId ?? "", timeoutMs: LOOK_MS_MAX });
  return repeated.ok ? outcomeOf(repeated.value) : refused(unknown);
}

function outcomeOf(value: Json): Outcome {
  if (typeof value === "object" && value !== null && "status" in value && "body" in value) {
    const { status, body, replayed, code } = value;
    if (typeof status === "number" && typeof body === "string")
      return { kind: "outcome", status, body, isReplayed: replayed === true, code: typeof code === "string" ? code : null };
  }
  throw new TypeError("an entity answered something that is no outcome");
}

const refused = ({ code, detail }: Refusal): Refused => ({ kind: "refused", ok: false, code, detail });
