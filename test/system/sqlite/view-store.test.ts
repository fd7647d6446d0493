import { readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import Database from "better-sqlite3";
import { describe, expect, it } from "vitest";
import { worldAccountIdOf } from "../../../src/actors/index.ts";
import { type Json, packEntries, type StoredRecord } from "../../../src/runtime/index.ts";
import { openStores } from "../../../src/system/sqlite/open-stores.ts";
import { SqliteViews } from "../../../src/system/sqlite/view-store.ts";
import { folder, JOURNAL_SHARDS } from "../../support/journal-bench.ts";

const WORLD = worldAccountIdOf("CZK", 0, JOURNAL_SHARDS);
const meta = { storeId: "store-1", shardCount: JOURNAL_SHARDS };

const openViews = (dir: string, storeId = meta.storeId): SqliteViews =>
  new SqliteViews({ path: join(dir, "views.db"), meta: { ...meta, storeId }, busyTimeoutMs: 200, cacheKiB: 1024 });

/** A record of some events; each is an entry of its own. */
function recordOf(seq: number, ...events: readonly (readonly [account: string, event: Json])[]): StoredRecord {
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
const opened = (currency = "CZK", accountKind = "customer"): Json => ({
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
const money = (kind: "debited" | "credited" | "refunded", amount: string, balance: string, sequence: number, currency = "CZK"): Json => ({
  kind,
  transfer: "t".repeat(43),
  amount,
  balance,
  currency,
  sequence,
});

/** alice opens, gets 900 from the world, sends 200 to bob; the credit of the last comes in a record of its own. */
const books: readonly StoredRecord[] = [
  recordOf(1, ["alice", opened()], ["bob", opened("CZK", "system")]),
  recordOf(2, [WORLD, money("debited", "900", "-900", 1)], ["alice", money("credited", "900", "900", 1)]),
  recordOf(3, ["alice", money("debited", "200", "700", 2)]),
  recordOf(4, ["bob", money("credited", "200", "200", 1)]),
];

describe("views", () => {
  it("R-LED-7: statements page with a running balance, oldest first", () => {
    using dir = folder();
    const views = openViews(dir.path);
    expect(views.apply(books)).toEqual([]);
    const entry = { transferId: "t".repeat(43), currency: "CZK" };
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

  it("R-LED-7: pages of a long statement join without a gap or repeat, wherever they begin, also after a restart", () => {
    using dir = folder();
    let views = openViews(dir.path);
    views.apply([recordOf(1, ["alice", opened()], ["bob", opened()])]);
    for (let seq = 2; seq <= 301; seq++) {
      const credit = money("credited", "1", String(seq - 1), seq - 1);
      expect(views.apply([recordOf(seq, ["alice", credit], ["bob", credit])]).filter((text) => !text.includes("adds up"))).toEqual([]);
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
        recordOf(2, ...accounts.map((account) => [account, money("credited", most, most, 1)] as const)),
      ]),
    ).toEqual([]);
    expect(views.statement("a11", { after: 0, limit: 1 }).entries[0]).toMatchObject({ amount: most, balance: most });
    expect(views.trialBalance().lines[0]).toMatchObject({
      customer: "11999999999999999988",
      inTransit: "-11999999999999999988",
      total: "0",
    });
    views.close();
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

describe("the auditor", () => {
  /** Findings of the books with their last record replaced. */
  function findingsOf(...last: StoredRecord[]): readonly string[] {
    using dir = folder();
    const views = openViews(dir.path);
    views.apply(books.slice(0, 2));
    const found = views.apply(last);
    expect(views.findings()).toEqual(found);
    views.close();
    const again = openViews(dir.path);
    expect(again.findings()).toEqual(found); // They outlive the process.
    again.close();
    return found;
  }

  it("A1, A3: finds a wrong balance once, by record, currency and account, and that the currency is off", () => {
    expect(
      findingsOf(recordOf(3, ["alice", money("debited", "200", "701", 2)]), recordOf(4, ["alice", money("credited", "1", "702", 3)])),
    ).toEqual(["record 3: CZK account alice: entry 2: 900 and -200 make 700, not 701", "record 3: CZK adds up to 1, not to 0"]);
  });

  it("A2: finds a missing entry", () => {
    expect(findingsOf(recordOf(3, ["alice", money("debited", "100", "700", 3)]))).toEqual([
      "record 3: CZK account alice: entry 3 stands where entry 2 belongs",
      "record 3: CZK account alice: entry 3: 900 and -100 make 800, not 700",
      "record 3: CZK adds up to -100, not to 0",
    ]);
  });

  it("A2: finds an entry that is there twice", () => {
    const twice = ["alice", money("debited", "200", "700", 2)] as const;
    expect(findingsOf(recordOf(3, twice, twice))[0]).toBe("record 3: CZK account alice: entry 2 stands where entry 3 belongs");
  });

  it("A4: finds money on an account that nobody opened, or in another currency, and an account opened twice", () => {
    expect(findingsOf(recordOf(3, ["carol", money("credited", "5", "5", 1)]))).toEqual([
      "record 3: CZK account carol: money moves on it and it was never opened",
    ]);
    expect(findingsOf(recordOf(3, ["alice", money("credited", "5", "905", 2, "EUR")]))).toContain(
      "record 3: EUR account alice: its currency is CZK",
    );
    expect(findingsOf(recordOf(3, ["alice", opened()]))).toEqual(["record 3: CZK account alice: it was opened twice"]);
  });

  it("a world account needs no opening: its id says currency and kind", () => {
    expect(findingsOf(recordOf(3, [worldAccountIdOf("EUR", 1, JOURNAL_SHARDS), money("debited", "5", "-5", 1, "EUR")]))).toEqual([]);
  });
});

describe("rebuilding", () => {
  it.each([
    ["missing", (path: string) => rmSync(path)],
    ["no database", (path: string) => writeFileSync(path, "nonsense ".repeat(1000))],
    ["of a newer format", (path: string) => change(path, "UPDATE meta SET value = 9 WHERE key = 'min_reader'")],
    ["of another store", (path: string) => change(path, "UPDATE meta SET value = 'store-2' WHERE key = 'store_id'")],
  ])("a view that is %s is made anew from the journal", (_, damage) => {
    using dir = folder();
    const whole = openViews(dir.path);
    whole.apply(books);
    const expected = whole.trialBalance();
    whole.close();
    damage(join(dir.path, "views.db"));
    const views = openViews(dir.path);
    expect(views.position).toBe(0);
    expect(views.apply(books)).toEqual([]);
    expect(views.trialBalance()).toEqual(expected);
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
