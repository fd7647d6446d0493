/**
 * Every command of the service by type and name, for doors that carry a name instead of a route. Validation, idempotency, outcomes and refusals are
 * those of the HTTP routes, because the same doors and calls stand behind both.
 */
import { problemBody } from "../../actors/index.ts";
import { type Answer, type AskOptions, addressOf, type Json, type Refusal, STATUS_OF_CODE } from "../../runtime/index.ts";
import type { TroupeSystem } from "../system.ts";
import type { ConversationCalls } from "./conversation-call.ts";
import type { CheckedPost, ConversationCall, ConversationDoor } from "./conversation-door.ts";
import { conversationPath, failedReplyShown, messagesShown, outcomeShown, pendingShown, summaryShown } from "./conversation-shown.ts";
import { type KeyResult, keyOfHeader } from "./idempotency-key.ts";
import { type JsonLimits, type JsonObject, type JsonResult, readJsonObject } from "./json-body.ts";
import { runCall } from "./ledger-call.ts";
import {
  type AccountChange,
  accountChangeCall,
  type Checked,
  type LedgerCall,
  type MovementKind,
  movementCall,
  openAccountCall,
  readCall,
  refuse,
} from "./ledger-door.ts";
import { statementShown, storedBody, trialBalanceShown } from "./ledger-shown.ts";
import { pageOf } from "./page.ts";

/** What a client sent, not yet looked at. */
export interface ServiceRequest {
  /** Of the entity; null when none was named. */
  readonly id: string | null;
  /** Of an `Idempotency-Key`, as it came; or why there is none to read. */
  readonly key: string | Refusal | undefined;
  /** UTF-8 of a JSON object; may be empty where a command needs no fields. */
  readonly body: Buffer;
  readonly options: Omit<AskOptions, "id"> & { readonly timeoutMs: number };
}
/** `body` is what HTTP answers, to the byte: of a stored outcome the bytes of the first time. */
export interface ServiceAnswer {
  readonly status: number;
  readonly body: string;
  readonly isReplayed: boolean;
  /** Of a refusal, also of one that an entity recorded. */
  readonly code: string | null;
  /** One sentence for people; of a refusal at the door only. */
  readonly detail: string | null;
}
export interface ServiceCommand {
  readonly type: string;
  readonly command: string;
  /** For people and for discovery. */
  readonly about: string;
  /** Path of what it is about, as HTTP has it: the `instance` of its problems. */
  readonly path: (id: string) => string;
  readonly run: (request: ServiceRequest) => Promise<ServiceAnswer | Refusal>;
}

export interface ServiceCommandsOptions {
  readonly system: TroupeSystem;
  readonly door: ConversationDoor;
  readonly calls: ConversationCalls;
  readonly json: JsonLimits;
}

