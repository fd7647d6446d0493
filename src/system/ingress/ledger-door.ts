/**
 * The ledger's door: what a client says becomes a call of an entity or a refusal, once, whatever carried it (HTTP, a bulk line, a message).
 * Everything behind it trusts the form. A refusal here has used no key and reached no entity.
 */
import { isReservedAccountId, parseAmount, parseLimit, scaleOf, transferIdOf } from "../../actors/index.ts";
import { addressOf, type Code, type Json, type Refusal, whyNotId } from "../../runtime/index.ts";
import { kindOf, shown, unknownField } from "./fields.ts";
import type { JsonObject } from "./json-body.ts";

export type MovementKind = "transfer" | "deposit" | "withdrawal";
export type AccountChange = "freeze" | "unfreeze" | "close";

/** A call of one entity. `id` is the entity's id; `commandId` is the client's key, by which a repeat is known. */
export interface LedgerCall {
  readonly id: string;
  readonly address: string;
  readonly command: string;
  readonly body: Json;
  readonly commandId: string | null;
}
export type Checked = { readonly ok: true; readonly call: LedgerCall } | Refusal;

/** Who calls. Until callers are authenticated (R-SYS-8) all are one. */
export const LOCAL_CALLER = "local";

const MOVEMENT_FIELDS = {
  transfer: ["from", "to", "amount", "currency"],
  deposit: ["accountId", "amount", "currency"],
  withdrawal: ["accountId", "amount", "currency"],
} as const satisfies Record<MovementKind, readonly string[]>;
const OPEN_FIELDS = ["id", "currency", "kind", "overdraftLimit", "owner"] as const;
const CHANGE_FIELDS = ["expectedVersion"] as const;
const OWNER_CHARS_MAX = 200;

export function isMovementKind(value: unknown): value is MovementKind {
  return value === "transfer" || value === "deposit" || value === "withdrawal";
}

/** A deposit, withdrawal or transfer. `alsoAllowed` names fields that the caller has read itself. */
export function movementCall(
  kind: MovementKind,
  fields: JsonObject,
  key: string,
  { caller = LOCAL_CALLER, alsoAllowed = NONE }: { readonly caller?: string; readonly alsoAllowed?: readonly string[] } = {},
): Checked {
  const unknown = unknownField(fields, MOVEMENT_FIELDS[kind], alsoAllowed);
  if (unknown !== null) return unknown;
  const from = kind === "deposit" ? null : fields[kind === "transfer" ? "from" : "accountId"];
  const to = kind === "withdrawal" ? null : fields[kind === "transfer" ? "to" : "accountId"];
  if (from !== null) {
    const why = whyNotAccount(kind === "transfer" ? "from" : "accountId", from);
    if (why !== null) return why;
  }
  if (to !== null) {
    const why = whyNotAccount(kind === "transfer" ? "to" : "accountId", to);
    if (why !== null) return why;
  }
  if (from === to) return refuse("same_account", `from and to are the same account ${shown(from)}; a transfer needs two`);
  const { currency, amount } = fields;
  if (typeof currency !== "string" || scaleOf(currency) === null) return badCurrency(currency);
  if (amount === undefined) return refuse("amount_invalid", 'the amount is missing; send a decimal in a JSON string, for example "10.50"');
  if (typeof amount !== "string")
    return refuse("amount_invalid", `the amount is ${kindOf(amount)}; send a decimal in a JSON string, for example "10.50"`);
  const parsed = parseAmount(amount, currency);
  if (!parsed.ok) return refuse(parsed.code, parsed.detail);
  const id = transferIdOf(caller, key);
  const body = { kind, from: from as string | null, to: to as string | null, amount: parsed.minor.toString(), currency, caller, key };
  return { ok: true, call: { id, address: addressOf("transfer", id), command: "request", body, commandId: key } };
}

/**
 * The opening of an account. Without an `id` of the client's the key makes one, so a key is needed then; `key` null = none was sent. With an
 * `id` the id makes a repeat safe; a key is only kept, and two ids under one key are two accounts, because both were asked for by name.
 */
