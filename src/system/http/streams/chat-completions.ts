/**
 * The OpenAI chat protocol on top of conversations, for clients that speak it already. A request opens a conversation, or continues one, posts what it has not
 * heard yet and answers with the reply. Like any other conversation it is stored, summarized and listed.
 */
import { randomUUID } from "node:crypto";
import type { FastifyReply, FastifyRequest } from "fastify";
import type { Refusal } from "../../../runtime/index.ts";
import type { ConversationCalls, WaitingPost } from "../../ingress/conversation-call.ts";
import type { ConversationDoor } from "../../ingress/conversation-door.ts";
import { waitingMembers, waitingShown } from "../../ingress/conversation-shown.ts";
import type { JsonResult } from "../../ingress/json-body.ts";
import { refuse } from "../../ingress/ledger-door.ts";
import type { TroupeSystem } from "../../system.ts";
import type { Answers } from "../answers.ts";
import { keyOf } from "../request.ts";
import { ChatChunks, chatError, completionBody, failedReply } from "./chat-answer.ts";
import { type ChatMessage, type ChatRequest, newMessages, readChatRequest } from "./chat-request.ts";
import type { ClientEvent } from "./client-event.ts";
import type { PostCall, StreamHandlers } from "./stream-handlers.ts";
import { TurnFollower } from "./turn-follower.ts";
import { DEFECT, wasDeleted } from "./turn-stream.ts";

export interface ChatSurroundings {
  readonly system: TroupeSystem;
  readonly door: ConversationDoor;
  readonly calls: ConversationCalls;
  readonly answers: Answers;
  readonly handlers: StreamHandlers;
  readonly bodyOf: (request: FastifyRequest) => JsonResult;
  /** What answers are said to come from: the model that is configured, whichever the client names. */
  readonly model: string;
}

interface ChatRefusal extends Refusal {
  readonly retryAfterMs?: number | null;
  readonly members?: object;
}
type Ready = { readonly ok: true; readonly call: PostCall; readonly chat: ChatRequest } | ChatRefusal;
type Named = { readonly ok: true; readonly id: string | null } | Refusal;
type Opened = { readonly ok: true; readonly id: string; readonly isNew: boolean } | Refusal;

export class ChatCompletions {
  readonly #around: ChatSurroundings;

  constructor(around: ChatSurroundings) {
    this.#around = around;
  }

  /** `POST /v1/chat/completions`. */
  readonly handler = (request: FastifyRequest, reply: FastifyReply): void => {
    this.#prepare(request, reply)
      .then((ready) => (ready.ok ? this.#answer(request, reply, ready) : this.#refused(request, reply, ready)))
      .catch((cause: unknown) => {
        this.#around.handlers.defect(request, cause);
        this.#refused(request, reply, DEFECT);
      });
  };

  /** Everything up to the message that is to be answered. */
  async #prepare(request: FastifyRequest, reply: FastifyReply): Promise<Ready> {
    const given = keyOf(request.raw);
    if (!given.ok && given.code !== "idempotency_key_missing") return given;
    // Clients of this protocol send none; a repeat of theirs is then another message.
    const key = given.ok ? given.key : randomUUID();
    const restMs = given.ok ? null : this.#around.calls.replyRestMs;
    if (restMs !== null) return { ...NOTHING_STORED, retryAfterMs: restMs };
    const body = this.#around.bodyOf(request);
    if (!body.ok) return body;
    const read = readChatRequest(body.value);
    if (!read.ok) return read;
    const chat = read.value;
    const named = namedConversation(request, chat);
    if (!named.ok) return named;
    const opened = await this.#opened(request, reply, chat, { key, named: named.id });
    if (!opened.ok) return opened;
    const { id } = opened;
    const fresh = opened.isNew ? chat.messages : newMessages(chat.messages);
    const first = chat.messages.length - fresh.length;
    for (const [at, message] of fresh.slice(0, -1).entries()) {
      const stored = await this.#store(request, reply, id, message, `${key}\0${first + at}`);
      if (stored !== null) return stored;
    }
    const { door, calls } = this.#around;
    const last = fresh[fresh.length - 1] as ChatMessage; // The reading saw to it that there is one.
    const checked = door.post(id, fieldsOf(last), key, { stream: chat.isStreamed });
    if (!checked.ok) return checked;
    const waiting = await calls.postUnlessReplied(checked.call, this.#around.handlers.askOptions(request, reply));
    return waiting === null ? { ok: true, call: checked.call, chat } : waitingRefusal(id, waiting);
  }

  /** The conversation that is continued, or a new one. One whose id comes from the request's key is as good as new: its messages have keys too. */
  async #opened(
    request: FastifyRequest,
    reply: FastifyReply,
    { instructions, user }: ChatRequest,
    { key, named }: { readonly key: string; readonly named: string | null },
  ): Promise<Opened> {
    const { door, system, handlers } = this.#around;
    const options = handlers.askOptions(request, reply);
    if (named !== null) {
      const looked = door.plain(named, "get");
      if (!looked.ok) return looked;
      const { address, command, body } = looked.call;
      const found = await system.ask(address, command, body, options);
      if (found.ok) return { ok: true, id: named, isNew: false };
      if (found.code !== "not_found") return found;
    }
    const opening = { onBusy: "enqueue", instructions, user };
    const checked = await door.open(named === null ? opening : { ...opening, id: named }, key);
    if (!checked.ok) return checked;
    const { id, address, command, body } = checked.call;
    const answer = await system.ask(address, command, body, options);
    return answer.ok ? { ok: true, id, isNew: true } : answer;
  }

  /** Stores what was said before. Null, or why not. */
  async #store(request: FastifyRequest, reply: FastifyReply, id: string, message: ChatMessage, key: string): Promise<Refusal | null> {
    const { door, system, handlers } = this.#around;
    const checked = door.post(id, { ...fieldsOf(message), reply: false }, key);
    if (!checked.ok) return checked;
    const { address, command, body, commandId } = checked.call;
    const answer = await system.ask(address, command, body, { ...handlers.askOptions(request, reply), id: commandId });
    return answer.ok ? null : answer;
  }

