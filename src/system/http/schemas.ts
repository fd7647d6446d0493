/** JSON Schemas (2020-12) of everything on the wire, for the OpenAPI document. The door checks by hand; a test holds the two together. */
import { STATUS_OF_CODE } from "../../runtime/index.ts";

const string = { type: "string" } as const;
const time = { type: "string", format: "date-time" } as const;
const signed = { type: "string", pattern: "^-?[0-9]+(\\.[0-9]+)?$", examples: ["-10.00"] } as const;
const amount = {
  type: "string",
  pattern: "^[0-9]+(\\.[0-9]+)?$",
  description: "A decimal above 0 in a JSON string, with at most the currency's decimals and 18 digits in all.",
  examples: ["10.50"],
} as const;
const currency = { type: "string", pattern: "^[A-Z]{3}$", description: "An active ISO 4217 currency.", examples: ["CZK"] } as const;
const accountId = { type: "string", minLength: 1, description: "An account that a client opened.", examples: ["alice"] } as const;
const key = { type: "string", minLength: 1, maxLength: 1024, pattern: "^[ -~]+$" } as const;
const count = { type: "integer", minimum: 0 } as const;
const onBusy = { enum: ["enqueue", "reject", "interrupt"] } as const;
const role = { enum: ["user", "assistant"] } as const;
const text = { type: "string", minLength: 1, maxLength: 100_000, description: "1 to 100,000 characters (UTF-16 units)." } as const;
const kind = { enum: ["transfer", "deposit", "withdrawal"] } as const;
const leg = object({ accountId: string, amount: signed, balance: { ...signed, description: "After this leg." } });

const movementFields = { accountId, amount, currency };
const transferFields = { from: accountId, to: accountId, amount, currency };

