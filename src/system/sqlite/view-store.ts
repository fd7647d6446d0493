import { ACCOUNT_TYPE, type AccountKind } from "../../actors/projections.ts";
import { entriesOfTypes, Fault, type StoredRecord } from "../../runtime/records.ts";
import type { ConversationMessage, FeedPage, FeedPlace, MessagePage, TurnRange, TurnText } from "../conversation-reads.ts";
import type { StatementPage, TrialBalance, TrialLine } from "../system.ts";
import { AccountBooks, Audit, type CurrencyBooks } from "./auditor.ts";
import { type Connection, isCorruption, openConnection } from "./connection.ts";
import { ConversationViews, FED_TYPES, FeedBatch } from "./conversation-views.ts";
import { type DerivedFile, isUnreadable, makeAnew, openDerived } from "./derived-file.ts";
import { OpenLegs } from "./open-legs.ts";
import { RecentlyUsed } from "./recently-used.ts";
import { isBlank, readMeta, type StoreMeta } from "./store-meta.ts";
import { VIEW_FILE } from "./view-file.ts";

const VIEWS: DerivedFile = { format: VIEW_FILE, walPages: 10_000 };
const VIEWED: ReadonlySet<string> = new Set([ACCOUNT_TYPE, ...FED_TYPES]);
/** Entries of an account between two marks: a page of a statement reads up to that many rows too many. */
const MARK_EVERY = 64;
/** Accounts whose balance is kept at hand, besides those of the last batches (see `RecentlyUsed`); others cost a point read when they move. About 250 bytes each. */
const ACCOUNTS_AT_HAND_MAX = 100_000;
/** Findings that are kept; a ledger with one is looked at by a person, and a flood of them must not fill the disk. */
const FINDINGS_MAX = 1000;

export interface SqliteViewsOptions {
  readonly path: string;
  /** The journal's: a view of another store is made anew. */
  readonly meta: StoreMeta;
  readonly busyTimeoutMs: number;
  readonly cacheKiB: number;
  /** 100,000 when it is left out. */
  readonly accountsAtHandMax?: number;
  /** Hears of the conversations whose feed grew, when the rows can be read. */
  readonly onFed?: (conversations: Iterable<string>) => void;
}

type TotalRow = Readonly<Record<"in_transit" | "customer" | "system" | "world", string>> & {
  readonly accounts: number;
  readonly entries: number;
};
interface AccountRow {
  readonly id: bigint;
  readonly currency: string;
  readonly kind: AccountKind;
  readonly balance: bigint;
  readonly sequence: bigint;
  readonly newest: bigint;
}

/**
 * Statements, the trial balance and conversations, made from the journal and audited on the way. Only the read-model thread holds one. Position and rows
 * commit together, so a crash loses or repeats nothing; a missing, foreign, older or damaged file is made anew and filled from the journal.
 */
export class SqliteViews {
  readonly #options: SqliteViewsOptions;
  #file: ViewFile;
  #rebuiltBecause: string | null;
  /** Where the view stood when damage was last met: a view that does not get beyond it is not made anew again. */
  #damagedAt = -1;
  readonly #books: RecentlyUsed<AccountBooks>;

  constructor(options: SqliteViewsOptions) {
    const { file, rebuiltBecause } = openOrMake(options);
    this.#options = options;
    this.#books = new RecentlyUsed(options.accountsAtHandMax ?? ACCOUNTS_AT_HAND_MAX);
    this.#file = file;
    this.#rebuiltBecause = rebuiltBecause;
  }

  /** Why the file was made anew, at opening or since; null when it was there and whole. */
  get rebuiltBecause(): string | null {
    return this.#rebuiltBecause;
  }

  /** Sequence of the last record that is in the view. */
  get position(): number {
    return this.#file.position;
  }