  #answer(request: FastifyRequest, reply: FastifyReply, { call, chat }: Extract<Ready, { ok: true }>): void {
    if (chat.isStreamed) this.#stream(request, reply, call, chat);
    else this.#whole(request, reply, call);
  }

  #stream(request: FastifyRequest, reply: FastifyReply, call: PostCall, { wantsUsage }: ChatRequest): void {
    const { handlers, model } = this.#around;
    const chunks = new ChatChunks({ model, messageId: call.commandId, wantsUsage });
    handlers.turn(request, reply, call, {
      headers: headersOf(call),
      refused: (refusal) => this.#refused(request, reply, refusal),
      waits: (waiting) => this.#refused(request, reply, waitingRefusal(call.id, waiting)),
      writeDeleted: (stream) => stream.write(chunks.deleted()),
      writeWaits: (stream, waiting) => stream.write(chunks.failed(waitingRefusal(call.id, waiting))),
      write(stream, event, isLast) {
        const hasRoom = stream.write(chunks.of(event));
        if (chunks.isOver && !isLast) stream.end();
        return hasRoom;
      },
    });
  }

  /** Waits for the turn's end as long as it takes and the client waits: a reply has a deadline of its own. */
  #whole(request: FastifyRequest, reply: FastifyReply, call: PostCall): void {
    const { system, door, handlers } = this.#around;
    const follower = new TurnFollower({
      reads: system,
      open: (parts) => door.opened(call.id, parts),
      conversation: call.id,
      messageId: call.commandId,
      post: handlers.asksPost(request, reply, call),
      replies: handlers.repliesOf(call),
      listener: {
        take: (event, isLast) => {
          if (isLast) this.#ended(request, reply, call, event);
          return true;
        },
        refused: (refusal) => this.#refused(request, reply, refusal),
        waits: (waiting) => this.#refused(request, reply, waitingRefusal(call.id, waiting)),
        deleted: () => this.#refused(request, reply, wasDeleted(call.id)),
        defect: (cause) => {
          handlers.defect(request, cause);
          this.#refused(request, reply, DEFECT);
        },
      },
    });
    reply.raw.once("close", () => follower.close());
  }

  #ended(request: FastifyRequest, reply: FastifyReply, call: PostCall, { event, data }: ClientEvent): void {
    const { answers, model } = this.#around;
    const { text, usage, code, at } = data;
    if (event === "replyFailed") return this.#refused(request, reply, failedReply(code));
    const body = completionBody(
      { model, messageId: call.commandId },
      {
        text: typeof text === "string" ? text : "",
        finish: event === "replied" ? "stop" : "length",
        usage,
        createdMs: Date.parse(String(at)),
      },
    );
    answers.json(request, reply, 200, body, { headers: headersOf(call) });
  }

  #refused(request: FastifyRequest, reply: FastifyReply, refusal: ChatRefusal): void {
    const { retryAfterMs, members = {} } = refusal;
    const retryAfterS = typeof retryAfterMs === "number" ? Math.ceil(retryAfterMs / 1_000) : undefined;
    this.#around.answers.refusal(request, reply, refusal, { members: { ...members, ...chatError(refusal) }, retryAfterS });
  }
}

/** Clients of this protocol repeat what is refused so, and without a key each repeat would be another message. */
const NOTHING_STORED: Refusal = {
  ok: false,
  code: "OVERLOADED",
  detail:
    "the model does not answer, so it is left alone for a while, and nothing was stored; ask again, or send an Idempotency-Key: then the message is stored, and answered later",
};
const waitingRefusal = (id: string, waiting: WaitingPost): ChatRefusal => ({
  ok: false,
  code: waiting.code,
  detail: waitingShown(id, waiting),
  retryAfterMs: waiting.retryAfterMs,
  members: waitingMembers(waiting),
});

const fieldsOf = ({ role, name, content }: ChatMessage) => ({ role, content, ...(name === null ? {} : { speaker: name }) });

/** An id may have characters that no header has. */
const headersOf = ({ id }: PostCall): readonly string[] => ["x-conversation-id", encodeURIComponent(id)];

function namedConversation({ headers }: FastifyRequest, { conversationId }: ChatRequest): Named {
  const header = headers["x-conversation-id"];
  if (header === undefined) return { ok: true, id: conversationId };
  try {
    const id = decodeURIComponent(String(header));
    if (conversationId === null || conversationId === id) return { ok: true, id };
  } catch {
    return refuse("validation_failed", "X-Conversation-Id is not well-formed; write other characters as %xx of UTF-8");
  }
  return refuse("validation_failed", "X-Conversation-Id and metadata.conversation_id name two conversations; send one of them");
}
