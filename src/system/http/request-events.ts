/** What is told of each request: its time to the metrics, its lines to the log. */
import type { FastifyRequest } from "fastify";
import type { HttpMeter } from "../observe/http-meter.ts";
import type { HttpLog } from "./http-log.ts";
import { sampledTraceOf } from "./request.ts";
import type { RouteKey } from "./routes.ts";

interface Answered {
  readonly status: number;
  /** Null: of no route of ours. */
  readonly route: RouteKey | null;
  readonly ms: number;
}

/**
 * Times every request. Only at log level debug it also writes one line for each answer, and one for the arrival of a request whose trace is sampled. What
 * is logged is an allow-list: the route as its pattern, never the path, the query or a body (TRAPS 46).
 */
export class RequestEvents {
  readonly #meter: HttpMeter;
  /** Null when nobody reads such lines. */
  readonly #debug: ((fields: object, message: string) => void) | null;

  constructor({ meter, log }: { readonly meter: HttpMeter; readonly log: HttpLog }) {
    this.#meter = meter;
    this.#debug = log.isLevelEnabled?.("debug") === true ? (fields, message) => log.debug?.(fields, message) : null;
  }

  arrived(request: FastifyRequest, route: RouteKey): void {
    if (this.#debug === null) return;
    const trace = sampledTraceOf(request);
    if (trace !== null) this.#debug({ hop: "ingress", traceId: trace.traceId, requestId: request.id, route }, "request");
  }

  answered(request: FastifyRequest, { status, route, ms }: Answered): void {
    this.#meter.answered(route ?? "unmatched", status, ms / 1000);
    if (this.#debug === null) return;
    const trace = sampledTraceOf(request);
    const ids = trace === null ? {} : { traceId: trace.traceId };
    this.#debug(
      { hop: "answer", ...ids, requestId: request.id, route: route ?? "unmatched", status, ms: Math.round(ms * 1000) / 1000 },
      "answered",
    );
  }
}
