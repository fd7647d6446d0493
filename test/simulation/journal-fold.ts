/**
 * Folds the journal of a ledger record by record, as an independent reader would, and checks what money must do at every commit, beside what
 * `JournalCheck` checks for any entities (J1-J4):
 *
 * M1. Money: a balance is the one before plus the amount, entries of an account count 1, 2, 3 ..., and accounts plus in-transit add up to 0.
 *     What is in transit is exactly what transfers have debited and neither credited nor refunded.
 * M2. A transfer starts once, debits and credits at most once, ends once.
 */
import { type AccountView, decodeMinor, formatAmount, legsOf, statementRows } from "../../src/actors/index.ts";
import { type Entry, type Json, partsOf } from "../../src/runtime/index.ts";

export interface FoldedAccount {
  currency: string;
  balance: bigint;
  sequence: number;
  /** The first answer's body; null for the world's. */
  openedBody: string | null;
  status: AccountView["status"];
  /** Balance and status after each version, from 1. */
  readonly history: Array<{ readonly balance: string; readonly status: string }>;
}
export interface FoldedTransfer {
  readonly from: string;
  readonly to: string;
  readonly amount: bigint;
  debits: number;
  credits: number;
  refunds: number;
  outcome: { readonly status: number; readonly body: string; readonly isCompleted: boolean } | null;
}
type Event = { readonly kind: string } & Readonly<Record<string, Json>>;

export class JournalFold {
  readonly accounts = new Map<string, FoldedAccount>();
  readonly transfers = new Map<string, FoldedTransfer>();
  readonly inTransit = new Map<string, bigint>();
  readonly #totals = new Map<string, bigint>();
  readonly #tell: (what: string) => void;

  constructor(tell: (what: string) => void) {
    this.#tell = tell;
  }

  add(entries: readonly Entry[]): void {
    this.#events(entries);
    this.#assertMoney();
  }

