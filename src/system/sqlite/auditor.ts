/**
 * The auditor adds the books up again from the journal, record by record. Pure: what it knows comes in, what it found goes out.
 *
 * A1. The balance that an event names = the account's balance before it + the amount.
 * A2. The entries of an account count 1, 2, 3 ... without a gap or repeat.
 * A3. The balances of all accounts of a currency and the money in transit add up to 0 after every record (L8). Balances are what the
 *     events say; the money in transit is the sum of the open legs (A5), which balances have no part in, so that a mistake in either shows.
 * A4. Money moves only on accounts that were opened, in their currency; world accounts are never opened, their id says what they are.
 * A5. A debit opens a leg of its transfer; one credit or refund of the same transfer, currency and amount closes it, in the same record or a
 *     later one. A second debit while the leg is open, a credit without an open leg and one of another amount are findings. So money in
 *     transit is never below 0. A leg that was closed is forgotten: a transfer that was carried out twice as a whole adds up and is
 *     not seen here; that each is carried out once is the work of its entity (L3).
 *
 * After a finding it goes on with what the event says, so that one mistake is told once and not again by everything after it.
 */
import { type AccountKind, decodeMinor, type MoneyRow, type OpenedRow, statementRows, worldCurrencyOf } from "../../actors/projections.ts";
import type { Entry } from "../../runtime/records.ts";

/** What is known of an account. There is one object of an account as long as an audit goes on. */
export class AccountBooks {
  readonly name: string;
  readonly kind: AccountKind;
  readonly currency: string;
  /** Minor units. */
  balance = 0n;
  /** Of its last money entry. */
  sequence = 0;
  /** Is it among the `touched` of an audit? */
  isTouched = false;
  /** Its money entries in the records of that audit, in their order. */
  readonly fresh: MoneyEntry[] = [];
  /** Where its keeper filed it: row numbers of the account and of its newest money entry, 0 = none. The auditor neither reads nor sets them. */
  row = 0;
  newestRow = 0;

  constructor(account: { readonly name: string; readonly kind: AccountKind; readonly currency: string }) {
    this.name = account.name;
    this.kind = account.kind;
    this.currency = account.currency;
  }
}

/** An entry of an account, with its amounts read. */
export interface MoneyEntry {
  readonly row: MoneyRow;
  readonly amount: bigint;
  readonly balance: bigint;
}

/** What is known of a currency: sums of balances in minor units; accounts that somebody opened, so without world accounts; money entries. */
export interface CurrencyBooks {
  customer: bigint;
  system: bigint;
  world: bigint;
  inTransit: bigint;
  accounts: number;
  entries: number;
}

/** Money between a debit and the credit or refund that ends it: minor units above 0. */
export interface OpenLeg {
  readonly currency: string;
  readonly amount: bigint;
}

/** What the auditor starts from. It changes what it is given; `add` gives back the books of an account that is new. */
export interface BooksBefore {
  readonly account: (name: string) => AccountBooks | null;
  readonly add: (books: AccountBooks) => void;
  readonly currency: (currency: string) => CurrencyBooks;
  readonly leg: (transfer: string) => OpenLeg | null;
}

/** The audit of some records in a row. A new one for each batch; of no use after `add` threw. */
export class Audit {
  /** Accounts that were opened or moved, each once. */
  readonly touched: AccountBooks[] = [];
  readonly currencies = new Map<string, CurrencyBooks>();
  /** Legs by transfer that were opened in these records and are open after them. */
  readonly opened = new Map<string, OpenLeg>();
  /** Transfers whose leg was open before and is closed now. */
  readonly closed = new Set<string>();
  /** One sentence each, naming record, currency and account. */
  readonly findings: string[] = [];
  readonly #before: BooksBefore;
  /** What a currency is off by since before: told once. */
  readonly #off = new Map<string, bigint>();
  /** Credits and refunds of the record at hand: inside a record one may stand before its debit, so they are judged at its end. */
  readonly #credits: MoneyEntry[] = [];
  #record = 0;

  constructor(before: BooksBefore) {
    this.#before = before;
  }

