/** Outcomes of commands as bytes, so that a repeat gets the first one back unchanged (L3), and the problem documents of refusals (RFC 9457). */
import { z } from "zod";
import { type Code, STATUS_OF_CODE } from "../../runtime/index.ts";

/** A finished command's HTTP status and body as first answered. `replayed` is true for a repeat: the same bytes, nothing written. */
export const httpOutcomeSchema = z.object({ status: z.number(), body: z.string(), replayed: z.boolean() });
export type HttpOutcome = Readonly<z.infer<typeof httpOutcomeSchema>>;

/** Times on the wire: ISO 8601 in UTC with milliseconds. `at` is milliseconds since 1970. */
export function isoTime(at: number): string {
  if (at !== written.at) written = { at, text: new Date(at).toISOString() };
  return written.text;
}
/** All that a commit group decides has one time, and writing it was 0.7 of the 1.7 us of a transfer's body. */
let written = { at: 0, text: new Date(0).toISOString() };

/**
 * The body of a refusal as application/problem+json. `instance` is the path of what was asked for, `at` milliseconds since 1970. The detail
 * is shown to the client: a sentence of the domain, never a stack or a file.
 */
export function problemBody(problem: {
  readonly code: Code;
  readonly detail: string;
  readonly instance: string;
  readonly at: number;
}): string {
  return JSON.stringify({
    type: `urn:troupe:problem:${problem.code}`,
    title: TITLE_OF_CODE[problem.code],
    status: STATUS_OF_CODE[problem.code],
    code: problem.code,
    detail: problem.detail,
    instance: problem.instance,
    timestamp: isoTime(problem.at),
  });
}

/** A refusal as an outcome: what a command answers whose refusals are kept with their bytes like its successes (L3). */
export const refusedOutcome = (problem: Parameters<typeof problemBody>[0]): HttpOutcome => ({
  status: STATUS_OF_CODE[problem.code],
  body: problemBody(problem),
  replayed: false,
});

/** One sentence a code, the same for every occurrence of the problem (RFC 9457: what differs stands in `detail`). */
export const TITLE_OF_CODE: Readonly<Record<Code, string>> = {
  validation_failed: "The request is not valid.",
  amount_invalid: "The amount is not valid.",
  same_account: "Source and destination are the same account.",
  currency_mismatch: "The account has another currency.",
  idempotency_key_missing: "The Idempotency-Key header is missing.",
  idempotency_key_invalid: "The Idempotency-Key header is not valid.",
  unauthenticated: "The caller is not authenticated.",
  forbidden: "The caller may not do this.",
  not_found: "There is nothing here.",
  account_not_found: "The account does not exist.",
  transfer_not_found: "The transfer does not exist.",
  version_conflict: "The account has changed since the expected version.",
  key_in_progress: "The command with this key is still running.",
  illegal_transition: "Its state does not allow this.",
  EFFECT_CLOSED: "The effect is no longer open.",
  already_exists: "The id is taken.",
  payload_too_large: "The request is too large.",
  insufficient_funds: "The account has too little money.",
  account_frozen: "The account is frozen.",
  account_closed: "The account is closed.",
  limit_exceeded: "The balance would leave its limits.",
  key_reused: "The key was used for another request.",
  rate_limited: "Too many requests.",
  keys_exhausted: "Too many keys are remembered for this entity.",
  INTERNAL_ERROR: "Something failed inside.",
  ENTITY_FAILED: "The entity cannot be rebuilt from its history.",
  UPSTREAM_BAD_RESPONSE: "An upstream answered with something unusable.",
  MAILBOX_FULL: "The entity has too many waiting messages.",
  OVERLOADED: "The node has too much to do.",
  JOURNAL_UNAVAILABLE: "The journal takes no writes now.",
  VIEW_BEHIND: "The read model is behind.",
  NOT_OWNER: "This node does not own the entity.",
  SHUTTING_DOWN: "The node is shutting down.",
  DEADLINE_EXCEEDED: "The deadline passed before the command ran.",
  OUTCOME_UNKNOWN: "It is not known whether the command ran.",
  UPSTREAM_TIMEOUT: "An upstream did not answer in time.",
};