/** The commands, in the order in which discovery shows them. @see refusedAnswer for what a refusal is answered with. */
export function serviceCommandsOf({ system, door, calls, json }: ServiceCommandsOptions): readonly ServiceCommand[] {
  const fieldsOf = ({ body }: ServiceRequest, isNeeded: boolean): JsonResult =>
    body.length === 0 ? (isNeeded ? NO_BODY : EMPTY) : readJsonObject(body, json);

  /** Checks, runs and answers a command of the ledger that changes something. */
  const changed =
    (isBodyNeeded: boolean, check: (fields: JsonObject, request: ServiceRequest) => Checked): ServiceCommand["run"] =>
    async (request) => {
      const fields = fieldsOf(request, isBodyNeeded);
      if (!fields.ok) return fields;
      const checked = check(fields.value, request);
      return checked.ok ? await ran(checked.call, request) : checked;
    };
  const ran = async (call: LedgerCall, { options }: ServiceRequest): Promise<ServiceAnswer | Refusal> => {
    const result = await runCall(system, call, options);
    if (result.kind === "refused") return result;
    if (result.kind === "pending") return shown(202, result.body);
    return { status: result.status, body: result.body, isReplayed: result.isReplayed, code: result.code, detail: null };
  };
  const movement = (kind: MovementKind): ServiceCommand["run"] =>
    changed(true, (fields, request) => {
      const key = keyOf(request);
      return key.ok ? movementCall(kind, fields, key.key) : key;
    });
  const change = (name: AccountChange): ServiceCommand["run"] =>
    changed(false, (fields, request) => {
      const key = keyOf(request);
      return key.ok ? accountChangeCall(request.id ?? "", name, fields, key.key) : key;
    });
  const open = changed(true, (fields, request) => {
    const key = keyOf(request);
    if (!key.ok && key.code !== "idempotency_key_missing") return key;
    const named = namedBy(fields, request.id);
    return named.ok ? openAccountCall(named.value, key.ok ? key.key : null) : named;
  });

  /** Answers a read with what `ask` shows. */
  const read =
    (ask: (request: ServiceRequest, fields: JsonObject) => Promise<Answer<string>>): ServiceCommand["run"] =>
    async (request) => {
      const fields = fieldsOf(request, false);
      if (!fields.ok) return fields;
      const answer = await ask(request, fields.value);
      return answer.ok ? shown(200, answer.value) : answer;
    };
  const entity = (type: "account" | "transfer", render: (value: Json) => string): ServiceCommand["run"] =>
    read(async ({ id, options }) => {
      const checked = readCall(type, id ?? "");
      return checked.ok ? rendered(await system.ask(checked.call.address, "get", {}, options), render) : checked;
    });
  const entries = read(async ({ id, options }, fields) => {
    const checked = readCall("account", id ?? "");
    const page = pageOf(fields);
    if (!checked.ok || !page.ok) return checked.ok ? (page as Refusal) : checked;
    const statement = await system.statement(checked.call.id, page);
    if (!statement.ok || statement.value.entries.length > 0) return rendered(statement, statementShown);
    // The view knows only accounts that moved: whether there is one at all, the account says.
    const account = await system.ask(checked.call.address, "get", {}, options);
    return account.ok ? rendered(statement, statementShown) : account;
  });

  const said = async ({ address, command, body, commandId }: ConversationCall, { options }: ServiceRequest): Promise<Answer<Json>> =>
    await system.ask(address, command, body, commandId === null ? options : { ...options, id: commandId });
  const plain = (command: "get" | "stop"): ServiceCommand["run"] =>
    read(async (request) => {
      const checked = door.plain(request.id ?? "", command);
      return checked.ok ? rendered(await said(checked.call, request), JSON.stringify) : checked;
    });
  const openConversation: ServiceCommand["run"] = async (request) => {
    const key = keyOf(request);
    if (!key.ok && key.code !== "idempotency_key_missing") return key;
    const fields = fieldsOf(request, true);
    const named = fields.ok ? namedBy(fields.value, request.id) : fields;
    if (!named.ok) return named;
    const checked = door.open(named.value, key.ok ? key.key : null);
    if (!checked.ok)
      return checked.code === "not_found"
        ? refuse("already_exists", "the conversation of this id was deleted; its id is not used again")
        : checked;
    const answer = await said(checked.call, request);
    if (!answer.ok) return answer;
    const { onBusy = "enqueue", instructions = null, user = null } = named.value;
    return shown(201, JSON.stringify({ id: checked.call.id, onBusy, instructions, user }));
  };
  const erase: ServiceCommand["run"] = async (request) => {
    const checked = door.plain(request.id ?? "", "delete");
    if (!checked.ok) return checked;
    const answer = await said(checked.call, request);
    return answer.ok ? shown(204, "") : answer;
  };
  const posted =
    (isBodyNeeded: boolean, make: (request: ServiceRequest, fields: JsonObject, key: string) => CheckedPost): ServiceCommand["run"] =>
    async (request) => {
      const key = keyOf(request);
      if (!key.ok) return key;
      const fields = fieldsOf(request, isBodyNeeded);
      if (!fields.ok) return fields;
      const checked = make(request, fields.value, key.key);
      return checked.ok ? answerOfPost(await calls.post(checked.call, request.options), checked.call.id, 201) : checked;
    };
  const outcome: ServiceCommand["run"] = async (request) => {
    const fields = fieldsOf(request, true);
    if (!fields.ok) return fields;
    const { messageId } = fields.value;
    if (typeof messageId !== "string") return refuse("validation_failed", "send the messageId that the post answered");
    const checked = door.outcome(request.id ?? "", messageId);
    return checked.ok ? answerOfPost(await calls.outcome(checked.call, request.options), checked.call.id, 200) : checked;
  };
  const messages = read(async (request, fields) => {
    const checked = door.plain(request.id ?? "", "get");
    const page = pageOf(fields);
    if (!checked.ok || !page.ok) return checked.ok ? (page as Refusal) : checked;
    const { id } = checked.call;
    const found = await system.messages(id, page);
    if (!found.ok) return found;
    if (found.value.messages.length > 0) return messagesShown(door, id, found.value);
    const conversation = await said(checked.call, request);
    return conversation.ok ? messagesShown(door, id, found.value) : conversation;
  });
  const summary = read(async (request) => {
    const checked = door.plain(request.id ?? "", "get");
    if (!checked.ok) return checked;
    const conversation = await said(checked.call, request);
    if (!conversation.ok) return conversation;
    const { id } = checked.call;
    const answer = await system.ask(addressOf("summary", id), "get", {}, request.options);
    return answer.ok ? summaryShown(door, id, answer.value as Parameters<typeof summaryShown>[2]) : answer;
  });
  const regenerate = posted(false, (request, fields, key) => {
    const { replyId, ...others } = fields;
    return typeof replyId === "string"
      ? door.regenerate(request.id ?? "", replyId, others, key)
      : refuse("validation_failed", "send the replyId that the post answered");
  });

  const accountPath = (id: string): string => `/v1/accounts/${encodeURIComponent(id)}`;
  const command = (
    type: string,
    name: string,
    about: string,
    path: (id: string) => string,
    run: ServiceCommand["run"],
  ): ServiceCommand => ({ type, command: name, about, path, run });
  return [
    command("account", "open", "Opens an account", () => "/v1/accounts", open),
    command("account", "get", "Shows an account", accountPath, entity("account", JSON.stringify)),
    command("account", "entries", "Lists the entries of an account", (id) => `${accountPath(id)}/entries`, entries),
    command("account", "freeze", "Freezes an account", (id) => `${accountPath(id)}/freeze`, change("freeze")),
    command("account", "unfreeze", "Unfreezes an account", (id) => `${accountPath(id)}/unfreeze`, change("unfreeze")),
    command("account", "close", "Closes an account", (id) => `${accountPath(id)}/close`, change("close")),
    command("transfer", "create", "Moves money between two accounts", () => "/v1/transfers", movement("transfer")),
    command("transfer", "deposit", "Brings money in", () => "/v1/deposits", movement("deposit")),
    command("transfer", "withdraw", "Takes money out", () => "/v1/withdrawals", movement("withdrawal")),
    command("transfer", "get", "Shows a transfer", (id) => `/v1/transfers/${encodeURIComponent(id)}`, entity("transfer", storedBody)),
    command(
      "ledger",
      "trial-balance",
      "Adds up the books",
      () => "/v1/ledger/trial-balance",
      read(async () => rendered(await system.trialBalance(), trialBalanceShown)),
    ),
    command("conversation", "open", "Opens a conversation", () => "/v1/conversations", openConversation),
    command("conversation", "get", "Shows a conversation", conversationPath, plain("get")),
    command(
      "conversation",
      "post",
      "Posts a message and waits for its reply",
      (id) => `${conversationPath(id)}/messages`,
      posted(true, ({ id }, fields, key) => door.post(id ?? "", fields, key)),
    ),
    command("conversation", "outcome", "Shows what came of a post", (id) => `${conversationPath(id)}/messages`, outcome),
    command("conversation", "messages", "Lists the messages", (id) => `${conversationPath(id)}/messages`, messages),
    command("conversation", "summary", "Shows the summary", (id) => `${conversationPath(id)}/summary`, summary),
    command("conversation", "stop", "Stops the reply under way", (id) => `${conversationPath(id)}/stop`, plain("stop")),
    command("conversation", "regenerate", "Makes another reply", (id) => `${conversationPath(id)}/replies`, regenerate),
    command("conversation", "delete", "Deletes a conversation", conversationPath, erase),
  ];
}

