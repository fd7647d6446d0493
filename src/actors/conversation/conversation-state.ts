/** The state of a conversation, how events change it, and how a snapshot keeps it. Its size is bounded: window, queue, keys and chunks have limits. */
import type { Json } from "../../runtime/index.ts";
import { type RecentMessage, withMessage, withoutSummarized } from "./context-window.ts";
import type { ConversationEvent, ConversationEventNamed, OpenBody, SummarizedBody } from "./conversation-schema.ts";
import { type KeptKey, withKey, withOutcome } from "./kept-keys.ts";
import { endOf, outcomeOf, type ReplyEnd, storedOutcome } from "./reply-end.ts";

/** null before it is opened. A deleted one is remembered, so that its id is not used again. */
export type Conversation = Open | { readonly phase: "deleted" };

export interface Open {
  readonly phase: "open";
  readonly opening: OpenBody & { readonly at: number };
  readonly turns: number;
  /** Without superseded replies. */
  readonly messages: number;
  readonly summary: SummarizedBody | null;
  /** Of turns that are over. */
  readonly recent: readonly RecentMessage[];
  readonly replying: Replying | null;
  /** Messages whose reply has not begun, in the order of turns; empty unless a reply is under way. */
  readonly queue: readonly Post[];
  /** The last turn that had a reply, however it ended: what `regenerate` begins anew. */
  readonly last: LastTurn | null;
  readonly keys: readonly KeptKey[];
}

/** A message that wants a reply. `key` is the id of the command that waits for it. */
export interface Post {
  readonly turn: number;
  readonly messageId: string;
  readonly speaker: string | null;
  readonly text: string;
  readonly key: string;
  readonly isStreamed: boolean;
}

export interface Replying {
  readonly post: Post;
  readonly replyId: string;
  /** The turn is over already: this is another reply for it. */
  readonly isAgain: boolean;
  /** The attempt that the chunks are of; 0 = none came. */
  readonly attempt: number;
  readonly parts: readonly string[];
  readonly chars: number;
}

export interface LastTurn {
  readonly post: Post;
  /** Replies begun for it. */
  readonly count: number;
  /** The reply that stands: the last one with a text. */
  readonly standing: string | null;
}

/** A reply's id, unique in its conversation: the n-th of the turn. */
export const replyIdOf = (turn: number, count: number): string => `r${turn}-${count}`;

/** Turns up to here are over, whatever a regenerate does: what the summary may cover. */
export function endedTurns({ turns, replying, queue }: Open): number {
  const first = replying !== null && !replying.isAgain ? replying.post.turn : queue[0]?.turn;
  return first === undefined ? turns : first - 1;
}

/**
 * Messages up to the turn. For no turn before the last one that had a reply under way: each later one has what was posted and no more.
 */
export const messagesUpTo = ({ messages, turns }: Open, turn: number): number => messages - (turns - turn);

export const recentOf = ({ turn, speaker, text }: Post): RecentMessage => ({ turn, role: "user", speaker, parts: [text], replyId: null });

type EventNamed<Kind extends ConversationEvent["kind"]> = ConversationEventNamed<Kind>;

