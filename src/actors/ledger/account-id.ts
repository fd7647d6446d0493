/** Ids of accounts: those of customers are chosen outside, those of the world and of money in transit are made here. */
import { addressOf, shardOf, tagOfShard } from "../../runtime/records.ts";
import { scaleOf } from "./currency.ts";

const WORLD = /^world-([A-Z]{3})-\{[0-9a-z]+\}$/;

/**
 * The world account of a currency in a shard: where deposits come from and withdrawals go to. Its tag puts it into that shard.
 * @throws RangeError for a shard that is none.
 */
export const worldAccountIdOf = (currency: string, shard: number, shardCount: number): string =>
  `world-${currency}-{${tagOfShard(shard, shardCount)}}`;

/** The world account beside an account: one per shard, so that no account is in every deposit, and both are in one commit domain. */
export const worldAccountIdBeside = (accountId: string, currency: string, shardCount: number): string =>
  worldAccountIdOf(currency, shardOf(addressOf("account", accountId), shardCount), shardCount);

/** The currency of a world account's id, or null when the id is none. */
export function worldCurrencyOf(accountId: string): string | null {
  const currency = WORLD.exec(accountId)?.[1];
  return currency !== undefined && scaleOf(currency) !== null ? currency : null;
}

/** The account that holds money between a debit and its credit (L8). No entity: it is the opposite leg of every account entry of the shard. */
export const inTransitAccountIdOf = (currency: string, shard: number): string => `in-transit-${currency}-${shard}`;

/** True for ids that nobody outside may open, freeze, close or move money with. */
export const isReservedAccountId = (accountId: string): boolean => accountId.startsWith("world-") || accountId.startsWith("in-transit-");
