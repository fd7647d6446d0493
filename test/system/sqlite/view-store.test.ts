import { closeSync, openSync, readFileSync, rmSync, writeFileSync, writeSync } from "node:fs";
import { join } from "node:path";
import Database from "better-sqlite3";
import { describe, expect, it } from "vitest";
import { worldAccountIdOf } from "../../../src/actors/index.ts";
import { openStores } from "../../../src/system/sqlite/open-stores.ts";
import { SqliteViews } from "../../../src/system/sqlite/view-store.ts";
import { folder, JOURNAL_SHARDS } from "../../support/journal-bench.ts";
import { books, money, opened, recordOf, TRANSFER, WORLD } from "../../support/ledger-records.ts";

const meta = { storeId: "store-1", shardCount: JOURNAL_SHARDS };

const openViews = (dir: string, storeId = meta.storeId, more: { readonly accountsAtHandMax?: number } = {}): SqliteViews =>
  new SqliteViews({ path: join(dir, "views.db"), meta: { ...meta, storeId }, busyTimeoutMs: 200, cacheKiB: 1024, ...more });

describe("views", () => {
  it("R-LED-7: statements page with a running balance, oldest first", () => {
    using dir = folder();
    const views = openViews(dir.path);
    expect(views.apply(books)).toEqual([]);
    const entry = { transferId: TRANSFER, currency: "CZK" };
    expect(views.statement("alice", { after: 0, limit: 1 })).toEqual({
      entries: [{ ...entry, sequence: 1, amount: "900", balance: "900", at: 2000 }],
      hasMore: true,
    });
    expect(views.statement("alice", { after: 1, limit: 10 })).toEqual({
      entries: [{ ...entry, sequence: 2, amount: "-200", balance: "700", at: 3000 }],
      hasMore: false,
    });
    expect(views.statement("nobody", { after: 0, limit: 10 })).toEqual({ entries: [], hasMore: false });
    views.close();
  });

  it("R-LED-7: entries that are stored many at a time are the ones that were stored one by one", () => {
    const records = Array.from({ length: 200 }, (_, index) => {
      const entry = (kind: "debited" | "credited", sign: string) =>
        money(kind, "1", `${sign}${index + 1}`, index + 1, { transfer: `t-${index}` });
      return recordOf(index + 2, ["alice", entry("credited", "")], [WORLD, entry("debited", "-")]);
    });
    const pageAfter = (sizes: readonly number[], isReopened = false) => {
      using dir = folder();
      let views = openViews(dir.path);
      views.apply([recordOf(1, ["alice", opened()])]);
      let from = 0;
      for (const size of sizes) {
        expect(views.apply(records.slice(from, from + size))).toEqual([]);
        from += size;
        if (!isReopened) continue;
        views.close();
        views = openViews(dir.path);
      }
      expect(views.position).toBe(201);
      const page = views.statement("alice", { after: 0, limit: 1_000 });
      views.close();
      return page;
    };
    const single = pageAfter(new Array(200).fill(1));
    expect(single.entries.length).toBe(200);
    expect(pageAfter([200])).toEqual(single); // 400 rows: 12 times 32, and 16.
    expect(pageAfter([15, 16, 17, 32, 33, 87])).toEqual(single);
    expect(pageAfter([15, 16, 17, 32, 33, 87], true)).toEqual(single); // What was at hand is read again.
  });

  it("R-LED-7: pages of a long statement join without a gap or repeat, wherever they begin, also after a restart", () => {
    using dir = folder();
    let views = openViews(dir.path);
    views.apply([recordOf(1, ["alice", opened()], ["bob", opened()])]);
    for (let seq = 2; seq <= 301; seq++) {
      const movement = (kind: "debited" | "credited", sign: string, transfer: string) =>
        money(kind, "1", `${sign}${seq - 1}`, seq - 1, { transfer });
      const record = recordOf(
        seq,
        ["alice", movement("credited", "", "a")],
        [WORLD, movement("debited", "-", "a")],
        ["bob", movement("credited", "", "b")],
        [worldAccountIdOf("CZK", 1, JOURNAL_SHARDS), movement("debited", "-", "b")],
      );
      expect(views.apply([record])).toEqual([]);
    }
    views.close();
    views = openViews(dir.path);
    for (const limit of [1, 7, 64, 200]) {
      const seen: number[] = [];
      for (let hasMore = true; hasMore; ) {
        const page = views.statement("alice", { after: seen.at(-1) ?? 0, limit });
        expect(page.entries.map(({ balance }) => balance)).toEqual(page.entries.map(({ sequence }) => String(sequence)));
        expect(page.entries.length).toBeLessThanOrEqual(limit);
        seen.push(...page.entries.map(({ sequence }) => sequence));
        hasMore = page.hasMore;
      }
      expect(seen).toEqual(Array.from({ length: 300 }, (_, index) => index + 1));
    }
    expect(views.statement("alice", { after: 300, limit: 10 })).toEqual({ entries: [], hasMore: false });
    views.close();
  });

  it("L8: the trial balance is 0 after every record, with what is in transit", () => {
    using dir = folder();
    const views = openViews(dir.path);
    views.apply(books.slice(0, 3));
    const line = { currency: "CZK", customer: "700", system: "0", world: "-900", inTransit: "200", total: "0", accounts: 2, entries: 3 };
    expect(views.trialBalance()).toEqual({ position: 3, lines: [line] });
    views.apply(books.slice(3));
    expect(views.trialBalance()).toEqual({ position: 4, lines: [{ ...line, system: "200", inTransit: "0", entries: 4 }] });
    views.close();
  });

  it("amounts of 18 digits and sums beyond 64 bits are exact", () => {
    using dir = folder();
    const views = openViews(dir.path);
    const most = "999999999999999999";
    const accounts = Array.from({ length: 12 }, (_, index) => `a${String(index).padStart(2, "0")}`);
    expect(
      views.apply([
        recordOf(1, ...accounts.map((account) => [account, opened()] as const)),
        recordOf(2, ...accounts.map((account) => [account, money("debited", most, `-${most}`, 1, { transfer: account })] as const)),
      ]),
    ).toEqual([]);
    expect(views.statement("a11", { after: 0, limit: 1 }).entries[0]).toMatchObject({ amount: `-${most}`, balance: `-${most}` });
    expect(views.trialBalance().lines[0]).toMatchObject({
      customer: "-11999999999999999988",
      inTransit: "11999999999999999988",
      total: "0",
    });
    views.close();
    const again = openViews(dir.path);
    const back = accounts.map((account) => [account, money("refunded", most, "0", 2, { transfer: account })] as const);
    expect(again.apply([recordOf(3, ...back)])).toEqual([]);
    expect(again.trialBalance().lines[0]).toMatchObject({ customer: "0", inTransit: "0", total: "0" });
    again.close();
  });

  it("the same records again change nothing, also after a restart and in other batches", () => {
    using dir = folder();
    let views = openViews(dir.path);
    views.apply(books.slice(0, 2));
    views.apply(books.slice(0, 3));
    views.close();
    views = openViews(dir.path);
    expect(views.position).toBe(3);
    expect(views.rebuiltBecause).toBeNull();
    expect(views.apply(books)).toEqual([]);
    expect(views.apply(books)).toEqual([]);
    expect(views.trialBalance()).toMatchObject({ position: 4, lines: [{ entries: 4, total: "0" }] });
    expect(views.statement("alice", { after: 0, limit: 10 }).entries).toHaveLength(2);
    views.close();
  });

  it("L6: an account that was not used for long is read from the file again", () => {
    using dir = folder();
    const views = openViews(dir.path, meta.storeId, { accountsAtHandMax: 1 });
    for (const record of books.slice(0, 3)) expect(views.apply([record])).toEqual([]);
    change(join(dir.path, "views.db"), "UPDATE accounts SET sequence = 5 WHERE name = 'bob'");
    expect(views.apply(books.slice(3))).toEqual([expect.stringMatching(/account bob: entry 1 stands where entry 6 belongs/)]);
    views.close();
  });

  it("a gap in the records is refused and leaves the view as it was", () => {
    using dir = folder();
    const views = openViews(dir.path);
    views.apply(books.slice(0, 2));
    expect(() => views.apply(books.slice(3))).toThrow(/stands at record 2 and was given 4/);
    expect(views.position).toBe(2);
    expect(views.apply(books.slice(2))).toEqual([]);
    views.close();
  });

  it("a batch that cannot be committed leaves position, rows and the books at hand as they were", () => {
    using dir = folder();
    const views = openViews(dir.path);
    views.apply(books.slice(0, 2));
    const other = new Database(join(dir.path, "views.db"));
    other.exec("BEGIN IMMEDIATE");
    expect(() => views.apply(books.slice(2))).toThrow(/locked/);
    other.exec("ROLLBACK");
    other.close();
    expect(views.position).toBe(2);
    expect(views.apply(books.slice(2))).toEqual([]);
    expect(views.trialBalance().lines[0]).toMatchObject({ customer: "700", inTransit: "0", total: "0" });
    views.close();
  });
});

