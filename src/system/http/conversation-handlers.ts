/** What the routes of conversations do: read the request, let the door check and seal it, ask, open what is shown. */
import type { FastifyReply, FastifyRequest } from "fastify";
import type { ConversationView, SummaryView } from "../../actors/index.ts";
import { type Answer, addressOf, type Json, type Refusal } from "../../runtime/index.ts";
import type { Config } from "../config/config.ts";
import type { ConversationCalls, PostOutcome, PostResult, WaitingPost } from "../ingress/conversation-call.ts";
import type { CheckedPost, ConversationCall, ConversationDoor } from "../ingress/conversation-door.ts";
import {
  deletingShown,
  failedReplyShown,
  messagesShown,
  outcomeShown,
  conversationPath as pathOf,
  pendingShown,
  summaryShown,
  waitingMembers,
  waitingShown,
} from "../ingress/conversation-shown.ts";
import { isJsonObject, type JsonObject, type JsonResult } from "../ingress/json-body.ts";
import { refuse } from "../ingress/ledger-door.ts";
import { pageOf } from "../ingress/page.ts";
import type { TroupeSystem } from "../system.ts";
import type { Answers } from "./answers.ts";
import type { Handler } from "./handler.ts";
import { OneATurn } from "./one-a-turn.ts";
import { askOptionsOf, duplicateHeader, keyOf } from "./request.ts";
import type { RouteKey } from "./routes.ts";
import { type StreamHandlers, wantsEvents } from "./streams/stream-handlers.ts";

export interface ConversationSurroundings {
  readonly system: TroupeSystem;
  readonly config: Pick<Config, "http">;
  readonly door: ConversationDoor;
  readonly calls: ConversationCalls;
  readonly streams: StreamHandlers;
  readonly answers: Answers;
  /** The JSON object of the body; `{}` when there is none and none is needed. */
  readonly bodyOf: (request: FastifyRequest, isNeeded: boolean) => JsonResult;
  /** Answers for a defect. */
  readonly fail: (request: FastifyRequest, reply: FastifyReply, error: unknown) => void;
}
export type ConversationRoute = Extract<RouteKey, `${string} /v1/conversations${string}`>;

