/** What a transfer is told, what it answers and what it records. Amounts are minor units as decimal strings. */
import { z } from "zod";
import { type Code, type EventOf, entityProtocol, STATUS_OF_CODE, sha256Base64Url } from "../../runtime/index.ts";
import { accountIdSchema } from "./account-schema.ts";
import { amountSchema, balanceSchema, currencySchema } from "./money-schema.ts";
import { httpOutcomeSchema } from "./outcome.ts";

/** A transfer's id: 43 characters that follow from who asked and under which key, so that a repeat meets the first (R-LED-2). */
export const transferIdOf = (caller: string, key: string): string => sha256Base64Url(`${caller}\u0000${key}`);

const codeSchema = z.enum(Object.keys(STATUS_OF_CODE) as [Code, ...Code[]]);
export const transferKindSchema = z.enum(["transfer", "deposit", "withdrawal"]);
export type TransferKind = z.infer<typeof transferKindSchema>;

const legSchema = z.object({ accountId: z.string(), amount: z.string(), balance: z.string() });
const refusedSchema = z.object({ code: codeSchema, detail: z.string() });
export type Refused = Readonly<z.infer<typeof refusedSchema>>;

/** A transfer as the wire shows it: decimals with the currency's scale, times in ISO 8601; both legs or none (R-LED-4). */
export const transferViewSchema = z.object({
  id: z.string(),
  kind: transferKindSchema,
  status: z.enum(["PENDING", "COMPLETED", "FAILED"]),
  /** Why it failed. */
  code: codeSchema.optional(),
  from: z.string(),
  to: z.string(),
  amount: z.string(),
  currency: z.string(),
  legs: z.array(legSchema),
  startedAt: z.string(),
  finishedAt: z.string().nullable(),
  idempotencyKey: z.string(),
  /** A fault: the source did not take its money back, which stays in transit until somebody corrects it. The status stays PENDING. */
  refundRefused: refusedSchema.optional(),
});
export type TransferView = Readonly<z.infer<typeof transferViewSchema>>;

/** The outcome of a request; `code` says why it failed. */
export const transferReplySchema = httpOutcomeSchema.extend({
  state: z.enum(["COMPLETED", "FAILED"]),
  code: codeSchema.nullable(),
});
export type TransferReply = Readonly<z.infer<typeof transferReplySchema>>;

const requestSchema = z.strictObject({
  kind: transferKindSchema,
  /** null for a deposit: its world account is chosen by the transfer. */
  from: accountIdSchema.nullable(),
  /** null for a withdrawal. */
  to: accountIdSchema.nullable(),
  amount: amountSchema,
  currency: currencySchema,
  caller: z.string(),
  key: z.string(),
});
export type RequestBody = Readonly<z.infer<typeof requestSchema>>;

/** What became of a request so far: its outcome, or 202 with the transfer as it stands. */
const transferOutcomeSchema = httpOutcomeSchema.extend({ code: codeSchema.nullable() });
export type TransferOutcome = Readonly<z.infer<typeof transferOutcomeSchema>>;

/** How a transfer is spoken to. */
export const transfers = entityProtocol("transfer", {
  request: { body: requestSchema, reply: transferReplySchema },
  get: { body: z.strictObject({}), reply: httpOutcomeSchema },
  /** Read-only: what a repeat of the request would be answered. */
  outcome: { body: z.strictObject({}), reply: transferOutcomeSchema },
});

export const transferEvents = {
  /** `from` and `to` with the chosen world account. */
  started: z.object({
    /** An event has a `kind` of its own, so the transfer's has another name. */
    transferKind: transferKindSchema,
    from: z.string(),
    to: z.string(),
    amount: amountSchema,
    currency: z.string(),
    caller: z.string(),
    key: z.string(),
    startedAt: z.number(),
  }),
  /** The destination would take the money. */
  checked: z.object({ kind: z.literal("checked") }),
  /** `balance` of the source after it. */
  debited: z.object({ balance: balanceSchema }),
  "credit-refused": refusedSchema,
  "refund-refused": refusedSchema,
  /** `status` and `body` of the outcome as it was sent (L3). */
  completed: z.object({ status: z.number(), body: z.string() }),
  failed: z.object({ code: codeSchema, finishedAt: z.number(), status: z.number(), body: z.string() }),
};
export type TransferEvent = EventOf<typeof transferEvents>;
