import type { FastifyReply, FastifyRequest } from "fastify";
import type { Refusal } from "../../../runtime/index.ts";
import type { WaitingPost } from "../../ingress/conversation-call.ts";
import { refuse } from "../../ingress/ledger-door.ts";
import type { Answers } from "../answers.ts";
import type { ClientEvent } from "./client-event.ts";
import type { OpenStreams } from "./open-streams.ts";
import { SseStream } from "./sse-stream.ts";
import { TurnFollower, type TurnFollowerOptions } from "./turn-follower.ts";

export interface TurnStreamOptions extends Omit<TurnFollowerOptions, "listener"> {
  readonly request: FastifyRequest;
  readonly reply: FastifyReply;
  readonly answers: Answers;
  readonly streams: OpenStreams;
  readonly headers?: readonly string[];
  /** Writes one event of the turn; `isLast` = the stream ends behind it. @returns whether there is room. */
  readonly write: (stream: SseStream, event: ClientEvent, isLast: boolean) => boolean;
  /** Answers when nothing was heard. */
  readonly refused: (refusal: Refusal) => void;
  /** Answers that the reply is not made for a while, when nothing was heard. */
  readonly waits: (waiting: WaitingPost) => void;
  /** The same when the stream is open, as its last words. */
  readonly writeWaits: (stream: SseStream, waiting: WaitingPost) => void;
  /** The last words of an open stream whose conversation was deleted. */
  readonly writeDeleted: (stream: SseStream) => void;
  readonly onDefect: (cause: unknown) => void;
}

/**
 * Answers a request that posts a message with the events of its turn, as SSE. Refused before the first event it is a problem like any other answer; behind it the
 * status is 200 and the events say how the turn ends. A client that goes away does not stop the reply. @throws Fault `OVERLOADED`.
 */
export function answerTurn(options: TurnStreamOptions): void {
  const {
    request,
    reply,
    answers,
    streams,
    headers = [],
    write,
    refused,
    waits,
    writeWaits,
    writeDeleted,
    onDefect,
    conversation,
  } = options;
  let stream: SseStream | null = null;
  const opened = (): SseStream => {
    if (stream !== null) return stream;
    const made: SseStream = new SseStream({
      response: reply.hijack().raw,
      requestId: request.id,
      isAnswer: true,
      headers,
      onDrain: () => follower.resume(),
      onClose: () => {
        follower.close();
        streams.remove(made);
        answers.ended(request, reply.raw, 200);
      },
    });
    streams.add(made);
    stream = made;
    return made;
  };
  const follower = new TurnFollower({
    ...options,
    listener: {
      take(event, isLast) {
        const hasRoom = write(opened(), event, isLast);
        if (isLast) opened().end();
        return hasRoom;
      },
      refused,
      waits(waiting) {
        if (stream === null) return waits(waiting);
        writeWaits(stream, waiting);
        stream.end();
      },
      deleted() {
        if (stream === null) return refused(wasDeleted(conversation));
        writeDeleted(stream);
        stream.end();
      },
      defect(cause) {
        onDefect(cause);
        if (stream === null) refused(DEFECT);
        else stream.cut();
      },
    },
  });
  // Until the head is written the stream does not know of the connection's end.
  reply.raw.once("close", () => follower.close());
}

export const wasDeleted = (conversation: string): Refusal =>
  refuse("not_found", `conversation ${JSON.stringify(conversation)} was deleted`);
export const DEFECT = refuse(
  "INTERNAL_ERROR",
  "the service met a defect and logged it with the request's id; a repeat with the same key is safe",
);
