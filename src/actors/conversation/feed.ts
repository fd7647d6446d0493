/**
 * What the journal says about conversations, for read models and for those who listen: a pure projection of one entry at a time. Every text is
 * sealed and stays so.
 */
import type { Entry, Json } from "../../runtime/index.ts";

type Sealed = string | null;
interface Reply {
  readonly replyId: string;
  readonly turn: number;
}
interface ReplyText extends Reply {
  readonly text: Sealed;
  readonly chars: number;
}
/** Events of a conversation as its feed reads them. `chars` is the length of the text before it was sealed. */
export type ConversationFeedEvent =
  | { readonly kind: "opened"; readonly onBusy: string; readonly user: string | null }
  | {
      readonly kind: "posted";
      readonly messageId: string;
      readonly turn: number;
      readonly speaker: string;
      readonly text: Sealed;
      readonly chars: number;
      readonly wantsReply: boolean;
    }
  | ({ readonly kind: "replyBegun" } & Reply)
  | {
      readonly kind: "replyChunk";
      readonly replyId: string;
      readonly attempt: number;
      readonly index: number;
      readonly text: Sealed;
      readonly chars: number;
    }
  | ({ readonly kind: "replied" | "replyStopped" | "replyInterrupted" } & ReplyText)
  | ({ readonly kind: "replyFailed"; readonly code: string } & Reply)
  | { readonly kind: "summarized" }
  | { readonly kind: "deleted" };
/** The event of a conversation's summary that is told; its others are bookkeeping of its own. */
export interface SummarizedFeedEvent {
  readonly kind: "summarized";
  readonly fromTurn: number;
  readonly toTurn: number;
  readonly text: Sealed;
  /** Of all turns up to `toTurn`. */
  readonly messageCount: number;
}

export type MessageStatus = "complete" | "stopped" | "interrupted";
/** One message as it lies in the conversation. A reply that was cut off holds what had come of it. */
export interface MessageRow {
  readonly messageId: string;
  readonly turn: number;
  readonly role: "user" | "assistant";
  readonly speaker: string;
  readonly text: Sealed;
  readonly chars: number;
  readonly status: MessageStatus;
}
/** One event for those who listen. `data` holds what a client may see of it. */
export interface FeedRow {
  readonly kind: string;
  readonly data: { readonly [key: string]: Json };
  readonly message?: MessageRow;
}
export interface FeedRows {
  readonly conversation: string;
  /** Milliseconds since 1970. */
  readonly at: number;
  /** In the order of the events. After a row of kind `deleted` nothing of the conversation is kept but that it was there. */
  readonly rows: readonly FeedRow[];
}

const CONVERSATION = "conversation/";
const SUMMARY = "summary/";

/** The rows of one journal entry; null for entries of other entities, and for those that nobody listens to. */
export function feedRows(entry: Entry): FeedRows | null {
  const { entity, at, events } = entry;
  if (events === undefined) return null;
  if (entity.startsWith(CONVERSATION)) {
    const rows = (events as readonly unknown[] as readonly ConversationFeedEvent[]).flatMap(conversationRow);
    return rows.length === 0 ? null : { conversation: entity.slice(CONVERSATION.length), at, rows };
  }
  if (!entity.startsWith(SUMMARY)) return null;
  const rows = (events as readonly unknown[] as readonly SummarizedFeedEvent[]).flatMap(summaryRow);
  return rows.length === 0 ? null : { conversation: entity.slice(SUMMARY.length), at, rows };
}

function conversationRow(event: ConversationFeedEvent): readonly FeedRow[] {
  switch (event.kind) {
    case "opened":
      return [{ kind: event.kind, data: { onBusy: event.onBusy, user: event.user } }];
    case "posted": {
      const { kind, messageId, turn, speaker, text, chars, wantsReply } = event;
      const message: MessageRow = { messageId, turn, role: "user", speaker, text, chars, status: "complete" };
      return [{ kind, data: { messageId, turn, speaker, text, chars, wantsReply }, message }];
    }
    case "replyBegun":
      return [{ kind: event.kind, data: { replyId: event.replyId, turn: event.turn } }];
    case "replyChunk": {
      const { kind, replyId, attempt, index, text, chars } = event;
      return [{ kind, data: { replyId, attempt, index, text, chars } }];
    }
    case "replied":
    case "replyStopped":
    case "replyInterrupted": {
      const { kind, replyId, turn, text, chars } = event;
      const message: MessageRow = { messageId: replyId, turn, role: "assistant", speaker: "assistant", text, chars, status: STATUS[kind] };
      return [{ kind, data: { replyId, turn, text, chars }, message }];
    }
    case "replyFailed":
      return [{ kind: event.kind, data: { replyId: event.replyId, turn: event.turn, code: event.code } }];
    case "summarized":
      return []; // The summary's own entry tells of it, once: this one only carries it into the next reply.
    case "deleted":
      return [{ kind: event.kind, data: {} }];
    default:
      // An entry of a newer program: to pass over it would leave a gap that nobody sees.
      throw new Error(`a conversation has no event "${(event as { readonly kind: string }).kind}"`);
  }
}

/** Its text only: what the summarizer remembers besides is nobody else's. */
function summaryRow({ kind, fromTurn, toTurn, text, messageCount }: SummarizedFeedEvent): readonly FeedRow[] {
  return kind === "summarized" ? [{ kind, data: { fromTurn, toTurn, text, messageCount } }] : [];
}

const STATUS = { replied: "complete", replyStopped: "stopped", replyInterrupted: "interrupted" } as const;
