/** What an account is told, what it answers and what it records. Amounts are minor units as decimal strings. */
import { z } from "zod";
import { type EventOf, entityProtocol, whyNotId } from "../../runtime/index.ts";
import { amountSchema, balanceSchema, currencySchema, limitSchema } from "./money-schema.ts";
import { httpOutcomeSchema } from "./outcome.ts";

/** An account's id as a client may write it. */
export const accountIdSchema = z.string().refine((id) => whyNotId(id) === null, "is no id: 1-200 bytes, no control character, no '/'");

export const accountKindSchema = z.enum(["customer", "system", "world"]);
export type AccountKind = z.infer<typeof accountKindSchema>;

/** An account as the wire shows it: decimals with the currency's scale, times in ISO 8601. A world account is open since 1970. */
export const accountViewSchema = z.object({
  id: accountIdSchema,
  currency: currencySchema,
  kind: accountKindSchema,
  owner: z.string().nullable(),
  balance: z.string(),
  /** Balance plus overdraft limit; null when the overdraft is unlimited. */
  available: z.string().nullable(),
  overdraftLimit: z.string().nullable(),
  status: z.enum(["open", "frozen", "closed"]),
  /** Counts the account's events: what `expectedVersion` is compared with. */
  version: z.number(),
  openedAt: z.string(),
});
export type AccountView = Readonly<z.infer<typeof accountViewSchema>>;

const movementSchema = z.strictObject({ transfer: z.string(), amount: amountSchema, currency: z.string() });
export type Movement = Readonly<z.infer<typeof movementSchema>>;
const openSchema = z.strictObject({
  currency: currencySchema,
  kind: z.enum(["customer", "system"]),
  /** null = unlimited. */
  overdraftLimit: limitSchema.nullable(),
  owner: z.string().nullable(),
  caller: z.string(),
  key: z.string().nullable(),
});
export type OpenBody = Readonly<z.infer<typeof openSchema>>;
const changeSchema = z.strictObject({ expectedVersion: z.int().nonnegative().optional() });
export type ChangeBody = Readonly<z.infer<typeof changeSchema>>;
const balanceReplySchema = z.object({ balance: balanceSchema });
export type BalanceReply = Readonly<z.infer<typeof balanceReplySchema>>;
const kindReplySchema = z.object({ kind: accountKindSchema });
export type KindReply = Readonly<z.infer<typeof kindReplySchema>>;

/** How an account is spoken to, also by transfers, which its definition does not know. */
export const accounts = entityProtocol("account", {
  open: { body: openSchema, reply: httpOutcomeSchema },
  get: { body: z.strictObject({}), reply: accountViewSchema },
  /** Read-only: what the opening under this key was answered. */
  opening: { body: z.strictObject({ caller: z.string(), key: z.string() }), reply: httpOutcomeSchema },
  /** Read-only: would a credit be taken now? Asked by a transfer of its destination before any money moves. */
  check: { body: z.strictObject({ currency: z.string() }), reply: kindReplySchema },
  debit: { body: movementSchema, reply: balanceReplySchema },
  credit: { body: movementSchema, reply: balanceReplySchema },
  /** Gives back what a debit took, whatever became of the account since. */
  refund: { body: movementSchema, reply: balanceReplySchema },
  /** These three answer an outcome even when they refuse, so that what is kept under their key are the very bytes (R-LED-2). */
  freeze: { body: changeSchema, reply: httpOutcomeSchema, repeats: "recorded" },
  unfreeze: { body: changeSchema, reply: httpOutcomeSchema, repeats: "recorded" },
  close: { body: changeSchema, reply: httpOutcomeSchema, repeats: "recorded" },
});

/** `balance` is the one after the event; `sequence` counts the account's money entries from 1. */
const entrySchema = z.object({
  transfer: z.string(),
  amount: amountSchema,
  balance: balanceSchema,
  currency: z.string(),
  sequence: z.int().positive(),
});
export const accountEvents = {
  opened: z.object({
    /** An event has a `kind` of its own, so the account's has another name. */
    accountKind: z.enum(["customer", "system"]),
    currency: z.string(),
    overdraftLimit: limitSchema.nullable(),
    owner: z.string().nullable(),
    caller: z.string(),
    key: z.string().nullable(),
    openedAt: z.number(),
    /** The body of the 201, as it was sent (L3). */
    body: z.string(),
  }),
  debited: entrySchema,
  credited: entrySchema,
  refunded: entrySchema,
  frozen: z.object({ kind: z.literal("frozen") }),
  unfrozen: z.object({ kind: z.literal("unfrozen") }),
  closed: z.object({ kind: z.literal("closed") }),
};
export type AccountEvent = EventOf<typeof accountEvents>;
/** The events that move money. */
export type AccountEntry = Extract<AccountEvent, { kind: "debited" | "credited" | "refunded" }>;