  #events(entries: readonly Entry[]): void {
    const touched = new Set<string>();
    this.#each(entries, "transfer", (id, event) => {
      touched.add(id);
      if (event.kind === "started") this.#started(id, event);
    });
    this.#each(entries, "account", (id, event) => {
      if (event.transfer !== undefined) touched.add(String(event.transfer));
      this.#accountEvent(id, event);
    });
    this.#each(entries, "transfer", (id, event) => this.#transferEvent(id, event));
    for (const id of touched) this.#assertLegs(id);
    for (const entry of entries) {
      for (const row of statementRows(entry).money) {
        for (const { account, amount } of legsOf(row, entry.shard)) this.#leg(row.currency, account, amount);
      }
    }
  }

  #each(entries: readonly Entry[], type: string, visit: (id: string, event: Event) => void): void {
    for (const { entity, events = [] } of entries) {
      const parts = partsOf(entity);
      if (parts.type === type) for (const event of events as unknown as readonly Event[]) visit(parts.id, event);
    }
  }

  #accountEvent(id: string, event: Event): void {
    let account = this.accounts.get(id);
    if (event.kind === "opened") {
      this.#expect(account === undefined, `account ${id} was opened twice (M2)`);
      account = {
        currency: String(event.currency),
        balance: 0n,
        sequence: 0,
        openedBody: String(event.body),
        status: "open",
        history: [],
      };
      this.accounts.set(id, account);
    } else if (account === undefined) {
      this.#expect(id.startsWith("world-"), `${event.kind} on account ${id}, which was never opened`);
      account = { currency: String(event.currency), balance: 0n, sequence: 0, openedBody: null, status: "open", history: [] };
      this.accounts.set(id, account);
    }
    switch (event.kind) {
      case "debited":
      case "credited":
      case "refunded":
        this.#movement(id, account, event);
        break;
      case "frozen":
      case "closed":
        account.status = event.kind;
        break;
      case "unfrozen":
        account.status = "open";
        break;
      default:
    }
    account.history.push({ balance: formatAmount(account.balance, account.currency), status: account.status });
  }

  #movement(id: string, account: FoldedAccount, event: Event): void {
    const amount = decodeMinor(String(event.amount));
    const after = account.balance + (event.kind === "debited" ? -amount : amount);
    this.#expect(after === decodeMinor(String(event.balance)), `account ${id} has ${event.balance} where ${after} is right (M1)`);
    this.#expect(event.sequence === account.sequence + 1, `entry ${event.sequence} of account ${id} follows ${account.sequence} (M1)`);
    account.sequence++;
    account.balance = after;
    const transfer = this.transfers.get(String(event.transfer));
    if (transfer === undefined) return this.#tell(`account ${id} moved money for a transfer that never started (M2)`);
    this.#expect(transfer.amount === amount, `account ${id} moved another amount than its transfer says (M1)`);
    const side = event.kind === "credited" ? transfer.to : transfer.from;
    this.#expect(side === id, `account ${id} is not the ${event.kind} side of its transfer (M1)`);
    const count = event.kind === "debited" ? ++transfer.debits : event.kind === "credited" ? ++transfer.credits : ++transfer.refunds;
    this.#expect(count === 1, `transfer ${event.transfer} ${event.kind} account ${id} ${count} times (M2)`);
  }

  #started(id: string, event: Event): void {
    this.#expect(!this.transfers.has(id), `transfer ${id} started twice (M2)`);
    const [from, to, amount] = [String(event.from), String(event.to), decodeMinor(String(event.amount))];
    this.transfers.set(id, { from, to, amount, debits: 0, credits: 0, refunds: 0, outcome: null });
  }

  #transferEvent(id: string, event: Event): void {
    const transfer = this.transfers.get(id);
    if (transfer === undefined) return this.#tell(`${event.kind} on transfer ${id}, which never started (M2)`);
    if (event.kind !== "completed" && event.kind !== "failed") return;
    this.#expect(transfer.outcome === null, `transfer ${id} ended twice (M2)`);
    transfer.outcome = { status: Number(event.status), body: String(event.body), isCompleted: event.kind === "completed" };
  }

  #assertLegs(id: string): void {
    const transfer = this.transfers.get(id);
    if (transfer === undefined) return;
    const { credits, debits, outcome, refunds } = transfer;
    this.#expect(credits + refunds <= debits, `transfer ${id} gave out what it did not take (M2)`);
    if (outcome === null) return;
    const isRight = outcome.isCompleted ? debits === 1 && credits === 1 && refunds === 0 : credits === 0 && debits === refunds;
    this.#expect(isRight, `transfer ${id} ended with ${debits} debits, ${credits} credits, ${refunds} refunds (R-LED-4)`);
  }

  #leg(currency: string, account: string, amount: string): void {
    const minor = decodeMinor(amount);
    this.#totals.set(currency, (this.#totals.get(currency) ?? 0n) + minor);
    if (account.startsWith("in-transit-")) this.inTransit.set(currency, (this.inTransit.get(currency) ?? 0n) + minor);
  }

  #assertMoney(): void {
    for (const [currency, inTransit] of this.inTransit) {
      let sum = inTransit;
      for (const account of this.accounts.values()) if (account.currency === currency) sum += account.balance;
      this.#expect(sum === 0n, `${currency} adds up to ${sum} (L8)`);
      this.#expect(this.#totals.get(currency) === 0n, `the legs of ${currency} add up to ${this.#totals.get(currency)} (L8)`);
    }
    let under = 0n;
    for (const { amount, debits, credits, refunds } of this.transfers.values()) under += amount * BigInt(debits - credits - refunds);
    const inTransit = [...this.inTransit.values()].reduce((sum, one) => sum + one, 0n);
    this.#expect(inTransit === under, `${inTransit} is in transit and transfers say ${under} (M1)`);
  }

  #expect(isRight: boolean, what: string): void {
    if (!isRight) this.#tell(what);
  }
}
