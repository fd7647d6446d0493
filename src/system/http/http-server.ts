/**
 * The HTTP server: limits, life and death. Routes are in `routes.ts`, what they do in `handlers.ts`.
 *
 * H1. Everything that is answered is JSON of the documented form or a problem with a code of the one table; never a stack.
 * H2. Stop, in steps. Leave: `readyz` turns red, all else goes on. Drain: what arrives from now on, also on new connections, is refused with
 *     `SHUTTING_DOWN`, which ends its connection; what arrived before is answered. Close: the listener and what is left of connections end.
 *     So a client meets a whole answer that says what is going on as long as there is a process to give it.
 */
import { createServer, type IncomingMessage } from "node:http";
import { type AddressInfo, isIPv6, type Socket } from "node:net";
import { type FastifyError, type FastifyReply, type FastifyRequest, fastify } from "fastify";
import type { Refusal } from "../../runtime/index.ts";
import type { Config } from "../config/config.ts";
import { ConversationCalls } from "../ingress/conversation-call.ts";
import { ConversationDoor } from "../ingress/conversation-door.ts";
import { isMovement, SHUTTING_DOWN, tooLarge } from "../ingress/door-refusals.ts";
import { refuse } from "../ingress/ledger-door.ts";
import { Metrics } from "../observe/metrics.ts";
import type { TroupeSystem } from "../system.ts";
import { Answers, instanceOf } from "./answers.ts";
import type { Bulk } from "./bulk.ts";
import type { Handler } from "./handler.ts";
import { handlersOf } from "./handlers.ts";
import type { HttpLog } from "./http-log.ts";
import { answerRaw } from "./raw-answer.ts";
import { isBodyUnread, requestIds } from "./request.ts";
import { RequestEvents } from "./request-events.ts";
import { type RouteKey, routes } from "./routes.ts";
import { SlowBodies } from "./slow-bodies.ts";
import { ConversationSockets, wantsSocket } from "./streams/conversation-sockets.ts";
import { OpenStreams } from "./streams/open-streams.ts";
import { Rooms } from "./streams/rooms.ts";

export interface StartHttpOptions {
  readonly system: TroupeSystem;
  readonly config: Pick<Config, "http" | "conversation" | "ai">;
  readonly log: HttpLog;
  /** Of the process, when somebody else shows them too; else the server's own. */
  readonly metrics?: Metrics;
}
export interface HttpServer {
  /** `http://host:port`, with the port that was really taken. */
  readonly url: string;
  /** First step of a stop (H2): `/readyz` is red from now on and everything else goes on, so that load balancers find other servers. */
  leave(): void;
  /**
   * Second step: refuses what arrives from now on and waits until what arrived before is answered, at most `deadlineMs`.
   * Answers how many requests have no answer.
   */
  drain(deadlineMs: number): Promise<number>;
  /** Drains, then closes. Connections that are not done after `deadlineMs` are cut. May be called twice; both wait for the same end. */
  close(deadlineMs: number): Promise<void>;
  /** Resolves when it listens no more: with null after `close`, else with what ended it. */
  readonly ended: Promise<unknown>;
}

const HEADERS_MS_MAX = 10_000;
const KEEP_ALIVE_MS = 60_000;
/** A request that is being sent when the drain begins will be refused; so long it gets to end, because a client that sends does not listen. */
const RECEPTION_MS_MAX = 5_000;
/** An id has up to 200 bytes, each of which may be written `%xx`. */
const PARAM_CHARS_MAX = 600;
/** No route gives the framework a schema. Told so it does not load a compiler for them: 100 modules, and some 30 ms of a start in which nothing else runs. */
const noCompiler = (): never => {
  throw new Error("no route of this server has a schema");
};
const BULK: RouteKey = "POST /v1/transfers/bulk";

