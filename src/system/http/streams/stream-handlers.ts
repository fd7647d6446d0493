/** What the routes do that answer with a stream of events. */
import type { FastifyReply, FastifyRequest } from "fastify";
import type { Answer, AskOptions, Json, Refusal } from "../../../runtime/index.ts";
import type { ConversationCalls, WaitingPost } from "../../ingress/conversation-call.ts";
import type { ConversationCall, ConversationDoor } from "../../ingress/conversation-door.ts";
import { waitingMembers, waitingShown } from "../../ingress/conversation-shown.ts";
import { isJsonObject } from "../../ingress/json-body.ts";
import type { TroupeSystem } from "../../system.ts";
import type { AnswerOptions, Answers } from "../answers.ts";
import type { HttpLog } from "../http-log.ts";
import { askOptionsOf } from "../request.ts";
import { TOO_MANY } from "./conversation-sockets.ts";
import { openEventStream } from "./event-stream.ts";
import type { OpenStreams } from "./open-streams.ts";
import { streamStart, unknownParameter } from "./stream-start.ts";
import type { TurnFollowerOptions } from "./turn-follower.ts";
import { answerTurn, DEFECT, type TurnStreamOptions } from "./turn-stream.ts";

export interface StreamSurroundings {
  readonly system: TroupeSystem;
  readonly door: ConversationDoor;
  readonly calls: ConversationCalls;
  readonly answers: Answers;
  readonly streams: OpenStreams;
  readonly answerMsMax: number;
  readonly log: HttpLog;
}
export type PostCall = ConversationCall & { readonly commandId: string };

export const wantsEvents = ({ headers: { accept = "" } }: FastifyRequest): boolean =>
  accept.split(",").some((range) => range.split(";")[0]?.trim().toLowerCase() === "text/event-stream");

export class StreamHandlers {
  readonly #around: StreamSurroundings;

  constructor(around: StreamSurroundings) {
    this.#around = around;
  }

  /** `GET /v1/conversations/{id}/events`. */
  readonly events = (request: FastifyRequest, reply: FastifyReply): void => {
    this.#follow(request, reply).catch((cause: unknown) => this.#fail(request, reply, cause));
  };

  /** Posts a message and answers with the events of its turn; by `waits` when its reply is not made for a while. */
  async post(request: FastifyRequest, reply: FastifyReply, call: PostCall, waits: (waiting: WaitingPost) => void): Promise<void> {
    const { calls, answers } = this.#around;
    const waiting = await calls.postUnlessReplied(call, this.askOptions(request, reply));
    if (waiting !== null) return waits(waiting);
    this.turn(request, reply, call, {
      write: (stream, event) => stream.send(event),
      refused: (refusal) => answers.refusal(request, reply, refusal),
      waits,
      writeDeleted: (stream) => stream.send({ event: "deleted", data: { conversationId: call.id } }),
      writeWaits: (stream, waits) => stream.send(waitsEvent(call.id, waits)),
    });
  }

  /** The same, written by the caller. */
  turn(
    request: FastifyRequest,
    reply: FastifyReply,
    call: PostCall,
    {
      write,
      refused,
      waits,
      writeWaits,
      writeDeleted,
      headers = [],
    }: Pick<TurnStreamOptions, "write" | "refused" | "waits" | "writeWaits" | "writeDeleted" | "headers">,
  ): void {
    const { system, door, answers, streams } = this.#around;
    if (streams.isFull) return refused(TOO_MANY);
    try {
      answerTurn({
        reads: system,
        open: (parts) => door.opened(call.id, parts),
        conversation: call.id,
        messageId: call.commandId,
        post: this.asksPost(request, reply, call),
        replies: this.repliesOf(call),
        request,
        reply,
        answers,
        streams,
        headers,
        write,
        refused,
        waits,
        writeWaits,
        writeDeleted,
        onDefect: (cause) => this.defect(request, cause),
      });
    } catch (cause) {
      this.defect(request, cause);
      refused(DEFECT);
    }
  }

  asksPost(request: FastifyRequest, reply: FastifyReply, { address, command, body, commandId: id }: PostCall): () => Promise<Answer<Json>> {
    const options = { ...this.askOptions(request, reply), id, waitsOutside: true };
    return () => this.#around.system.ask(address, command, body, options);
  }

  repliesOf(call: PostCall): TurnFollowerOptions["replies"] {
    const { calls } = this.#around;
    return { onStop: (listener) => calls.onReplyStop(listener), waiting: () => calls.waiting(call) };
  }

  askOptions(request: FastifyRequest, reply: FastifyReply): AskOptions & { readonly timeoutMs: number } {
    const { answerMsMax } = this.#around;
    return { ...askOptionsOf(request, reply.raw, answerMsMax), timeoutMs: answerMsMax };
  }

  defect(request: FastifyRequest, cause: unknown): void {
    this.#around.log.error({ err: cause, requestId: request.id }, "a stream met a defect");
  }

  async #follow(request: FastifyRequest, reply: FastifyReply): Promise<void> {
    const { system, door, answers, streams } = this.#around;
    const refused = (refusal: Refusal, options?: AnswerOptions): void => answers.refusal(request, reply, refusal, options);
    const query = isJsonObject(request.query) ? request.query : {};
    const bad = unknownParameter(query, ["after"]);
    if (bad !== null) return refused(bad);
    const start = streamStart(system, request.raw, query);
    if (!start.ok) return refused(start);
    const id = isJsonObject(request.params) && typeof request.params.id === "string" ? request.params.id : "";
    const checked = door.plain(id, "get");
    if (!checked.ok) return refused(checked);
    const { address, command, body } = checked.call;
    const found = await system.ask(address, command, body, this.askOptions(request, reply));
    if (!found.ok) return refused(found);
    if (reply.raw.destroyed) return;
    // A HEAD asks what a GET would get, and has no body that could follow.
    if (request.method === "HEAD") return answers.text(request, reply, 200, "text/event-stream; charset=utf-8", "");
    if (streams.isFull) return refused(TOO_MANY);
    if (answers.isClosing) return refused(SHUTTING_DOWN);
    openEventStream({
      reads: system,
      open: (parts) => door.opened(id, parts),
      streams,
      conversation: id,
      from: start.from,
      response: reply.hijack().raw,
      requestId: request.id,
      onClose: () => answers.ended(request, reply.raw, 200),
      onDefect: (cause) => this.defect(request, cause),
    });
  }

  #fail(request: FastifyRequest, reply: FastifyReply, cause: unknown): void {
    this.defect(request, cause);
    this.#around.answers.refusal(request, reply, DEFECT);
  }
}

/** Without an id: it is no event of the conversation. */
const waitsEvent = (id: string, waiting: WaitingPost) => ({
  event: "replyWaits",
  data: { conversationId: id, ...waitingMembers(waiting), code: waiting.code, detail: waitingShown(id, waiting) },
});

const SHUTTING_DOWN: Refusal = { ok: false, code: "SHUTTING_DOWN", detail: "the server stops; come back with the id of the last event" };
