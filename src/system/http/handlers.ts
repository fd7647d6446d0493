/** What each route does: read the request, let the door check it, ask the system, write the answer. */
import { setMaxListeners } from "node:events";
import type { FastifyReply, FastifyRequest } from "fastify";
import type { Answer, Json, Refusal } from "../../runtime/index.ts";
import type { Config } from "../config/config.ts";
import type { ConversationCalls } from "../ingress/conversation-call.ts";
import type { ConversationDoor } from "../ingress/conversation-door.ts";
import { NO_BODY, SHUTTING_DOWN } from "../ingress/door-refusals.ts";
import { isJsonObject, type JsonResult, readJsonObject } from "../ingress/json-body.ts";
import { type CallResult, runCall } from "../ingress/ledger-call.ts";
import {
  type AccountChange,
  accountChangeCall,
  type LedgerCall,
  type MovementKind,
  movementCall,
  openAccountCall,
  readCall,
  refuse,
} from "../ingress/ledger-door.ts";
import { statementShown, storedBody, trialBalanceShown } from "../ingress/ledger-shown.ts";
import { pageOf } from "../ingress/page.ts";
import type { Metrics } from "../observe/metrics.ts";
import type { Readiness, StatementPage, TroupeSystem } from "../system.ts";
import { type Answers, instanceOf } from "./answers.ts";
import { Bulk } from "./bulk.ts";
import { conversationHandlersOf } from "./conversation-handlers.ts";
import { docsPage } from "./docs-page.ts";
import type { Handler } from "./handler.ts";
import type { HttpLog } from "./http-log.ts";
import { openApiDocument } from "./openapi.ts";
import { askOptionsOf, duplicateHeader, keyOf } from "./request.ts";
import type { RouteKey } from "./routes.ts";
import type { SlowBodies } from "./slow-bodies.ts";
import { ChatCompletions } from "./streams/chat-completions.ts";
import type { OpenStreams } from "./streams/open-streams.ts";
import { StreamHandlers } from "./streams/stream-handlers.ts";

interface Surroundings {
  readonly system: TroupeSystem;
  readonly config: Pick<Config, "http" | "ai">;
  readonly door: ConversationDoor;
  readonly calls: ConversationCalls;
  readonly streams: OpenStreams;
  readonly log: HttpLog;
  readonly answers: Answers;
  readonly slowBodies: SlowBodies;
  /** Bulk runs under way; a stop of the server ends them. */
  readonly bulks: Set<Bulk>;
  readonly metrics: Metrics;
}

const NOTHING_MADE: readonly string[] = [];
const EMPTY_OBJECT: JsonResult = { ok: true, value: {} };
/** What answers name as their model when none is configured. */
const LOCAL_MODEL = "troupe-local";
const LEAVING = refuse("SHUTTING_DOWN", "the server is about to stop and still takes requests; send no new ones");
/** How long a stopped bulk stream may still send before its connection is cut: its answer must arrive first. */
const LINGER_MS = 1000;

