/**
 * How every answer of the HTTP ingress is written: straight to the socket's response, because the body of an outcome is bytes that must leave
 * as they were stored (L3), and because a serializer and hooks on this path would cost a tenth of the throughput for nothing.
 */
import { promisify } from "node:util";
import { gzip } from "node:zlib";
import type { FastifyReply, FastifyRequest } from "fastify";
import { problemBody } from "../../actors/index.ts";
import { type Code, type Refusal, STATUS_OF_CODE } from "../../runtime/index.ts";

export interface AnswerOptions {
  /** Header names (lower case) and values in turn. */
  readonly headers?: readonly string[];
  /** The connection ends with this answer: the rest of the request will not be read. */
  readonly isLast?: boolean;
}

const JSON_TYPE = "application/json";
export const PROBLEM_TYPE = "application/problem+json";
const NONE: readonly string[] = [];
const compressed = promisify(gzip);

/** Writes answers; knows whether the server is closing. One for each server. */
export class Answers {
  /** From now on every answer also ends its connection. */
  isClosing = false;
  readonly #gzipBytesMin: number;

  constructor(options: { readonly gzipBytesMin: number }) {
    this.#gzipBytesMin = options.gzipBytesMin;
  }

  /** A body of JSON text. A status from 400 up is a problem (RFC 9457). */
  json(request: FastifyRequest, reply: FastifyReply, status: number, body: string, options: AnswerOptions = {}): void {
    this.text(request, reply, status, status < 400 ? JSON_TYPE : PROBLEM_TYPE, body, options);
  }

  refusal(request: FastifyRequest, reply: FastifyReply, { code, detail }: Refusal, options: AnswerOptions = {}): void {
    const headers = [...retryAfter(code), ...(options.headers ?? NONE)];
    const body = problemBody({ code, detail, instance: instanceOf(request.url), at: Date.now() });
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

  #write(
    request: FastifyRequest,
    reply: FastifyReply,
    status: number,
    type: string,
    body: string | Buffer,
    bytes: number,
    encoding: readonly string[],
    { headers = NONE, isLast = false }: AnswerOptions,
  ): void {
    const { raw } = reply;
    if (raw.headersSent || raw.destroyed) return; // The client went away, or the sweep of slow bodies has answered.
    const list = ["content-type", type, "content-length", String(bytes), "x-request-id", request.id, ...SECURITY, ...encoding, ...headers];
    if (isLast || this.isClosing) list.push("connection", "close");
    raw.writeHead(status, list);
    raw.end(body);
  }
}

const SECURITY = ["x-content-type-options", "nosniff", "cache-control", "no-store"] as const;
/** A cache must not give the plain answer to whom gzip was meant for, nor the other way round. */
const VARIED = ["vary", "accept-encoding"] as const;
const GZIPPED = ["vary", "accept-encoding", "content-encoding", "gzip"] as const;

/** Seconds after which the same request has a chance. Nothing here takes longer than a moment to clear. */
export function retryAfter(code: Code): readonly string[] {
  const status = STATUS_OF_CODE[code];
  return status === 503 || status === 429 || code === "key_in_progress" ? ["retry-after", "1"] : NONE;
}

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