export function openAccountCall(
  fields: JsonObject,
  key: string | null,
  { caller = LOCAL_CALLER }: { readonly caller?: string } = {},
): Checked {
  const unknown = unknownField(fields, OPEN_FIELDS, NONE);
  if (unknown !== null) return unknown;
  const { currency, kind = "customer", overdraftLimit = "0", owner = null } = fields;
  if (typeof currency !== "string" || scaleOf(currency) === null) return badCurrency(currency);
  if (kind !== "customer" && kind !== "system")
    return refuse("validation_failed", `kind is ${shown(kind)}; expected "customer" or "system"`);
  if (owner !== null && !isOwner(owner))
    return refuse("validation_failed", `owner is ${kindOf(owner)}; expected null or 1 to ${OWNER_CHARS_MAX} characters of text`);
  let limit: string | null = null;
  if (overdraftLimit !== null) {
    if (typeof overdraftLimit !== "string")
      return refuse(
        "amount_invalid",
        `overdraftLimit is ${kindOf(overdraftLimit)}; expected a decimal in a JSON string, or null for no limit`,
      );
    const parsed = parseLimit(overdraftLimit, currency);
    if (!parsed.ok) return refuse(parsed.code, parsed.detail);
    limit = parsed.minor.toString();
  }
  if (fields.id === undefined && key === null)
    return refuse(
      "idempotency_key_missing",
      "send an id in the body or an Idempotency-Key header: without both a repeat would open a second account",
    );
  const id = fields.id === undefined ? transferIdOf(caller, key ?? "") : fields.id;
  const why = whyNotAccount("id", id);
  if (why !== null) return why;
  const body = { currency, kind, overdraftLimit: limit, owner, caller, key };
  return { ok: true, call: accountCall(id as string, "open", body, key) };
}

/** A freeze, unfreeze or close. The key is the command's id. */
export function accountChangeCall(id: string, change: AccountChange, fields: JsonObject, key: string): Checked {
  const why = whyNotAccount("the account's id", id) ?? unknownField(fields, CHANGE_FIELDS, NONE);
  if (why !== null) return why;
  const { expectedVersion } = fields;
  if (expectedVersion === undefined) return { ok: true, call: accountCall(id, change, {}, key) };
  if (typeof expectedVersion !== "number" || !Number.isSafeInteger(expectedVersion) || expectedVersion < 0)
    return refuse(
      "validation_failed",
      `expectedVersion is ${shown(expectedVersion)}; expected a whole number from 0 up, as a GET of the account shows`,
    );
  return { ok: true, call: accountCall(id, change, { expectedVersion }, key) };
}

/** A read of an account or a transfer. World accounts may be read. */
export function readCall(type: "account" | "transfer", id: string): Checked {
  const why = whyNotId(id);
  if (why !== null) return refuse("validation_failed", `the ${type}'s id is refused: ${why}`);
  return { ok: true, call: { id, address: addressOf(type, id), command: "get", body: {}, commandId: null } };
}

export const refuse = (code: Code, detail: string): Refusal => ({ ok: false, code, detail });

const NONE: readonly string[] = [];

function accountCall(id: string, command: string, body: Json, commandId: string | null): LedgerCall {
  return { id, address: addressOf("account", id), command, body, commandId };
}

function whyNotAccount(field: string, id: unknown): Refusal | null {
  if (typeof id !== "string")
    return refuse("validation_failed", `${field} is ${kindOf(id)}; expected the id of an account in a JSON string`);
  const why = whyNotId(id);
  if (why !== null) return refuse("validation_failed", `${field} is refused: ${why}`);
  if (isReservedAccountId(id))
    return refuse("validation_failed", `${field} names ${shown(id)}, an account of the ledger's own; use an account that a client opened`);
  return null;
}

function badCurrency(currency: unknown): Refusal {
  return refuse(
    "validation_failed",
    `currency is ${shown(currency)}; expected the three letters of an active ISO 4217 currency, for example "CZK"`,
  );
}

function isOwner(owner: unknown): owner is string {
  return typeof owner === "string" && owner.length > 0 && owner.length <= OWNER_CHARS_MAX && owner.isWellFormed();
}
