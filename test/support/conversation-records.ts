/** Journal records of conversations and their summaries. Texts stand for sealed ones: nothing that reads them here opens them. */
import { type Json, packEntries, type StoredRecord } from "../../src/runtime/index.ts";

export type ConversationEvent = { readonly kind: string; readonly [key: string]: Json };

/** A record with an entry for each address. */
export function conversationRecord(
  seq: number,
  ...entries: readonly (readonly [entity: string, ...events: readonly ConversationEvent[]])[]
): StoredRecord {
  const packed = entries.map(([entity, ...events]) => ({ shard: 0, seq, entity, version: 1, at: seq * 1000, events }));
  return { seq, domain: 0, incarnation: 1, number: seq, time: seq, count: packed.length, body: packEntries(packed) };
}

export const wasOpened: ConversationEvent = { kind: "opened", onBusy: "enqueue", user: null, instructions: "s1.instructions" };
export const posted = (turn: number, text = `question ${turn}`, wantsReply = true): ConversationEvent => ({
  kind: "posted",
  messageId: `m${turn}`,
  turn,
  speaker: "user",
  text,
  chars: text.length,
  wantsReply,
});
export const begun = (turn: number, replyId = `r${turn}`): ConversationEvent => ({ kind: "replyBegun", replyId, turn });
export const chunk = (turn: number, index: number, attempt = 1, text = `chunk ${index}`): ConversationEvent => ({
  kind: "replyChunk",
  replyId: `r${turn}`,
  attempt,
  index,
  text,
  chars: text.length,
});
export const replied = (
  turn: number,
  { kind = "replied", text = `answer ${turn}`, replyId = `r${turn}` }: { kind?: string; text?: string; replyId?: string } = {},
): ConversationEvent => ({
  kind,
  replyId,
  turn,
  text,
  chars: text.length,
});
export const replyFailed = (turn: number): ConversationEvent => ({
  kind: "replyFailed",
  replyId: `r${turn}`,
  turn,
  code: "UPSTREAM_TIMEOUT",
});
export const summarized = (fromTurn: number, toTurn: number): ConversationEvent => ({
  kind: "summarized",
  fromTurn,
  toTurn,
  text: `summary to ${toTurn}`,
  memory: "s1.memory",
  messageCount: toTurn * 2,
});
export const deleted: ConversationEvent = { kind: "deleted" };
