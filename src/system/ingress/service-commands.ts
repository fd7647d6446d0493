/**
 * Every command of the service by type and name, for doors that carry a name instead of a route. Validation, idempotency, outcomes and refusals are
 * those of the HTTP routes, because the same doors and calls stand behind both.
 */
import { problemBody } from "../../actors/index.ts";
import { type Answer, type AskOptions, addressOf, type Json, type Refusal, STATUS_OF_CODE } from "../../runtime/index.ts";
import type { TroupeSystem } from "../system.ts";
import { type CommandName, type CommandSpec, commandTable, paramsOf, pathOf } from "./command-table.ts";
import type { ConversationCalls } from "./conversation-call.ts";
import type { CheckedPost, ConversationCall, ConversationDoor } from "./conversation-door.ts";
import {
  deletingShown,
  failedReplyShown,
  messagesShown,
  outcomeShown,
  pendingShown,
  summaryShown,
  waitingMembers,
  waitingShown,
} from "./conversation-shown.ts";
import { NO_BODY } from "./door-refusals.ts";
import { type KeyResult, keyOfHeader } from "./idempotency-key.ts";
import { isJsonObject, type JsonLimits, type JsonObject, type JsonResult, readJsonObject } from "./json-body.ts";
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
export interface ServiceCommand extends Pick<CommandSpec, "type" | "command" | "template" | "about"> {
  /** `<type>.<command>`. */
  readonly name: string;
  /** Path of what it is about, as HTTP has it: the `instance` of its problems. Of the body it needs parts that HTTP has in the path. */
  readonly path: (id: string, body: Uint8Array) => string;
  readonly run: Run;
}
type Run = (request: ServiceRequest) => Promise<ServiceAnswer | Refusal>;

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
    (isBodyNeeded: boolean, check: (fields: JsonObject, key: string, request: ServiceRequest) => Checked): Run =>
    async (request) => {
      const key = keyOf(request);
      if (!key.ok) return key;
      const fields = fieldsOf(request, isBodyNeeded);
      if (!fields.ok) return fields;
      const checked = check(fields.value, key.key, request);
      return checked.ok ? await ran(checked.call, request) : checked;
    };
  const ran = async (call: LedgerCall, { options }: ServiceRequest): Promise<ServiceAnswer | Refusal> => {
    const result = await runCall(system, call, options);
    if (result.kind === "refused") return result;
    if (result.kind === "pending") return shown(202, result.body);
    return { status: result.status, body: result.body, isReplayed: result.isReplayed, code: result.code, detail: null };
  };
  const movement = (kind: MovementKind): Run => changed(true, (fields, key) => movementCall(kind, fields, key));
  const change = (name: AccountChange): Run => changed(false, (fields, key, { id }) => accountChangeCall(id ?? "", name, fields, key));
  const open: Run = async (request) => {
    const key = keyOf(request);
    if (!key.ok && key.code !== "idempotency_key_missing") return key;
    const fields = fieldsOf(request, true);
    const named = fields.ok ? namedBy(fields.value, request.id) : fields;
    if (!named.ok) return named;
    const checked = openAccountCall(named.value, key.ok ? key.key : null);
    return checked.ok ? await ran(checked.call, request) : checked;
  };

  /** Answers a read with what `ask` shows. */
  const read =
    (ask: (request: ServiceRequest, fields: JsonObject) => Promise<Answer<string>>): Run =>
    async (request) => {
      const fields = fieldsOf(request, false);
      if (!fields.ok) return fields;
      const answer = await ask(request, fields.value);
      return answer.ok ? shown(200, answer.value) : answer;
    };
  const entity = (type: "account" | "transfer", render: (value: Json) => string): Run =>
    read(async ({ id, options }) => {
      const checked = readCall(type, id ?? "");
      return checked.ok ? rendered(await system.ask(checked.call.address, "get", {}, options), render) : checked;
    });
  const entries = read(async ({ id, options }, fields) => {
    const checked = readCall("account", id ?? "");
    if (!checked.ok) return checked;
    const page = pageOf(fields);
    if (!page.ok) return page;
    const statement = await system.statement(checked.call.id, page);
    if (!statement.ok || statement.value.entries.length > 0) return rendered(statement, statementShown);
    // The view knows only accounts that moved: whether there is one at all, the account says.
    const account = await system.ask(checked.call.address, "get", {}, options);
    return account.ok ? rendered(statement, statementShown) : account;
  });

  const said = async ({ address, command, body, commandId }: ConversationCall, { options }: ServiceRequest): Promise<Answer<Json>> =>
    await system.ask(address, command, body, commandId === null ? options : { ...options, id: commandId });
  const plain = (command: "get" | "stop"): Run =>
    read(async (request) => {
      const checked = door.plain(request.id ?? "", command);
      return checked.ok ? rendered(await said(checked.call, request), JSON.stringify) : checked;
    });
  const openConversation: Run = async (request) => {
    const key = keyOf(request);
    if (!key.ok && key.code !== "idempotency_key_missing") return key;
    const fields = fieldsOf(request, true);
    const named = fields.ok ? namedBy(fields.value, request.id) : fields;
    if (!named.ok) return named;
    const checked = await door.open(named.value, key.ok ? key.key : null);
    if (!checked.ok)
      return checked.code === "not_found"
        ? refuse("already_exists", "the conversation of this id was deleted; its id is not used again")
        : checked;
    const answer = await said(checked.call, request);
    if (!answer.ok) return answer;
    const { onBusy = "enqueue", instructions = null, user = null } = named.value;
    return shown(201, JSON.stringify({ id: checked.call.id, onBusy, instructions, user }));
  };
  const erase: Run = async (request) => {
    const checked = door.plain(request.id ?? "", "delete");
    if (!checked.ok) return checked;
    const answer = await calls.erase(checked.call, request.options);
    if (!answer.ok) return answer;
    return answer.value ? shown(204, "") : shown(202, deletingShown(checked.call.id));
  };
  const posted =
    (name: CommandName, isBodyNeeded: boolean, make: (request: ServiceRequest, fields: JsonObject, key: string) => CheckedPost): Run =>
    async (request) => {
      const key = keyOf(request);
      if (!key.ok) return key;
      const fields = fieldsOf(request, isBodyNeeded);
      if (!fields.ok) return fields;
      const checked = make(request, fields.value, key.key);
      if (!checked.ok) return checked;
      const { id } = checked.call;
      return answerOfPost(await calls.post(checked.call, request.options), {
        id,
        instance: instanceOf(specOf(name), request),
        status: 201,
      });
    };
  const outcome: Run = async (request) => {
    const fields = fieldsOf(request, true);
    if (!fields.ok) return fields;
    const { messageId } = fields.value;
    if (typeof messageId !== "string") return refuse("validation_failed", "send the messageId that the post answered");
    const checked = door.outcome(request.id ?? "", messageId);
    if (!checked.ok) return checked;
    const { id } = checked.call;
    const instance = instanceOf(specOf("conversation.outcome"), request);
    return answerOfPost(await calls.outcome(checked.call, request.options), { id, instance, status: 200 });
  };
  const messages = read(async (request, fields) => {
    const page = pageOf(fields);
    if (!page.ok) return page;
    const checked = door.plain(request.id ?? "", "get");
    if (!checked.ok) return checked;
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
  const regenerate = posted("conversation.regenerate", false, (request, fields, key) => {
    const { replyId, ...others } = fields;
    return typeof replyId === "string"
      ? door.regenerate(request.id ?? "", replyId, others, key)
      : refuse("validation_failed", "send the replyId that the post answered");
  });

  const runs: Readonly<Record<CommandName, Run>> = {
    "account.open": open,
    "account.get": entity("account", JSON.stringify),
    "account.entries": entries,
    "account.freeze": change("freeze"),
    "account.unfreeze": change("unfreeze"),
    "account.close": change("close"),
    "transfer.create": movement("transfer"),
    "transfer.deposit": movement("deposit"),
    "transfer.withdraw": movement("withdrawal"),
    "transfer.get": entity("transfer", storedBody),
    "ledger.trial-balance": read(async () => rendered(await system.trialBalance(), trialBalanceShown)),
    "conversation.open": openConversation,
    "conversation.get": plain("get"),
    "conversation.post": posted("conversation.post", true, ({ id }, fields, key) => door.post(id ?? "", fields, key)),
    "conversation.outcome": outcome,
    "conversation.messages": messages,
    "conversation.summary": summary,
    "conversation.stop": plain("stop"),
    "conversation.regenerate": regenerate,
    "conversation.delete": erase,
  };
  return commandTable.map((spec) => ({ ...spec, path: (id, body) => instanceOf(spec, { id, body }), run: runs[spec.name] }));
}

function instanceOf(spec: CommandSpec, { id, body }: { readonly id: string | null; readonly body: Uint8Array }): string {
  const names = paramsOf(spec);
  const fields = names.length === 0 ? {} : textFieldsOf(body);
  return pathOf(spec, { ...Object.fromEntries(names.map((name) => [name, fields[name] ?? ""])), id: id ?? "" });
}

/** Of a body that may have been refused. */
function textFieldsOf(body: Uint8Array): Readonly<Record<string, string>> {
  try {
    const value: unknown = JSON.parse(Buffer.from(body).toString());
    return isJsonObject(value)
      ? (Object.fromEntries(Object.entries(value).filter(([, field]) => typeof field === "string")) as Record<string, string>)
      : {};
  } catch {
    return {};
  }
}

/** The answer of a refusal: a problem, as HTTP answers it. */
export function refusedAnswer({ code, detail }: Refusal, instance: string, at: number = Date.now()): ServiceAnswer {
  return { status: STATUS_OF_CODE[code], body: problemBody({ code, detail, instance, at }), isReplayed: false, code, detail };
}

const EMPTY: JsonResult = { ok: true, value: {} };

function specOf(name: CommandName): CommandSpec {
  const spec = commandTable.find((each) => each.name === name);
  if (spec === undefined) throw new TypeError(`${name} is no command`);
  return spec;
}

export const shown = (status: number, body: string): ServiceAnswer => ({ status, body, isReplayed: false, code: null, detail: null });
const rendered = <Value>(answer: Answer<Value>, render: (value: Value) => string): Answer<string> =>
  answer.ok ? { ok: true, value: render(answer.value) } : answer;

/** The key that came with a request. */
export function keyOf({ key }: ServiceRequest): KeyResult {
  return typeof key === "object" ? key : keyOfHeader(key);
}

/** What is opened may be named beside the body or in it, not by two names. */
function namedBy(fields: JsonObject, id: string | null): JsonResult {
  if (id === null) return { ok: true, value: fields };
  if (fields.id === undefined || fields.id === id) return { ok: true, value: { ...fields, id } };
  return refuse("validation_failed", "the id beside the body is another than the one in it; send one of them");
}

export interface PostPlace {
  readonly id: string;
  readonly instance: string;
  /** When it is there. */
  readonly status: number;
}

/** What a client is answered of a post. */
export function answerOfPost(
  result: Awaited<ReturnType<ConversationCalls["post"]>>,
  { id, instance, status }: PostPlace,
): ServiceAnswer | Refusal {
  switch (result.kind) {
    case "refused":
      return result;
    case "pending":
      return shown(status === 201 ? 202 : status, pendingShown(result));
    case "waiting": {
      const waits = refusedAnswer({ ok: false, code: result.code, detail: waitingShown(id, result) }, instance);
      return { ...waits, body: JSON.stringify({ ...JSON.parse(waits.body), ...waitingMembers(result) }) };
    }
    case "outcome": {
      const { reply, isReplayed } = result;
      const { code, at, messageId, turn, replyId } = reply;
      if (code === null) return { ...shown(status, outcomeShown(result)), isReplayed };
      const failed = refusedAnswer({ ok: false, code, detail: failedReplyShown(id, reply) }, instance, at);
      return { ...failed, body: JSON.stringify({ ...JSON.parse(failed.body), messageId, turn, replyId }), isReplayed };
    }
  }
}
