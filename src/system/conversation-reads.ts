import type { MessageRow } from "../actors/index.ts";
import type { Answer, Json } from "../runtime/index.ts";

/**
 * Conversations as the read model shows them. Every read sees every commit up to the call, else `VIEW_BEHIND`. Texts are sealed: who shows one
 * opens it. A conversation that is not known, or was deleted, has no rows; whether it is there is its entity's to say.
 */
export interface ConversationReads {
  /** Messages with a number above `after`, oldest first, at most `limit` (1,000) and 4 Mi characters of text. */
  messages(conversationId: string, page: { readonly after: number; readonly limit: number }): Promise<Answer<MessagePage>>;
  /** One message of a turn, also a reply that was superseded; null when there is none of this id. */
  message(conversationId: string, turn: number, messageId: string): Promise<Answer<ConversationMessage | null>>;
  /** What was said in these turns, at most 1,000 of them, in their order; without replies that were superseded or failed. */
  turnTexts(conversationId: string, turns: TurnRange): Promise<Answer<readonly TurnText[]>>;
  /** Events behind a place in the feed, oldest first, at most `limit` (1,000) and 4 Mi characters; from `FEED_START` on all that there are. */
  feedAfter(conversationId: string, after: FeedPlace, limit: number): Promise<Answer<FeedPage>>;
  /** The place behind everything that is committed now, in any feed. */
  feedEnd(): FeedPlace;
  /**
   * Calls `listener` within some milliseconds after the feed of the conversation grew, and now and then without that: it pulls with `feedAfter` from where
   * it is, so that nothing is kept for one that is slow. To be called before the first pull; then no event is missed. A pull that is refused
   * must be tried again by whoever pulls. A listener must not throw.
   * @returns what ends the watch. @throws Fault `OVERLOADED` beyond 100,000 watches.
   */
  watch(conversationId: string, listener: () => void): () => void;
}

export interface ConversationMessage extends MessageRow {
  /** Counts the messages of the conversation, replies that failed among them, from 1 without a gap. */
  readonly number: number;
  /** Milliseconds since 1970. */
  readonly at: number;
}
export interface MessagePage {
  readonly messages: readonly ConversationMessage[];
  readonly hasMore: boolean;
}

/** From and to are both meant. */
export interface TurnRange {
  readonly fromTurn: number;
  readonly toTurn: number;
}
export type TurnText = Pick<MessageRow, "turn" | "role" | "speaker" | "parts" | "chars" | "status">;

/** An event's place: the journal's record, and which of the conversation's events in it. The same after every restart and rebuild. */
export interface FeedPlace {
  readonly seq: number;
  readonly idx: number;
}
export const FEED_START: FeedPlace = { seq: 0, idx: 0 };
/** Behind every event of a record: none has so many. */
export const FEED_IDX_MAX = 999_999_999;
export interface FeedEvent extends FeedPlace {
  readonly kind: string;
  readonly data: Json;
  /** Milliseconds since 1970. */
  readonly at: number;
}
export interface FeedPage {
  readonly events: readonly FeedEvent[];
  readonly hasMore: boolean;
  /** The conversation was deleted: there is nothing any more, and nothing will come. */
  readonly isDeleted: boolean;
}
