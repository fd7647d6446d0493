/** Reading one HTTP request: key, body, query, trace. What is malformed is a refusal, never a throw. */
import { randomBytes } from "node:crypto";
import type { IncomingMessage, ServerResponse } from "node:http";
import type { FastifyRequest } from "fastify";
import { type AskOptions, type AskSignal, parseTrace, type Refusal, type Trace, traceparentOf } from "../../runtime/index.ts";
import { KEY_DUPLICATED, type KeyResult, keyOfHeader } from "../ingress/idempotency-key.ts";
import { refuse } from "../ingress/ledger-door.ts";

/** The key of the request. Node joins equal headers with ", " (TRAPS 44), so the list as it came is read. */
export function keyOf(request: IncomingMessage): KeyResult {
  const { rawHeaders } = request;
  let value: string | undefined;
  for (let at = 0; at < rawHeaders.length; at += 2) {
    const name = rawHeaders[at] ?? "";
    if (name.length !== 15 || name.toLowerCase() !== "idempotency-key") continue;
    if (value !== undefined) return KEY_DUPLICATED;
    value = rawHeaders[at + 1] ?? "";
  }
  return keyOfHeader(value);
}

/** Why the headers are refused, or null: of two Content-Types Node keeps one, and nobody can say which was meant. */
export function duplicateHeader(request: IncomingMessage): Refusal | null {
  const { rawHeaders } = request;
  let hasType = false;
  for (let at = 0; at < rawHeaders.length; at += 2) {
    const name = rawHeaders[at] ?? "";
    if (name.length !== 12 || name.toLowerCase() !== "content-type") continue;
    if (hasType) return refuse("validation_failed", "the request has more than one Content-Type header; send exactly one");
    hasType = true;
  }
  return null;
}

/** The request has a body that is not read to its end: the connection cannot carry another request. */
export function isBodyUnread(request: IncomingMessage): boolean {
  const { headers } = request;
  return !request.complete && (headers["content-length"] !== undefined || headers["transfer-encoding"] !== undefined);
}

/** The trace in which a request stands; null without a well-formed `traceparent`, as W3C says. */
function traceOf({ headers: { traceparent } }: IncomingMessage): Trace | null {
  return typeof traceparent === "string" ? parseTrace(traceparent) : null;
}

/** The trace of a request whose hops are logged; null for all others. */
export function sampledTraceOf(request: FastifyRequest): Trace | null {
  const trace = traceOf(request.raw);
  return trace?.isSampled === true ? trace : null;
}

/**
 * Makes the ids of requests. In a trace it is the span of the request (a child of the client's), so that journal, log and `x-request-id` name it the same way; else
 * it is short, because every answer carries one. None repeats, also across restarts.
 */
export function requestIds(): (request: IncomingMessage) => string {
  const prefix = `${Date.now().toString(36)}-${Math.floor(Math.random() * 0xfffff).toString(36)}-`;
  let count = 0;
  return (request) => (traceOf(request) === null ? prefix + (++count).toString(36) : randomBytes(SPAN_BYTES).toString("hex"));
}
const SPAN_BYTES = 8;

/** Options of the asks that this request causes: they stand in its trace, below its own span; `response` says when its client went away. */
export function askOptionsOf(request: FastifyRequest, response: ServerResponse, timeoutMs: number): Omit<AskOptions, "id"> {
  const trace = traceOf(request.raw);
  const signal = new Departure(response);
  return trace === null ? { timeoutMs, signal } : { timeoutMs, trace: traceparentOf(trace, request.id), signal };
}

/**
 * Aborted when the connection is gone before the answer was ended. An AbortController each would cost a request 2 us. No function is written where a property
 * gets it, as in an object literal: V8 makes such functions old from birth, and what they close over, here the whole request, stays until the next
 * full collection. That was a third of the time in collections.
 */
class Departure implements AskSignal {
  readonly #response: ServerResponse;
  #onClose: (() => void) | null = null;

  constructor(response: ServerResponse) {
    this.#response = response;
  }

  get aborted(): boolean {
    return this.#response.destroyed && !this.#response.writableEnded;
  }

  addEventListener(_type: "abort", listener: () => void): void {
    const onClose = (): void => {
      if (!this.#response.writableEnded) listener();
    };
    this.#onClose = onClose;
    this.#response.once("close", onClose);
  }

  removeEventListener(): void {
    if (this.#onClose !== null) this.#response.removeListener("close", this.#onClose);
  }
}
