import type { Json } from "../../runtime/index.ts";
import type { ConversationEvent } from "../conversation/conversation-schema.ts";
import { endOf } from "../conversation/reply-end.ts";
import type { IntegrationEvent } from "./integration-event.ts";

/** A conversation's public events (I2): a reply is told when it ends, however it does. */
export function conversationEvent(conversationId: string, json: Json, _at: number): IntegrationEvent | null {
  const event = json as unknown as ConversationEvent;
  switch (event.kind) {
    case "opened":
      return { name: "opened", data: { conversationId, onBusy: event.onBusy } };
    case "posted": {
      const { messageId, turn, role, chars, wantsReply } = event;
      return { name: "message-posted", data: { conversationId, messageId, turn, role, chars, wantsReply } };
    }
    case "replied":
    case "replyStopped":
    case "replyInterrupted":
    case "replyFailed": {
      const end = endOf(event);
      if (end === null) return null; // That attempt is void, and another follows.
      const { replyId, turn, status, chars, code, supersedes } = end;
      return { name: "reply-finished", data: { conversationId, replyId, turn, status, chars, code, supersedes } };
    }
    case "replyBegun":
    case "replyChunk":
    case "summarized":
      return null;
    case "deleted":
      return { name: "deleted", data: { conversationId } };
    default:
      throw new Error(`a conversation has no event "${(event as { readonly kind: string }).kind}"`);
  }
}
