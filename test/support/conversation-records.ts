/** Journal records of conversations and their summaries. Texts stand for sealed ones: nothing that reads them here opens them. */
import type { SummaryEvent, ConversationEvent as Told } from "../../src/actors/index.ts";
import { type Json, packEntries, type StoredRecord } from "../../src/runtime/index.ts";

/** As the entities record them. */
export type ConversationEvent = Told | SummaryEvent;

/** A record with an entry for each address. */
export function conversationRecord(
  seq: number,
  ...entries: readonly (readonly [entity: string, ...events: readonly ConversationEvent[]])[]
): StoredRecord {
  const packed = entries.map(([entity, ...events]) => ({
    shard: 0,
    seq,
    entity,
    version: 1,
    at: seq * 1000,
    events: events as readonly unknown[] as readonly Json[],
  }));
  return { seq, domain: 0, incarnation: 1, number: seq, time: seq, count: packed.length, body: packEntries(packed) };
}

export const wasOpened: ConversationEvent = { kind: "opened", onBusy: "enqueue", user: null, instructions: "s1.instructions", at: 1 };
export const posted = (turn: number, text = `s1.question-${turn}`, role: "user" | "assistant" = "user"): ConversationEvent => ({
  kind: "posted",
  key: `k${turn}`,
  print: "print",
  at: 1,
  turn,
  messageId: `m${turn}`,
  role,
  speaker: "s1.Ann",
  text,
  chars: text.length,
  wantsReply: role === "user",
  isStreamed: false,
});
export const begun = (turn: number): ConversationEvent => ({
  kind: "replyBegun",
  turn,
  replyId: `r${turn}`,
  isStreamed: true,
  asked: null,
});
export const chunk = (turn: number, index: number): ConversationEvent => ({
  kind: "replyChunk",
  turn,
  replyId: `r${turn}`,
  attempt: 1,
  index,
  text: `s1.chunk-${index}`,
  chars: 5,
});
export const replied = (turn: number, replyId = `r${turn}`, supersedes: string | null = null): ConversationEvent => ({
  kind: "replied",
  turn,
  replyId,
  text: `s1.answer-${replyId}`,
  chars: 6,
  supersedes,
});
export const stopped = (turn: number, parts: readonly string[], replyId = `r${turn}`): ConversationEvent => ({
  kind: "replyStopped",
  turn,
  replyId,
  parts: [...parts],
  chars: 3,
  supersedes: null,
});
export const interrupted = (turn: number, parts: readonly string[], isOver: boolean): ConversationEvent => ({
  kind: "replyInterrupted",
  turn,
  replyId: `r${turn}`,
  attempt: 1,
  parts: [...parts],
  chars: 3,
  isOver,
  supersedes: null,
});
export const replyFailed = (turn: number): ConversationEvent => ({
  kind: "replyFailed",
  turn,
  replyId: `r${turn}`,
  code: "UPSTREAM_TIMEOUT",
});
export const summarized = (fromTurn: number, toTurn: number): ConversationEvent => ({
  kind: "summarized",
  fromTurn,
  toTurn,
  text: `s1.summary-${toTurn}`,
  memory: "s1.memory",
  messageCount: toTurn * 2,
});
export const deleted: ConversationEvent = { kind: "deleted" };
