/**
 * How every answer of the HTTP ingress is written: straight to the socket's response, because the body of an outcome is bytes that must leave
 * as they were stored (L3), and because a serializer and hooks on this path would cost a tenth of the throughput for nothing.
 */
import type { ServerResponse } from "node:http";
import { setTimeout as delay } from "node:timers/promises";
import { promisify } from "node:util";
import { gzip } from "node:zlib";
import type { FastifyReply, FastifyRequest } from "fastify";
import { problemBody } from "../../actors/index.ts";
import { type Code, type Refusal, STATUS_OF_CODE } from "../../runtime/index.ts";
import { clearsSoon } from "../ingress/clears-soon.ts";
import { OpenTable } from "./open-table.ts";
import type { RequestEvents } from "./request-events.ts";
import type { RouteKey } from "./routes.ts";

export interface AnswerOptions {
  /** Header names (lower case) and values in turn. */
  readonly headers?: readonly string[];
  /** The connection ends with this answer: the rest of the request will not be read. */
  readonly isLast?: boolean;
  /** Of a refusal: extension members of the problem (RFC 9457, 3.2). */
  readonly members?: object;
  /** Of a refusal: seconds after which a repeat may do better, when that is known; else by the code. */
  readonly retryAfterS?: number | undefined;
  /** Of a refusal: when it happened, in milliseconds since 1970; now when absent. */
  readonly at?: number;
}

const JSON_TYPE = "application/json";
export const PROBLEM_TYPE = "application/problem+json";
const NONE: readonly string[] = [];
const compressed = promisify(gzip);

/** An answer that is owed. */
interface OpenAnswer {
  /** On the monotonic clock, when the request's head was there. */
  readonly begunMs: number;
  /** Null while nobody has found out which. */
  route: RouteKey | null;
}

/** Where a server is on its way out (H2). `leaving`: red for load balancers, and still at work. `draining`: takes nothing new. */
export type Stage = "serving" | "leaving" | "draining";

/** Look again so often whether all is answered. */
const DRAIN_LOOK_MS = 5;
/** Answers under way before the set of them is looked through for those whose client went away unseen. */
const OPEN_MIN = 1024;

/** Writes answers; knows whether the server is closing, and what it still owes. One for each server. */
export class Answers {
  stage: Stage = "serving";
  readonly #gzipBytesMin: number;
  readonly #events: RequestEvents;
  /** Answers that are owed, or not yet with the operating system: a stop waits for them, so that none leaves by half. */
  readonly #open = new OpenTable<ServerResponse, OpenAnswer>();
  #openMax = OPEN_MIN;

  constructor(options: { readonly gzipBytesMin: number; readonly events: RequestEvents }) {
    this.#gzipBytesMin = options.gzipBytesMin;
    this.#events = options.events;
  }

  /** New work is refused, and every answer also ends its connection. */
  get isClosing(): boolean {
    return this.stage === "draining";
  }