  /**
   * Takes records that follow the position; those at or below it are skipped. One transaction. When SQLite finds the file damaged the view is
   * made anew: it then stands at position 0 and has taken nothing, and `rebuiltBecause` says why.
   * @returns what the auditor found in them, which `findings` keeps.
   * @throws Error at a gap, or damage again before the view came as far as before; nothing of the batch is kept then.
   */
  apply(records: Iterable<StoredRecord>): readonly string[] {
    const file = this.#file;
    const audit = new Audit({
      account: (name) => this.#account(name),
      add: (books) => this.#books.set(books.name, books),
      currency: (currency) => this.#currency(currency),
      leg: (transfer) => file.legs.get(transfer),
    });
    const feed = new FeedBatch();
    let position = file.position;
    try {
      for (const record of records) {
        if (record.seq <= position) continue;
        if (record.seq !== position + 1) throw new Error(`the view stands at record ${position} and was given ${record.seq}`);
        const entries = entriesOfTypes(record, VIEWED);
        audit.add(record.seq, entries);
        feed.add(record.seq, entries);
        position = record.seq;
      }
      if (position === file.position) return [];
      this.#commit(audit, feed, position);
    } catch (cause) {
      this.#books.clear(); // They ran ahead of the file, and so did the row numbers.
      if (this.#isMended(cause)) return [];
      file.entryLast = file.sql.entryLast.get() ?? 0;
      throw cause;
    }
    file.position = position;
    file.legs.keep(audit);
    for (const books of audit.touched) {
      books.isTouched = false;
      books.fresh.length = 0;
    }
    this.#books.age();
    this.#options.onFed?.(feed.conversations);
    return audit.findings;
  }

  /** Entries of an account above `after`, oldest first; an unknown account has none. @throws Fault `VIEW_BEHIND` when the view was damaged. */
  statement(account: string, { after, limit }: { readonly after: number; readonly limit: number }): StatementPage {
    const rows = this.#query(({ sql }) => sql.statement.all({ account, after, upTo: after + limit + 1, limit: limit + 1 }));
    const entries = rows.slice(0, limit).map(({ sequence, transfer, amount, balance, currency, at }) => ({
      sequence: Number(sequence),
      transferId: transfer,
      amount: String(amount),
      balance: String(balance),
      currency,
      at: Number(at),
    }));
    return { entries, hasMore: rows.length > limit };
  }

  /** `inTransit` is the sum of the open legs, kept apart from the balances, so `total` is a check. @throws Fault `VIEW_BEHIND` as `statement`. */
  trialBalance(): TrialBalance {
    const lines = this.#query(({ sql }) => sql.totals.all()).map(({ currency, ...row }): TrialLine => {
      const { customer, system, world, inTransit, accounts, entries } = booksOf(row);
      const total = String(customer + system + world + inTransit);
      const sums = { customer: row.customer, system: row.system, world: row.world, inTransit: row.in_transit };
      return { currency, ...sums, total, accounts, entries };
    });
    return { position: this.#file.position, lines };
  }

  /** What the auditor found since the view was made, oldest first; the first thousand are kept. @throws Fault `VIEW_BEHIND` as `statement`. */
  findings(): readonly string[] {
    return this.#query(({ sql }) => sql.findings.all());
  }

  /** See `ConversationReads`. @throws Fault `VIEW_BEHIND` as `statement`. */
  messages(conversation: string, page: { readonly after: number; readonly limit: number }): MessagePage {
    return this.#query(({ conversations }) => conversations.messages(conversation, page));
  }

  /** See `ConversationReads`. @throws Fault `VIEW_BEHIND` as `statement`. */
  message(conversation: string, turn: number, messageId: string): ConversationMessage | null {
    return this.#query(({ conversations }) => conversations.message(conversation, turn, messageId));
  }

  /** See `ConversationReads`. @throws Fault `VIEW_BEHIND` as `statement`; RangeError for more than 1,000 turns. */
  turnTexts(conversation: string, turns: TurnRange): readonly TurnText[] {
    return this.#query(({ conversations }) => conversations.turnTexts(conversation, turns));
  }

  /** See `ConversationReads`. @throws Fault `VIEW_BEHIND` as `statement`. */
  feedAfter(conversation: string, after: FeedPlace, limit: number): FeedPage {
    return this.#query(({ conversations }) => conversations.feedAfter(conversation, after, limit));
  }

  close(): void {
    this.#file.db.close();
  }

  /** A view that was just made anew must not answer: it would say that nothing ever happened. */
  #query<Rows>(read: (file: ViewFile) => Rows): Rows {
    try {
      return read(this.#file);
    } catch (cause) {
      if (!this.#isMended(cause)) throw cause;
      throw new Fault("VIEW_BEHIND", `The read model was damaged and is being made anew: ${this.#rebuiltBecause}. Read again later.`, {
        isRetryable: true,
        cause,
      });
    }
  }

  /** Damage is met where a page is read, long after opening. True when the view stands at 0 and is to be filled again. */
  #isMended(cause: unknown): boolean {
    const { position } = this.#file;
    if (!isCorruption(cause) || position <= this.#damagedAt) return false;
    this.#damagedAt = position;
    this.#file.db.close();
    this.#books.clear();
    this.#file = fileOf(makeAnew(VIEWS, this.#options));
    this.#rebuiltBecause = `at record ${position} SQLite said "${messageOf(cause)}"`;
    return true;
  }

  #account(name: string): AccountBooks | null {
    const atHand = this.#books.get(name);
    if (atHand !== undefined) return atHand;
    const row = this.#file.sql.account.get(name);
    if (row === undefined) return null;
    const books = new AccountBooks({ name, kind: row.kind, currency: row.currency });
    books.balance = row.balance;
    books.sequence = Number(row.sequence);
    books.row = Number(row.id);
    books.newestRow = Number(row.newest);
    this.#books.set(name, books);
    return books;
  }

