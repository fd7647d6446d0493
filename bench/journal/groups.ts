/**
 * The SQLite journal by itself, called as the journal thread calls it: one record of 1, 10, 100 or 1,000 entries an append, each append a
 * transaction and a sync (FULL), pages moved as under load. Bodies are made before the clock starts: encoding them is the shard thread's work.
 */
import { randomUUID } from "node:crypto";
import { join } from "node:path";
import { type Entry, packEntries } from "../../src/runtime/index.ts";
import { openConnection, synchronousOf } from "../../src/system/sqlite/connection.ts";
import { SqliteJournal } from "../../src/system/sqlite/journal-store.ts";
import { benchFolder } from "../harness/folder.ts";
import { assertResult, byMode, type Mode, type Outcome, type RunVariant } from "../harness/suite.ts";

const WAL_PAGES_MAX = 1_000;
const FILES = { synchronous: "full", busyTimeoutMs: 1_000, cacheKiB: 16_384 } as const;

export const by1: RunVariant = (mode) => measure(mode, 1);
export const by10: RunVariant = (mode) => measure(mode, 10);
export const by100: RunVariant = (mode) => measure(mode, 100);
export const by1000: RunVariant = (mode) => measure(mode, 1_000);

async function measure(mode: Mode, size: number): Promise<Outcome> {
  const appends = appendsIn(mode, size);
  using folder = benchFolder();
  const path = join(folder.path, "journal.db");
  const journal = new SqliteJournal({ ...FILES, path, shardCount: 64, walPagesMax: WAL_PAGES_MAX, diskFreeBytesMin: 0 });
  const body = packEntries(Array.from({ length: size }, (_, i) => entryOf(i)));
  const from = performance.now();
  for (let number = 1; number <= appends; number++) {
    journal.append([{ domain: 0, incarnation: 1, number, time: number, count: size, body }], 1);
    if (number % 16 === 0) journal.walCheckpoint();
  }
  const ms = performance.now() - from;
  const { commits, fsyncs, bytes, entries } = journal.counters;
  journal.checkTail(0);
  assertResult(journal.lastSeq === appends && entries === appends * size, `${journal.lastSeq} records with ${entries} entries are there`);
  const { synchronous } = journal;
  journal.close();
  return {
    figures: { perSecond: ((appends * size) / ms) * 1000, commitsPerSecond: (appends / ms) * 1000, bytesPerEntry: bytes / entries },
    durable: { synchronous, commits, fsyncs, journalBytes: bytes },
  };
}

/** About the same time for each size. */
function appendsIn(mode: Mode, size: number): number {
  const appends = byMode(mode, { full: 20_000, quick: 5_000, tiny: 100 });
  return size === 1_000 ? Math.ceil(appends / 10) : size === 100 ? Math.ceil(appends / 2) : appends;
}

/** What a debit of a transfer inside one domain writes. */
function entryOf(i: number): Entry {
  return {
    shard: i % 64,
    seq: i + 1,
    entity: `account/account-${i}`,
    version: i + 1,
    at: 1_790_000_000_000 + i,
    events: [
      { kind: "debited", transfer: randomUUID(), amount: "1050", balance: String(1_000 * i), currency: "EUR", sequence: i + 1, at: i },
    ],
  };
}

/** SQLite written plainly: a row for each entry, each in a transaction of its own. */
export const each: RunVariant = async (mode) => {
  const count = appendsIn(mode, 1);
  using folder = benchFolder();
  const db = openConnection({ ...FILES, path: join(folder.path, "plain.db"), walAutocheckpointPages: 1_000 });
  db.exec("CREATE TABLE entries(id INTEGER PRIMARY KEY, body TEXT NOT NULL) STRICT");
  const insert = db.prepare("INSERT INTO entries(body) VALUES (?)");
  const body = JSON.stringify(entryOf(1));
  const from = performance.now();
  for (let i = 0; i < count; i++) insert.run(body);
  const ms = performance.now() - from;
  const kept = db.prepare<[], number>("SELECT count(*) FROM entries").pluck().get();
  assertResult(kept === count, `${kept} of ${count} rows are there`);
  const synchronous = synchronousOf(db);
  db.close();
  return {
    figures: { perSecond: (count / ms) * 1000 },
    durable: { synchronous, commits: count, fsyncs: count, journalBytes: count * body.length },
  };
};
