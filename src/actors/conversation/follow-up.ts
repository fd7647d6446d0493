/** What follows from the events of a conversation, whatever made them. */
import { type Accept, accept, type Effect, type Info } from "../../runtime/index.ts";
import { contextOf } from "./context-window.ts";
import type { ConversationEvent } from "./conversation-schema.ts";
import { afterEvent, askedOf, endedTurns, messagesUpTo, type Open, postOf, recentOf, replyIdOf } from "./conversation-state.ts";
import { endOf, outcomeOf } from "./reply-end.ts";
import { replyCall } from "./reply-port.ts";
import { SUMMARY_TURNS_MAX, summaries } from "./summary-schema.ts";

/**
 * Accepts the events with all that follows from them: who waited for a reply that ends is answered, the next message's reply begins, and the summary
 * is told how far the turns are over.
 */
export function decided<Reply>(
  before: Open,
  events: readonly ConversationEvent[],
  info: Info,
  more: Pick<Accept<ConversationEvent, Reply>, "reply" | "isAnsweredLater" | "cancels"> = {},
): Accept<ConversationEvent, Reply> {
  const all = [...events];
  let state = events.reduce(afterEvent, before);
  const [next] = state.queue;
  if (state.replying === null && next !== undefined) {
    const { turn, isStreamed } = next;
    const begun = { kind: "replyBegun" as const, turn, replyId: replyIdOf(turn, 1), isStreamed, asked: null };
    all.push(begun);
    state = afterEvent(state, begun);
  }
  const settles = events.flatMap((event) => settledBy(before, event));
  return accept(all, { ...more, settles, effects: [...takes(before, state, info), ...calls(before, state, info)] });
}

function settledBy(before: Open, event: ConversationEvent) {
  const end = endOf(event);
  if (end === null) return [];
  const post = postOf(before, end);
  return [{ id: post.key, value: outcomeOf(end, askedOf(before, post)) }];
}

function takes(before: Open, state: Open, info: Info): readonly Effect[] {
  const { user } = state.opening;
  const last = endedTurns(state);
  const effects: Effect[] = [];
  for (let told = endedTurns(before); told < last; ) {
    told = Math.min(told + SUMMARY_TURNS_MAX, last);
    effects.push(summaries.tell(info.key).take({ turn: told, messages: messagesUpTo(state, told), user }));
  }
  return effects;
}

function calls(before: Open, { replying, opening, summary, recent }: Open, info: Info): readonly Effect[] {
  if (replying === null || replying.replyId === before.replying?.replyId) return [];
  const { post, replyId } = replying;
  return [
    replyCall({
      conversation: info.key,
      user: opening.user,
      turn: post.turn,
      replyId,
      instructions: opening.instructions,
      summary: summary?.text ?? null,
      messages: [...contextOf(recent, recentOf(post))],
      stream: post.isStreamed,
    }),
  ];
}
