import type { Usage } from "./chat-answer.ts";
import type { ChatCall, TakeText } from "./chat-client.ts";

/** One message as it is read to a model, opened. */
export interface SpokenMessage {
  readonly role: "user" | "assistant";
  /** Null when nobody said who it was. */
  readonly speaker: string | null;
  readonly text: string;
}
/** What a reply is made of, opened. The last message is the one to reply to. */
export interface ReplyContext {
  readonly instructions: string | null;
  /** Of what the messages do not hold any more. */
  readonly summary: string | null;
  readonly messages: readonly SpokenMessage[];
  readonly temperature: number;
  readonly maxTokens: number;
}
export interface Reply {
  readonly text: string;
  readonly usage: Usage | null;
}

/** Whoever answers in a conversation. `take` gets the text as it comes; null = it is wanted whole. @throws PortFailure; the reason of `call.signal`. */
export interface Replier {
  reply(context: ReplyContext, call: ChatCall, take: TakeText | null): Promise<Reply>;
}
