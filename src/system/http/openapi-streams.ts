/** The operations that answer with streams of events, and the chat protocol on top of them, in the OpenAPI document. */
import { body, ID, json, KEY, KEYED, type Node, type Operation, problems, ref, TRACE, WORK } from "./openapi-parts.ts";
import type { RouteKey } from "./routes.ts";

export type StreamRoute = Extract<RouteKey, `${string}/events` | `${string}/socket` | "POST /v1/chat/completions">;

const AFTER: Node = {
  name: "after",
  in: "query",
  required: false,
  description:
    "As `Last-Event-ID`, for clients that cannot set a header; `latest` = only what comes from now on. Without both: from the first event. An id behind the end of the journal is refused: it is another store's, or this one was restored from an earlier backup.",
  schema: { type: "string", pattern: "^(latest|[0-9]{1,15}(\\.[0-9]{1,9})?)$" },
};
const LAST_EVENT_ID: Node = {
  name: "Last-Event-ID",
  in: "header",
  required: false,
  description: "The id of the last event that came. Browsers and SSE libraries send it by themselves when they come back.",
  schema: { type: "string", pattern: "^[0-9]{1,15}(\\.[0-9]{1,9})?$" },
};
const NAME: Node = {
  name: "name",
  in: "query",
  required: false,
  description:
    "What the others in the room see, and the speaker of what is sent without one. It proves nothing. Stored only in messages, sealed.",
  schema: { type: "string", minLength: 1, maxLength: 200, default: "user" },
};

export const EVENTS: Node = { "text/event-stream": { schema: ref("ConversationEvent") } };
const KINDS =
  "Events: `opened`, `posted`, `replyBegun`, `replyChunk` (a piece of `text`), then one of `replied` (the whole `text`), `replyStopped`, `replyFailed` (a `code`), `replyInterrupted`; `summarized`; `deleted`, with which the stream ends. A `replyInterrupted` with `isOver: false` makes the chunks of its `attempt` void: a server or upstream broke off, and the next attempt begins anew.";

export const STREAM_OPERATIONS: Readonly<Record<StreamRoute, Operation>> = {
  "GET /v1/conversations/{id}/events": {
    operationId: "followConversation",
    tags: ["conversations"],
    summary: "Follow a conversation (SSE)",
    description: `Each event once, in order, with an id that is its place in the journal: after any break, also of the server, the client goes on from the last id that it got. The first event is \`connected\`; a comment comes as heartbeat every 15 s. The stream is ended after 30 minutes, and cut when its client does not read for 30 s; both can come back. ${KINDS}`,
    parameters: [ID, LAST_EVENT_ID, AFTER, TRACE],
    responses: { 200: { description: "The events.", content: EVENTS }, ...problems(...WORK, "not_found") },
  },
  "GET /v1/conversations/{id}/socket": {
    operationId: "joinConversation",
    tags: ["conversations"],
    summary: "Follow a conversation and speak in it (WebSocket)",
    description: `Text frames of JSON. The server sends \`{id, event, data}\`: the same events under the same ids as SSE, first \`connected\` with who else is there; \`joined\`, \`left\` and \`typing\` of the others, without an id and not kept; and an \`answer\` to each command but \`typing\`. Commands are a \`SocketCommand\`. A page of another origin is refused. ${KINDS}`,
    parameters: [ID, NAME, AFTER, { ...LAST_EVENT_ID, description: "As `after`." }],
    responses: { 101: { description: "It is a WebSocket (RFC 6455)." }, ...problems(...WORK, "forbidden", "not_found") },
  },
  "POST /v1/chat/completions": {
    operationId: "chatCompletion",
    tags: ["conversations"],
    summary: "Get a reply by the OpenAI chat protocol",
    description:
      "For clients that speak it: set their base URL to `/v1`. Each request opens a conversation, or continues the one that `metadata.conversation_id` or the header names (and opens it when there is none); of its messages those after the last answer are then the new ones. The answer's X-Conversation-Id names it. With `stream: true` the answer is chunks as SSE, ended by `[DONE]`. While the model does not answer it is refused with 503 `OVERLOADED` and Retry-After: without an Idempotency-Key nothing is stored then, because a repeat would be another message; with one the message is stored, and a repeat gets the reply. Settings that tune a model are not looked at; what changes the form of an answer (tools, pictures, `n`) is refused. Errors are problems that also have the protocol's `error`.",
    parameters: [
      {
        ...KEY,
        required: false,
        description: `${String(KEY.description)} Clients of this protocol send none; then a repeat is another message.`,
      },
      {
        name: "X-Conversation-Id",
        in: "header",
        required: false,
        description: "The conversation to continue; other characters than ASCII as %xx of UTF-8.",
        schema: { type: "string", minLength: 1 },
      },
      TRACE,
    ],
    requestBody: body("ChatRequest"),
    responses: {
      200: {
        description: "The reply.",
        headers: { "X-Conversation-Id": { description: "The conversation that has it.", schema: { type: "string" } } },
        content: { ...json(ref("ChatCompletion")), "text/event-stream": { schema: ref("ChatCompletion") } },
      },
      ...problems(...KEYED, "UPSTREAM_BAD_RESPONSE", "UPSTREAM_TIMEOUT", "not_found", "already_exists", "rate_limited", "keys_exhausted"),
    },
  },
};
