/** What a summary is told, what it answers, what it records and what it asks of its port. Texts are sealed. */
import { z } from "zod";
import { type Code, type EventOf, entityProtocol, type OutsideEffect, STATUS_OF_CODE } from "../../runtime/index.ts";
import { sealedSchema } from "./sealed-text.ts";

const codeSchema = z.enum(Object.keys(STATUS_OF_CODE) as [Code, ...Code[]]);
const turnSchema = z.int().positive();
const countSchema = z.int().nonnegative();

/** Turns that one summary covers at most, and one `take` tells of. */
export const SUMMARY_TURNS_MAX = 200;
/** Turns up to `turn` are over; the conversation has `messages` messages up to there, and belongs to `user`. */
const takeSchema = z.strictObject({ turn: turnSchema, messages: countSchema, user: z.string().nullable() });
export type TakeBody = Readonly<z.infer<typeof takeSchema>>;
const reachedSchema = z.strictObject({ turn: turnSchema });
export type ReachedBody = Readonly<z.infer<typeof reachedSchema>>;
/** How far it came; `code` says why it goes no further now. */
const reachedReplySchema = z.object({ upToTurn: countSchema, messageCount: countSchema, code: codeSchema.nullable() });
export type ReachedReply = Readonly<z.infer<typeof reachedReplySchema>>;

/** The summary so far: of the first `upToTurn` turns, which have `messageCount` messages. `knownTurn`: the last turn that it is to cover. */
export const summaryViewSchema = z.object({
  content: sealedSchema.nullable(),
  upToTurn: countSchema,
  messageCount: countSchema,
  knownTurn: countSchema,
});
export type SummaryView = Readonly<z.infer<typeof summaryViewSchema>>;

/** How a summary is spoken to. It has the id of its conversation. */
export const summaries = entityProtocol("summary", {
  take: { body: takeSchema, reply: z.null() },
  erase: { body: z.strictObject({}), reply: z.null() },
  get: { body: z.strictObject({}), reply: summaryViewSchema },
  /** Waits until the turn is covered. The command's id must be `reachedIdOf(turn)`: by it those who wait are found. */
  reached: { body: reachedSchema, reply: reachedReplySchema },
});
export const reachedIdOf = (turn: number): string => `reached-${turn}`;

const rangeSchema = z.object({ fromTurn: turnSchema, toTurn: turnSchema });
export const summaryEvents = {
  taken: takeSchema,
  summaryBegun: rangeSchema.extend({ messageCount: countSchema }),
  /** `memory` is the summarizer's own, given back to it the next time. */
  summarized: rangeSchema.extend({ text: sealedSchema, memory: sealedSchema.nullable(), messageCount: countSchema }),
  /** Dropped by a person, or answered with something unusable: the turns are done with the next ones. */
  summaryRefused: rangeSchema.extend({ code: codeSchema }),
  erased: z.object({ kind: z.literal("erased") }),
};
export type SummaryEvent = EventOf<typeof summaryEvents>;
export type SummaryEventNamed<Kind extends SummaryEvent["kind"]> = Extract<SummaryEvent, { kind: Kind }>;

/** The body of the call to the port "summary": it reads the texts of the turns from the read model. `messageCount` counts from the first turn to `toTurn`. */
export const summaryRequestSchema = rangeSchema.extend({
  conversation: z.string(),
  user: z.string().nullable(),
  previous: sealedSchema.nullable(),
  memory: sealedSchema.nullable(),
  messageCount: countSchema,
  temperature: z.number(),
  maxTokens: z.int().positive(),
});
export type SummaryRequest = Readonly<z.infer<typeof summaryRequestSchema>>;
export const summaryResultSchema = z.object({ text: sealedSchema, memory: sealedSchema.nullable() });
export type SummaryResult = Readonly<z.infer<typeof summaryResultSchema>>;

export const SUMMARY_LABEL = "summary";
const TEMPERATURE = 0.3;
const TOKENS_MAX = 500;

/** A summary that cannot be made stays a dead letter that can be replayed (R-CON-5); those after it wait: each is made from the one before. */
export const summaryCall = (request: Omit<SummaryRequest, "temperature" | "maxTokens">): OutsideEffect => ({
  kind: "call",
  to: "summary",
  command: "summarize",
  label: SUMMARY_LABEL,
  answerTo: "made",
  keepsDead: true,
  body: { ...request, temperature: TEMPERATURE, maxTokens: TOKENS_MAX },
});