  /** A request arrived. What arrives while the server drains is refused at once, so nothing waits for it. */
  begin(response: ServerResponse): void {
    if (this.isClosing) return;
    if (this.#open.size >= this.#openMax) this.#openMax = Math.max(OPEN_MIN, this.#stillOpen() * 2);
    this.#open.add(response, { begunMs: performance.now(), route: null });
  }

  /** The route of a request is known. */
  found(request: FastifyRequest, reply: FastifyReply, route: RouteKey): void {
    const open = this.#open.get(reply.raw);
    if (open !== undefined) open.route = route;
    this.#events.arrived(request, route);
  }

  /** An answer that was not written here has ended: a stream's. */
  ended(request: FastifyRequest, response: ServerResponse, status: number): void {
    const open = this.#open.get(response);
    if (open !== undefined) this.#events.answered(request, { status, route: open.route, ms: performance.now() - open.begunMs });
  }

  /** Requests without an answer. */
  get owed(): number {
    return this.#stillOpen();
  }

  /** Waits until every request that arrived before the drain has its answer, at most `deadlineMs`. Answers how many have none. */
  async drained(deadlineMs: number): Promise<number> {
    const until = performance.now() + deadlineMs;
    while (this.#stillOpen() > 0 && performance.now() < until) await delay(DRAIN_LOOK_MS);
    return this.#stillOpen();
  }

  /** A client that went away ends its answer without a word to us, when it had sent more than one request in a row. */
  #stillOpen(): number {
    for (const [response] of this.#open.entries()) if (hasLeft(response) || response.req.socket.destroyed) this.#open.delete(response);
    return this.#open.size;
  }

  /** A body of JSON text. A status from 400 up is a problem (RFC 9457). */
  json(request: FastifyRequest, reply: FastifyReply, status: number, body: string, options: AnswerOptions = {}): void {
    this.text(request, reply, status, status < 400 ? JSON_TYPE : PROBLEM_TYPE, body, options);
  }

  refusal(request: FastifyRequest, reply: FastifyReply, { code, detail }: Refusal, options: AnswerOptions = {}): void {
    const { retryAfterS } = options;
    const rest = retryAfterS === undefined ? retryAfter(code) : ["retry-after", String(retryAfterS)];
    const headers = [...rest, ...(options.headers ?? NONE)];
    const problem = problemBody({ code, detail, instance: instanceOf(request.url), at: options.at ?? Date.now() });
    const body = options.members === undefined ? problem : JSON.stringify({ ...JSON.parse(problem), ...options.members });
    this.text(request, reply, STATUS_OF_CODE[code], PROBLEM_TYPE, body, { ...options, headers });
  }

  text(request: FastifyRequest, reply: FastifyReply, status: number, type: string, body: string, options: AnswerOptions = {}): void {
    reply.hijack();
    const bytes = Buffer.byteLength(body);
    const plain = bytes < this.#gzipBytesMin ? NONE : VARIED;
    const writePlain = (): void => this.#write(request, reply, status, type, body, bytes, plain, options);
    if (plain === NONE || !acceptsGzip(request.headers["accept-encoding"])) writePlain();
    else compressed(body).then((small) => this.#write(request, reply, status, type, small, small.length, GZIPPED, options), writePlain);
  }

  /** 204: done, and nothing to show. */
  empty(request: FastifyRequest, reply: FastifyReply): void {
    reply.hijack();
    this.#head(request, reply, 204, NONE, {}, null);
  }

  #write(
    request: FastifyRequest,
    reply: FastifyReply,
    status: number,
    type: string,
    body: string | Buffer,
    bytes: number,
    encoding: readonly string[],
    options: AnswerOptions,
  ): void {
    this.#head(request, reply, status, ["content-type", type, "content-length", String(bytes), ...encoding], options, body);
  }

  #head(
    request: FastifyRequest,
    reply: FastifyReply,
    status: number,
    content: readonly string[],
    { headers = NONE, isLast = false }: AnswerOptions,
    body: string | Buffer | null,
  ): void {
    const { raw } = reply;
    if (raw.headersSent || raw.destroyed) {
      this.#open.delete(raw); // The client went away, or the sweep of slow bodies has answered.
      return;
    }
    const list = [...content, "x-request-id", request.id, ...SECURITY, ...headers];
    if (isLast || this.isClosing) list.push("connection", "close");
    raw.writeHead(status, list);
    if (body === null) raw.end();
    else raw.end(body);
    this.ended(request, raw, status);
    if (hasLeft(raw)) this.#open.delete(raw); // As nearly every answer has by now.
  }
}

/** The operating system has all of it. Not `writableFinished`, which turns true a tick later: all answers would wait in the set. */
const hasLeft = (response: ServerResponse): boolean => response.writableEnded && response.writableLength === 0;

const SECURITY = ["x-content-type-options", "nosniff", "cache-control", "no-store"] as const;
/** A cache must not give the plain answer to whom gzip was meant for, nor the other way round. */
const VARIED = ["vary", "accept-encoding"] as const;
const GZIPPED = ["vary", "accept-encoding", "content-encoding", "gzip"] as const;

/** Seconds after which the same request has a chance: what such a refusal tells of takes a moment to clear. */
export const retryAfter = (code: Code): readonly string[] => (clearsSoon(code) ? ["retry-after", "1"] : NONE);

/** The path without its query: what a problem calls its instance. */
export function instanceOf(url: string): string {
  const query = url.indexOf("?");
  return query < 0 ? url : url.slice(0, query);
}

/** Whether the header's list takes gzip with a weight above 0. */
export function acceptsGzip(header: string | string[] | undefined): boolean {
  for (const part of String(header ?? "").split(",")) {
    const [coding = "", ...parameters] = part.split(";").map((word) => word.trim().toLowerCase());
    if (coding === "gzip" || coding === "*") return !parameters.some((parameter) => /^q=0(\.0*)?$/.test(parameter));
  }
  return false;
}