export const schemas = {
  NewAccount: object(
    {
      id: {
        type: "string",
        minLength: 1,
        description: "1-200 bytes of UTF-8, no control character, no `/`; made from the key when left out.",
      },
      currency,
      kind: { enum: ["customer", "system"], default: "customer" },
      overdraftLimit: { type: ["string", "null"], default: "0", description: "How far below zero; null = no limit." },
      owner: { type: ["string", "null"], minLength: 1, maxLength: 200, default: null },
    },
    ["id", "kind", "overdraftLimit", "owner"],
  ),
  AccountChange: object(
    { expectedVersion: { type: "integer", minimum: 0, description: "Refused with version_conflict when the account has another." } },
    ["expectedVersion"],
  ),
  Account: object({
    id: string,
    currency,
    kind: { enum: ["customer", "system", "world"] },
    owner: { type: ["string", "null"] },
    balance: signed,
    available: { type: ["string", "null"], description: "Balance and overdraft limit together; null = no limit." },
    overdraftLimit: { type: ["string", "null"] },
    status: { enum: ["open", "frozen", "closed"] },
    version: { type: "integer", minimum: 0 },
    openedAt: time,
  }),
  Movement: object(movementFields),
  NewTransfer: object(transferFields),
  Transfer: object(
    {
      id: string,
      kind,
      status: { enum: ["PENDING", "COMPLETED", "FAILED"] },
      from: string,
      to: string,
      amount,
      currency,
      legs: { type: "array", items: leg, description: "Both or none." },
      code: { type: "string", description: "Why it failed." },
      startedAt: time,
      finishedAt: { ...time, type: ["string", "null"] },
      idempotencyKey: string,
    },
    ["code"],
    { isOpen: true },
  ),
  Entry: object({
    sequence: { type: "integer", minimum: 1 },
    transferId: string,
    amount: { ...signed, description: "Negative when money left the account." },
    balance: { ...signed, description: "After this entry." },
    at: time,
  }),
  EntryPage: object({ items: { type: "array", items: { $ref: "#/components/schemas/Entry" } }, next: { type: ["string", "null"] } }),
  BulkLine: {
    oneOf: [
      object({ key, kind: { const: "transfer", default: "transfer" }, ...transferFields }, ["kind"]),
      object({ key, kind: { enum: ["deposit", "withdrawal"] }, ...movementFields }),
    ],
  },
  BulkAnswer: object(
    {
      key: { type: ["string", "null"], description: "null when the line's key could not be read." },
      status: { type: "integer" },
      code: { type: "string" },
      transferId: { type: ["string", "null"] },
      detail: { type: "string", description: "What was wrong with the line." },
      replayed: { const: true, description: "The key was used before." },
    },
    ["code", "detail", "replayed"],
  ),
  TrialBalance: object({
    position: { type: "integer", minimum: 0, description: "Sequence of the last journal record that is counted." },
    lines: {
      type: "array",
      items: object({
        currency,
        customer: signed,
        system: signed,
        world: signed,
        inTransit: { ...signed, description: "Between debit and credit of transfers that are pending." },
        total: { ...signed, description: "0 when the books are right." },
        accounts: { type: "integer", minimum: 0 },
        entries: { type: "integer", minimum: 0 },
      }),
    },
  }),
  NewConversation: object(
    {
      id: {
        type: "string",
        minLength: 1,
        description: "1-200 bytes of UTF-8, no control character, no `/`; made from the key when left out.",
      },
      onBusy: { ...onBusy, default: "enqueue" },
      instructions: { ...text, type: ["string", "null"], default: null, description: "What the model is told before everything else." },
      user: {
        type: ["string", "null"],
        minLength: 1,
        maxLength: 200,
        default: null,
        description: "Whose conversation it is: an id, not a name. It is stored readable and stands in logs.",
      },
    },
    ["id", "onBusy", "instructions", "user"],
  ),
  OpenedConversation: object({ id: string, onBusy, instructions: { type: ["string", "null"] }, user: { type: ["string", "null"] } }),
  Conversation: object({
    id: string,
    onBusy,
    user: { type: ["string", "null"], description: "An id, not a name." },
    turns: { ...count, description: "Each message that somebody posts is one, with its reply." },
    messages: { ...count, description: "Without replies that were replaced." },
    isReplying: { type: "boolean" },
    replyId: { type: ["string", "null"], description: "Of the reply under way." },
    queued: { ...count, description: "Messages that wait for their reply to begin." },
    summarizedTurn: { ...count, description: "The last turn that the next reply's summary covers; 0 = none." },
    createdAt: time,
  }),
  NewMessage: object(
    {
      content: text,
      speaker: { type: "string", minLength: 1, maxLength: 200, description: "Who says it; the role when left out. Sealed like the text." },
      role: { ...role, default: "user", description: "`assistant` for an earlier reply that is brought in: it gets no reply." },
      reply: { type: "boolean", default: true, description: "false stores and summarizes the message and answers at once." },
      onBusy: { ...onBusy, description: "What happens while another reply is under way; the conversation's own when left out." },
    },
    ["speaker", "role", "reply", "onBusy"],
  ),
  Regenerate: object({}),
  PostedMessage: object({
    messageId: string,
    turn: { type: "integer", minimum: 1 },
    replyId: { type: ["string", "null"], description: "null when no reply was wanted or none has begun." },
    content: { type: ["string", "null"], description: "The reply's text; what had come of it when it was stopped or interrupted." },
    status: {
      enum: ["stored", "complete", "stopped", "interrupted", "pending"],
      description: "`stored`: no reply was wanted. `pending`: the message is durable, its reply under way.",
    },
  }),
  Message: object(
    {
      number: { type: "integer", minimum: 1, description: "Counts the messages from 1." },
      messageId: { type: "string", description: "A reply's is its replyId." },
      turn: { type: "integer", minimum: 1 },
      role,
      speaker: string,
      content: { type: ["string", "null"], description: "null for a reply that failed." },
      status: {
        enum: ["complete", "stopped", "interrupted", "superseded", "failed"],
        description:
          "`superseded`: another reply took its place. `failed`: there is no reply, for what `code` says; `regenerate` makes another.",
      },
      code: { enum: Object.keys(STATUS_OF_CODE), description: "Only with `failed`." },
      at: time,
    },
    ["code"],
  ),
  Deleting: object({ id: string, status: { const: "deleting" } }),
  MessagePage: object({ items: { type: "array", items: { $ref: "#/components/schemas/Message" } }, next: { type: ["string", "null"] } }),
  Summary: object({
    conversationId: string,
    content: { type: ["string", "null"], description: "null while there is none." },
    messageCount: { ...count, description: "Messages that it covers, from the first." },
    upToTurn: { ...count, description: "Turns that it covers, from the first." },
    knownTurn: { ...count, description: "Turns that it is to cover: it is behind while this is more." },
  }),
  Stopped: object({ replyId: { type: ["string", "null"], description: "Of the reply that was ended; null when none was under way." } }),
  ConversationEvent: object(
    {
      conversationId: string,
      turn: { type: "integer", minimum: 1 },
      messageId: string,
      replyId: string,
      text: { type: ["string", "null"] },
      attempt: { type: "integer", description: "Of a reply; chunks of different attempts do not belong together." },
      index: { ...count, description: "Counts the chunks of an attempt from 0." },
      isOver: { type: "boolean", description: "false: another attempt follows." },
      code: { type: "string", description: "Why a reply failed." },
      at: time,
    },
    ["conversationId", "turn", "messageId", "replyId", "text", "attempt", "index", "isOver", "code", "at"],
    { isOpen: true },
  ),
  SocketCommand: {
    oneOf: [
      object(
        {
          type: { const: "send" },
          ref: { type: "string", maxLength: 100, description: "Comes back with the answer." },
          key: { ...key, description: "As an Idempotency-Key: makes a repeat safe, also on another connection." },
          content: text,
          speaker: { type: "string", minLength: 1, maxLength: 200, description: "The socket's `name` when left out." },
          role: { ...role, default: "user" },
          reply: { type: "boolean", default: true },
          onBusy,
        },
        ["ref", "speaker", "role", "reply", "onBusy"],
      ),
      object({ type: { enum: ["stop", "typing"] }, ref: { type: "string", maxLength: 100 } }, ["ref"]),
    ],
  },
  ChatRequest: object(
    {
      model: { type: "string", description: "Not looked at." },
      messages: {
        type: "array",
        items: object(
          {
            role: { enum: ["system", "developer", "user", "assistant"] },
            content: { type: ["string", "array", "null"], description: "Text, or parts of the type `text`." },
            name: { type: "string", minLength: 1, maxLength: 200, description: "Who says it: the speaker of the message, sealed like it." },
          },
          ["content", "name"],
          { isOpen: true },
        ),
        description: "The last one is a user's.",
      },
      stream: { type: ["boolean", "null"], default: false },
      stream_options: { type: ["object", "null"], properties: { include_usage: { type: "boolean" } } },
      user: { type: ["string", "null"], description: "As a new conversation's: an id, not a name." },
      metadata: { type: ["object", "null"], properties: { conversation_id: string } },
    },
    ["model", "stream", "stream_options", "user", "metadata"],
    { isOpen: true },
  ),
  ChatCompletion: object(
    {
      id: string,
      object: { enum: ["chat.completion", "chat.completion.chunk"] },
      created: { type: "integer" },
      model: { type: "string", description: "The one that is configured." },
      choices: { type: "array", items: { type: "object" }, description: "One; `finish_reason` is `length` when the reply was cut off." },
      usage: { type: "object", description: "When the model told it." },
    },
    ["usage"],
    { isOpen: true },
  ),
  Live: object({ status: { const: "live" } }),
  Ready: object(
    {
      status: { const: "ready" },
      durability: string,
      position: { type: "integer", minimum: 0 },
      failing: { type: "array", items: string, description: "Names of the checks that fail. Only with `verbose`, as `checks`." },
      checks: { type: "array", items: object({ name: string, ok: { type: "boolean" }, detail: string, code: string }, ["code"]) },
    },
    ["failing", "checks"],
  ),
  Problem: object(
    {
      type: { type: "string", format: "uri" },
      title: string,
      status: { type: "integer", minimum: 400, maximum: 599 },
      code: { enum: Object.keys(STATUS_OF_CODE) },
      detail: { type: "string", description: "What happened, what was expected, what to do." },
      instance: string,
      timestamp: time,
    },
    [],
    { isOpen: true },
  ),
} as const satisfies Readonly<Record<string, Readonly<Record<string, unknown>>>>;

/** An object whose fields are all there but the optional ones. Closed unless `isOpen`: readers must then bear new fields. */
function object(
  properties: Readonly<Record<string, unknown>>,
  optional: readonly string[] = [],
  { isOpen = false }: { readonly isOpen?: boolean } = {},
) {
  const required = Object.keys(properties).filter((name) => !optional.includes(name));
  return { type: "object", properties, ...(required.length > 0 ? { required } : {}), ...(isOpen ? {} : { additionalProperties: false }) };
}
