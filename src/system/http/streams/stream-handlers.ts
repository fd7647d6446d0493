/** What the routes do that answer with a stream of events. */
import type { FastifyReply, FastifyRequest } from "fastify";
import type { AskOptions, Refusal } from "../../../runtime/index.ts";
import type { ConversationCall, ConversationDoor } from "../../ingress/conversation-door.ts";
import { isJsonObject } from "../../ingress/json-body.ts";
import type { TroupeSystem } from "../../system.ts";
import type { AnswerOptions, Answers } from "../answers.ts";
import type { HttpLog } from "../http-log.ts";
import { askOptionsOf } from "../request.ts";
import { TOO_MANY } from "./conversation-sockets.ts";
import { openEventStream } from "./event-stream.ts";
import type { OpenStreams } from "./open-streams.ts";
import { streamStart, unknownParameter } from "./stream-start.ts";
import { answerTurn, DEFECT, type TurnStreamOptions } from "./turn-stream.ts";

export interface StreamSurroundings {
  readonly system: TroupeSystem;
  readonly door: ConversationDoor;
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

  /** Posts a message and answers with the events of its turn. */
  post(request: FastifyRequest, reply: FastifyReply, call: PostCall): void {
    this.turn(request, reply, call, {
      write: (stream, event) => stream.send(event),
      refused: (refusal) => this.#around.answers.refusal(request, reply, refusal),
    });
  }

  /** The same, written by the caller. */
  turn(
    request: FastifyRequest,
    reply: FastifyReply,
    call: PostCall,
    { write, refused, headers = [] }: Pick<TurnStreamOptions, "write" | "refused" | "headers">,
  ): void {
    const { system, door, answers, streams } = this.#around;
    if (streams.isFull) return refused(TOO_MANY);
    try {
      answerTurn({
        reads: system,
        open: (parts) => door.opened(call.id, parts),
        conversation: call.id,
        messageId: call.commandId,
        post: () => system.ask(call.address, call.command, call.body, { ...this.askOptions(request, reply), id: call.commandId }),
        request,
        reply,
        answers,
        streams,
        headers,
        write,
        refused,
        onDefect: (cause) => this.defect(request, cause),
      });
    } catch (cause) {
      this.defect(request, cause);
      refused(DEFECT);
    }
  }

  askOptions(request: FastifyRequest, reply: FastifyReply): AskOptions {
    return askOptionsOf(request, reply.raw, this.#around.answerMsMax);
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

const SHUTTING_DOWN: Refusal = { ok: false, code: "SHUTTING_DOWN", detail: "the server stops; come back with the id of the last event" };
