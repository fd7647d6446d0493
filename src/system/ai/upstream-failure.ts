import { type Code, PortFailure } from "../../runtime/index.ts";

/**
 * What an upstream's refusal becomes: its own status decides about another attempt, the code is only what is told in the end (TRAPS 1). Its text is
 * not taken over, because it may quote the key or the conversation; of its body only `reason`, a short word, is.
 */
export function statusFailure(status: number, retryAfter: string | null, reason: string | null): PortFailure {
  const isRedirect = status >= 300 && status < 400;
  const what = isRedirect ? "; redirects are not followed" : reason === null ? "" : ` (${reason})`;
  return new PortFailure(`the endpoint answered ${status}${what}`, { status, retryAfter, code: codeOf(status) });
}

/** It is the endpoint that has too much to do: the client may come again, as with any overload. */
const codeOf = (status: number): Code => (status === 429 || status === 503 ? "OVERLOADED" : "UPSTREAM_BAD_RESPONSE");

/** A connection that was not made: nothing arrived at the other end. */
export const unreachable = (cause: unknown): PortFailure =>
  new PortFailure("the endpoint cannot be reached", { code: "UPSTREAM_TIMEOUT", cause });

/** A connection that ended before the answer did. */
export const broken = (cause: unknown): PortFailure => new PortFailure("the connection to the endpoint broke", { cause });

/** Why an answer with status 200 is none. */
export type BadAnswer = "BAD_JSON" | "BAD_SHAPE" | "NO_CHOICES" | "NO_CONTENT" | "EMPTY_RESPONSE" | "BODY_TOO_LARGE" | "BAD_ENCODING";

/** An answer that is none. Another attempt is likely to bring the same, and it was paid for, so none is made (R-CON-6 names what is repeated). */
export const badAnswer = (name: BadAnswer, detail: string): PortFailure => new PortFailure(`${name}: ${detail}`, { status: 200 });
