/**
 * The entry of the actors for read models: what the journal says, without schemas and entities. The thread that follows the journal enters here, because every module
 * that a thread loads delays each start (docs/decisions.md 46). All of it is in `index.ts` too.
 */

export { type FeedRow, type FeedRows, feedRows, type MessageRow, type MessageStatus } from "./conversation/feed.ts";
export { inTransitAccountIdOf, isReservedAccountId, worldAccountIdBeside, worldAccountIdOf, worldCurrencyOf } from "./ledger/account-id.ts";
export type { AccountKind } from "./ledger/account-schema.ts";
export { AMOUNT_MINOR_MAX, decodeMinor, encodeMinor, formatAmount, type ParsedAmount, parseAmount, parseLimit } from "./ledger/money.ts";
export {
  ACCOUNT_TYPE,
  type Leg,
  legsOf,
  type MoneyRow,
  type OpenedRow,
  type StatementRows,
  statementRows,
} from "./ledger/statement.ts";
