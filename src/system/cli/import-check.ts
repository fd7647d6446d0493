/** Compares a file with the entries that a ledger stores, row by row. */
import { formatAmount } from "../../actors/index.ts";
import type { ImportRow } from "./import-row.ts";
import { type LedgerEntry, type LedgerTarget, transferIdOfKey } from "./ledger-target.ts";
import { type Clock, repeatedRead } from "./repeat.ts";

export interface Difference {
  readonly line: number | null;
  readonly account: string;
  readonly what: string;
}
export interface ImportCheckOptions {
  readonly ledger: LedgerTarget;
  readonly currency: string;
  readonly clock: Clock;
  readonly onRow?: (done: number) => void;
  readonly onDifference?: (difference: Difference) => void;
}
export interface ImportCheckFigures {
  readonly compared: number;
  /** Rows whose entries or balance are not as the file says, and accounts with entries that are not in the file. */
  readonly differences: number;
  /** Accounts whose stored balance was below zero after any of their entries. */
  readonly belowZero: number;
}

/** Accounts whose page of entries is kept; of others only the position is, and the page is read again. */
const PAGES_MAX = 256;

/**
 * Reads every account's entries back in order: each row must have made the next entries of its account, with its own transfers and amounts,
 * and the balance stored with the last of them must be the file's. At the end no account may have more entries than the file.
 */
export async function checkImport(rows: AsyncIterable<ImportRow>, options: ImportCheckOptions): Promise<ImportCheckFigures> {
  const { onRow, onDifference, currency } = options;
  const statements = new Statements(options);
  let compared = 0;
  let differences = 0;
  const report = (difference: Difference): void => {
    differences++;
    onDifference?.(difference);
  };
  for await (const row of rows) {
    const what = await compare(row, statements, currency);
    if (what !== null) report({ line: row.line, account: row.account, what });
    compared++;
    onRow?.(compared);
  }
  for (const account of statements.accounts()) {
    const entry = await statements.next(account);
    if (entry === null) continue;
    report({ line: null, account, what: `it has entries that the file has not; the first is of transfer ${entry.transferId}` });
  }
  return { compared, differences, belowZero: statements.belowZero.size };
}

/** What is different, or null. */
async function compare(row: ImportRow, statements: Statements, currency: string): Promise<string | null> {
  let what: string | null = null;
  let balance: bigint | null = null;
  for (const { key, minor } of row.movements) {
    const entry = await statements.next(row.account);
    if (entry === null) return `no entry is there for key ${key}`;
    balance = entry.balance;
    if (entry.transferId !== transferIdOfKey(key)) what ??= `where key ${key} belongs, the entry of transfer ${entry.transferId} stands`;
    else if (entry.amount !== minor)
      what ??= `key ${key} moved ${formatAmount(entry.amount, currency)}, the file says ${formatAmount(minor, currency)}`;
  }
  if (what === null && row.expected !== null && balance !== null && balance !== row.expected)
    return `the balance is ${formatAmount(balance, currency)}, the file says ${formatAmount(row.expected, currency)}`;
  return what;
}

interface Cursor {
  page: readonly LedgerEntry[];
  at: number;
  /** How many entries of the account were taken: its entries count from 1 without a gap. */
  taken: number;
  isLast: boolean;
}

/** The entries of many accounts, one after the other in each. */
class Statements {
  readonly belowZero = new Set<string>();
  readonly #ledger: LedgerTarget;
  readonly #currency: string;
  readonly #clock: Clock;
  readonly #cursors = new Map<string, Cursor>();
  readonly #withPage = new Set<string>();

  constructor({ ledger, currency, clock }: ImportCheckOptions) {
    this.#ledger = ledger;
    this.#currency = currency;
    this.#clock = clock;
  }

  accounts(): readonly string[] {
    return [...this.#cursors.keys()];
  }

  async next(account: string): Promise<LedgerEntry | null> {
    const cursor = this.#cursors.get(account) ?? { page: [], at: 0, taken: 0, isLast: false };
    this.#cursors.set(account, cursor);
    if (cursor.at >= cursor.page.length && !cursor.isLast) await this.#load(account, cursor);
    const entry = cursor.page[cursor.at];
    if (entry === undefined) return null;
    cursor.at++;
    cursor.taken++;
    if (entry.balance < 0n) this.belowZero.add(account);
    return entry;
  }

  async #load(account: string, cursor: Cursor): Promise<void> {
    const { entries, next } = await repeatedRead(() => this.#ledger.entries(account, this.#currency, cursor.taken), this.#clock);
    cursor.page = entries;
    cursor.at = 0;
    cursor.isLast = next === null;
    this.#withPage.delete(account);
    this.#withPage.add(account);
    const [oldest] = this.#withPage;
    if (this.#withPage.size <= PAGES_MAX || oldest === undefined) return;
    this.#withPage.delete(oldest);
    const dropped = this.#cursors.get(oldest);
    if (dropped !== undefined) Object.assign(dropped, { page: [], at: 0, isLast: false });
  }
}
