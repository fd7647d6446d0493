/** How conversations are shown to clients, as JSON, whatever door they came through. */
import { isoTime, type SummaryView } from "../../actors/index.ts";
import type { Answer, Code } from "../../runtime/index.ts";
import type { MessagePage } from "../conversation-reads.ts";
import type { PendingPost, PostOutcome, WaitingPost } from "./conversation-call.ts";
import type { ConversationDoor } from "./conversation-door.ts";
import { refuse } from "./ledger-door.ts";

export const conversationPath = (id: string): string => `/v1/conversations/${encodeURIComponent(id)}`;

export const outcomeShown = ({ reply: { messageId, turn, replyId, status }, content }: PostOutcome): string =>
  JSON.stringify({ messageId, turn, replyId, content, status });

export const pendingShown = ({ messageId, turn }: PendingPost): string =>
  JSON.stringify({ messageId, turn, replyId: null, content: null, status: "pending" });

export const waitingMembers = ({ messageId, turn }: WaitingPost): object => ({ messageId, turn, replyId: null, pending: true });

/** The message is stored and its reply will be made: when, nobody knows. */
export function waitingShown(id: string, { messageId, turn, code }: WaitingPost): string {
  const why = code === "OVERLOADED" ? "the model does not answer, so it is left alone for a while" : "the model has not answered up to now";
  return `${why}; message ${messageId} is stored as turn ${turn}, and its reply is made when the model is back within the time that a reply may take (ai.deadlineMs): read what came of it at ${conversationPath(id)}/messages/${messageId}, or repeat with the same key, which begins nothing twice`;
}

export const deletingShown = (id: string): string => JSON.stringify({ id, status: "deleting" });

/** The message is stored and its reply is not: why, and how to have another. */
export function failedReplyShown(id: string, { messageId, turn, replyId, code }: PostOutcome["reply"]): string {
  if (code === null) throw new TypeError("a reply that failed has a code");
  if (replyId === null) return `the conversation was deleted before message ${messageId} had its reply`;
  return `message ${messageId} is stored as turn ${turn}, but it has no reply: ${whyNoReply(code)}; to have another, POST ${conversationPath(id)}/replies/${replyId}/regenerate with a new key`;
}

export function messagesShown(door: ConversationDoor, id: string, { messages, hasMore }: MessagePage): Answer<string> {
  const items: object[] = [];
  for (const message of messages) {
    const { number, messageId, turn, role, parts, status, code, at } = message;
    const content = door.opened(id, parts);
    const speaker = door.speaker(id, message);
    if (content === null || speaker === null) return refuse("not_found", "the conversation was deleted");
    const said = code === null ? { content, status } : { content: null, status, code };
    items.push({ number, messageId, turn, role, speaker, ...said, at: isoTime(at) });
  }
  const last = messages.at(-1);
  return { ok: true, value: JSON.stringify({ items, next: hasMore && last !== undefined ? String(last.number) : null }) };
}

export function summaryShown(
  door: ConversationDoor,
  id: string,
  { content: sealed, upToTurn, messageCount, knownTurn }: SummaryView,
): Answer<string> {
  const content = sealed === null ? null : door.opened(id, [sealed]);
  if (sealed !== null && content === null) return refuse("not_found", "the conversation was deleted");
  return { ok: true, value: JSON.stringify({ conversationId: id, content, messageCount, upToTurn, knownTurn }) };
}

/** Why a message has no reply, by the code that its conversation keeps. Of attempts nothing is said: a refusal ends a reply with the first, a deadline before any. */
export function whyNoReply(code: Code): string {
  switch (code) {
    case "UPSTREAM_TIMEOUT":
      return "the model gave no answer in time";
    case "OVERLOADED":
      return "the model had too much to do";
    case "UPSTREAM_BAD_RESPONSE":
      return "the model refused, or gave no answer that can be used";
    default:
      return `what was to make it ended with ${code}`;
  }
}