  /** The record `seq`, of which `entries` are those of accounts and perhaps others. */
  add(seq: number, entries: readonly Entry[]): void {
    this.#record = seq;
    const moved = new Set<string>();
    for (const entry of entries) {
      const { opened, money } = statementRows(entry);
      if (opened !== undefined) this.#open(opened);
      for (const row of money) {
        this.#move(row);
        moved.add(row.currency);
      }
    }
    for (const credit of this.#credits) this.#closeLeg(credit);
    this.#credits.length = 0;
    for (const currency of moved) this.#assertBalanced(currency);
  }

  #open({ account, kind, currency }: OpenedRow): void {
    if (this.#find(account) !== null) {
      this.#tell(currency, account, "it was opened twice");
      return;
    }
    this.#add(new AccountBooks({ name: account, kind, currency }));
    this.#currency(currency).accounts++;
  }

  #move(row: MoneyRow): void {
    const books = this.#find(row.account) ?? this.#unheardOf(row);
    const amount = decodeMinor(row.amount);
    const balance = decodeMinor(row.balance);
    if (books.currency !== row.currency) this.#tell(row.currency, row.account, `its currency is ${books.currency}`);
    if (row.sequence !== books.sequence + 1) {
      this.#tell(row.currency, row.account, `entry ${row.sequence} stands where entry ${books.sequence + 1} belongs`);
    }
    if (balance !== books.balance + amount) {
      this.#tell(
        row.currency,
        row.account,
        `entry ${row.sequence}: ${books.balance} and ${amount} make ${books.balance + amount}, not ${balance}`,
      );
    }
    const total = this.#currency(row.currency);
    total[books.kind] += balance - books.balance;
    total.entries++;
    books.balance = balance;
    books.sequence = row.sequence;
    const entry = { row, amount, balance };
    books.fresh.push(entry);
    if (amount < 0n) this.#openLeg(entry);
    else this.#credits.push(entry);
  }

  #openLeg({ row: { account, transfer, currency }, amount }: MoneyEntry): void {
    if (this.#legOf(transfer) !== null) {
      this.#tell(currency, account, `transfer ${transfer} is debited again while its first debit is in transit`);
      return;
    }
    this.opened.set(transfer, { currency, amount: -amount });
    this.#currency(currency).inTransit -= amount;
  }

  #closeLeg({ row: { account, transfer, currency }, amount }: MoneyEntry): void {
    const leg = this.#legOf(transfer);
    if (leg === null || leg.currency !== currency) {
      this.#tell(currency, account, `${amount} of transfer ${transfer} come from no open debit`);
      return;
    }
    if (leg.amount !== amount) this.#tell(currency, account, `transfer ${transfer} took ${leg.amount} and gives ${amount}`);
    if (!this.opened.delete(transfer)) this.closed.add(transfer);
    this.#currency(currency).inTransit -= leg.amount;
  }

  #legOf(transfer: string): OpenLeg | null {
    return this.opened.get(transfer) ?? (this.closed.has(transfer) ? null : this.#before.leg(transfer));
  }

  /** A world account is born with its first entry (A4). */
  #unheardOf(row: MoneyRow): AccountBooks {
    const isWorld = worldCurrencyOf(row.account) !== null;
    if (!isWorld) this.#tell(row.currency, row.account, "money moves on it and it was never opened");
    return this.#add(new AccountBooks({ name: row.account, kind: isWorld ? "world" : "customer", currency: row.currency }));
  }

  #add(books: AccountBooks): AccountBooks {
    this.#before.add(books);
    return this.#touch(books);
  }

  #touch(books: AccountBooks): AccountBooks {
    if (!books.isTouched) {
      books.isTouched = true;
      this.touched.push(books);
    }
    return books;
  }

  #assertBalanced(currency: string): void {
    const { customer, system, world, inTransit } = this.#currency(currency);
    const off = customer + system + world + inTransit;
    if (off !== this.#off.get(currency)) this.findings.push(`record ${this.#record}: ${currency} adds up to ${off}, not to 0`);
    this.#off.set(currency, off);
  }

  #find(account: string): AccountBooks | null {
    const books = this.#before.account(account);
    return books === null ? null : this.#touch(books);
  }

  #currency(currency: string): CurrencyBooks {
    const found = this.currencies.get(currency);
    if (found !== undefined) return found;
    const books = this.#before.currency(currency);
    this.currencies.set(currency, books);
    this.#off.set(currency, books.customer + books.system + books.world + books.inTransit);
    return books;
  }

  #tell(currency: string, account: string, what: string): void {
    this.findings.push(`record ${this.#record}: ${currency} account ${account}: ${what}`);
  }
}