/** The answer of a refusal: a problem, as HTTP answers it. */
export function refusedAnswer({ code, detail }: Refusal, instance: string, at: number = Date.now()): ServiceAnswer {
  return { status: STATUS_OF_CODE[code], body: problemBody({ code, detail, instance, at }), isReplayed: false, code, detail };
}

const NO_BODY: JsonResult = refuse("validation_failed", "the request has no body; send one JSON object");
const EMPTY: JsonResult = { ok: true, value: {} };

const shown = (status: number, body: string): ServiceAnswer => ({ status, body, isReplayed: false, code: null, detail: null });
const rendered = <Value>(answer: Answer<Value>, render: (value: Value) => string): Answer<string> =>
  answer.ok ? { ok: true, value: render(answer.value) } : answer;

function keyOf({ key }: ServiceRequest): KeyResult {
  return typeof key === "object" ? key : keyOfHeader(key);
}

/** What is opened may be named beside the body or in it, not by two names. */
function namedBy(fields: JsonObject, id: string | null): JsonResult {
  if (id === null) return { ok: true, value: fields };
  if (fields.id === undefined || fields.id === id) return { ok: true, value: { ...fields, id } };
  return refuse("validation_failed", "the id beside the body is another than the one in it; send one of them");
}

function answerOfPost(result: Awaited<ReturnType<ConversationCalls["post"]>>, id: string, status: number): ServiceAnswer | Refusal {
  switch (result.kind) {
    case "refused":
      return result;
    case "pending":
      return shown(status === 201 ? 202 : status, pendingShown(result));
    case "outcome": {
      const { reply, isReplayed } = result;
      const { code, at, messageId, turn, replyId } = reply;
      if (code === null) return { ...shown(status, outcomeShown(result)), isReplayed };
      const failed = refusedAnswer({ ok: false, code, detail: failedReplyShown(id, reply) }, `${conversationPath(id)}/messages`, at);
      return { ...failed, body: JSON.stringify({ ...JSON.parse(failed.body), messageId, turn, replyId }), isReplayed };
    }
  }
}
