/** Orders of a ledger's clients, made by chance, and how they are sent over HTTP. */
import { createHash } from "node:crypto";
import { setTimeout as delay } from "node:timers/promises";
import type { KeepAliveClient } from "./keep-alive-client.ts";
import type { Door, OrderLoad, Reply } from "./order-load.ts";

/** One movement of money that a client wants. `amount` is a decimal. */
export interface Order {
  readonly key: string;
  readonly kind: "transfer" | "deposit";
  /** null for a deposit. */
  readonly from: string | null;
  readonly to: string;
  readonly amount: string;
}
export type LedgerLoad = OrderLoad<Order>;

export const CURRENCY = "CZK";

/** A transfer's id as the documentation defines it: base64url(SHA-256(caller, a zero byte, key)). */
export const idOfKey = (key: string): string => createHash("sha256").update(`local\0${key}`).digest("base64url");

/** Sends orders over HTTP. */
export const httpDoor =
  (client: KeepAliveClient): Door<Order> =>
  async ({ key, kind, from, to, amount }) => {
    const fields = kind === "deposit" ? { accountId: to, amount, currency: CURRENCY } : { from, to, amount, currency: CURRENCY };
    try {
      const answer = await client.send({ method: "POST", path: `/v1/${kind}s`, key, body: JSON.stringify(fields) });
      return replyOf(answer);
    } catch (error) {
      return { kind: "unknown", why: String(error) };
    }
  };

function replyOf({ status, body, isReplayed }: { readonly status: number; readonly body: string; readonly isReplayed: boolean }): Reply {
  // 409 here is key_in_progress: orders never reuse a key for something else.
  if (status === 202) return { kind: "again", why: `${status} ${body}`, isAccepted: true };
  if (status === 409) return { kind: "again", why: `${status} ${body}` };
  if (status === 429 || status === 503) return { kind: "again", why: `${status} ${body}`, isTurnedAway: true };
  if (status === 504) return { kind: "unknown", why: body };
  return { kind: "outcome", status, body, isReplayed };
}

/** Transfers and deposits between accounts chosen at random; every fourth account may not be overdrawn, so some transfers are refused. */
export function randomOrders(accounts: number, random: () => number): () => Order {
  let count = 0;
  const any = (): number => Math.floor(random() * accounts);
  return () => {
    const key = `order-${++count}`;
    const to = any();
    const amount = `${1 + Math.floor(random() * 50)}.${String(Math.floor(random() * 100)).padStart(2, "0")}`;
    if (random() < 0.3) return { key, kind: "deposit", from: null, to: accountId(to), amount };
    let from = any();
    if (from === to) from = (to + 1) % accounts;
    return { key, kind: "transfer", from: accountId(from), to: accountId(to), amount };
  };
}
export const accountId = (number: number): string => `account-${number}`;
export const overdraftOf = (number: number): "0" | null => (number % 4 === 0 ? "0" : null);

const BUSY_MS_MAX = 30_000;

/** Opens the accounts of `randomOrders` over HTTP; a server that has too much to do is asked again, as clients do. @throws Error when one is refused. */
export async function openAccounts(client: KeepAliveClient, accounts: number): Promise<void> {
  const until = performance.now() + BUSY_MS_MAX;
  const open = async (number: number) => {
    const body = JSON.stringify({ id: accountId(number), currency: CURRENCY, overdraftLimit: overdraftOf(number) });
    for (;;) {
      const answer = await client.send({ method: "POST", path: "/v1/accounts", body });
      if (answer.status !== 503 || performance.now() > until) return answer;
      await delay(20);
    }
  };
  const opened = await Promise.all(Array.from({ length: accounts }, (_, number) => open(number)));
  const refused = opened.find(({ status }) => status !== 201);
  if (refused !== undefined) throw new Error(`an account could not be opened: ${refused.status} ${refused.body}`);
}
