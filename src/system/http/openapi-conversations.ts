/** The operations of conversations in the OpenAPI document. */
import { KEYS_COUNT_MAX } from "../../actors/index.ts";
import type { Code } from "../../runtime/index.ts";
import type { ConversationRoute } from "./conversation-handlers.ts";
import {
  body,
  ID,
  json,
  KEY,
  KEY_OR_ID,
  KEYED,
  LOCATION,
  made,
  type Node,
  type Operation,
  PAGE,
  problems,
  REPLAYED,
  ref,
  shown,
  TRACE,
  WORK,
} from "./openapi-parts.ts";
import { EVENTS, type StreamRoute } from "./openapi-streams.ts";

const inPath = (name: string, description: string): Node => ({
  name,
  in: "path",
  required: true,
  description,
  schema: { type: "string", minLength: 1 },
});
const REPLY_ID = inPath("replyId", "Of any reply of the last turn that has one.");
const MESSAGE_ID = inPath("messageId", "As a post or its Location said.");

/** How a reply fails: with the code of its last attempt. */
const FAILED: readonly Code[] = ["UPSTREAM_BAD_RESPONSE", "UPSTREAM_TIMEOUT"];
const POSTED: readonly Code[] = [...KEYED, ...FAILED, "not_found", "illegal_transition", "keys_exhausted", "VIEW_BEHIND"];
const REPLY = "A repeat with the same key gets the same answer, byte for byte; while the reply is under way it waits for it too.";

const DOWN =
  "While the model does not answer, nobody is kept waiting: the message is stored, the answer is 503 `OVERLOADED` with Retry-After as long as no attempt is made (its breaker is open), or 504 `UPSTREAM_TIMEOUT` when attempts have failed for as long as an answer may take. Both have `pending: true`, `messageId`, `turn` and Location; the reply is made when the model is back, and a repeat with the same key gets it, or the same again. One that is not back within `ai.deadlineMs` makes the reply fail; `regenerate` begins another.";
const KEYS = `A conversation remembers the keys of 24 hours, at most ${KEYS_COUNT_MAX}: one more is refused with 429 \`keys_exhausted\` and without Retry-After, until the oldest is 24 hours old.`;

const pending: Node = {
  description: "The message is durable and its reply under way. Read what came of it at Location, or repeat with the same key.",
  headers: LOCATION,
  content: json(ref("PostedMessage")),
};

export const CONVERSATION_OPERATIONS: Readonly<Record<Exclude<ConversationRoute, StreamRoute>, Operation>> = {
  "POST /v1/conversations": {
    operationId: "openConversation",
    tags: ["conversations"],
    summary: "Open a conversation",
    description:
      "Makes the key under which its texts and the names of its speakers are sealed; its `id` and `user` are stored readable, and no `DELETE` takes them away. With the same fields again, the same answer comes again; with others it is refused with already_exists, and so is the id of one that was deleted.",
    parameters: [KEY_OR_ID, TRACE],
    requestBody: body("NewConversation"),
    responses: { 201: made("The conversation is open.", "OpenedConversation"), ...problems(...KEYED, "already_exists") },
  },
  "GET /v1/conversations/{id}": {
    operationId: "getConversation",
    tags: ["conversations"],
    summary: "Read how a conversation stands",
    parameters: [ID, TRACE],
    responses: { 200: shown("It.", "Conversation"), ...problems(...WORK, "not_found") },
  },
  "DELETE /v1/conversations/{id}": {
    operationId: "deleteConversation",
    tags: ["conversations"],
    summary: "Delete a conversation",
    description:
      "Its key is destroyed, which makes every copy of its texts and names unreadable, in the journal, its archives and its backups, but where a backup holds `keys.db` too. What is under way is ended. Its id is not used again. A repeat is answered like the first.",
    parameters: [ID, TRACE],
    responses: {
      204: { description: "It is deleted and its key is destroyed." },
      202: shown(
        "It is deleted, and nobody can read it by this service any more. Its key is not destroyed yet, because the disk, or the thread that does it, did not answer in time: it will be, also after a restart. A repeat answers 204 when it is.",
        "Deleting",
      ),
      ...problems(...WORK, "not_found"),
    },
  },
  "POST /v1/conversations/{id}/messages": {
    operationId: "postMessage",
    tags: ["conversations"],
    summary: "Post a message and get the reply",
    description: `Answered when message and reply are durable, never later for the summary's sake. A reply that failed is a problem that says where the message is stored: \`messageId\`, \`turn\` and \`replyId\` stand in it. ${DOWN} ${KEYS} With \`Accept: text/event-stream\` the answer is the events of the turn, from \`posted\` to the end of the reply, or to a \`replyWaits\` (without an id) when the model ceases to answer meanwhile; a client that goes away does not stop the reply and finds the rest in \`events\`. ${REPLY}`,
    parameters: [ID, KEY, TRACE],
    requestBody: body("NewMessage"),
    responses: {
      200: { description: "The events of the turn, when they were asked for.", content: EVENTS },
      201: made("Stored, with its reply.", "PostedMessage"),
      202: pending,
      ...problems(...POSTED, "rate_limited"),
    },
  },
  "GET /v1/conversations/{id}/messages": {
    operationId: "listMessages",
    tags: ["conversations"],
    summary: "Read a conversation's messages",
    description:
      "Oldest first; a reply that was replaced, or failed, says so in its status. `next` is the `after` of the next page; null at the end.",
    parameters: [ID, ...PAGE, TRACE],
    responses: { 200: shown("One page.", "MessagePage"), ...problems(...WORK, "not_found", "VIEW_BEHIND") },
  },
  "GET /v1/conversations/{id}/messages/{messageId}": {
    operationId: "getPostedMessage",
    tags: ["conversations"],
    summary: "Read what came of a post or a regenerate",
    description: "Answers at once what the request got or will get. Known for at least 24 hours; begins no work.",
    parameters: [ID, MESSAGE_ID, TRACE],
    responses: {
      200: { ...shown("What is known; `pending` while the reply is under way.", "PostedMessage"), headers: REPLAYED },
      ...problems(...WORK, ...FAILED, "not_found", "VIEW_BEHIND"),
    },
  },
  "GET /v1/conversations/{id}/summary": {
    operationId: "getSummary",
    tags: ["conversations"],
    summary: "Read the rolling summary",
    parameters: [ID, TRACE],
    responses: { 200: shown("It, as far as it is.", "Summary"), ...problems(...WORK, "not_found") },
  },
  "POST /v1/conversations/{id}/stop": {
    operationId: "stopReply",
    tags: ["conversations"],
    summary: "End the reply under way",
    description: "What had come of it is stored as `stopped`, and whoever waits for it gets that.",
    parameters: [ID, TRACE],
    responses: { 200: shown("It is ended.", "Stopped"), ...problems(...WORK, "not_found") },
  },
  "POST /v1/conversations/{id}/replies/{replyId}/regenerate": {
    operationId: "regenerateReply",
    tags: ["conversations"],
    summary: "Get another reply for the last turn",
    description: `Also after a reply that failed. ${DOWN} The earlier reply stands until the new one has a text, and is replaced then. ${REPLY}`,
    parameters: [ID, REPLY_ID, KEY, TRACE],
    requestBody: { required: false, content: json(ref("Regenerate")) },
    responses: { 201: made("The new reply.", "PostedMessage"), 202: pending, ...problems(...POSTED) },
  },
};
