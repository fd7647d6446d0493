/**
 * A conversation. Its invariants:
 *
 * C1. Turns count in the order of their messages; one reply is under way at a time, and replies begin in the order of turns.
 * C2. No reply waits for a summary: a turn that is over is told to the summary in the entry that ends it, once, in order (R-CON-1, R-CON-2).
 * C3. Whoever posts under an id gets what came of the first post under it, whenever they ask (L3).
 * C4. What a reply said before it was stopped or interrupted is kept; what an attempt said before another began is void, and both are said.
 * C5. A reply that failed takes nothing with it: the message stands, the turn counts, and `regenerate` begins another.
 * C6. After it is deleted nothing is left but that there was one.
 *
 *   post -> queued -> under way -> complete | stopped | interrupted | failed
 */
import { accept, type Decision, defineEntity, type Info, ignore, type Reject, reject, reply } from "../../runtime/index.ts";
import { isoTime } from "../ledger/outcome.ts";
import {
  type ConversationEvent,
  type ConversationView,
  conversationEvents,
  conversations,
  type OpenBody,
  type OutcomeReply,
  type PostBody,
  type PostReply,
  type RegenerateBody,
  type SummarizedBody,
} from "./conversation-schema.ts";
import {
  askedOf,
  type Conversation,
  conversationEvolve,
  conversationSnapshot,
  type LastTurn,
  type Open,
  replyIdOf,
} from "./conversation-state.ts";
import { decided } from "./follow-up.ts";
import { areKeysFull, KEYS_COUNT_MAX, printOf } from "./kept-keys.ts";
import { interruptAll, partialOf } from "./partial-reply.ts";
import { storedOutcome } from "./reply-end.ts";
import { destroyKeyCall, REPLY_LABEL } from "./reply-port.ts";
import { chunk, replied } from "./reply-progress.ts";
import { summaries } from "./summary-schema.ts";

type Decided<Reply> = Decision<ConversationEvent, Reply>;

/** Messages that wait for their reply to begin, and characters of their sealed text. */
export const QUEUE_COUNT_MAX = 100;
export const QUEUE_CHARS_MAX = 1_048_576;

/** The conversation entity, type "conversation". Its id is what the client chose or the door derived. */
export const conversation = defineEntity({
  ...conversations,
  version: 1,
  events: conversationEvents,
  initial: (): Conversation | null => null,
  decide: { open, post, regenerate, outcome, stop, delete: erase, get, summarized },
  answers: { replied },
  progress: { chunk },
  evolve: conversationEvolve,
  snapshot: conversationSnapshot,
  isFinished: (state) => state?.phase === "deleted",
});

function open(state: Conversation | null, body: OpenBody, info: Info): Decided<{ readonly id: string }> {
  const answer = { id: info.key };
  if (state === null) return accept([{ kind: "opened", ...body, at: info.at }], { reply: answer });
  if (state.phase === "deleted") return reject("already_exists", `conversation ${info.key} was deleted; its id is not used again`);
  const { onBusy, instructions, user } = state.opening;
  const isSame = onBusy === body.onBusy && instructions === body.instructions && user === body.user;
  return isSame ? reply(answer) : reject("already_exists", `conversation ${info.key} exists with other fields`);
}

function post(state: Conversation | null, body: PostBody, info: Info): Decided<PostReply> {
  if (state?.phase !== "open") return absent(info);
  const { stream = false, onBusy = state.opening.onBusy, role = "user", ...said } = body;
  const print = printOf("post", { ...said, role, onBusy: body.onBusy });
  const known = knownOrRefused(state, print, info);
  if (known !== null) return known;
  const turn = state.turns + 1;
  const posted = { kind: "posted" as const, turn, ...said, role, isStreamed: stream, key: info.id, print, at: info.at };
  if (!body.wantsReply) return decided(state, [posted], info, { reply: storedOutcome({ messageId: body.messageId, turn, at: info.at }) });
  if (role !== "user") return reject("validation_failed", "a message of the assistant wants no reply");
  if (state.replying === null) return decided(state, [posted], info, { isAnsweredLater: true });
  switch (onBusy) {
    case "enqueue":
      return isQueueFull(state, body.text) ? queueFull(info) : decided(state, [posted], info, { isAnsweredLater: true });
    case "reject":
      return reject("illegal_transition", `a reply is under way in conversation ${info.key}`);
    case "interrupt":
      return decided(state, [...interruptAll(state), posted], info, { isAnsweredLater: true, cancels: [REPLY_LABEL] });
    default:
      return onBusy satisfies never;
  }
}

