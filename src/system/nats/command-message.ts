/** One command as a message: what its headers and body ask for, and the message that answers it. */
import { Match, type Msg, type MsgHdrs, headers as newHeaders } from "nats";
import { type Code, parseTrace, type Refusal } from "../../runtime/index.ts";
import { clearsSoon } from "../ingress/clears-soon.ts";
import { tooLarge } from "../ingress/door-refusals.ts";
import { KEY_DUPLICATED } from "../ingress/idempotency-key.ts";
import { refuse } from "../ingress/ledger-door.ts";
import type { ServiceAnswer, ServiceRequest } from "../ingress/service-commands.ts";
import { isReplySubject } from "./subjects.ts";

/** Names of headers, in the spelling in which answers and documents have them; commands may write them in any. */
export const HEADERS = {
  /** Of the entity, percent-encoded where it is not plain ASCII. */
  id: "Troupe-Id",
  key: "Idempotency-Key",
  /** ISO 8601 with a time zone: a command that has not begun by then is not begun. */
  deadline: "Troupe-Deadline",
  trace: "traceparent",
  /** Of a command in the stream: where its answer goes. */
  replyTo: "Troupe-Reply-To",
} as const;

export interface CommandLimits {
  readonly bodyBytesMax: number;
  /** Longest wait for an answer; a deadline makes it shorter. */
  readonly answerMsMax: number;
}
export interface CommandMessage {
  readonly request: ServiceRequest;
}

/** Reads a message. `path` is the command's over HTTP. Never throws; what is malformed is a refusal that has used no key. */
export function readCommand(message: Received, limits: CommandLimits, path = ""): CommandMessage | Refusal {
  const { data } = message;
  const headers = headersIn(message);
  if (headers !== null && isRefusal(headers)) return headers;
  const found = new Map<string, string>();
  let key: string | Refusal | undefined;
  for (const [name, values] of headers ?? []) {
    const lower = name.toLowerCase();
    if (lower === "idempotency-key") key = key === undefined && values.length === 1 ? values[0] : KEY_DUPLICATED;
    else if (!READ.has(lower)) continue;
    else if (values.length !== 1 || found.has(lower))
      return refuse("validation_failed", `the message has more than one ${name} header; send exactly one`);
    else found.set(lower, values[0] ?? "");
  }
  if (data.byteLength > limits.bodyBytesMax) return tooLarge(limits.bodyBytesMax, path);
  const id = idOf(found.get("troupe-id"));
  if (typeof id === "object" && id !== null) return id;
  const timeoutMs = timeoutOf(found.get("troupe-deadline"), limits.answerMsMax);
  if (typeof timeoutMs === "object") return timeoutMs;
  const trace = found.get("traceparent");
  const traced = trace !== undefined && parseTrace(trace) !== null ? { trace } : {};
  const body = Buffer.from(data.buffer, data.byteOffset, data.byteLength);
  return { request: { id, key, body, options: { timeoutMs, ...traced } } };
}

/** Where the answer of a command in the stream goes; null when its headers name nothing, or something else than an inbox of a client. */
export function replyToOf(headers: MsgHdrs, ownInboxPrefix: string): string | null {
  for (const [name, [subject]] of headers)
    if (name.toLowerCase() === "troupe-reply-to") return subject !== undefined && isReplySubject(subject, ownInboxPrefix) ? subject : null;
  return null;
}

/** The id of the entity that a message names, also of one that is refused; null when it names none that can be read. */
export function idOfMessage(message: Received): string | null {
  const headers = headersIn(message);
  if (headers === null || isRefusal(headers)) return null;
  const id = idOf(headers.get(HEADERS.id, Match.IgnoreCase) || undefined);
  return typeof id === "string" ? id : null;
}

/** Headers and body of an answer (ADR-32 for errors). */
export function answerMessage({ status, body, isReplayed, code, detail }: ServiceAnswer): {
  readonly headers: MsgHdrs;
  readonly body: string;
} {
  const headers = newHeaders();
  headers.set("Troupe-Status", String(status));
  if (isReplayed) headers.set("Idempotency-Replayed", "true");
  if (status >= 400) {
    headers.set("Nats-Service-Error", inHeader(detail ?? code ?? "refused"));
    headers.set("Nats-Service-Error-Code", String(status));
    if (code !== null && clearsSoon(code as Code)) headers.set("Retry-After", "1");
  }
  return { headers, body };
}

export const ANSWER_TOO_LARGE = refuse(
  "payload_too_large",
  "the command was carried out, but its answer is larger than this server of NATS carries (max_payload); ask over HTTP, or for a smaller page",
);

/** As it came; of a message of a stream the size is not known. */
export type Received = Pick<Msg, "headers" | "data"> & {
  readonly subject?: string;
  readonly reply?: string;
  /** Of subject, reply, headers and body together; the library has it, and does not say so. */
  readonly size?: () => number;
};

/** The library looks through all names for each further one, so many short ones would hold the event loop: these are 1,600 at most. */
const HEADER_BYTES_MAX = 8 * 1024;
export const isRefusal = (found: MsgHdrs | Refusal): found is Refusal => "detail" in found;

/** Null when there are none. The library reads them at the first look, and throws for a name that is none. */
export function headersIn(message: Received): MsgHdrs | null | Refusal {
  const { data, subject = "", reply = "" } = message;
  const bytes = (message.size?.() ?? 0) - data.byteLength - subject.length - reply.length;
  if (bytes > HEADER_BYTES_MAX)
    return refuse("validation_failed", `the headers are larger than ${HEADER_BYTES_MAX} bytes; send fewer or shorter ones`);
  try {
    return message.headers ?? null;
  } catch {
    return refuse("validation_failed", "the headers are malformed; a name is of printable ASCII characters without blanks and colons");
  }
}

const READ: ReadonlySet<string> = new Set(["troupe-id", "troupe-deadline", "traceparent", "troupe-reply-to"]);
const DETAIL_CHARS_MAX = 500;
/** A header is one line of ASCII. */
export const inHeader = (text: string): string => text.replace(/[^\x20-\x7e]/g, "?").slice(0, DETAIL_CHARS_MAX);

/** Other characters are refused, not taken as they came: what was no UTF-8 would all become one and the same character. */
const PLAIN = /^[\x20-\x7e]*$/;

function idOf(text: string | undefined): string | null | Refusal {
  if (text === undefined) return null;
  try {
    if (PLAIN.test(text)) return decodeURIComponent(text);
  } catch {
    // A % that begins no %xx of UTF-8.
  }
  return refuse("validation_failed", `${HEADERS.id} is not well-formed; write % and all but plain ASCII as %xx of UTF-8`);
}

const WITH_ZONE = /(Z|[+-]\d{2}:\d{2})$/;

/** How long the command may still take. */
function timeoutOf(deadline: string | undefined, msMax: number): number | Refusal {
  if (deadline === undefined) return msMax;
  const at = WITH_ZONE.test(deadline) ? Date.parse(deadline) : Number.NaN;
  if (Number.isNaN(at))
    return refuse("validation_failed", `${HEADERS.deadline} is no time; send ISO 8601 with a time zone, for example 2030-01-31T12:00:00Z`);
  const leftMs = at - Date.now();
  if (leftMs <= 0)
    return refuse("DEADLINE_EXCEEDED", `the deadline ${new Date(at).toISOString()} had passed when the command arrived; it was not begun`);
  return Math.min(leftMs, msMax);
}
