/** What an OpenAI-compatible endpoint answers, plain and in parts. Fields that nobody needs here may be there or not. */
import { z } from "zod";
import { PortFailure } from "../../runtime/index.ts";
import { badAnswer } from "./upstream-failure.ts";

/** Tokens as the endpoint counts them. */
export interface Usage {
  readonly promptTokens: number;
  readonly completionTokens: number;
}
export interface ChatAnswer {
  /** Never empty. */
  readonly content: string;
  /** Null when the endpoint does not tell. */
  readonly usage: Usage | null;
  /** `stop`, `length` (cut by the limit of tokens) or what else the endpoint calls it. */
  readonly finishReason: string | null;
}
/** One event of a streamed answer. */
export interface ChatDelta {
  readonly text: string;
  readonly usage: Usage | null;
  readonly finishReason: string | null;
}

const tokens = z.int().min(0);
const usage = z
  .object({ prompt_tokens: tokens, completion_tokens: tokens })
  .transform(({ prompt_tokens, completion_tokens }): Usage => ({ promptTokens: prompt_tokens, completionTokens: completion_tokens }))
  .nullish();
const finishReason = z.string().max(64).nullish();
const plain = z.object({
  choices: z.array(z.object({ message: z.object({ content: z.string().nullish() }).optional(), finish_reason: finishReason })),
  usage,
});
const delta = z.object({
  choices: z.array(z.object({ delta: z.object({ content: z.string().nullish() }).nullish(), finish_reason: finishReason })).nullish(),
  usage,
});
const error = z.object({ error: z.object({ type: z.unknown().optional(), code: z.unknown().optional() }) });

/** @throws PortFailure `UPSTREAM_BAD_RESPONSE` whose text begins with what is wrong: BAD_JSON, BAD_SHAPE, NO_CHOICES, NO_CONTENT, EMPTY_RESPONSE. */
export function answerOf(text: string): ChatAnswer {
  const parsed = plain.safeParse(jsonOf(text));
  if (!parsed.success) throw badAnswer("BAD_SHAPE", "the answer is no chat completion");
  const [choice] = parsed.data.choices;
  if (choice === undefined) throw badAnswer("NO_CHOICES", "the answer has no choices");
  const content = choice.message?.content;
  if (typeof content !== "string") throw badAnswer("NO_CONTENT", "the first choice has no content");
  return answered(content, { usage: parsed.data.usage ?? null, finishReason: choice.finish_reason ?? null });
}

/** @throws PortFailure as `answerOf`; one that may be attempted again when the event tells of an error on the way. */
export function deltaOf(text: string): ChatDelta {
  const json = jsonOf(text);
  if (error.safeParse(json).success) {
    // The status was 200 when nobody knew of it, so it says nothing.
    throw new PortFailure("the endpoint broke off its answer with an error", { code: "UPSTREAM_BAD_RESPONSE" });
  }
  const parsed = delta.safeParse(json);
  if (!parsed.success) throw badAnswer("BAD_SHAPE", "an event of the answer is no part of a chat completion");
  const choice = parsed.data.choices?.[0];
  return { text: choice?.delta?.content ?? "", usage: parsed.data.usage ?? null, finishReason: choice?.finish_reason ?? null };
}

/** @throws PortFailure EMPTY_RESPONSE (R-CON-6): white space says nothing either. */
export function answered(content: string, rest: Omit<ChatAnswer, "content">): ChatAnswer {
  if (content.trim() === "") throw badAnswer("EMPTY_RESPONSE", "the model answered nothing");
  return { content, ...rest };
}

/** The short word by which a refusal names its reason; null when there is none that may be shown. */
export function reasonOf(text: string): string | null {
  let json: unknown;
  try {
    json = JSON.parse(text);
  } catch {
    return null;
  }
  const parsed = error.safeParse(json);
  if (!parsed.success) return null;
  const { code, type } = parsed.data.error;
  return [code, type].find((word): word is string => typeof word === "string" && /^[a-z][a-z_]{0,63}$/.test(word)) ?? null;
}

function jsonOf(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    throw badAnswer("BAD_JSON", "the answer is no JSON"); // Without the cause, whose text quotes the answer.
  }
}