  #currency(currency: string): CurrencyBooks {
    const row = this.#file.sql.total.get(currency);
    return row === undefined ? { customer: 0n, system: 0n, world: 0n, inTransit: 0n, accounts: 0, entries: 0 } : booksOf(row);
  }

  #commit(audit: Audit, feed: FeedBatch, position: number): void {
    const file = this.#file;
    const { sql } = file;
    const findings = audit.findings.slice(0, Math.max(FINDINGS_MAX - file.findingCount, 0));
    audit.touched.sort((left, right) => left.row - right.row);
    file.db
      .transaction(() => {
        const waiting: EntryValue[] = [];
        for (const books of audit.touched) this.#putAccount(books, waiting);
        for (let next = 0; next < waiting.length; next += ENTRY_COLUMNS) sql.addEntry.run(...waiting.slice(next, next + ENTRY_COLUMNS));
        for (const [currency, { customer, system, world, inTransit, accounts, entries }] of audit.currencies) {
          sql.putTotal.run(currency, String(inTransit), String(customer), String(system), String(world), accounts, entries);
        }
        file.legs.write(audit);
        file.conversations.write(feed);
        for (const text of findings) sql.putFinding.run(text);
        sql.putPosition.run(position);
      })
      .immediate();
    file.findingCount += findings.length;
  }

  /** Its entries are stored with those that wait, or wait themselves. */
  #putAccount(books: AccountBooks, waiting: EntryValue[]): void {
    const file = this.#file;
    const { sql } = file;
    const { name, kind, fresh } = books;
    if (books.row === 0) books.row = Number(sql.addAccount.run(name, books.currency, kind).lastInsertRowid);
    for (const { row, amount, balance } of fresh) {
      const entry = ++file.entryLast;
      waiting.push(entry, books.newestRow, row.sequence, row.transfer, amount, balance, row.currency, row.at);
      if (waiting.length === ENTRIES_AT_ONCE * ENTRY_COLUMNS) {
        sql.addEntries.run(...waiting);
        waiting.length = 0;
      }
      if (row.sequence % MARK_EVERY === 0) sql.addMark.run(books.row, row.sequence, entry);
      books.newestRow = entry;
    }
    sql.putAccount.run(books.balance, books.sequence, books.newestRow, books.row);
  }
}

/** How far a view has come, or null when there is none of this store: a journal that ends before it has lost its end. */
export function viewPositionOf(options: SqliteViewsOptions): number | null {
  return lookInto(options, (db) => db.prepare<[], number>("SELECT seq FROM position").pluck().get() ?? null);
}

/** Position of the view and whether it has ever seen a conversation; at 0 and without any when it is to be made anew. */
export function viewedConversations(options: SqliteViewsOptions): { readonly position: number; readonly isAny: boolean } {
  const found = lookInto(options, (db) => ({
    position: db.prepare<[], number>("SELECT seq FROM position").pluck().get() ?? 0,
    isAny: db.prepare("SELECT EXISTS(SELECT 1 FROM conversations)").pluck().get() === 1,
  }));
  return found ?? { position: 0, isAny: false };
}

function lookInto<Found>(options: SqliteViewsOptions, look: (db: Connection) => Found): Found | null {
  try {
    const db = openConnection({ ...options, synchronous: "normal", walAutocheckpointPages: 0, isReadOnly: true });
    try {
      if (isBlank(db) || readMeta(db, VIEW_FILE).storeId !== options.meta.storeId) return null;
      return look(db);
    } finally {
      db.close();
    }
  } catch (cause) {
    if (isUnreadable(cause)) return null; // It will be made anew from the journal.
    throw cause;
  }
}

/** An open file and what is kept of it at hand. */
interface ViewFile {
  readonly db: Connection;
  readonly sql: ReturnType<typeof prepared>;
  readonly legs: OpenLegs;
  readonly conversations: ConversationViews;
  position: number;
  findingCount: number;
  /** Number of the row that was appended last. */
  entryLast: number;
}

function openOrMake(options: SqliteViewsOptions): { readonly file: ViewFile; readonly rebuiltBecause: string | null } {
  try {
    const db = openDerived(VIEWS, options);
    try {
      const found = readMeta(db, VIEW_FILE);
      if (found.storeId === options.meta.storeId) return { file: fileOf(db), rebuiltBecause: null };
    } catch (cause) {
      db.close();
      throw cause;
    }
    db.close();
    return { file: fileOf(makeAnew(VIEWS, options)), rebuiltBecause: "it belonged to another store" };
  } catch (cause) {
    if (!isUnreadable(cause)) throw cause;
    return { file: fileOf(makeAnew(VIEWS, options)), rebuiltBecause: messageOf(cause) };
  }
}