export function conversationHandlersOf(surroundings: ConversationSurroundings): Readonly<Record<ConversationRoute, Handler>> {
  const { system, config, door, calls, streams, answers, bodyOf, fail } = surroundings;
  const optionsOf = (request: FastifyRequest, reply: FastifyReply) => ({
    ...askOptionsOf(request, reply.raw, config.http.answerMsMax),
    timeoutMs: config.http.answerMsMax,
  });

  /** A handler that may throw or take its time; whatever it throws is a defect. */
  const handled =
    (handle: (request: FastifyRequest, reply: FastifyReply) => Promise<void>): Handler =>
    (request, reply) => {
      handle(request, reply).catch((error: unknown) => fail(request, reply, error));
    };

  const asked = (
    request: FastifyRequest,
    reply: FastifyReply,
    { address, command, body, commandId }: ConversationCall,
  ): Promise<Answer<Json>> =>
    system.ask(address, command, body, { ...optionsOf(request, reply), ...(commandId === null ? {} : { id: commandId }) });

  const open = handled(async (request, reply) => {
    const key = keyOf(request.raw);
    // A conversation that the client names is its own key; a key that was sent must still be a good one.
    if (!key.ok && key.code !== "idempotency_key_missing") return answers.refusal(request, reply, key);
    const body = duplicateHeader(request.raw) ?? bodyOf(request, true);
    if (!body.ok) return answers.refusal(request, reply, body);
    const checked = await door.open(body.value, key.ok ? key.key : null);
    if (!checked.ok) return answers.refusal(request, reply, whyNotOpened(checked));
    const answer = await asked(request, reply, checked.call);
    if (!answer.ok) return answers.refusal(request, reply, answer);
    const { onBusy = "enqueue", instructions = null, user = null } = body.value;
    const { id } = checked.call;
    answers.json(request, reply, 201, JSON.stringify({ id, onBusy, instructions, user }), { headers: ["location", pathOf(id)] });
  });

  /** A post or a regenerate: answers what came of it. */
  const posted = (make: (request: FastifyRequest, body: JsonObject, key: string) => CheckedPost, isBodyNeeded: boolean): Handler =>
    handled(async (request, reply) => {
      const key = keyOf(request.raw);
      if (!key.ok) return answers.refusal(request, reply, key);
      const body = duplicateHeader(request.raw) ?? bodyOf(request, isBodyNeeded);
      if (!body.ok) return answers.refusal(request, reply, body);
      const checked = make(request, body.value, key.key);
      if (!checked.ok) return answers.refusal(request, reply, checked);
      const { call } = checked;
      const location = ["location", `${pathOf(call.id)}/messages/${call.commandId}`];
      const waits = (result: WaitingPost): void => answerWaiting(request, reply, result, location);
      if (isStreamed(request, call)) return await streams.post(request, reply, call, waits);
      answerPost(request, reply, await calls.post(call, optionsOf(request, reply)), location);
    });

  /** A regenerate has no message of its own that its events could begin with: it is followed by `events`. */
  const isStreamed = (request: FastifyRequest, { command }: ConversationCall): boolean => command === "post" && wantsEvents(request);

  function answerPost(request: FastifyRequest, reply: FastifyReply, result: PostResult, location: readonly string[]): void {
    const status = location.length === 0 ? 200 : 201;
    switch (result.kind) {
      case "refused":
        return answers.refusal(request, reply, result);
      case "pending":
        return answers.json(request, reply, status === 201 ? 202 : status, pendingShown(result), { headers: location });
      case "waiting":
        return answerWaiting(request, reply, result, location);
      case "outcome": {
        const headers = result.isReplayed ? ["idempotency-replayed", "true"] : [];
        const { code } = result.reply;
        if (code !== null) return answerFailed(request, reply, result, headers);
        return answers.json(request, reply, status, outcomeShown(result), { headers: [...location, ...headers] });
      }
    }
  }

  /** The message is stored, and nobody is kept waiting for its reply. */
  function answerWaiting(request: FastifyRequest, reply: FastifyReply, result: WaitingPost, headers: readonly string[]): void {
    const { code, retryAfterMs } = result;
    const retryAfterS = retryAfterMs === null ? undefined : Math.ceil(retryAfterMs / 1_000);
    answers.refusal(request, reply, refuse(code, waitingShown(idOf(request), result)), {
      headers,
      members: waitingMembers(result),
      retryAfterS,
    });
  }

  /** The message is stored and its reply is not: a repeat says the same again, to the byte. */
  function answerFailed(request: FastifyRequest, reply: FastifyReply, { reply: failed }: PostOutcome, headers: readonly string[]): void {
    const { messageId, turn, replyId, code, at } = failed;
    if (code === null) throw new TypeError("a reply that failed has a code");
    const members = { messageId, turn, replyId };
    const detail = failedReplyShown(idOf(request), failed);
    answers.refusal(request, reply, refuse(code, detail), { headers, members, at });
  }

  /** Shows what the asked answers. */
  const shown = (ask: (request: FastifyRequest, reply: FastifyReply, id: string) => Promise<Answer<string>>): Handler =>
    handled(async (request, reply) => {
      const answer = await ask(request, reply, idOf(request));
      if (answer.ok) answers.json(request, reply, 200, answer.value);
      else answers.refusal(request, reply, answer);
    });

  const view = shown(async (request, reply, id) => {
    const checked = door.plain(id, "get");
    if (!checked.ok) return checked;
    const answer = await asked(request, reply, checked.call);
    return answer.ok ? { ok: true, value: JSON.stringify(answer.value as ConversationView) } : answer;
  });

  const pages = new OneATurn();
  const messages = shown(async (request, reply, id) => {
    const page = pageOf(isJsonObject(request.query) ? request.query : {});
    if (!page.ok) return page;
    const checked = door.plain(id, "get");
    if (!checked.ok) return checked;
    const found = await system.messages(id, page);
    if (!found.ok) return found;
    // The view knows only conversations with messages: whether there is one at all, the conversation says.
    // To open a page takes milliseconds, and the read model answers many of them together.
    if (found.value.messages.length > 0) return await pages.run(() => messagesShown(door, id, found.value));
    const conversation = await asked(request, reply, checked.call);
    return conversation.ok ? messagesShown(door, id, found.value) : conversation;
  });

  const summary = shown(async (request, reply, id) => {
    const checked = door.plain(id, "get");
    if (!checked.ok) return checked;
    const conversation = await asked(request, reply, checked.call);
    if (!conversation.ok) return conversation;
    const answer = await system.ask(addressOf("summary", id), "get", {}, optionsOf(request, reply));
    return answer.ok ? summaryShown(door, id, answer.value as SummaryView) : answer;
  });

  const stop = shown(async (request, reply, id) => {
    const body = duplicateHeader(request.raw) ?? bodyOf(request, false);
    if (!body.ok) return body;
    const checked = door.plain(id, "stop");
    if (!checked.ok) return checked;
    const answer = await asked(request, reply, checked.call);
    return answer.ok ? { ok: true, value: JSON.stringify(answer.value) } : answer;
  });

  const erase = handled(async (request, reply) => {
    const checked = door.plain(idOf(request), "delete");
    if (!checked.ok) return answers.refusal(request, reply, checked);
    const answer = await calls.erase(checked.call, optionsOf(request, reply));
    if (!answer.ok) answers.refusal(request, reply, answer);
    else if (answer.value) answers.empty(request, reply);
    else answers.json(request, reply, 202, deletingShown(checked.call.id));
  });

  /** Reads only: the work is not begun again (TRAPS 17). */
  const outcome = handled(async (request, reply) => {
    const checked = door.outcome(idOf(request), paramOf(request, "messageId"));
    if (!checked.ok) return answers.refusal(request, reply, checked);
    answerPost(request, reply, await calls.outcome(checked.call, optionsOf(request, reply)), NOTHING_MADE);
  });

  return {
    "POST /v1/conversations": open,
    "GET /v1/conversations/{id}": view,
    "DELETE /v1/conversations/{id}": erase,
    "GET /v1/conversations/{id}/messages": messages,
    "POST /v1/conversations/{id}/messages": posted(
      (request, body, key) => door.post(idOf(request), body, key, { stream: wantsEvents(request) }),
      true,
    ),
    "GET /v1/conversations/{id}/messages/{messageId}": outcome,
    "GET /v1/conversations/{id}/summary": summary,
    "GET /v1/conversations/{id}/events": streams.events,
    "GET /v1/conversations/{id}/socket": (request, reply) => answers.refusal(request, reply, NO_SOCKET),
    "POST /v1/conversations/{id}/stop": stop,
    "POST /v1/conversations/{id}/replies/{replyId}/regenerate": posted(
      (request, body, key) => door.regenerate(idOf(request), paramOf(request, "replyId"), body, key),
      false,
    ),
  };
}

const NO_SOCKET = refuse("validation_failed", "this is a WebSocket; send Upgrade: websocket, or read GET …/events");
const NOTHING_MADE: readonly string[] = [];
const idOf = (request: FastifyRequest): string => paramOf(request, "id");
function paramOf({ params }: FastifyRequest, name: string): string {
  const value = isJsonObject(params) ? params[name] : undefined;
  return typeof value === "string" ? value : "";
}

/** The ring has no key for an id that was used: nobody may open it again. */
const whyNotOpened = (refusal: Refusal): Refusal =>
  refusal.code === "not_found" ? refuse("already_exists", "the conversation of this id was deleted; its id is not used again") : refusal;
