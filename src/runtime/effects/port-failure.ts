import type { Code } from "../kernel/fault.ts";

/** What is known of an attempt that failed. It travels between threads as it is. */
export interface AttemptFailure {
  /** For people: what happened at the other end. */
  readonly error: string;
  /** The upstream's own status, 0 when none came. */
  readonly status: number;
  /** Another attempt has a chance. False: the entity gets a refusal at once. */
  readonly isRetryable: boolean;
  /** The upstream asked for this rest. */
  readonly retryAfterMs: number | null;
  /** What the entity is told when no attempt is left. */
  readonly code: Code;
}

export interface PortFailureOptions {
  /** The upstream's own status, before it was mapped to anything. */
  readonly status?: number;
  /** The header `Retry-After` as it came: seconds, or a date. */
  readonly retryAfter?: string | null;
  /** Decided by the status when absent. */
  readonly isRetryable?: boolean;
  /** What the entity is told when no attempt is left; `UPSTREAM_BAD_RESPONSE` when absent. */
  readonly code?: Code;
  readonly cause?: unknown;
}

/**
 * What a port throws when the other end said no. It is classified by the upstream's status and by nothing that was mapped from it (TRAPS 1, 2):
 * 429 and 5xx may be attempted again, any other status may not; without a status (no connection, no answer) it may.
 */
export class PortFailure extends Error {
  readonly status: number;
  readonly retryAfter: string | null;
  readonly isRetryable: boolean;
  readonly code: Code;

  constructor(message: string, options: PortFailureOptions = {}) {
    super(message, { cause: options.cause });
    this.name = "PortFailure";
    this.status = options.status ?? 0;
    this.retryAfter = options.retryAfter ?? null;
    this.isRetryable = options.isRetryable ?? isRetryableStatus(this.status);
    this.code = options.code ?? "UPSTREAM_BAD_RESPONSE";
  }
}

/** 0 = no answer came. */
export const isRetryableStatus = (status: number): boolean => status === 0 || status === 429 || status >= 500;

/**
 * Whatever a port threw, as data. What is no `PortFailure` (a connection that broke, a defect of the port) is attempted again: attempts are
 * counted, so a defect ends as a dead letter that says what it was. `nowMs`: milliseconds since 1970.
 */
export function failureOf(thrown: unknown, nowMs: number): AttemptFailure {
  if (!(thrown instanceof PortFailure)) {
    return { error: textOf(thrown), status: 0, isRetryable: true, retryAfterMs: null, code: "UPSTREAM_BAD_RESPONSE" };
  }
  const { message, status, isRetryable, retryAfter, code } = thrown;
  return { error: textOf(thrown, message), status, isRetryable, retryAfterMs: retryAfterMsOf(retryAfter, nowMs), code };
}

/** Milliseconds that a `Retry-After` header asks for (RFC 9110: seconds, or a date), at most an hour; null when there is none to be understood. */
export function retryAfterMsOf(header: string | null, nowMs: number): number | null {
  const text = header?.trim() ?? "";
  if (text === "") return null;
  const ms = /^\d+$/.test(text) ? Number(text) * 1_000 : Date.parse(text) - nowMs;
  return Number.isNaN(ms) ? null : Math.min(Math.max(ms, 0), RETRY_AFTER_MS_MAX);
}

/** An error with the causes behind it (`fetch failed: connect ECONNREFUSED`), cut: it stands in the journal with every attempt. */
function textOf(thrown: unknown, message = plainTextOf(thrown)): string {
  const causes = [message];
  let cause = thrown instanceof Error ? thrown.cause : undefined;
  for (let depth = 0; depth < CAUSES_MAX && cause instanceof Error; depth++) {
    causes.push(cause.message === "" ? cause.name : cause.message);
    cause = cause.cause;
  }
  return causes.join(": ").slice(0, ERROR_CHARS_MAX);
}

/** A port may throw what has no text; that must end its attempt, not the thread of all ports. */
function plainTextOf(thrown: unknown): string {
  try {
    return String(thrown instanceof Error ? thrown.message : thrown);
  } catch {
    return "the port threw something that has no text";
  }
}

const RETRY_AFTER_MS_MAX = 3_600_000;
const CAUSES_MAX = 3;
const ERROR_CHARS_MAX = 500;
