import type { Json } from "../../runtime/index.ts";
import { isReservedAccountId } from "../ledger/account-id.ts";
import type { AccountEntry, AccountEvent } from "../ledger/account-schema.ts";
import { decodeMinor, formatAmount } from "../ledger/money.ts";
import { isoTime } from "../ledger/outcome.ts";
import type { IntegrationEvent } from "./integration-event.ts";

/**
 * An account's public events. The owner is left out: it is whatever a client wrote there. World accounts have none: each of their entries mirrors a deposit
 * or withdrawal, which its transfer tells, and one of them is in every deposit of its shard.
 */
export function accountEvent(id: string, json: Json, at: number): IntegrationEvent | null {
  if (isReservedAccountId(id)) return null;
  const event = json as unknown as AccountEvent;
  switch (event.kind) {
    case "opened": {
      const { accountKind: kind, currency, overdraftLimit, openedAt } = event;
      const limit = overdraftLimit === null ? null : formatAmount(decodeMinor(overdraftLimit), currency);
      return { name: "opened", data: { accountId: id, kind, currency, overdraftLimit: limit, openedAt: isoTime(openedAt) } };
    }
    case "debited":
    case "credited":
    case "refunded":
      return { name: "entry-posted", data: entryData(id, event, at) };
    case "frozen":
    case "unfrozen":
    case "closed":
      return { name: event.kind, data: { accountId: id } };
    default:
      throw new Error(`an account has no event "${(event as { readonly kind: string }).kind}"`);
  }
}

/** As a statement shows the entry; `reason` says which of the three it is. */
function entryData(accountId: string, event: AccountEntry, at: number): IntegrationEvent["data"] {
  const { kind: reason, transfer: transferId, currency, sequence } = event;
  const minor = decodeMinor(event.amount);
  const amount = formatAmount(reason === "debited" ? -minor : minor, currency);
  const balance = formatAmount(decodeMinor(event.balance), currency);
  return { accountId, sequence, transferId, reason, amount, balance, currency, at: isoTime(at) };
}
