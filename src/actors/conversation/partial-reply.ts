/** What a reply has said when it ends before its time. */
import type { ConversationEvent } from "./conversation-schema.ts";
import { type Open, type Replying, replyIdOf } from "./conversation-state.ts";

/** The earlier reply stands until another has a text. */
export const supersededBy = ({ last }: Open, { isAgain }: Replying): string | null => (isAgain ? (last?.standing ?? null) : null);

export function partialOf(state: Open, replying: Replying) {
  const { post, replyId, parts, chars } = replying;
  const supersedes = parts.length === 0 ? null : supersededBy(state, replying);
  return { turn: post.turn, replyId, parts: [...parts], chars, supersedes };
}

/** Ends the reply under way and those that wait, in the order of turns: who interrupts wants to be answered now. */
export function interruptAll(state: Open): readonly ConversationEvent[] {
  const { replying, queue } = state;
  const waiting = queue.map(({ turn }) => ({ turn, replyId: replyIdOf(turn, 1), attempt: 0, parts: [], chars: 0, supersedes: null }));
  const begun = replying === null ? [] : [{ ...partialOf(state, replying), attempt: replying.attempt }];
  return [...begun, ...waiting].map((partial) => ({ kind: "replyInterrupted", ...partial, isOver: true }));
}

/** What an earlier attempt said is closed before anything of a later one is kept (C4). */
export function voidedBy({ post, replyId, attempt, parts, chars }: Replying, later: number): readonly ConversationEvent[] {
  if (parts.length === 0 || later <= attempt) return [];
  return [{ kind: "replyInterrupted", turn: post.turn, replyId, attempt, parts: [...parts], chars, isOver: false, supersedes: null }];
}