/** The answer to a repeat, or why the id cannot be taken; null for a new one. */
function knownOrRefused({ keys }: Open, print: string, info: Info): Decided<PostReply> | null {
  if (info.id === "") return reject("idempotency_key_missing", "the command has no id, so a repeat could not be told from it");
  const kept = keys.find(({ id }) => id === info.id);
  if (kept !== undefined) {
    if (kept.print !== print) return reject("key_reused", "the key was used for another message");
    return kept.outcome === null ? accept([], { isAnsweredLater: true }) : reply({ ...kept.outcome, isRepeat: true });
  }
  if (!areKeysFull(keys, info.at)) return null;
  return reject(
    "keys_exhausted",
    `conversation ${info.key} remembers ${KEYS_COUNT_MAX} keys; a new one is taken when the oldest is 24 hours old`,
  );
}

function regenerate(state: Conversation | null, { replyId, stream = false }: RegenerateBody, info: Info): Decided<PostReply> {
  if (state?.phase !== "open") return absent(info);
  const print = printOf("regenerate", { replyId });
  const known = knownOrRefused(state, print, info);
  if (known !== null) return known;
  const { last, replying } = state;
  if (replying !== null) return reject("illegal_transition", `a reply is under way in conversation ${info.key}`);
  if (last === null || !isReplyOf(last, replyId)) {
    return reject("illegal_transition", `${replyId} is no reply of the last turn of conversation ${info.key} that has one`);
  }
  const { turn } = last.post;
  const asked = { key: info.id, print, at: info.at };
  const begun = { kind: "replyBegun" as const, turn, replyId: replyIdOf(turn, last.count + 1), isStreamed: stream, asked };
  return decided(state, [begun], info, { isAnsweredLater: true });
}

const isReplyOf = ({ post, count }: LastTurn, replyId: string): boolean =>
  Array.from({ length: count }, (_, at) => replyIdOf(post.turn, at + 1)).includes(replyId);

function outcome(state: Conversation | null, { id }: { readonly id: string }, info: Info): Decided<OutcomeReply> {
  if (state?.phase !== "open") return absent(info);
  const { keys, replying, queue } = state;
  const kept = keys.find((key) => key.id === id)?.outcome ?? null;
  if (kept !== null) return reply({ messageId: kept.messageId, turn: kept.turn, outcome: kept });
  const waiting = [...(replying === null ? [] : [replying.post]), ...queue].find(({ key }) => key === id);
  if (waiting === undefined) return reject("not_found", `conversation ${info.key} remembers no such message`);
  return reply({ messageId: waiting.messageId, turn: waiting.turn, outcome: null });
}

function stop(state: Conversation | null, _body: object, info: Info): Decided<{ readonly replyId: string | null }> {
  if (state?.phase !== "open") return absent(info);
  const { replying } = state;
  if (replying === null) return reply({ replyId: null });
  const stopped = { kind: "replyStopped" as const, ...partialOf(state, replying) };
  return decided(state, [stopped], info, { reply: { replyId: replying.replyId }, cancels: [REPLY_LABEL] });
}

/** Who was not told that it is deleted may say it again. */
function erase(state: Conversation | null, _body: object, info: Info): Decided<{ readonly id: string }> {
  if (state?.phase === "deleted") return reply({ id: info.key });
  if (state === null) return absent(info);
  const { replying, queue } = state;
  const waiting = replying === null ? queue : [replying.post, ...queue];
  const settles = waiting.map((post) => {
    const gone = { turn: post.turn, replyId: null, parts: [], chars: 0, status: "failed" as const, code: "not_found" as const };
    const value: PostReply = { ...askedOf(state, post), ...gone };
    return { id: post.key, value };
  });
  return accept([{ kind: "deleted" }], {
    reply: { id: info.key },
    settles,
    cancels: [REPLY_LABEL],
    effects: [summaries.tell(info.key).erase({}), destroyKeyCall(info.key)],
  });
}

function get(state: Conversation | null, _body: object, info: Info): Decided<ConversationView> {
  if (state?.phase !== "open") return absent(info);
  const { opening, turns, messages, replying, queue, summary } = state;
  return reply({
    id: info.key,
    onBusy: opening.onBusy,
    user: opening.user,
    turns,
    messages,
    isReplying: replying !== null,
    replyId: replying?.replyId ?? null,
    queued: queue.length,
    summarizedTurn: summary?.upToTurn ?? 0,
    createdAt: isoTime(opening.at),
  });
}

function summarized(state: Conversation | null, body: SummarizedBody): Decided<null> {
  if (state?.phase !== "open" || body.upToTurn <= (state.summary?.upToTurn ?? 0)) return ignore;
  return accept([{ kind: "summarized", ...body }], { reply: null });
}

function isQueueFull({ queue }: Open, text: string): boolean {
  const chars = queue.reduce((sum, waiting) => sum + waiting.text.length, text.length);
  return queue.length >= QUEUE_COUNT_MAX || chars > QUEUE_CHARS_MAX;
}

const queueFull = (info: Info): Reject =>
  reject("rate_limited", `as many messages as may wait for a reply in conversation ${info.key}; send it again later`);
const absent = (info: Info): Reject => reject("not_found", `conversation ${info.key} does not exist`);
