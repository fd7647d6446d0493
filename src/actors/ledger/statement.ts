/** What the journal says about accounts, for read models and the auditor: a pure projection of one entry at a time. */
import type { Entry } from "../../runtime/index.ts";
import { inTransitAccountIdOf } from "./account-id.ts";
import type { AccountEvent } from "./account-schema.ts";
import { decodeMinor, encodeMinor } from "./money.ts";

/** An account that this entry opened. World accounts are never opened: their first row is the first that is heard of them. */
export interface OpenedRow {
  readonly account: string;
  readonly currency: string;
  readonly kind: "customer" | "system";
  readonly owner: string | null;
  /** Minor units; null = unlimited. */
  readonly overdraftLimit: string | null;
  readonly at: number;
}

/** One money entry of an account. `amount` and `balance` are minor units; what left the account is negative. */
export interface MoneyRow {
  readonly account: string;
  /** Counts the account's money entries from 1 without a gap. */
  readonly sequence: number;
  readonly transfer: string;
  readonly amount: string;
  readonly balance: string;
  readonly currency: string;
  /** Milliseconds since 1970. */
  readonly at: number;
}

export interface StatementRows {
  readonly opened?: OpenedRow;
  readonly money: readonly MoneyRow[];
}

const NOTHING: StatementRows = { money: [] };
/** The type of the entities that these rows are of. */
export const ACCOUNT_TYPE = "account";
const PREFIX = `${ACCOUNT_TYPE}/`;

/** The rows of one journal entry, in the order of its events; nothing for entries of other entities and those that moved nothing. */
export function statementRows(entry: Entry): StatementRows {
  if (entry.events === undefined || !entry.entity.startsWith(PREFIX)) return NOTHING;
  const account = entry.entity.slice(PREFIX.length);
  const money: MoneyRow[] = [];
  let opened: OpenedRow | undefined;
  for (const event of entry.events as readonly unknown[] as readonly AccountEvent[]) {
    switch (event.kind) {
      case "opened": {
        const { accountKind: kind, currency, owner, overdraftLimit } = event;
        opened = { account, currency, kind, owner, overdraftLimit, at: entry.at };
        break;
      }
      case "debited":
      case "credited":
      case "refunded": {
        const { sequence, transfer, balance, currency } = event;
        const amount = event.kind === "debited" ? `-${event.amount}` : event.amount;
        money.push({ account, sequence, transfer, amount, balance, currency, at: entry.at });
        break;
      }
      case "frozen":
      case "unfrozen":
      case "closed":
        break;
      default:
        // An entry of a newer program: guessing would put wrong figures into the books.
        throw new Error(`an account has no event "${(event as { readonly kind: string }).kind}"`);
    }
  }
  return opened === undefined ? { money } : { opened, money };
}

export interface Leg {
  readonly account: string;
  /** Minor units, signed. */
  readonly amount: string;
}

/** Both legs of a money entry: the account's own, and the opposite one of the in-transit account of its shard (L8). They add up to 0. */
export function legsOf(row: MoneyRow, shard: number): readonly [Leg, Leg] {
  const opposite = encodeMinor(-decodeMinor(row.amount));
  return [
    { account: row.account, amount: row.amount },
    { account: inTransitAccountIdOf(row.currency, shard), amount: opposite },
  ];
}