function fileOf(db: Connection): ViewFile {
  const sql = prepared(db);
  return {
    db,
    sql,
    legs: new OpenLegs(db),
    conversations: new ConversationViews(db),
    position: sql.position.get() ?? 0,
    findingCount: sql.findingCount.get() ?? 0,
    entryLast: sql.entryLast.get() ?? 0,
  };
}

const messageOf = (cause: unknown): string => (cause instanceof Error ? cause.message : String(cause));

const booksOf = (row: TotalRow): CurrencyBooks => ({
  customer: BigInt(row.customer),
  system: BigInt(row.system),
  world: BigInt(row.world),
  inTransit: BigInt(row.in_transit),
  accounts: row.accounts,
  entries: row.entries,
});

interface EntryRow {
  readonly sequence: bigint;
  readonly transfer: string;
  readonly amount: bigint;
  readonly balance: bigint;
  readonly currency: string;
  readonly at: bigint;
}

interface StatementQuestion {
  readonly account: string;
  readonly after: number;
  /** The page and one more end at or below it. */
  readonly upTo: number;
  readonly limit: number;
}

/** From the nearest mark above the page, or the account's newest entry, back to where the page begins. */
const STATEMENT = `
  WITH RECURSIVE found(id, newest) AS (SELECT id, newest FROM accounts WHERE name = $account),
  walk(id, previous, sequence, transfer, amount, balance, currency, at) AS (
    SELECT entries.* FROM found JOIN entries ON entries.id = coalesce(
      (SELECT entry FROM marks WHERE account = found.id AND sequence >= $upTo ORDER BY sequence LIMIT 1), found.newest)
    UNION ALL
    SELECT entries.* FROM walk JOIN entries ON entries.id = walk.previous WHERE walk.sequence > $after)
  SELECT sequence, transfer, amount, balance, currency, at FROM walk WHERE sequence > $after ORDER BY sequence LIMIT $limit`;

/** The value of a column of `entries`; a row has eight of them. */
type EntryValue = number | string | bigint;
const ENTRY_COLUMNS = 8;
/** Entries that one statement stores: a call for each costs a tenth of what the thread does for a deposit. */
const ENTRIES_AT_ONCE = 32;
const addEntries = (count: number): string =>
  `INSERT INTO entries(id, previous, sequence, transfer, amount, balance, currency, at) VALUES ${new Array(count).fill("(?, ?, ?, ?, ?, ?, ?, ?)").join(", ")}`;

/** Statements on amounts answer bigint: a balance may have 18 digits, a double holds 15. */
function prepared(db: Connection) {
  const totals = "in_transit, customer, system, world, accounts, entries";
  return {
    position: db.prepare<[], number>("SELECT seq FROM position").pluck(),
    putPosition: db.prepare<[number]>("UPDATE position SET seq = ?"),
    account: db
      .prepare<[string], AccountRow>("SELECT id, currency, kind, balance, sequence, newest FROM accounts WHERE name = ?")
      .safeIntegers(),
    addAccount: db.prepare<[string, string, string]>(
      "INSERT INTO accounts(name, currency, kind, balance, sequence, newest) VALUES (?, ?, ?, 0, 0, 0)",
    ),
    putAccount: db.prepare<[bigint, number, number, number]>("UPDATE accounts SET balance = ?, sequence = ?, newest = ? WHERE id = ?"),
    entryLast: db.prepare<[], number | null>("SELECT max(id) FROM entries").pluck(),
    addEntry: db.prepare<EntryValue[]>(addEntries(1)),
    addEntries: db.prepare<EntryValue[]>(addEntries(ENTRIES_AT_ONCE)),
    addMark: db.prepare<[number, number, number]>("INSERT OR IGNORE INTO marks(account, sequence, entry) VALUES (?, ?, ?)"),
    statement: db.prepare<[StatementQuestion], EntryRow>(STATEMENT).safeIntegers(),
    total: db.prepare<[string], TotalRow>(`SELECT ${totals} FROM totals WHERE currency = ?`),
    totals: db.prepare<[], TotalRow & { readonly currency: string }>(`SELECT currency, ${totals} FROM totals ORDER BY currency`),
    putTotal: db.prepare<[string, string, string, string, string, number, number]>(
      `INSERT OR REPLACE INTO totals(currency, ${totals}) VALUES (?, ?, ?, ?, ?, ?, ?)`,
    ),
    findings: db.prepare<[], string>("SELECT text FROM findings ORDER BY id").pluck(),
    findingCount: db.prepare<[], number>("SELECT count(*) FROM findings").pluck(),
    putFinding: db.prepare<[string]>("INSERT INTO findings(text) VALUES (?)"),
  };
}
