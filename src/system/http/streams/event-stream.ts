import type { ServerResponse } from "node:http";
import type { ConversationReads, FeedEvent, FeedPlace } from "../../conversation-reads.ts";
import { clientEvent, type OpenText } from "./client-event.ts";
import { idOfPlace } from "./feed-place.ts";
import { FeedPump, type Taken } from "./feed-pump.ts";
import type { OpenStreams } from "./open-streams.ts";
import { SseStream } from "./sse-stream.ts";

export interface EventStreamOptions {
  readonly reads: Pick<ConversationReads, "feedAfter" | "watch">;
  readonly open: OpenText;
  readonly streams: OpenStreams;
  readonly conversation: string;
  readonly from: FeedPlace;
  readonly response: ServerResponse;
  readonly requestId: string;
  /** The connection is gone. */
  readonly onClose: () => void;
  readonly onDefect: (cause: unknown) => void;
}

/**
 * Follows a conversation over SSE from a place on, until the client goes, the time is over, the server stops or the conversation is deleted. The first event
 * is `connected`, whose id is that place: who loses the connection before anything came goes on from there. @throws Fault `OVERLOADED` before anything is written.
 */
export function openEventStream(options: EventStreamOptions): void {
  const { reads, open, streams, conversation, from, response, requestId, onClose, onDefect } = options;
  const take = (event: FeedEvent): Taken => {
    const shown = clientEvent(event, open);
    if (shown === null) return deleted(); // Its key is destroyed first, its rows go a moment later.
    return stream.send(shown) ? "more" : "full";
  };
  const deleted = (): Taken => {
    stream.send({ event: "deleted", data: { conversationId: conversation } });
    stream.end();
    return "over";
  };
  const pump = new FeedPump({
    reads,
    conversation,
    from,
    take,
    onDeleted: deleted,
    onDefect: (cause) => {
      onDefect(cause);
      stream.cut();
    },
  });
  const stream = new SseStream({
    response,
    requestId,
    isAnswer: false,
    onDrain: () => pump.resume(),
    onClose: () => {
      pump.close();
      streams.remove(stream);
      onClose();
    },
  });
  streams.add(stream);
  stream.retry();
  stream.send({ id: idOfPlace(from), event: "connected", data: { conversationId: conversation } });
  pump.start();
}
