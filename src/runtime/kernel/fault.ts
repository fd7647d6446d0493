/**
 * Every code that leaves the system, with its HTTP status (DESIGN 5.5). One table, one name each, never reused: a test compares it
 * with the documents. 5xx codes that say "surely not done" may be repeated at once; `OUTCOME_UNKNOWN` is safe with the same key.
 */
export const STATUS_OF_CODE = {
  validation_failed: 400,
  amount_invalid: 400,
  same_account: 400,
  currency_mismatch: 400,
  idempotency_key_missing: 400,
  idempotency_key_invalid: 400,
  unauthenticated: 401,
  forbidden: 403,
  not_found: 404,
  account_not_found: 404,
  transfer_not_found: 404,
  version_conflict: 409,
  key_in_progress: 409,
  illegal_transition: 409,
  already_exists: 409,
  EFFECT_CLOSED: 409,
  payload_too_large: 413,
  insufficient_funds: 422,
  account_frozen: 422,
  account_closed: 422,
  limit_exceeded: 422,
  key_reused: 422,
  rate_limited: 429,
  keys_exhausted: 429,
  INTERNAL_ERROR: 500,
  ENTITY_FAILED: 500,
  UPSTREAM_BAD_RESPONSE: 502,
  MAILBOX_FULL: 503,
  OVERLOADED: 503,
  JOURNAL_UNAVAILABLE: 503,
  VIEW_BEHIND: 503,
  NOT_OWNER: 503,
  SHUTTING_DOWN: 503,
  DEADLINE_EXCEEDED: 504,
  OUTCOME_UNKNOWN: 504,
  UPSTREAM_TIMEOUT: 504,
} as const;
export type Code = keyof typeof STATUS_OF_CODE;

/** Codes of a start that was refused; they never travel in an answer. */
export type StartCode =
  | "DATA_DIR_IN_USE"
  | "FORMAT_UNSUPPORTED"
  | "JOURNAL_CORRUPT"
  | "JOURNAL_TRUNCATED"
  | "CONFIG_INVALID"
  | "PLATFORM_UNSUPPORTED";

/**
 * An operating failure with a stable code. A rule of the domain that says no is a value (`reject`), not a Fault. `isRetryable` is
 * true when the same command, with the same id, may be sent again with a chance to succeed.
 */
export class Fault extends Error {
  readonly code: Code | StartCode;
  readonly isRetryable: boolean;
  constructor(code: Code | StartCode, message: string, options: { readonly isRetryable?: boolean; readonly cause?: unknown } = {}) {
    super(message, { cause: options.cause });
    this.name = "Fault";
    this.code = code;
    this.isRetryable = options.isRetryable ?? false;
  }
}