/** The handlers of all routes over one system. */
export function handlersOf({
  system,
  config,
  log,
  answers,
  slowBodies,
  bulks,
  metrics,
  door,
  calls,
  streams,
}: Surroundings): Readonly<Record<RouteKey, Handler>> {
  const { http } = config;
  const limits = { depthMax: http.jsonDepthMax, keysMax: http.jsonKeysMax };

  /** Clients name the type of a body that they then leave empty, so an empty one is none. */
  const bodyOf = ({ body }: FastifyRequest, whenNone: JsonResult): JsonResult =>
    Buffer.isBuffer(body) && body.length > 0 ? readJsonObject(body, limits) : whenNone;

  function fail(request: FastifyRequest, reply: FastifyReply, error: unknown): void {
    log.error({ err: error, requestId: request.id, path: instanceOf(request.url) }, "a request met a defect");
    answers.refusal(
      request,
      reply,
      refuse("INTERNAL_ERROR", "the service met a defect and logged it with the request's id; a repeat with the same key is safe"),
    );
  }

  /**
   * Requests that come while the server stops do not begin: the system behind may be gone before their answer. On a connection that is kept
   * they are told so, and that it ends.
   */
  const unlessClosing =
    (handler: Handler): Handler =>
    (request, reply) =>
      answers.isClosing ? answers.refusal(request, reply, SHUTTING_DOWN) : handler(request, reply);

  /** Runs what makes something, and answers 201 and where it is, or 202 and where it will be. */
  function make(request: FastifyRequest, reply: FastifyReply, call: LedgerCall, place: string): void {
    perform(request, reply, call, ["location", place + encodeURIComponent(call.id)]);
  }

  function perform(request: FastifyRequest, reply: FastifyReply, call: LedgerCall, location: readonly string[]): void {
    runCall(system, call, askOptionsOf(request, reply.raw, http.answerMsMax)).then(
      (result) => answerResult(request, reply, result, location),
      (error: unknown) => fail(request, reply, error),
    );
  }

  function answerResult(request: FastifyRequest, reply: FastifyReply, result: CallResult, location: readonly string[]): void {
    switch (result.kind) {
      case "refused":
        answers.refusal(request, reply, result);
        break;
      case "pending":
        answers.json(request, reply, 202, result.body, { headers: location });
        break;
      case "outcome": {
        const headers = result.status < 300 ? [...location] : [];
        if (result.isReplayed) headers.push("idempotency-replayed", "true");
        answers.json(request, reply, result.status, result.body, { headers });
      }
    }
  }

  const movement =
    (kind: MovementKind): Handler =>
    (request, reply) => {
      const key = keyOf(request.raw);
      if (!key.ok) return answers.refusal(request, reply, key);
      const body = duplicateHeader(request.raw) ?? bodyOf(request, NO_BODY);
      if (!body.ok) return answers.refusal(request, reply, body);
      const checked = movementCall(kind, body.value, key.key);
      if (!checked.ok) return answers.refusal(request, reply, checked);
      make(request, reply, checked.call, "/v1/transfers/");
    };

  const openAccount: Handler = (request, reply) => {
    const key = keyOf(request.raw);
    // An account that the client names is its own key; a key that was sent must still be a good one.
    if (!key.ok && key.code !== "idempotency_key_missing") return answers.refusal(request, reply, key);
    const body = duplicateHeader(request.raw) ?? bodyOf(request, NO_BODY);
    if (!body.ok) return answers.refusal(request, reply, body);
    const checked = openAccountCall(body.value, key.ok ? key.key : null);
    if (!checked.ok) return answers.refusal(request, reply, checked);
    make(request, reply, checked.call, "/v1/accounts/");
  };

  /** Asks for a value and answers it as `render` says. */
  function show<Value>(
    request: FastifyRequest,
    reply: FastifyReply,
    asked: Promise<Answer<Value>>,
    render: (value: Value) => string,
  ): void {
    asked
      .then((answer) => (answer.ok ? answers.json(request, reply, 200, render(answer.value)) : answers.refusal(request, reply, answer)))
      .catch((error: unknown) => fail(request, reply, error));
  }

  const changeAccount =
    (change: AccountChange): Handler =>
    (request, reply) => {
      const key = keyOf(request.raw);
      if (!key.ok) return answers.refusal(request, reply, key);
      const body = duplicateHeader(request.raw) ?? bodyOf(request, EMPTY_OBJECT);
      if (!body.ok) return answers.refusal(request, reply, body);
      const checked = accountChangeCall(idOf(request), change, body.value, key.key);
      if (!checked.ok) return answers.refusal(request, reply, checked);
      perform(request, reply, checked.call, NOTHING_MADE);
    };

  const readOne =
    (type: "account" | "transfer", render: (value: Json) => string): Handler =>
    (request, reply) => {
      const checked = readCall(type, idOf(request));
      if (!checked.ok) return answers.refusal(request, reply, checked);
      show(request, reply, system.ask(checked.call.address, "get", {}, askOptionsOf(request, reply.raw, http.answerMsMax)), render);
    };

  const entries: Handler = (request, reply) => {
    const checked = readCall("account", idOf(request));
    if (!checked.ok) return answers.refusal(request, reply, checked);
    const page = pageOf(isJsonObject(request.query) ? request.query : {});
    if (!page.ok) return answers.refusal(request, reply, page);
    const { call } = checked;
    show(request, reply, statementOf(call, page), statementShown);
  };

  async function statementOf(call: LedgerCall, page: { readonly after: number; readonly limit: number }): Promise<Answer<StatementPage>> {
    const statement = await system.statement(call.id, page);
    if (!statement.ok || statement.value.entries.length > 0) return statement;
    // The view knows only accounts that moved: whether there is one at all, the account says.
    const account = await system.ask(call.address, "get", {}, { timeoutMs: http.answerMsMax });
    return account.ok ? statement : account;
  }

  const bulk: Handler = (request, reply) => {
    slowBodies.remove(request.raw);
    const refusal = duplicateHeader(request.raw) ?? bulkRefusal(request);
    if (refusal !== null) return answers.refusal(request, reply, refusal, { isLast: true });
    const { trace } = askOptionsOf(request, reply.raw, http.answerMsMax);
    const departure = new AbortController();
    reply.raw.once("close", () => departure.abort());
    // Each line in flight listens to it; node would take so many listeners for a leak.
    setMaxListeners(http.bulkInFlightMax, departure.signal);
    const run = new Bulk(reply.hijack().raw, {
      system,
      inFlightMax: http.bulkInFlightMax,
      lineBytesMax: http.bulkLineBytesMax,
      answerMsMax: http.answerMsMax,
      json: limits,
      onDefect: (error) => log.error({ err: error, requestId: request.id }, "a bulk line met a defect"),
      ...(trace === undefined ? {} : { trace }),
      signal: departure.signal,
    });
    const { socket } = request.raw;
    // Neither sending nor reading anything for this long, a client holds memory for nothing (TRAPS 45). Node's server destroys a socket that
    // timed out; a listener of ours would stay on the connection, one more for each of its bulk requests.
    socket.setTimeout(http.requestTimeoutMs);
    bulks.add(run);
    const head = [
      "content-type",
      "application/x-ndjson",
      "x-request-id",
      request.id,
      "x-content-type-options",
      "nosniff",
      "cache-control",
      "no-store",
    ];
    reply.raw.writeHead(200, head);
    reply.raw.flushHeaders();
    run.run(request.raw).then(() => {
      bulks.delete(run);
      answers.ended(request, reply.raw, 200);
      if (answers.isClosing) setTimeout(() => socket.destroy(), LINGER_MS).unref();
    });
  };

  const readyz: Handler = (request, reply) => {
    const isVerbose = isJsonObject(request.query) && request.query.verbose !== undefined;
    if (answers.stage === "leaving") return answers.refusal(request, reply, LEAVING);
    system
      .readiness()
      .then((seen) => answerReadiness(request, reply, seen, isVerbose))
      .catch((error: unknown) => fail(request, reply, error));
  };

  /** With `?verbose` every condition that was looked at is told, failing or not: a probe reads the status, a person the list. */
  function answerReadiness(request: FastifyRequest, reply: FastifyReply, seen: Readiness, isVerbose: boolean): void {
    const { isReady, reasons, degraded, code = "OVERLOADED", durability, position } = seen;
    const members = {
      ...(degraded.length === 0 ? {} : { degraded }),
      ...(isVerbose ? { durability, position, ...checksShown(seen) } : {}),
    };
    if (isReady) return answers.json(request, reply, 200, JSON.stringify({ status: "ready", durability, position, ...members }));
    answers.refusal(request, reply, refuse(code, `not ready: ${reasons.join("; ")} (durability: ${durability})`), { members });
  }

  const metricsPage: Handler = (request, reply) => {
    metrics
      .text()
      .then((text) => answers.text(request, reply, 200, metrics.contentType, text))
      .catch((error: unknown) => fail(request, reply, error));
  };

  const following = new StreamHandlers({ system, door, calls, answers, streams, answerMsMax: http.answerMsMax, log });
  const conversations = conversationHandlersOf({
    system,
    config,
    door,
    calls,
    streams: following,
    answers,
    bodyOf: (request, isNeeded) => bodyOf(request, isNeeded ? NO_BODY : EMPTY_OBJECT),
    fail,
  });
  const chat = new ChatCompletions({
    system,
    door,
    calls,
    answers,
    handlers: following,
    bodyOf: (request) => duplicateHeader(request.raw) ?? bodyOf(request, NO_BODY),
    model: config.ai.url === null ? LOCAL_MODEL : config.ai.model,
  });
  const takenUnlessClosing = Object.fromEntries(
    Object.entries(conversations).map(([key, handler]) => [key, unlessClosing(handler)]),
  ) as typeof conversations;

  const document = JSON.stringify(openApiDocument());
  const { html, policy } = docsPage(openApiDocument());

  return {
    "POST /v1/accounts": unlessClosing(openAccount),
    "GET /v1/accounts/{id}": unlessClosing(readOne("account", JSON.stringify)),
    "POST /v1/accounts/{id}/freeze": unlessClosing(changeAccount("freeze")),
    "POST /v1/accounts/{id}/unfreeze": unlessClosing(changeAccount("unfreeze")),
    "POST /v1/accounts/{id}/close": unlessClosing(changeAccount("close")),
    "GET /v1/accounts/{id}/entries": unlessClosing(entries),
    "POST /v1/deposits": unlessClosing(movement("deposit")),
    "POST /v1/withdrawals": unlessClosing(movement("withdrawal")),
    "POST /v1/transfers": unlessClosing(movement("transfer")),
    "POST /v1/transfers/bulk": unlessClosing(bulk),
    "GET /v1/transfers/{id}": unlessClosing(readOne("transfer", storedBody)),
    "GET /v1/ledger/trial-balance": unlessClosing((request, reply) => show(request, reply, system.trialBalance(), trialBalanceShown)),
    ...takenUnlessClosing,
    "POST /v1/chat/completions": unlessClosing(chat.handler),
    "GET /livez": (request, reply) => answers.json(request, reply, 200, '{"status":"live"}'),
    "GET /readyz": unlessClosing(readyz),
    "GET /metrics": metricsPage,
    "GET /openapi.json": (request, reply) => answers.json(request, reply, 200, document),
    "GET /docs": (request, reply) =>
      answers.text(request, reply, 200, "text/html; charset=utf-8", html, { headers: ["content-security-policy", policy] }),
  };
}

function checksShown({ checks }: Readiness): { readonly failing: readonly string[]; readonly checks: readonly object[] } {
  const shown = checks.map(({ name, isOk, detail, code }) => ({ name, ok: isOk, detail, ...(code === undefined ? {} : { code }) }));
  return { failing: checks.filter(({ isOk }) => !isOk).map(({ name }) => name), checks: shown };
}

function idOf(request: FastifyRequest): string {
  const { params } = request;
  return isJsonObject(params) && typeof params.id === "string" ? params.id : "";
}

function bulkRefusal(request: FastifyRequest): Refusal | null {
  if (request.headers["content-type"] === undefined)
    return refuse("validation_failed", "the request has no body; send lines of JSON as application/x-ndjson");
  return null;
}
