/** Reading a request of the OpenAI chat protocol. What it asks for that a conversation here cannot give is refused; what only tunes a model is not looked at. */
import { z } from "zod";
import type { Refusal } from "../../../runtime/index.ts";
import type { JsonObject } from "../../ingress/json-body.ts";
import { refuse } from "../../ingress/ledger-door.ts";

export interface ChatMessage {
  readonly role: "user" | "assistant";
  /** Null: whatever the role is called. */
  readonly name: string | null;
  readonly content: string;
}
export interface ChatRequest {
  readonly instructions: string | null;
  /** In order; the last one is a user's. */
  readonly messages: readonly ChatMessage[];
  readonly isStreamed: boolean;
  /** The figures of tokens are wanted at the end of the stream. */
  readonly wantsUsage: boolean;
  readonly user: string | null;
  /** The conversation that it continues; null = none is named. */
  readonly conversationId: string | null;
}

const ROLES = ["system", "developer", "user", "assistant"] as const;
const text = z.object({ type: z.literal("text"), text: z.string() });
const content = z.union(
  [z.string(), z.array(text).min(1)],
  "expected a string or a list of text parts; pictures and the like are not supported",
);
const message = z.object({
  role: z.enum(ROLES, `expected ${ROLES.join(", ")}; what tools say is not supported`),
  content: content.nullish(),
  name: z.string().min(1).max(200).optional(),
  refusal: z.null().optional(),
});
const NO_TOOLS = "tools are not supported; leave it out";
const TEXT_ONLY = 'only "text" is supported; leave it out';
const noTools = z.array(z.unknown(), NO_TOOLS).max(0, NO_TOOLS);
/** Fields of the protocol that change what an answer looks like, with the one value of each that is taken. */
const fixed = {
  n: z.literal(1, "more than one answer is not supported; send 1 or leave it out").nullish(),
  logprobs: z.literal(false, "probabilities are not supported; send false or leave it out").nullish(),
  tools: noTools.nullish(),
  functions: noTools.nullish(),
  modalities: z.tuple([z.literal("text", TEXT_ONLY)], TEXT_ONLY).nullish(),
  response_format: z.object({ type: z.literal("text", TEXT_ONLY) }, TEXT_ONLY).nullish(),
};
const requestSchema = z.object({
  ...fixed,
  messages: z.array(message).min(1),
  stream: z.boolean().nullish(),
  stream_options: z.object({ include_usage: z.boolean().optional() }).nullish(),
  user: z.string().min(1).max(200).nullish(),
  metadata: z.record(z.string(), z.string()).nullish(),
});

/** @returns a refusal with `validation_failed` that names the fields, the first few of them. */
export function readChatRequest(body: JsonObject): { readonly ok: true; readonly value: ChatRequest } | Refusal {
  const parsed = requestSchema.safeParse(body);
  if (!parsed.success) {
    const why = parsed.error.issues
      .slice(0, REFUSED_FIELDS_MAX)
      .map(({ path, message: words }) => `the field ${path.join(".").slice(0, 100)} is refused: ${words.slice(0, 200)}`);
    return refuse("validation_failed", why.join("; "));
  }
  const { messages, stream, stream_options, user, metadata } = parsed.data;
  const said = messages.map(({ role, name, content: given }) => ({ role, name: name ?? null, content: textOf(given) }));
  const instructions = said.filter(({ role }) => role === "system" || role === "developer").map((told) => told.content);
  const spoken = said.flatMap(({ role, ...rest }) =>
    (role === "user" || role === "assistant") && !(role === "assistant" && rest.content === "") ? [{ role, ...rest }] : [],
  );
  const last = spoken.at(-1);
  if (last?.role !== "user") return refuse("validation_failed", "the last of messages is no user's; there is nothing to reply to");
  if (spoken.some((one) => one.content === "")) return refuse("validation_failed", "one of messages has no content; leave it out");
  return {
    ok: true,
    value: {
      instructions: instructions.length === 0 ? null : instructions.join("\n\n"),
      messages: spoken,
      isStreamed: stream === true,
      wantsUsage: stream_options?.include_usage === true,
      user: user ?? null,
      conversationId: metadata?.conversation_id ?? null,
    },
  };
}

const REFUSED_FIELDS_MAX = 5;

const textOf = (given: z.infer<typeof content> | null | undefined): string =>
  typeof given === "string" ? given : (given ?? []).map((part) => part.text).join("");

/** What a conversation that exists has not heard yet: clients of this protocol send all of it each time. */
export function newMessages(messages: readonly ChatMessage[]): readonly ChatMessage[] {
  return messages.slice(messages.findLastIndex(({ role }) => role === "assistant") + 1);
}
