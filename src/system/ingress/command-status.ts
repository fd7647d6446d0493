/** What became of a command, by its key: for clients of doors that answer later, or whose answer was lost. Never runs the command (TRAPS 17). */
import { transferIdOf } from "../../actors/index.ts";
import { type Answer, addressOf, type Json, RECORDED_ANSWER, type Refusal } from "../../runtime/index.ts";
import { statusSpec } from "./command-table.ts";
import { conversationPath } from "./conversation-shown.ts";
import { shown as quoted, unknownField } from "./fields.ts";
import { type JsonObject, type JsonResult, readJsonObject } from "./json-body.ts";
import { outcomeOf } from "./ledger-call.ts";
import { LOCAL_CALLER, readCall, refuse } from "./ledger-door.ts";
import { answerOfPost, keyOf, type ServiceAnswer, type ServiceCommand, type ServiceCommandsOptions, shown } from "./service-commands.ts";

/** What a key's command was about. The key itself is the command's. */
interface Asked {
  readonly key: string;
  /** Of the account or conversation; without one, the one that the key opened. */
  readonly id: string | null;
  readonly options: Parameters<ServiceCommand["run"]>[0]["options"];
}

/**
 * `command.status`: the answer of the command under this key, to the byte where bytes are kept; 202 while it runs; 404 while nothing is known of the key.
 * The body may say of which `type` the command was: "transfer" (the default), "account" or "conversation", those two with the id beside the body.
 */
export function commandStatus({ system, door, calls, json }: ServiceCommandsOptions): ServiceCommand {
  const transfer = async ({ key, options }: Asked): Promise<ServiceAnswer | Refusal> =>
    answered(await system.ask(addressOf("transfer", transferIdOf(LOCAL_CALLER, key)), "outcome", {}, options));

  const account = async ({ key, id, options }: Asked): Promise<ServiceAnswer | Refusal> => {
    const checked = readCall("account", id ?? transferIdOf(LOCAL_CALLER, key));
    if (!checked.ok) return checked;
    const { address } = checked.call;
    const changed = await system.ask(address, RECORDED_ANSWER, {}, { ...options, id: key });
    if (changed.ok || changed.code !== "not_found") return answered(changed);
    return answered(await system.ask(address, "opening", { caller: LOCAL_CALLER, key }, options));
  };

  const conversation = async ({ key, id, options }: Asked): Promise<ServiceAnswer | Refusal> => {
    if (id === null) return await opened(transferIdOf(LOCAL_CALLER, key), options);
    const checked = door.outcomeOfKey(id, key);
    if (!checked.ok) return checked;
    const place = { id, instance: `${conversationPath(id)}/messages`, status: 201 };
    const answer = answerOfPost(await calls.outcome(checked.call, options), place);
    return "status" in answer ? { ...answer, isReplayed: answer.status !== 202 } : answer;
  };
  /** The opening has no bytes that are kept: the conversation that the key made is there, or not. */
  const opened = async (id: string, options: Asked["options"]): Promise<ServiceAnswer | Refusal> => {
    const answer = await system.ask(addressOf("conversation", id), "get", {}, options);
    return answer.ok ? { ...shown(201, JSON.stringify({ id })), isReplayed: true } : answer;
  };

  const ways = { transfer, account, conversation };
  return {
    ...statusSpec,
    path: () => "urn:troupe:command:status",
    run: async (request) => {
      const key = keyOf(request);
      if (!key.ok) return key;
      const fields: JsonResult = request.body.length === 0 ? { ok: true, value: {} } : readJsonObject(request.body, json);
      const type = fields.ok ? typeOf(fields.value) : fields;
      return typeof type === "string" ? await ways[type]({ key: key.key, id: request.id, options: request.options }) : type;
    },
  };
}

function typeOf(fields: JsonObject): "transfer" | "account" | "conversation" | Refusal {
  const { type = "transfer" } = fields;
  const unknown = unknownField(fields, ["type"]);
  if (unknown !== null) return unknown;
  if (type === "transfer" || type === "account" || type === "conversation") return type;
  return refuse("validation_failed", `type is ${quoted(type)}; expected "transfer", "account" or "conversation"`);
}

function answered(answer: Answer<Json>): ServiceAnswer | Refusal {
  if (!answer.ok) return answer;
  const { status, body, isReplayed, code } = outcomeOf(answer);
  return { status, body, isReplayed, code, detail: null };
}
