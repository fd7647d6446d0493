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
