/**
 * What the journal says about conversations, for read models and for those who listen: a pure projection of one entry at a time. Every text is
 * sealed and stays so.
 */
import type { Code, Entry, Json } from "../../runtime/index.ts";
import type { ConversationEvent } from "./conversation-schema.ts";
import { endOf, type ReplyEnd } from "./reply-end.ts";
import type { SummaryEvent } from "./summary-schema.ts";

/** "superseded": another reply of its turn took its place. "failed": it has no text, and is no message to anybody but who looks for it. */
export type MessageStatus = "complete" | "stopped" | "interrupted" | "superseded" | "failed";
/** One message as it lies in the conversation. A reply that was cut off holds what had come of it, one that failed nothing. */
export interface MessageRow {
  /** Of a reply its replyId. */
  readonly messageId: string;
  readonly turn: number;
  readonly role: "user" | "assistant";
  /** Sealed; null = called by the role. */
  readonly speaker: string | null;
  /** Pieces of the text, each sealed by itself: whoever opens them joins them. */
  readonly parts: readonly string[];
  /** Characters of the text before it was sealed. */
  readonly chars: number;
  readonly status: MessageStatus;
  /** Why it failed; null for all others. */
  readonly code: Code | null;
}
/** One event for those who listen. `data` holds what a client may see of it. */
export interface FeedRow {
  readonly kind: string;
  readonly data: { readonly [key: string]: Json };
  readonly message?: MessageRow;
  /** The message whose place `message` takes. */
  readonly supersedes?: string;
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
    const rows = (events as readonly unknown[] as readonly ConversationEvent[]).flatMap(conversationRow);
    return rows.length === 0 ? null : { conversation: entity.slice(CONVERSATION.length), at, rows };
  }
  if (!entity.startsWith(SUMMARY)) return null;
  const rows = (events as readonly unknown[] as readonly SummaryEvent[]).flatMap(summaryRow);
  return rows.length === 0 ? null : { conversation: entity.slice(SUMMARY.length), at, rows };
}

/** What the runtime and the entity need for themselves (keys, prints, instructions) is left out. */
function conversationRow(event: ConversationEvent): readonly FeedRow[] {
  switch (event.kind) {
    case "opened":
      return [{ kind: event.kind, data: { onBusy: event.onBusy, user: event.user } }];
    case "posted": {
      const { kind, messageId, turn, role, speaker, text, chars, wantsReply } = event;
      const message: MessageRow = { messageId, turn, role, speaker, parts: [text], chars, status: "complete", code: null };
      return [{ kind, data: { messageId, turn, role, speaker, text, chars, wantsReply }, message }];
    }
    case "replyBegun":
      return [{ kind: event.kind, data: { replyId: event.replyId, turn: event.turn } }];
    case "replyChunk": {
      const { kind, replyId, turn, attempt, index, text, chars } = event;
      return [{ kind, data: { replyId, turn, attempt, index, text, chars } }];
    }
    case "replied": {
      const { kind, replyId, turn, text, chars, supersedes, usage } = event;
      const told = usage === undefined ? {} : { usage };
      return [{ kind, data: { replyId, turn, text, chars, supersedes, ...told }, ...replyMessage(endOf(event)) }];
    }
    case "replyStopped": {
      const { kind, replyId, turn, parts, chars, supersedes } = event;
      return [{ kind, data: { replyId, turn, parts, chars, supersedes }, ...replyMessage(endOf(event)) }];
    }
    case "replyInterrupted": {
      const { kind, replyId, turn, attempt, parts, chars, isOver, supersedes } = event;
      return [{ kind, data: { replyId, turn, attempt, parts, chars, isOver, supersedes }, ...replyMessage(endOf(event)) }];
    }
    case "replyFailed":
      return [{ kind: event.kind, data: { replyId: event.replyId, turn: event.turn, code: event.code }, ...replyMessage(endOf(event)) }];
    case "summarized":
      return []; // The summary's own entry tells of it, once: this one only carries it into the next reply.
    case "deleted":
      return [{ kind: event.kind, data: {} }];
    default:
      // An entry of a newer program: to pass over it would leave a gap that nobody sees.
      throw new Error(`a conversation has no event "${(event as { readonly kind: string }).kind}"`);
  }
}

/** A reply that ended with any text, or failed, is a message; what an attempt said that others follow is none. */
function replyMessage(end: ReplyEnd | null): Pick<FeedRow, "message" | "supersedes"> {
  if (end === null || (end.parts.length === 0 && end.status !== "failed")) return {};
  const { replyId: messageId, turn, parts, chars, status, code, supersedes } = end;
  const message: MessageRow = { messageId, turn, role: "assistant", speaker: null, parts, chars, status, code };
  return supersedes === null ? { message } : { message, supersedes };
}

/** The text only: what the summarizer remembers besides is nobody else's, and its other events are bookkeeping. */
function summaryRow(event: SummaryEvent): readonly FeedRow[] {
  if (event.kind !== "summarized") return [];
  const { kind, fromTurn, toTurn, text, messageCount } = event;
  return [{ kind, data: { fromTurn, toTurn, text, messageCount } }];
}