/** Listens as the configuration says. Does not own the system. @throws what `listen` throws, for example when the port is taken. */
export async function startHttp({ system, config, log, metrics = new Metrics(system) }: StartHttpOptions): Promise<HttpServer> {
  const { http } = config;
  const answers = new Answers({ ...http, events: new RequestEvents({ meter: metrics.http, log }) });
  metrics.http.activeCount = () => answers.owed;
  const slowBodies = new SlowBodies({ msMax: http.requestTimeoutMs, onSlow: (request) => answerSlow(request, http.requestTimeoutMs) });
  const bulks = new Set<Bulk>();
  const streams = new OpenStreams({
    countMax: http.streamsMax,
    heartbeatMs: http.streamHeartbeatMs,
    stalledMs: http.streamStalledMs,
    ageMsMax: http.streamAgeMsMax,
  });
  metrics.http.streams = () => streams;
  const door = new ConversationDoor(system);
  const calls = new ConversationCalls({ system, door, isInline: config.conversation.summaries === "inline" });
  const sockets = new ConversationSockets({
    system,
    door,
    calls,
    streams,
    rooms: new Rooms(),
    json: { depthMax: http.jsonDepthMax, keysMax: http.jsonKeysMax },
    frameBytesMax: http.bodyBytesMax,
    answerMsMax: http.answerMsMax,
    whyClosed: () => (answers.isClosing ? SHUTTING_DOWN : null),
    onDefect: (cause) => log.error({ err: cause }, "a socket met a defect"),
  });
  const server = createServer({
    requestTimeout: 0,
    headersTimeout: Math.min(HEADERS_MS_MAX, http.requestTimeoutMs),
    connectionsCheckingInterval: 1000,
    shouldUpgradeCallback: wantsSocket,
  });
  server.maxConnections = http.connectionsMax;
  server.keepAliveTimeout = KEEP_ALIVE_MS;
  const app = fastify({
    serverFactory: (handle) =>
      server.on("request", (request, response) => {
        answers.begin(response);
        if (request.method !== "GET") slowBodies.add(request);
        handle(request, response);
      }),
    logger: false,
    bodyLimit: http.bodyBytesMax,
    return503OnClosing: false,
    genReqId: requestIds(),
    routerOptions: { maxParamLength: PARAM_CHARS_MAX },
    clientErrorHandler: answerClientError,
    frameworkErrors: answerError,
    schemaController: { compilersFactory: { buildValidator: noCompiler, buildSerializer: noCompiler } },
  });
  server.on("upgrade", (request, socket, head) => sockets.take(request, socket, head));
  const handlers = handlersOf({ system, config, log, answers, slowBodies, bulks, metrics, door, calls, streams });
  app.removeAllContentTypeParsers();
  // Bodies are taken as bytes: the door parses them. Any other content type is refused by the framework.
  app.addContentTypeParser("application/json", { parseAs: "buffer" }, (request, body, done) => {
    slowBodies.remove(request.raw);
    done(null, body);
  });
  app.setErrorHandler(answerError);
  app.setNotFoundHandler((request, reply) => {
    slowBodies.remove(request.raw);
    answers.refusal(request, reply, notFound(request), { isLast: isBodyUnread(request.raw) });
  });
  const found =
    (key: RouteKey): Handler =>
    (request, reply) => {
      answers.found(request, reply, key);
      handlers[key](request, reply);
    };
  for (const { key, method, path } of routes) if (key !== BULK) app.route({ method, url: path, handler: found(key) });
  app.register(async (scope) => {
    // Here alone the body is a stream that the handler reads, of any length.
    scope.removeAllContentTypeParsers();
    scope.addContentTypeParser("application/x-ndjson", (_request, _payload, done) => done(null));
    scope.post("/v1/transfers/bulk", found(BULK));
  });

  function answerError(error: FastifyError, request: FastifyRequest, reply: FastifyReply): void {
    slowBodies.remove(request.raw);
    const route = routes.find(({ method, path }) => method === request.method && path === request.routeOptions.url);
    if (route !== undefined) answers.found(request, reply, route.key); // Refused before its handler had it.
    const refusal = refusalOf(error, { bodyBytesMax: http.bodyBytesMax, path: request.url });
    if (refusal.code === "INTERNAL_ERROR")
      log.error({ err: error, requestId: request.id, path: instanceOf(request.url) }, "a request met a defect");
    // A body that was refused half-way is not read to its end.
    answers.refusal(request, reply, refusal, { isLast: isBodyUnread(request.raw) });
  }

  try {
    await app.listen({ host: http.host, port: http.port });
  } catch (cause) {
    slowBodies.close();
    streams.close();
    throw cause;
  }
  let closed: Promise<void> | null = null;
  const ended = new Promise<unknown>((resolve) => {
    let failure: unknown = null;
    server.once("error", (cause) => {
      failure = cause;
      closed ??= closeOnce(0);
    });
    server.once("close", () => resolve(failure ?? (closed === null ? new Error("the listener was closed") : null)));
  });

  async function drain(deadlineMs: number): Promise<number> {
    answers.stage = "draining";
    for (const bulk of bulks) bulk.stop();
    streams.stop();
    const late = setTimeout(
      () => slowBodies.endAll(({ socket }) => answerRaw(socket, SHUTTING_DOWN)),
      Math.min(RECEPTION_MS_MAX, deadlineMs),
    );
    try {
      return await answers.drained(deadlineMs);
    } finally {
      clearTimeout(late);
    }
  }

  async function closeOnce(deadlineMs: number): Promise<void> {
    const cut = setTimeout(() => server.closeAllConnections(), deadlineMs);
    try {
      await drain(deadlineMs);
      await app.close(); // Ends the listener and idle connections, then waits for the others: each ends with its answer.
    } finally {
      clearTimeout(cut);
      slowBodies.close();
      streams.close();
    }
  }
  return {
    url: urlOf(server.address()),
    leave: () => {
      if (answers.stage === "serving") answers.stage = "leaving";
    },
    drain,
    close: (deadlineMs) => {
      closed ??= closeOnce(deadlineMs);
      return closed;
    },
    ended,
  };
}

