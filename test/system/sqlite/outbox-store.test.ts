/** The outbox's own file: what it keeps, and that a useless one is made anew at record 0 and says why (R-SYS-3: repeats are allowed, losses are not). */
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import Database from "better-sqlite3";
import { expect, it } from "vitest";
import { openStores, storePaths } from "../../../src/system/sqlite/open-stores.ts";
import { SqliteOutbox } from "../../../src/system/sqlite/outbox-store.ts";
import { appendEach, folder, JOURNAL_SHARDS, openJournal } from "../../support/journal-bench.ts";

const meta = { storeId: "store-1", shardCount: JOURNAL_SHARDS };
const open = (dir: string, storeId = meta.storeId): SqliteOutbox =>
  new SqliteOutbox({ path: join(dir, "outbox.db"), meta: { ...meta, storeId }, busyTimeoutMs: 200, cacheKiB: 1024 });
const held = { entity: "account/a", place: { seq: 3, index: 1 }, eventId: "e", why: "too large", attempts: 2, since: 5, nextAt: 10 };

it("keeps position, replays and held entities", () => {
  using dir = folder();
  let store = open(dir.path);
  expect(store.progress()).toEqual({ position: 0, replays: 0, replayedTo: 0 });
  store.saveTo(7);
  store.hold(held);
  store.hold({ ...held, entity: "account/b", nextAt: 20 });
  store.close();
  store = open(dir.path);
  expect([store.remadeBecause, store.progress().position, store.heldOf("account/a")]).toEqual([null, 7, held]);
  expect(store.heldPage("account/a", 9).map(({ entity }) => entity)).toEqual(["account/b"]);
  expect(store.due(15, 9, 9).map(({ entity }) => entity)).toEqual(["account/a"]);
  expect([store.due(15, 2, 9), store.nextAt()]).toEqual([[], 10]);
  store.moveOn(["account/a"], { seq: 6, index: 0 });
  expect(store.heldOf("account/a")).toMatchObject({ place: { seq: 6, index: 0 }, eventId: null, attempts: 0 });
  store.replay(4, 7);
  expect(store.progress()).toEqual({ position: 3, replays: 1, replayedTo: 7 });
  expect(store.heldNames()).toEqual(["account/b"]);
  store.release(["account/b"]);
  expect(store.nextAt()).toBe(null);
  store.close();
});

it("a file of another store, a damaged one and one that is something else are made anew, and say why", () => {
  using dir = folder();
  const path = join(dir.path, "outbox.db");
  const first = open(dir.path);
  first.saveTo(7);
  first.close();
  const other = open(dir.path, "store-2");
  expect(other.remadeBecause).toContain("belongs to store store-1, the journal to store store-2");
  expect(other.progress().position).toBe(0);
  other.close();
  writeFileSync(path, "this is no database, however long one looks at it".repeat(100));
  const damaged = open(dir.path);
  expect([damaged.remadeBecause, damaged.progress().position]).toEqual([expect.stringContaining("not a database"), 0]);
  damaged.close();
  const db = new Database(path);
  db.exec("UPDATE meta SET value = 99 WHERE key IN ('format', 'min_reader')");
  db.close();
  const newer = open(dir.path);
  expect(newer.remadeBecause).toContain("format 99");
  newer.close();
});

it("a journal that ends before the outbox has lost its end", () => {
  using dir = folder();
  const journal = openJournal(dir.path);
  appendEach(journal, 1, 3);
  const { storeId } = journal.meta;
  journal.close();
  const options = {
    shardCount: JOURNAL_SHARDS,
    synchronous: "full",
    busyTimeoutMs: 200,
    cacheKiB: 1024,
    walPagesMax: 100,
    diskFreeBytesMin: 0,
  } as const;
  const store = open(dir.path, storeId);
  store.saveTo(3);
  expect(openStores({ dir: dir.path, ...options }).lastSeq).toBe(3);
  store.saveTo(4);
  store.close();
  expect(() => openStores({ dir: dir.path, ...options })).toThrow(
    `the journal ends at record 3, but ${storePaths(dir.path).outbox} covers records up to 4`,
  );
});
