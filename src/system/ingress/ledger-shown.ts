/** How the ledger's reads are shown to clients, as JSON, whatever door they came through. */
import { formatAmount } from "../../actors/index.ts";
import type { Json } from "../../runtime/index.ts";
import type { StatementPage, TrialBalance } from "../system.ts";
import { isJsonObject } from "./json-body.ts";

/** A transfer answers `get` with the bytes to show. */
export function storedBody(value: Json): string {
  if (isJsonObject(value) && typeof value.body === "string") return value.body;
  throw new TypeError("a transfer answered something that is no outcome");
}

export function statementShown({ entries, hasMore }: StatementPage): string {
  const items = entries.map(({ sequence, transferId, amount, balance, currency, at }) => ({
    sequence,
    transferId,
    amount: formatAmount(BigInt(amount), currency),
    balance: formatAmount(BigInt(balance), currency),
    at: new Date(at).toISOString(),
  }));
  const last = items.at(-1);
  return JSON.stringify({ items, next: hasMore && last !== undefined ? String(last.sequence) : null });
}

export function trialBalanceShown({ position, lines }: TrialBalance): string {
  const shown = lines.map(({ currency, customer, system, world, inTransit, total, accounts, entries }) => {
    const amount = (minor: string): string => formatAmount(BigInt(minor), currency);
    const sums = {
      customer: amount(customer),
      system: amount(system),
      world: amount(world),
      inTransit: amount(inTransit),
      total: amount(total),
    };
    return { currency, ...sums, accounts, entries };
  });
  return JSON.stringify({ position, lines: shown });
}
