/** What a conversation is told, what it answers and what it records. Texts are sealed. */
import { z } from "zod";
import { type Code, type EventOf, entityProtocol, STATUS_OF_CODE } from "../../runtime/index.ts";
import { charsSchema, partsSchema, sealedSchema, speakerSchema } from "./sealed-text.ts";

/** What becomes of a message that wants a reply while another reply is under way. */
export const onBusySchema = z.enum(["enqueue", "reject", "interrupt"]);
export type OnBusy = z.infer<typeof onBusySchema>;
export const roleSchema = z.enum(["user", "assistant"]);
const codeSchema = z.enum(Object.keys(STATUS_OF_CODE) as [Code, ...Code[]]);
/** Turns count 1, 2, 3: each message that somebody posts is one, with its reply. */
const turnSchema = z.int().positive();

/** `user` is readable: an id by which logs and figures know whose conversation it is (R-CON-8), and no name. */
const openSchema = z.strictObject({ onBusy: onBusySchema, instructions: sealedSchema.nullable(), user: z.string().max(200).nullable() });
export type OpenBody = Readonly<z.infer<typeof openSchema>>;

const postSchema = z.strictObject({
  messageId: z.string().min(1).max(200),
  speaker: speakerSchema,
  text: sealedSchema,
  chars: charsSchema,
  wantsReply: z.boolean(),
  /** The conversation's own when absent. */
  onBusy: onBusySchema.optional(),
  /** "user" when absent. An earlier reply that is brought in is the assistant's, and wants none. */
  role: roleSchema.optional(),
  /** The reply is to come in chunks too. No part of what a repeat is compared with. */
  stream: z.boolean().optional(),
});
export type PostBody = Readonly<z.infer<typeof postSchema>>;
const regenerateSchema = z.strictObject({ replyId: z.string().max(200), stream: z.boolean().optional() });
export type RegenerateBody = Readonly<z.infer<typeof regenerateSchema>>;

/**
 * What came of a post or a regenerate. `parts` is the reply's text, joined after it is opened; null in the answer to a repeat: then the reply stands in the read
 * model under `replyId`, so that an entity keeps no text for its keys. "stored" is a message that wanted no reply.
 */
export const postReplySchema = z.object({
  messageId: z.string(),
  turn: turnSchema,
  replyId: z.string().nullable(),
  parts: partsSchema.nullable(),
  chars: charsSchema,
  status: z.enum(["stored", "complete", "stopped", "interrupted", "failed"]),
  /** Why it failed; `not_found` when the conversation was deleted meanwhile. */
  code: codeSchema.nullable(),
  /** When it was posted, or asked for again: milliseconds since 1970. */
  at: z.number(),
  /** On the answer to a repeat. */
  isRepeat: z.literal(true).optional(),
});
export type PostReply = Readonly<z.infer<typeof postReplySchema>>;

/** `outcome` is null while the reply is waited for. */
export const outcomeReplySchema = z.object({ messageId: z.string(), turn: turnSchema, outcome: postReplySchema.nullable() });
export type OutcomeReply = Readonly<z.infer<typeof outcomeReplySchema>>;

/** A conversation as the wire shows it. */
export const conversationViewSchema = z.object({
  id: z.string(),
  onBusy: onBusySchema,
  user: z.string().nullable(),
  turns: z.int().nonnegative(),
  /** Superseded replies are not counted. */
  messages: z.int().nonnegative(),
  isReplying: z.boolean(),
  /** The reply under way. */
  replyId: z.string().nullable(),
  /** Messages that wait for their reply to begin. */
  queued: z.int().nonnegative(),
  /** The last turn that the conversation knows a summary of; 0 = none. */
  summarizedTurn: z.int().nonnegative(),
  createdAt: z.string(),
});
export type ConversationView = Readonly<z.infer<typeof conversationViewSchema>>;

const summarizedSchema = z.strictObject({ upToTurn: turnSchema, text: sealedSchema });
export type SummarizedBody = Readonly<z.infer<typeof summarizedSchema>>;

/** How a conversation is spoken to. A post and a regenerate need a command id: by it a repeat meets the first. */
export const conversations = entityProtocol("conversation", {
  open: { body: openSchema, reply: z.object({ id: z.string() }) },
  post: { body: postSchema, reply: postReplySchema },
  /** Another reply for the last turn that wanted one; `replyId` is any of that turn's. */
  regenerate: { body: regenerateSchema, reply: postReplySchema },
  /** What came of the post or regenerate with this id, without waiting for it. */
  outcome: { body: z.strictObject({ id: z.string().max(1024) }), reply: outcomeReplySchema },
  /** Ends the reply under way; null when there is none. */
  stop: { body: z.strictObject({}), reply: z.object({ replyId: z.string().nullable() }) },
  delete: { body: z.strictObject({}), reply: z.object({ id: z.string() }) },
  get: { body: z.strictObject({}), reply: conversationViewSchema },
  /** Told by the summary of the same id. */
  summarized: { body: summarizedSchema, reply: z.null() },
});

const replySchema = z.object({ turn: turnSchema, replyId: z.string() });
/** The earlier reply of the turn that this one replaces; null = none, or it has no text and replaces nothing. */
const supersedesSchema = z.string().nullable();
const askedSchema = z.object({ key: z.string(), print: z.string(), at: z.number() });
export const conversationEvents = {
  opened: openSchema.extend({ at: z.number() }),
  /** `key` is the id of the command, `print` the digest of its body. */
  posted: askedSchema.extend({
    turn: turnSchema,
    messageId: z.string(),
    role: roleSchema,
    speaker: speakerSchema,
    text: sealedSchema,
    chars: charsSchema,
    wantsReply: z.boolean(),
    isStreamed: z.boolean(),
  }),
  /** `asked`: it is another reply for a turn that had one. */
  replyBegun: replySchema.extend({ isStreamed: z.boolean(), asked: askedSchema.nullable() }),
  /** Chunks of an attempt count from 0. */
  replyChunk: replySchema.extend({ attempt: z.int().positive(), index: z.int().nonnegative(), text: sealedSchema, chars: charsSchema }),
  /** The whole text, whatever chunks came. */
  replied: replySchema.extend({ text: sealedSchema, chars: charsSchema, supersedes: supersedesSchema, usage: z.json().optional() }),
  replyStopped: replySchema.extend({ parts: partsSchema, chars: charsSchema, supersedes: supersedesSchema }),
  /** `isOver`: the reply ends with what it has. Otherwise what this attempt said is void, and the reply goes on with another or fails. */
  replyInterrupted: replySchema.extend({
    attempt: z.int().nonnegative(),
    parts: partsSchema,
    chars: charsSchema,
    isOver: z.boolean(),
    supersedes: supersedesSchema,
  }),
  replyFailed: replySchema.extend({ code: codeSchema }),
  summarized: summarizedSchema,
  deleted: z.object({ kind: z.literal("deleted") }),
};
export type ConversationEvent = EventOf<typeof conversationEvents>;
export type ConversationEventNamed<Kind extends ConversationEvent["kind"]> = Extract<ConversationEvent, { kind: Kind }>;
