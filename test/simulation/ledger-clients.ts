/** What the ledger's clients want: they open accounts, move money, freeze and read, and now and then use a key again with another body. */
import { account, transfer, transferIdOf } from "../../src/actors/index.ts";
import type { Answer, Json } from "../../src/runtime/index.ts";
import { type ClientCommand, commandOf, type Operation, type Random } from "../../src/runtime/testing/index.ts";

const CURRENCIES = ["CZK", "EUR"] as const;
const ACCOUNTS_COUNT = 12;

export class LedgerClients {
  readonly #random: Random;
  readonly #accounts: readonly { readonly id: string; readonly currency: string }[];
  #keys = 0;

  constructor(random: Random) {
    this.#random = random;
    this.#accounts = Array.from({ length: ACCOUNTS_COUNT }, (_, i) => ({
      id: `acc-${i}`,
      currency: CURRENCIES[i % 4 === 3 ? 1 : 0] ?? "CZK",
    }));
  }

  next(operations: readonly Operation[]): ClientCommand {
    return operations.length < this.#accounts.length ? this.#open(operations.length) : this.#any(operations);
  }

  #any(operations: readonly Operation[]): ClientCommand {
    const what = this.#random.next();
    if (what < 0.2) return this.#move("deposit");
    if (what < 0.3) return this.#move("withdrawal");
    if (what < 0.66) return this.#move("transfer");
    if (what < 0.82) return this.#change();
    if (what < 0.86) return this.#open(this.#random.between(0, this.#accounts.length - 1));
    const moved = what < 0.94 ? [] : operations.filter(({ command }) => command.command === "request");
    return moved.length === 0
      ? commandOf(account, { to: this.#account(), command: "get", body: {}, id: null })
      : this.#otherBody(this.#random.pick(moved));
  }

  #account(): string {
    // A few are in most operations, one in 25 does not exist.
    if (this.#random.chance(0.04)) return "nobody";
    return this.#random.pick(this.#random.chance(0.5) ? this.#accounts.slice(0, 3) : this.#accounts).id;
  }

  #open(i: number): ClientCommand {
    const { id, currency } = this.#accounts[i] ?? { id: "acc-0", currency: "CZK" };
    const overdraftLimit = i % 5 === 4 ? null : i % 5 === 2 ? "5000" : "0";
    const key = `open-${id}-${++this.#keys}`;
    const body = { currency, kind: "customer" as const, overdraftLimit, owner: null, caller: "local", key };
    return commandOf(account, { to: id, command: "open", body, id: key });
  }

  #move(kind: "deposit" | "withdrawal" | "transfer"): ClientCommand {
    const key = `key-${++this.#keys}`;
    const [from, to] = [kind === "deposit" ? null : this.#account(), kind === "withdrawal" ? null : this.#account()];
    const known = this.#accounts.find(({ id }) => id === (from ?? to));
    const currency = this.#random.chance(0.95) ? (known?.currency ?? "CZK") : "EUR";
    const body = { kind, from, to, amount: String(this.#random.between(1, 3000)), currency, caller: "local", key };
    return commandOf(transfer, { to: transferIdOf("local", key), command: "request", body, id: key });
  }

  /** The key of an earlier movement with another body, or its read. */
  #otherBody({ command }: Operation): ClientCommand {
    if (this.#random.chance(0.4)) return { to: command.to, command: "get", body: {}, id: null };
    return { ...command, body: { ...(command.body as Readonly<Record<string, Json>>), amount: "4001" } };
  }

  #change(): ClientCommand {
    const command = this.#random.pick(["freeze", "unfreeze", "unfreeze", "freeze", "unfreeze", "close"] as const);
    const body = this.#random.chance(0.1) ? { expectedVersion: this.#random.between(1, 20) } : {};
    return commandOf(account, { to: this.#account(), command, body, id: `change-${++this.#keys}` });
  }
}

/** An answer without its marks of a repeat. */
export function bytesOf({ isRepeat: _mark, ...answer }: Answer<Json>): string {
  if (!answer.ok || typeof answer.value !== "object" || answer.value === null || !("replayed" in answer.value))
    return JSON.stringify(answer);
  return JSON.stringify({ ...answer, value: { ...answer.value, replayed: false } });
}
