import { createHash } from "node:crypto";
import { existsSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import Database from "better-sqlite3";
import { describe, expect, it } from "vitest";
import { CommitError, Fault } from "../../../src/runtime/index.ts";
import { openConnection } from "../../../src/system/sqlite/connection.ts";
import { JOURNAL_FILE, openJournalReader } from "../../../src/system/sqlite/journal-file.ts";
import { assertNodeApi, assertSqlite } from "../../../src/system/sqlite/platform.ts";
import { createFile } from "../../../src/system/sqlite/store-meta.ts";
import { verifyJournal } from "../../../src/system/sqlite/verify.ts";
import { appendEach, folder, groupOf, openJournal } from "../../support/journal-bench.ts";

const files = { busyTimeoutMs: 200, cacheKiB: 1024 };

describe("the platform", () => {
  it("trap 29: a Node-API below 10 is refused with a sentence", () => {
    expect(() => assertNodeApi({ node: "20.20.0", napi: "9" })).toThrow(/Node.js 20.20.0 is too old/);
    expect(() => assertNodeApi({ node: "22.18.0", napi: "10" })).not.toThrow();
  });

  it("trap 49: a SQLite below 3.51.3 is refused", () => {
    for (const old of ["3.7.0", "3.51.2", "3.9.99"]) expect(() => assertSqlite(old)).toThrow(Fault);
    for (const good of ["3.51.3", "3.51.10", "3.54.1", "4.0.0"]) expect(() => assertSqlite(good)).not.toThrow();
  });
});

describe("a connection", () => {
  it("trap 51: synchronous is FULL on every connection to the journal, although SQLite would take NORMAL", () => {
    using dir = folder();
    const path = join(dir.path, "journal.db");
    const journal = openJournal(dir.path);
    const plain = new Database(path);
    plain.prepare("SELECT count(*) FROM records").get();
    expect(plain.pragma("synchronous", { simple: true })).toBe(1);
    plain.close();
    expect(journal.synchronous).toBe("full");
    journal.reopen();
    expect(journal.synchronous).toBe("full");
    for (const isReadOnly of [false, true]) {
      const db = openConnection({ ...files, path, synchronous: "full", walAutocheckpointPages: 0, isReadOnly });
      db.prepare("SELECT count(*) FROM records").get();
      expect(db.pragma("synchronous", { simple: true })).toBe(2);
      expect(db.pragma("journal_mode", { simple: true })).toBe("wal");
      expect(db.pragma("wal_autocheckpoint", { simple: true })).toBe(0);
      expect(db.pragma("busy_timeout", { simple: true })).toBe(files.busyTimeoutMs);
      db.close();
    }
    journal.close();
  });

  it("a setting that does not take is a named fault, not a surprise in a power cut", () => {
    using dir = folder();
    const path = join(dir.path, "x.db");
    // A cache of a fraction is no number for SQLite, which keeps another.
    expect(() => openConnection({ path, synchronous: "full", busyTimeoutMs: 1, cacheKiB: 10.5, walAutocheckpointPages: 0 })).toThrow(
      /SQLite did not take cache_size/,
    );
  });
});

describe("the journal in SQLite", () => {
  it("H1-H3: a stranger adds up the chain of hashes with plain SQL and SHA-256", () => {
    using dir = folder();
    const journal = openJournal(dir.path);
    journal.append([groupOf(1, "ž€"), groupOf(2)], 1);
    journal.append([groupOf(3)], 1);
    journal.close();
    const db = new Database(join(dir.path, "journal.db"), { readonly: true });
    const storeId = db.prepare("SELECT value FROM meta WHERE key = 'store_id'").pluck().get();
    let hash = createHash("sha256").update(`troupe journal ${storeId}\n`).digest();
    let text = "";
    const stored: (string | null)[] = [];
    const added: string[] = [];
    type Row = Record<string, number> & { readonly body: string; readonly hash: Buffer | null };
    for (const row of db.prepare<[], Row>("SELECT * FROM records ORDER BY seq").all()) {
      const fields = ["seq", "format", "min_reader", "domain", "incarnation", "grp", "time", "count", "incarnation_high"].map(
        (name) => row[name],
      );
      text += `${fields.join(" ")} ${Buffer.byteLength(row.body)}\n${row.body}\n`;
      stored.push(row.hash?.toString("hex") ?? null);
      if (row.hash === null) continue;
      hash = createHash("sha256").update(hash).update(text).digest();
      added.push(hash.toString("hex"));
      text = "";
    }
    db.close();
    expect(stored).toEqual([null, added[0], added[1]]);
    expect(verifyJournal(join(dir.path, "journal.db"))).toMatchObject({
      ok: true,
      figures: { lastHash: added[1], transactions: 2, records: 3 },
    });
  });

  it("counts what it wrote: commits, groups, entries, bytes and syncs", () => {
    using dir = folder();
    const journal = openJournal(dir.path);
    journal.append([groupOf(1), groupOf(2)], 1);
    journal.append([groupOf(3)], 1);
    const bytes = [1, 2, 3].reduce((sum, number) => sum + Buffer.byteLength(groupOf(number).body), 0);
    expect(journal.counters).toEqual({ commits: 2, groups: 3, entries: 3, bytes, fsyncs: 2 });
    journal.close();
  });

  it("is made with pages of 16 KiB; one that was made with smaller ones keeps them and goes on", () => {
    using made = folder();
    using earlier = folder();
    const db = new Database(join(earlier.path, "journal.db"));
    db.pragma("page_size=4096");
    db.pragma("journal_mode=wal");
    createFile(db, JOURNAL_FILE, { storeId: "earlier", shardCount: 4 });
    db.close();
    for (const [{ path }, pageBytes] of [[made, 16_384] as const, [earlier, 4096] as const]) {
      const journal = openJournal(path);
      journal.append([groupOf(1, "x".repeat(100_000))], 1);
      journal.reopen();
      appendEach(journal, 2, 3);
      journal.close();
      const plain = new Database(join(path, "journal.db"), { readonly: true });
      expect(plain.pragma("page_size", { simple: true })).toBe(pageBytes);
      plain.close();
      expect(verifyJournal(join(path, "journal.db"))).toMatchObject({ ok: true, figures: { records: 3 } });
    }
  });

  it("moves the write-ahead log on purpose only, when more than the limit waits", () => {
    using dir = folder();
    const journal = openJournal(dir.path, { walPagesMax: 20 });
    journal.append([groupOf(1)], 1);
    expect(journal.walCheckpoint()).toBeNull();
    appendEach(journal, 2, 40);
    expect(journal.walPages).toBeGreaterThan(20);
    const figures = journal.walCheckpoint();
    expect(figures?.moved).toBe(figures?.pages);
    expect(journal.walPages).toBe(0);
    journal.close();
  });

  it("a reader of another thread sees commits and cannot write", () => {
    using dir = folder();
    const journal = openJournal(dir.path);
    using reader = openJournalReader({ ...files, path: join(dir.path, "journal.db"), synchronous: "full" });
    expect(reader.lastSeq()).toBe(0);
    appendEach(journal, 1, 3);
    expect(reader.lastSeq()).toBe(3);
    expect(reader.read(1, 10).map(({ number }) => number)).toEqual([2, 3]);
    expect(reader.meta).toEqual(journal.meta);
    journal.close();
  });

  it("refuses another count of shards by both numbers", () => {
    using dir = folder();
    openJournal(dir.path).close();
    expect(() => openJournal(dir.path, { shardCount: 9 })).toThrow(
      expect.objectContaining({ code: "CONFIG_INVALID", message: expect.stringMatching(/9.*4/) }),
    );
  });

  it("a real SQLITE_FULL before the commit is surely not done; with room again appends go on", () => {
    using dir = folder();
    // max_page_count is SQLite's own limit of the file: the same error as of a full disk, without one, and without rights to make one.
    const journal = openJournal(dir.path, { pagesMax: 30 });
    let acknowledged = 0;
    const error = caught(() => {
      for (let number = 1; number <= 1000; number++) {
        journal.append([groupOf(number, "x".repeat(3000))], 1);
        acknowledged = number;
      }
    });
    expect(error).toMatchObject({ isOutcomeOpen: false, cause: { code: "SQLITE_FULL" } });
    expect(acknowledged).toBeGreaterThan(5);
    // Reads go on, and what fits is still taken by the same connection.
    expect(journal.read(0, 1000)).toHaveLength(acknowledged);
    expect(journal.lastSeq).toBe(acknowledged);
    journal.probe();
    journal.close();
    const again = openJournal(dir.path);
    expect(again.lastSeq).toBe(acknowledged);
    appendEach(again, acknowledged + 1, acknowledged + 3);
    again.close();
    expect(verifyJournal(join(dir.path, "journal.db"))).toMatchObject({ ok: true, figures: { records: acknowledged + 3 } });
  });

  it("J2: an error at COMMIT leaves the outcome open, and only reopening helps", () => {
    using dir = folder();
    const journal = openJournal(dir.path);
    appendEach(journal, 1, 2);
    // A constraint that is checked at COMMIT makes a real COMMIT fail, on any machine.
    const other = new Database(join(dir.path, "journal.db"));
    other.exec("CREATE TABLE late(key TEXT REFERENCES meta(key) DEFERRABLE INITIALLY DEFERRED)");
    other.exec("CREATE TRIGGER fail AFTER INSERT ON records BEGIN INSERT INTO late(key) VALUES ('nowhere'); END");
    expect(caught(() => journal.append([groupOf(3)], 1))).toMatchObject({
      isOutcomeOpen: true,
      message: expect.stringMatching(/commit failed/),
    });
    expect(caught(() => journal.append([groupOf(3)], 1))).toBeInstanceOf(CommitError);
    expect(() => journal.probe()).toThrow(/reopened first/);
    journal.reopen();
    expect(journal.lastSeq).toBe(2);
    other.exec("DROP TRIGGER fail");
    other.close();
    expect(journal.append([groupOf(3)], 1)).toBe(3);
    journal.close();
    expect(verifyJournal(join(dir.path, "journal.db"))).toMatchObject({ ok: true, figures: { records: 3 } });
  });

  it("J3: reopening makes no new journal, and takes none that lost what was acknowledged", () => {
    using dir = folder();
    const path = join(dir.path, "journal.db");
    const journal = openJournal(dir.path);
    appendEach(journal, 1, 3);
    journal.close();
    const whole = readFileSync(path);
    rmSync(path);
    expect(() => journal.reopen()).toThrow();
    expect(existsSync(path)).toBe(false);
    writeFileSync(path, whole);
    const other = new Database(path);
    other.exec("DELETE FROM records WHERE seq = 3");
    other.close();
    expect(() => journal.reopen()).toThrow(expect.objectContaining({ code: "JOURNAL_TRUNCATED" }));
    writeFileSync(path, whole);
    journal.reopen();
    expect(journal.append([groupOf(4)], 1)).toBe(4);
    journal.close();
  });

  it("an error at BEGIN is surely not done: another program holds the lock", () => {
    using dir = folder();
    const journal = openJournal(dir.path, { busyTimeoutMs: 20 });
    const other = new Database(join(dir.path, "journal.db"));
    other.exec("BEGIN IMMEDIATE");
    expect(caught(() => journal.append([groupOf(1)], 1))).toMatchObject({ isOutcomeOpen: false, cause: { code: "SQLITE_BUSY" } });
    other.exec("ROLLBACK");
    other.close();
    expect(journal.append([groupOf(1)], 1)).toBe(1);
    journal.close();
  });
});

function caught(work: () => unknown): unknown {
  try {
    work();
  } catch (error) {
    return error;
  }
  throw new Error("nothing was thrown");
}
