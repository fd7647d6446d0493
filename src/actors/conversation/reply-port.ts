/** What a conversation asks of the port "reply", what it hears of it, and what it asks of "conversation-keys". Texts are sealed. */
import { z } from "zod";
import type { OutsideEffect } from "../../runtime/index.ts";
import { roleSchema } from "./conversation-schema.ts";
import { charsSchema, partsSchema, sealedSchema, speakerSchema } from "./sealed-text.ts";

const contextMessageSchema = z.object({ role: roleSchema, speaker: speakerSchema, parts: partsSchema });
/** The body of the call. The last message is the one to reply to. */
export const replyRequestSchema = z.object({
  conversation: z.string(),
  user: z.string().nullable(),
  turn: z.int().positive(),
  replyId: z.string(),
  instructions: sealedSchema.nullable(),
  /** Of what the messages do not hold any more; null = none yet. */
  summary: sealedSchema.nullable(),
  messages: z.array(contextMessageSchema).min(1),
  temperature: z.number(),
  maxTokens: z.int().positive(),
  stream: z.boolean(),
});
export type ReplyRequest = Readonly<z.infer<typeof replyRequestSchema>>;

/** The port's answer: the whole text, also when it came in chunks. An empty text is a failure of the port. */
export const replyResultSchema = z.object({ text: sealedSchema, chars: charsSchema.positive(), usage: z.json().optional() });
export type ReplyResult = Readonly<z.infer<typeof replyResultSchema>>;

/** What the port tells while it performs: the chunks of an attempt in order, `index` from 0. */
export const replyProgressSchema = z.object({ index: z.int().nonnegative(), text: sealedSchema, chars: charsSchema });
export type ReplyProgress = Readonly<z.infer<typeof replyProgressSchema>>;

export const REPLY_LABEL = "reply";
const TEMPERATURE = 0.7;
const TOKENS_MAX = 1_000;

export function replyCall(request: Omit<ReplyRequest, "temperature" | "maxTokens">): OutsideEffect {
  return {
    kind: "call",
    to: "reply",
    command: "reply",
    label: REPLY_LABEL,
    answerTo: "replied",
    ...(request.stream ? { progressTo: "chunk" } : {}),
    body: { ...request, temperature: TEMPERATURE, maxTokens: TOKENS_MAX },
  };
}

/** Nobody hears the answer, so it stays open as a dead letter, and can be replayed, when it fails: a key that stays is text that stays. */
export const destroyKeyCall = (conversation: string): OutsideEffect => ({
  kind: "call",
  to: "conversation-keys",
  command: "destroy",
  body: { conversation },
});
