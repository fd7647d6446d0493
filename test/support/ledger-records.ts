/** Journal records of accounts as a ledger writes them, or as a broken one would. */
import { worldAccountIdOf } from "../../src/actors/index.ts";
import { type Json, packEntries, type StoredRecord } from "../../src/runtime/index.ts";
import { JOURNAL_SHARDS } from "./journal-bench.ts";

export const WORLD = worldAccountIdOf("CZK", 0, JOURNAL_SHARDS);
export const TRANSFER = "t".repeat(43);

/** A record of some events; each is an entry of its own. */
export function recordOf(seq: number, ...events: readonly (readonly [account: string, event: Json])[]): StoredRecord {
  const entries = events.map(([account, event]) => ({
    shard: 0,
    seq,
    entity: `account/${account}`,
    version: 1,
    at: seq * 1000,
    events: [event],
  }));
  return { seq, domain: 0, incarnation: 1, number: seq, time: seq, count: entries.length, body: packEntries(entries) };
}

export const opened = (currency = "CZK", accountKind = "customer"): Json => ({
  kind: "opened",
  accountKind,
  currency,
  overdraftLimit: "0",
  owner: null,
  caller: "local",
  key: null,
  openedAt: 0,
  body: "{}",
});

export interface MoneyOptions {
  readonly currency?: string;
  readonly transfer?: string;
}
export const money = (
  kind: "debited" | "credited" | "refunded",
  amount: string,
  balance: string,
  sequence: number,
  { currency = "CZK", transfer = TRANSFER }: MoneyOptions = {},
): Json => ({ kind, transfer, amount, balance, currency, sequence });

/** alice opens, gets 900 from the world, sends 200 to bob; the credit of the last comes in a record of its own. */
export const books: readonly StoredRecord[] = [
  recordOf(1, ["alice", opened()], ["bob", opened("CZK", "system")]),
  recordOf(2, [WORLD, money("debited", "900", "-900", 1)], ["alice", money("credited", "900", "900", 1)]),
  recordOf(3, ["alice", money("debited", "200", "700", 2)]),
  recordOf(4, ["bob", money("credited", "200", "200", 1)]),
];