describe("rebuilding", () => {
  it.each([
    ["missing", /^/, (path: string) => rmSync(path)],
    ["no database", /not a database/, (path: string) => writeFileSync(path, "nonsense ".repeat(1000))],
    [
      "of an older format",
      /found format 1, which is older/,
      (path: string) => change(path, "UPDATE meta SET value = 1 WHERE key IN ('format', 'min_reader'); DROP TABLE legs"),
    ],
    ["damaged where it is read first", /malformed/, (path: string) => damage(path, "position")],
    ["of a newer format", /reader of format 9/, (path: string) => change(path, "UPDATE meta SET value = 9 WHERE key = 'min_reader'")],
    ["of another store", /another store/, (path: string) => change(path, "UPDATE meta SET value = 'store-2' WHERE key = 'store_id'")],
  ])("a view that is %s is made anew from the journal, and it says why", (kind, because, spoil) => {
    using dir = folder();
    const whole = openViews(dir.path);
    whole.apply(books);
    const expected = whole.trialBalance();
    whole.close();
    spoil(join(dir.path, "views.db"));
    const views = openViews(dir.path);
    expect(views.position).toBe(0);
    if (kind !== "missing") expect(views.rebuiltBecause).toMatch(because);
    expect(views.apply(books)).toEqual([]);
    expect(views.trialBalance()).toEqual(expected);
    views.close();
  });

  it("L5: damage that a batch meets makes the view anew from the journal, and it says so", () => {
    using dir = folder();
    const views = damaged(dir.path, "accounts");
    expect(views.apply(books.slice(3))).toEqual([]);
    expect(views.position).toBe(0);
    expect(views.rebuiltBecause).toMatch(/^at record 3 SQLite said ".*malformed"$/);
    expect(views.apply(books)).toEqual([]);
    expect(views.trialBalance()).toMatchObject({ position: 4, lines: [{ customer: "700", system: "200", inTransit: "0", total: "0" }] });
    views.close();
    const again = openViews(dir.path);
    expect(again).toMatchObject({ position: 4, rebuiltBecause: null });
    again.close();
  });

  it.each([
    ["a statement", "accounts", (views: SqliteViews) => views.statement("alice", { after: 0, limit: 1 })],
    ["the trial balance", "totals", (views: SqliteViews) => views.trialBalance()],
  ])("damage that %s meets is answered VIEW_BEHIND, never with rows that are missing", (_, table, read) => {
    using dir = folder();
    const views = damaged(dir.path, table);
    expect(() => read(views)).toThrow(expect.objectContaining({ code: "VIEW_BEHIND", isRetryable: true }));
    expect(views.position).toBe(0);
    views.apply(books);
    expect(() => read(views)).not.toThrow();
    views.close();
  });

  it("L5: after damage that a read meets nothing at hand is of the file that was", () => {
    using dir = folder();
    const views = openViews(dir.path);
    views.apply(books.slice(0, 3));
    const page = views.statement("alice", { after: 0, limit: 10 });
    damage(join(dir.path, "views.db"), "accounts");
    expect(() => views.statement("alice", { after: 0, limit: 10 })).toThrow(expect.objectContaining({ code: "VIEW_BEHIND" }));
    expect(views.apply(books)).toEqual([]);
    expect(views.statement("alice", { after: 0, limit: 10 })).toEqual(page);
    views.close();
  });

  it("L6: a view that is damaged again before it came as far as before is not made anew for ever", () => {
    using dir = folder();
    const views = damaged(dir.path, "accounts");
    views.apply(books.slice(3));
    views.apply(books.slice(0, 1));
    // A page of the open file: it is in no cache yet, or SQLite notices that the file changed.
    damage(join(dir.path, "views.db"), "accounts");
    expect(() => views.apply(books.slice(1))).toThrow(/malformed/);
    expect(views.position).toBe(1);
    views.close();
  });

  it("a view that knows more than the journal proves that the journal lost its end", () => {
    using dir = folder();
    const settings = {
      dir: dir.path,
      shardCount: JOURNAL_SHARDS,
      synchronous: "full",
      busyTimeoutMs: 200,
      cacheKiB: 1024,
      walPagesMax: 100,
      diskFreeBytesMin: 0,
    } as const;
    const views = openViews(dir.path, openStores(settings).meta.storeId);
    views.apply(books);
    views.close();
    const before = readFileSync(join(dir.path, "journal.db"));
    expect(() => openStores(settings)).toThrow(
      expect.objectContaining({ code: "JOURNAL_TRUNCATED", message: expect.stringMatching(/views.db covers records up to 4/) }),
    );
    expect(readFileSync(join(dir.path, "journal.db")).length).toBe(before.length);
  });
});

function change(path: string, sql: string): void {
  const db = new Database(path);
  db.exec(sql);
  db.close();
}

/** The view of the first three records, with the page spoilt on which a table begins; nothing has been read from it since it was opened. */
function damaged(dir: string, table: string): SqliteViews {
  const whole = openViews(dir);
  whole.apply(books.slice(0, 3));
  whole.close();
  damage(join(dir, "views.db"), table);
  const views = openViews(dir);
  expect(views).toMatchObject({ position: 3, rebuiltBecause: null });
  return views;
}

function damage(path: string, table: string): void {
  const db = new Database(path);
  db.pragma("wal_checkpoint(truncate)");
  const page = Number(db.prepare("SELECT rootpage FROM sqlite_schema WHERE name = ?").pluck().get(table));
  const bytes = Number(db.pragma("page_size", { simple: true }));
  db.close();
  const file = openSync(path, "r+");
  writeSync(file, Buffer.alloc(bytes, 0x5a), 0, bytes, (page - 1) * bytes);
  closeSync(file);
}