function urlOf(address: AddressInfo | string | null): string {
  if (address === null || typeof address === "string") throw new Error("the server listens on no port");
  return `http://${isIPv6(address.address) ? `[${address.address}]` : address.address}:${address.port}`;
}

/** What the framework refuses, in the words of the table. Its own texts are for developers and stay inside. */
function refusalOf(error: FastifyError, { bodyBytesMax, path }: { readonly bodyBytesMax: number; readonly path: string }): Refusal {
  switch (error.code) {
    case "FST_ERR_CTP_BODY_TOO_LARGE":
      return tooLarge(bodyBytesMax, path);
    case "FST_ERR_CTP_INVALID_MEDIA_TYPE":
    case "FST_ERR_CTP_INVALID_CONTENT_TYPE":
      return refuse(
        "validation_failed",
        `the content type is not taken here; send application/json${isMovement(path) ? ", or application/x-ndjson to /v1/transfers/bulk" : ""}`,
      );
    case "FST_ERR_BAD_URL":
      return refuse("validation_failed", "the path is not a well-formed URL; write other characters as %xx of UTF-8");
    case "FST_ERR_MAX_PARAM_LENGTH":
      return refuse("validation_failed", "the id in the path is too long; an id has at most 200 bytes of UTF-8");
    case "FST_ERR_CTP_INVALID_CONTENT_LENGTH":
      return refuse("validation_failed", "the body is not as long as its Content-Length says; send the true length");
  }
  if (error.statusCode !== undefined && error.statusCode >= 400 && error.statusCode < 500)
    return refuse("validation_failed", "the request broke off or is not well-formed HTTP; send it again in full");
  return refuse("INTERNAL_ERROR", "the service met a defect and logged it with the request's id; a repeat with the same key is safe");
}

function notFound(request: FastifyRequest): Refusal {
  const path = instanceOf(request.url);
  const others = routes.filter(({ pattern, method }) => method !== request.method && pattern.test(path)).map(({ method }) => method);
  const there = others.length > 0 ? `there is ${others.join(", ")}` : "see /docs for what there is";
  return refuse("not_found", `there is no ${request.method} ${path.slice(0, 200)} here; ${there}`);
}

/** HTTP that the parser could not read: there is no request to answer, only a connection. */
function answerClientError(error: NodeJS.ErrnoException, socket: Socket): void {
  if (error.code === "ECONNRESET" || !socket.writable) {
    socket.destroy();
    return;
  }
  const detail =
    error.code === "HPE_HEADER_OVERFLOW"
      ? "the headers are larger than 16 KiB; send fewer or shorter ones"
      : error.code === "ERR_HTTP_REQUEST_TIMEOUT"
        ? "the headers did not arrive in time; send the request in one go"
        : "the request is not well-formed HTTP/1.1; nothing of it was done";
  answerRaw(socket, { code: "validation_failed", detail });
}

function answerSlow(request: IncomingMessage, msMax: number): void {
  const bulk = isMovement(request.url ?? "") ? ", or many movements as a bulk stream" : "";
  const detail = `the body did not arrive within ${msMax} ms and nothing was done; send it faster${bulk}`;
  answerRaw(request.socket, { code: "validation_failed", detail });
}
