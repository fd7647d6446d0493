/** Messages of conversations' clients, made by chance, and how they are sent over HTTP. */
import type { ClientAnswer, KeepAliveClient } from "./keep-alive-client.ts";
import type { Door, OrderLoad, Reply } from "./order-load.ts";

/** One message that somebody wants to say. Its content is like no other's. */
export interface TurnOrder {
  readonly key: string;
  readonly conversation: string;
  readonly speaker: string;
  readonly content: string;
  readonly wantsReply: boolean;
  /** The last turn of the conversation that somebody knew of when the message was made: its own must be a later one. */
  readonly after: number;
}
export type TurnLoad = OrderLoad<TurnOrder>;

/** What a message is answered. */
export interface TurnAnswer {
  readonly messageId: string;
  readonly replyId: string | null;
  readonly turn: number;
  readonly content: string | null;
  readonly status: string;
}
export const turnAnswerOf = (body: string): TurnAnswer => JSON.parse(body) as TurnAnswer;

const SPEAKERS = ["user", "Ana", "#Person2#", "Professor E", "Łucja 🙂"] as const;
const REPLY_RATIO = 0.8;
const WORDS = "when the meeting began nobody knew who had moved it to Friday, café and all; we'd better 祝 ask again".split(" ");
const WORDS_MAX = 40;

export interface TurnOrdersOptions {
  readonly turns: number;
  readonly conversations: number;
  readonly random: () => number;
}

/** So many messages in so many conversations, and what is known of their turns. */
export class TurnOrders {
  readonly #options: TurnOrdersOptions;
  readonly #known = new Map<string, number>();
  #count = 0;
  /** False: no further message wants one, so each is answered as soon as it is stored. */
  wantsReplies = true;

  constructor(options: TurnOrdersOptions) {
    this.#options = options;
  }

  /** null when all were made. */
  readonly next = (): TurnOrder | null => {
    const { turns, conversations, random } = this.#options;
    if (this.#count === turns) return null;
    const number = this.#count++;
    const conversation = `talk-${Math.floor(random() * conversations)}`;
    const words = Array.from({ length: 1 + Math.floor(random() * WORDS_MAX) }, () => WORDS[Math.floor(random() * WORDS.length)]);
    return {
      key: `message-${number}`,
      conversation,
      speaker: SPEAKERS[Math.floor(random() * SPEAKERS.length)] ?? "user",
      content: ` message ${number}: ${words.join(" ")}. `,
      wantsReply: this.wantsReplies && random() < REPLY_RATIO,
      after: this.#known.get(conversation) ?? 0,
    };
  };

  /** Somebody was told that the conversation has this turn. */
  know(conversation: string, turn: number): void {
    this.#known.set(conversation, Math.max(turn, this.#known.get(conversation) ?? 0));
  }

  /** Conversations with a turn, and the last one known of each. */
  get known(): ReadonlyMap<string, number> {
    return this.#known;
  }
}

export const pathOf = (conversation: string): string => `/v1/conversations/${encodeURIComponent(conversation)}`;

/** What opening each was answered in one life of the server. */
export type OpenedConversations = Map<string, Promise<Reply>>;

/** Sends messages over HTTP, each conversation opened before its first one in each life of the server: to open it again changes nothing. */
export function turnDoor(client: KeepAliveClient, orders: TurnOrders, opened: OpenedConversations = new Map()): Door<TurnOrder> {
  const open = async (id: string): Promise<Reply> => {
    const reply = await sent(() => client.send({ method: "POST", path: "/v1/conversations", body: JSON.stringify({ id }) }));
    if (reply.kind !== "outcome" || reply.status >= 300) opened.delete(id);
    return reply;
  };
  return async ({ key, conversation, speaker, content, wantsReply }) => {
    const opening = opened.get(conversation) ?? open(conversation);
    opened.set(conversation, opening);
    const isOpen = await opening;
    if (isOpen.kind !== "outcome") return isOpen;
    if (isOpen.status >= 300) return { kind: "again", why: `the conversation was not opened: ${isOpen.status} ${isOpen.body}` };
    const body = JSON.stringify({ content, speaker, reply: wantsReply });
    const reply = await sent(() => client.send({ method: "POST", path: `${pathOf(conversation)}/messages`, key, body }));
    if (reply.kind === "outcome" && reply.status < 300) orders.know(conversation, turnAnswerOf(reply.body).turn);
    return reply;
  };
}

async function sent(send: () => Promise<ClientAnswer>): Promise<Reply> {
  let answer: ClientAnswer;
  try {
    answer = await send();
  } catch (error) {
    return { kind: "unknown", why: String(error) };
  }
  const { status, body, isReplayed } = answer;
  if (status === 202) return { kind: "again", why: `${status} ${body}`, isAccepted: true };
  if (status === 409) return { kind: "again", why: `${status} ${body}` };
  // A server that stops or has too much to do says so before it looks for the key.
  if (status === 429 || status === 503) return { kind: "again", why: `${status} ${body}`, isTurnedAway: true };
  if (status === 504) return { kind: "unknown", why: body };
  return { kind: "outcome", status, body, isReplayed };
}
