/** What a conversation makes of what the port "reply" tells it: chunks, and in the end the whole reply or why there is none. */
import { type Answer, accept, type Decision, type Info, ignore, type Json } from "../../runtime/index.ts";
import type { ConversationEvent } from "./conversation-schema.ts";
import type { Conversation } from "./conversation-state.ts";
import { decided } from "./follow-up.ts";
import { supersededBy, voidedBy } from "./partial-reply.ts";
import { replyProgressSchema, replyResultSchema } from "./reply-port.ts";

type Decided = Decision<ConversationEvent, never>;

/** Chunks of one attempt that are kept, and characters of their sealed text. What exceeds them comes with the whole reply. */
export const PARTS_COUNT_MAX = 2_000;
export const PARTS_CHARS_MAX = 262_144;

/** A chunk that is not the next one of its attempt is left out: the part that is kept has no gap, and the whole reply comes at the end. */
export function chunk(state: Conversation | null, value: Json, info: Info): Decided {
  if (state?.phase !== "open" || state.replying === null) return ignore;
  const { replying } = state;
  const told = replyProgressSchema.safeParse(value);
  const attempt = info.attempt ?? 0;
  if (!told.success || attempt < Math.max(replying.attempt, 1)) return ignore;
  const voided = voidedBy(replying, attempt);
  const partsBefore = attempt > replying.attempt ? [] : replying.parts;
  const { index, text, chars } = told.data;
  const charsBefore = partsBefore.reduce((sum, part) => sum + part.length, 0);
  const isTooMuch = index >= PARTS_COUNT_MAX || charsBefore + text.length > PARTS_CHARS_MAX;
  if (index !== partsBefore.length || isTooMuch) return ignore;
  const { replyId, post } = replying;
  return accept([...voided, { kind: "replyChunk", turn: post.turn, replyId, attempt, index, text, chars }]);
}

export function replied(state: Conversation | null, answer: Answer<Json>, info: Info): Decided {
  if (state?.phase !== "open" || state.replying === null) return ignore;
  const { replying } = state;
  const { replyId, post } = replying;
  const result = answer.ok ? replyResultSchema.safeParse(answer.value) : null;
  if (result?.success !== true) {
    const code = answer.ok ? "UPSTREAM_BAD_RESPONSE" : answer.code;
    const voided = voidedBy(replying, Number.POSITIVE_INFINITY);
    return decided(state, [...voided, { kind: "replyFailed", turn: post.turn, replyId, code }], info);
  }
  const voided = voidedBy(replying, info.attempt ?? replying.attempt);
  const whole = { kind: "replied" as const, turn: post.turn, replyId, ...result.data, supersedes: supersededBy(state, replying) };
  return decided(state, [...voided, whole], info);
}
