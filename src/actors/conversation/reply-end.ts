/** How a reply ends, and what everybody who waits for it is answered. */
import type { ConversationEvent, PostReply } from "./conversation-schema.ts";

export interface ReplyEnd {
  readonly turn: number;
  readonly replyId: string;
  readonly status: Exclude<PostReply["status"], "stored">;
  readonly parts: readonly string[];
  readonly chars: number;
  readonly code: PostReply["code"];
  readonly supersedes: string | null;
}

/** The end that the event is; null when it is none. */
export function endOf(event: ConversationEvent): ReplyEnd | null {
  switch (event.kind) {
    case "replied": {
      const { turn, replyId, text, chars, supersedes } = event;
      return { turn, replyId, status: "complete", parts: [text], chars, code: null, supersedes };
    }
    case "replyStopped": {
      const { turn, replyId, parts, chars, supersedes } = event;
      return { turn, replyId, status: "stopped", parts, chars, code: null, supersedes };
    }
    case "replyInterrupted": {
      const { turn, replyId, parts, chars, supersedes } = event;
      return event.isOver ? { turn, replyId, status: "interrupted", parts, chars, code: null, supersedes } : null;
    }
    case "replyFailed": {
      const { turn, replyId, code } = event;
      return { turn, replyId, status: "failed", parts: [], chars: 0, code, supersedes: null };
    }
    default:
      return null;
  }
}

export function outcomeOf(
  { turn, replyId, status, parts, chars, code }: ReplyEnd,
  { messageId, at }: Pick<PostReply, "messageId" | "at">,
): PostReply {
  return { messageId, turn, replyId, parts: [...parts], chars, status, code, at };
}

/** The answer to a message that wants no reply, and to its repeats. */
export const storedOutcome = ({ messageId, turn, at }: Pick<PostReply, "messageId" | "turn" | "at">): PostReply => ({
  messageId,
  turn,
  replyId: null,
  parts: [],
  chars: 0,
  status: "stored",
  code: null,
  at,
});