/** Applies an event. @throws Error for a history that no conversation writes; the runtime then names the entity as failed. */
export const conversationEvolve = {
  opened(_state: Conversation | null, { onBusy, instructions, user, at }: EventNamed<"opened">): Open {
    return {
      phase: "open",
      opening: { onBusy, instructions, user, at },
      turns: 0,
      messages: 0,
      summary: null,
      recent: [],
      replying: null,
      queue: [],
      last: null,
      keys: [],
    };
  },
  posted(before: Conversation | null, event: EventNamed<"posted">): Open {
    const state = open(before);
    const { turn, messageId, role, speaker, text, key, print, at, isStreamed, wantsReply } = event;
    const counted = { ...state, turns: turn, messages: state.messages + 1 };
    const outcome = wantsReply ? null : storedOutcome({ messageId, turn, at });
    const keys = withKey(state.keys, { id: key, print, at, outcome });
    if (wantsReply) return { ...counted, keys, queue: [...state.queue, { turn, messageId, speaker, text, key, isStreamed }] };
    return { ...counted, keys, recent: withMessage(state.recent, { turn, role, speaker, parts: [text], replyId: null }) };
  },
  replyBegun(before: Conversation | null, { turn, replyId, isStreamed, asked }: EventNamed<"replyBegun">): Open {
    const state = open(before);
    const unsaid = { replyId, attempt: 0, parts: [], chars: 0 };
    if (asked === null) {
      const post = existing(state.queue[0], turn);
      return { ...state, queue: state.queue.slice(1), replying: { ...unsaid, post, isAgain: false } };
    }
    const { key, print, at } = asked;
    const post = { ...existing(state.last?.post, turn), key, isStreamed };
    return { ...state, keys: withKey(state.keys, { id: key, print, at, outcome: null }), replying: { ...unsaid, post, isAgain: true } };
  },
  replyChunk(before: Conversation | null, { attempt, text, chars }: EventNamed<"replyChunk">): Open {
    const { state, replying } = underWay(before);
    return { ...state, replying: { ...replying, attempt, parts: [...replying.parts, text], chars: replying.chars + chars } };
  },
  replied: (before: Conversation | null, event: EventNamed<"replied">): Open => ended(open(before), endOf(event)),
  replyStopped: (before: Conversation | null, event: EventNamed<"replyStopped">): Open => ended(open(before), endOf(event)),
  replyFailed: (before: Conversation | null, event: EventNamed<"replyFailed">): Open => ended(open(before), endOf(event)),
  replyInterrupted(before: Conversation | null, event: EventNamed<"replyInterrupted">): Open {
    if (event.isOver) return ended(open(before), endOf(event));
    const { state, replying } = underWay(before);
    return { ...state, replying: { ...replying, parts: [], chars: 0 } };
  },
  summarized(before: Conversation | null, { upToTurn, text }: EventNamed<"summarized">): Open {
    const state = open(before);
    return { ...state, summary: { upToTurn, text }, recent: withoutSummarized(state.recent, upToTurn) };
  },
  deleted: (): Conversation => ({ phase: "deleted" }),
};

/** The conversation after an event of any kind. */
export function afterEvent(state: Open, event: ConversationEvent): Open {
  const evolve = conversationEvolve[event.kind] as (state: Conversation | null, event: ConversationEvent) => Conversation;
  return open(evolve(state, event));
}

/** What a post's outcome says of the command that waits for it. */
export function askedOf({ keys, opening }: Open, { key, messageId }: Post): { readonly messageId: string; readonly at: number } {
  return { messageId, at: keys.find(({ id }) => id === key)?.at ?? opening.at };
}

/** The post of the reply that ends: of the one under way, or of one that was still in the queue. */
export function postOf({ replying, queue }: Open, { turn, replyId }: Pick<ReplyEnd, "turn" | "replyId">): Post {
  return replying?.replyId === replyId
    ? replying.post
    : existing(
        queue.find((post) => post.turn === turn),
        turn,
      );
}

function ended(state: Open, end: ReplyEnd | null): Open {
  if (end === null) throw new Error("the event ends no reply");
  const { replying, queue, last } = state;
  const post = postOf(state, end);
  const { turn, replyId, parts, supersedes } = end;
  const isUnderWay = replying?.replyId === replyId;
  const again = isUnderWay && replying.isAgain ? last : null;
  const hasText = parts.length > 0;
  let recent = state.recent;
  if (again === null) recent = withMessage(recent, recentOf(post));
  if (supersedes !== null) recent = recent.filter((message) => message.replyId !== supersedes);
  if (hasText) recent = withMessage(recent, { turn, role: "assistant", speaker: null, parts: [...parts], replyId });
  return {
    ...state,
    messages: state.messages + (hasText && supersedes === null ? 1 : 0),
    recent,
    replying: isUnderWay ? null : replying,
    queue: isUnderWay ? queue : queue.filter((waiting) => waiting !== post),
    last: { post, count: (again?.count ?? 0) + 1, standing: hasText ? replyId : (again?.standing ?? null) },
    keys: withOutcome(state.keys, post.key, outcomeOf(end, askedOf(state, post))),
  };
}

function open(state: Conversation | null): Open {
  if (state?.phase !== "open") throw new Error(`a conversation that is ${state?.phase ?? "not opened"} has no such event`);
  return state;
}

function underWay(before: Conversation | null): { readonly state: Open; readonly replying: Replying } {
  const state = open(before);
  if (state.replying === null) throw new Error("no reply is under way");
  return { state, replying: state.replying };
}

function existing(post: Post | undefined, turn: number): Post {
  if (post?.turn !== turn) throw new Error(`no message waits in turn ${turn}`);
  return post;
}

/** A state in a snapshot: it is JSON as it is. */
export const conversationSnapshot = {
  encode: (state: Conversation | null): Json => state as unknown as Json,
  decode: (json: Json): Conversation | null => json as unknown as Conversation | null,
};
