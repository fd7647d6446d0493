/** Every way in which files can be wrong is found by its name, and nothing is repaired: the bytes on the disk stay as they were. */
import { readFileSync, rmSync, truncateSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import Database from "better-sqlite3";
import { describe, expect, it } from "vitest";
import { entriesOfTypes, packEntries, packPointers } from "../../../src/runtime/index.ts";
import { PendingEntry } from "../../../src/runtime/shard/pending-entry.ts";
import { openStores, storePaths } from "../../../src/system/sqlite/open-stores.ts";
import { SqliteSnapshotReader } from "../../../src/system/sqlite/snapshot-reader.ts";
import { SqliteSnapshots } from "../../../src/system/sqlite/snapshot-store.ts";
import { assertNotTruncated, verifyJournal } from "../../../src/system/sqlite/verify.ts";
import { appendEach, folder, groupOf, JOURNAL_SHARDS, openJournal } from "../../support/journal-bench.ts";

const RECORDS = 200;
const settings = {
  shardCount: JOURNAL_SHARDS,
  synchronous: "full",
  busyTimeoutMs: 200,
  cacheKiB: 1024,
  walPagesMax: 100,
  diskFreeBytesMin: 0,
} as const;

/** A directory with a journal of 200 records, each a transaction of its own, and checkpoints of all shards up to `position`. */
function storeOf({ position }: { readonly position: number }) {
  const dir = folder();
  const stores = () => openStores({ dir: dir.path, ...settings });
  const { meta } = stores();
  const journal = openJournal(dir.path);
  appendEach(journal, 1, RECORDS);
  journal.close();
  const state = new SqliteSnapshots({ path: storePaths(dir.path).state, busyTimeoutMs: 200, cacheKiB: 1024, meta });
  const positions = Array.from({ length: JOURNAL_SHARDS }, (_, shard) => ({ shard, seq: shard === 0 ? position : 0, position }));
  state.end({ positions, effects: [], handled: [], timers: [], at: 1 });
  state.close();
  const path = storePaths(dir.path).journal;
  const change = (sql: string) => {
    const db = new Database(path);
    db.exec(sql);
    db.close();
  };
  return { dir: dir.path, path, stores, change, verify: () => verifyJournal(path), [Symbol.dispose]: () => dir[Symbol.dispose]() };
}
const fault = (code: string, message: RegExp) => expect.objectContaining({ code, message: expect.stringMatching(message) });

describe("the journal's integrity", () => {
  it("a whole store opens again and says what it holds", () => {
    using store = storeOf({ position: 150 });
    expect(store.stores()).toMatchObject({ lastSeq: RECORDS, incarnationHigh: 1, head: { at: 1 } });
    const seen: number[] = [];
    expect(verifyJournal(store.path, { onProgress: ({ seq }) => seen.push(seq) })).toMatchObject({
      ok: true,
      figures: { records: RECORDS, transactions: RECORDS, entries: RECORDS, lastSeq: RECORDS },
    });
    expect(seen.at(-1)).toBe(RECORDS);
  });

  it("a byte of a body that was changed through SQL is found, by the record", () => {
    using store = storeOf({ position: 150 });
    store.change("UPDATE records SET body = replace(body, 'event 77', 'event 78') WHERE seq = 77");
    expect(store.verify()).toEqual({ ok: false, code: "JOURNAL_CORRUPT", detail: expect.stringContaining("record 77: the hash") });
  });

  it("a byte of a body that was changed in the file is found, and the file is left as it is", () => {
    using store = storeOf({ position: 150 });
    const bytes = readFileSync(store.path);
    const at = bytes.indexOf('"event 123"') + 7;
    expect(at).toBeGreaterThan(7);
    bytes.writeUInt8(bytes.readUInt8(at) ^ 1, at);
    writeFileSync(store.path, bytes);
    expect(store.verify()).toEqual({ ok: false, code: "JOURNAL_CORRUPT", detail: expect.stringContaining("record 123: the hash") });
    expect(readFileSync(store.path)).toEqual(bytes);
  });

  it.each(["format", "min_reader", "domain", "incarnation_high", "time", "count"])("a changed header field is found: %s", (column) => {
    using store = storeOf({ position: 150 });
    store.change(`UPDATE records SET ${column} = ${column} - 1 WHERE seq = 50`);
    expect(store.verify()).toMatchObject({ ok: false, code: "JOURNAL_CORRUPT", detail: expect.stringContaining("record 50") });
  });

  it("start-up finds a broken record of the tail that it would recover from", () => {
    using store = storeOf({ position: 150 });
    store.change("UPDATE records SET body = replace(body, 'event 160', 'event 161') WHERE seq = 160");
    expect(store.stores).toThrow(fault("JOURNAL_CORRUPT", /record 160/));
  });

  it("start-up finds a broken last transaction", () => {
    using store = storeOf({ position: RECORDS });
    store.change(`UPDATE records SET body = '[]' WHERE seq = ${RECORDS}`);
    expect(store.stores).toThrow(fault("JOURNAL_CORRUPT", /record 200: the hash/));
  });

  it("a missing record is a gap, by its number", () => {
    using store = storeOf({ position: 150 });
    store.change("DELETE FROM records WHERE seq = 160");
    expect(store.verify()).toMatchObject({
      ok: false,
      code: "JOURNAL_CORRUPT",
      detail: expect.stringContaining("record 160: it is missing, the next one is 161"),
    });
    expect(store.stores).toThrow(fault("JOURNAL_CORRUPT", /record 160/));
  });

  it("a missing beginning is a gap", () => {
    using store = storeOf({ position: 150 });
    store.change("DELETE FROM records WHERE seq <= 3");
    expect(store.verify()).toMatchObject({
      ok: false,
      code: "JOURNAL_CORRUPT",
      detail: expect.stringContaining("record 1: it is missing"),
    });
  });

  it("an end that was cut off before what the checkpoint covers is JOURNAL_TRUNCATED", () => {
    using store = storeOf({ position: 150 });
    store.change("DELETE FROM records WHERE seq > 140");
    expect(store.verify()).toMatchObject({ ok: true, figures: { lastSeq: 140 } }); // The chain alone cannot know.
    expect(store.stores).toThrow(fault("JOURNAL_TRUNCATED", /ends at record 140.*up to 150/));
    expect(() => assertNotTruncated(150, 150)).not.toThrow();
  });

  it.each(["removed", "emptied"])("a journal that was %s beside a checkpoint is JOURNAL_TRUNCATED, and no new one is made", (how) => {
    using store = storeOf({ position: 150 });
    if (how === "removed") rmSync(store.path);
    else truncateSync(store.path);
    expect(store.stores).toThrow(fault("JOURNAL_TRUNCATED", /missing or empty/));
    expect(store.stores).toThrow(fault("JOURNAL_TRUNCATED", /missing or empty/));
    if (how === "removed") expect(store.verify()).toMatchObject({ ok: false, code: "JOURNAL_TRUNCATED" });
  });

  it("a journal that ends inside a transaction is corrupt: SQLite never leaves one", () => {
    using dir = folder();
    const journal = openJournal(dir.path);
    journal.append([groupOf(1), groupOf(2)], 1);
    journal.close();
    const db = new Database(join(dir.path, "journal.db"));
    db.exec("DELETE FROM records WHERE seq = 2");
    db.close();
    expect(verifyJournal(join(dir.path, "journal.db"))).toMatchObject({ ok: false, code: "JOURNAL_CORRUPT" });
    expect(() => openJournal(dir.path)).toThrow(fault("JOURNAL_CORRUPT", /ends inside a transaction/));
  });

  it("L7: a group that is there twice, or out of its order, is found although the chain adds up", () => {
    for (const [numbers, finding] of [
      [[1, 2, 2], /group 2 of incarnation 1 stands where group 3 belongs/],
      [[1, 3], /group 3 of incarnation 1 stands where group 2 belongs/],
    ] as const) {
      using dir = folder();
      const journal = openJournal(dir.path);
      for (const number of numbers) journal.append([groupOf(number)], 1);
      journal.close();
      expect(verifyJournal(join(dir.path, "journal.db"))).toMatchObject({
        ok: false,
        code: "JOURNAL_CORRUPT",
        detail: expect.stringMatching(finding),
      });
    }
  });

  it("L7: an older incarnation that writes after a newer one is found", () => {
    using dir = folder();
    const journal = openJournal(dir.path);
    journal.append([groupOf(1)], 1);
    journal.append([{ ...groupOf(2), incarnation: 2, number: 1 }], 2);
    journal.append([{ ...groupOf(3), number: 2 }], 2);
    journal.close();
    const detail = expect.stringMatching(/record 3: incarnation 1 of domain 0 writes after 2/);
    expect(verifyJournal(join(dir.path, "journal.db"))).toMatchObject({ ok: false, detail });
  });

  it("a gap in the entries of a shard is found although the chain adds up", () => {
    using dir = folder();
    const journal = openJournal(dir.path);
    journal.append([groupOf(1)], 1);
    journal.append([{ ...groupOf(3), number: 2 }], 1);
    journal.close();
    const detail = expect.stringMatching(/record 2: entry 3 of shard 0 stands where entry 2 belongs/);
    expect(verifyJournal(join(dir.path, "journal.db"))).toMatchObject({ ok: false, detail });
  });
});

describe("records in another layout than ours", () => {
  const entry = (seq: number, entity: string) => ({
    shard: 0,
    seq,
    entity,
    version: seq,
    at: seq,
    events: [{ kind: "said", entity: "account/x" }],
  });
  const entries = [entry(1, "a/1"), entry(2, "account/1"), entry(3, "account/2")];
  const [first, ...rest] = entries.map((one) => JSON.stringify(one));

  it.each([
    ["one line", JSON.stringify(entries)],
    ["indented", JSON.stringify(entries, null, 2)],
    ["blanks after colons, as other languages write", `[${[first, ...rest].map((one) => one?.replaceAll('":', '": ')).join(", ")}]`],
    ["two entries on the second line", `[${first},\n${rest.join(",")}]`],
    ["two entries on the first line", `[${first},${rest.join(",\n")}]`],
    ["commas before the lines", `[${first}\n,${rest.join("\n,")}]`],
    ["blanks at the ends of lines", `[${first}, \n${rest.join(", \n")} ]\n`],
    ["events on lines of their own", JSON.stringify(entries).replaceAll('{"kind"', '\n{"kind"')],
  ])("a verified journal can be read by the views: %s", (_, body) => {
    using dir = folder();
    const journal = openJournal(dir.path);
    journal.append([{ ...groupOf(1), count: 3, body }], 1);
    journal.close();
    expect(verifyJournal(join(dir.path, "journal.db"))).toMatchObject({ ok: true, figures: { entries: 3 } });
    for (const one of [body, new TextEncoder().encode(body)])
      expect(entriesOfTypes({ body: one, count: 3 }, new Set(["account"]))).toEqual(entries.slice(1));
    expect(entriesOfTypes({ body, count: 3 }, new Set(["transfer"]))).toEqual([]);
  });

  it("our own layout gives the same, and a body without entries none", () => {
    expect(entriesOfTypes({ body: packEntries(entries), count: 3 }, new Set(["account"]))).toEqual(entries.slice(1));
    expect(entriesOfTypes({ body: packEntries([]), count: 0 }, new Set(["account"]))).toEqual([]);
  });

  it("of the layout that a group is written in, the lines of other types are not even parsed", () => {
    const pending = ["a/1", "account/1", "a/2", "account/2"].map((address, i) => {
      const one = new PendingEntry({ shard: i, address, version: 1 }, i + 1, 5);
      one.events.push({ kind: "said" });
      return one.toEntry();
    });
    const broken = new TextDecoder().decode(packEntries(pending)).replaceAll(/("entity":"a\/.*)"said"/g, "$1said");
    expect(() => JSON.parse(broken)).toThrow();
    expect(entriesOfTypes({ body: broken, count: 4 }, new Set(["account"]))).toEqual([pending[1], pending[3]]);
  });

  it("an address without a type is of no type", () => {
    const body = JSON.stringify([{ ...entry(1, "accountX"), seq: 1 }], null, 1);
    expect(entriesOfTypes({ body, count: 1 }, new Set(["account"]))).toEqual([]);
  });

  it("an entry that names no entity is found", () => {
    using dir = folder();
    const journal = openJournal(dir.path);
    journal.append([{ ...groupOf(1), body: '[{"shard":0,"seq":1}]' }], 1);
    journal.close();
    expect(verifyJournal(join(dir.path, "journal.db"))).toMatchObject({
      ok: false,
      detail: expect.stringMatching(/record 1: .* names no entity/),
    });
  });
});

describe("formats and files that are not ours", () => {
  it("a store that needs a newer reader is refused, naming what was found and what is supported", () => {
    using store = storeOf({ position: 150 });
    store.change("UPDATE meta SET value = 7 WHERE key IN ('format', 'min_reader')");
    expect(store.stores).toThrow(fault("FORMAT_UNSUPPORTED", /found format 7.*reader of format 7.*supported is journal of format 1/));
    expect(store.verify()).toMatchObject({ ok: false, code: "FORMAT_UNSUPPORTED" });
  });

  it("a checkpoint of an older format is refused by name, and stays as it is", () => {
    using store = storeOf({ position: 150 });
    const { state } = storePaths(store.dir);
    const db = new Database(state);
    db.exec("UPDATE meta SET value = 1 WHERE key IN ('format', 'min_reader')");
    db.close();
    const before = readFileSync(state);
    expect(store.stores).toThrow(
      fault("FORMAT_UNSUPPORTED", /state.db: found format 1, which is older.*supported is snapshots of format 4/),
    );
    expect(readFileSync(state)).toEqual(before);
  });

  it("a checkpoint from before there were timers is brought to this format, with all that it holds", () => {
    using store = storeOf({ position: 150 });
    const { state } = storePaths(store.dir);
    const db = new Database(state);
    const positions = db.prepare("SELECT * FROM positions").all();
    db.exec("DROP TABLE timers; DROP TABLE pointers; UPDATE meta SET value = 2 WHERE key IN ('format', 'min_reader')");
    db.close();
    expect(store.stores().lastSeq).toBe(RECORDS);
    const after = new Database(state, { readonly: true });
    expect(after.prepare("SELECT value FROM meta WHERE key IN ('format', 'min_reader')").pluck().all()).toEqual([4, 4]);
    expect(after.prepare("SELECT count(*) FROM timers").pluck().get()).toBe(0);
    expect(after.prepare("SELECT * FROM positions").all()).toEqual(positions);
    after.close();
  });

  it("a checkpoint from before there were pointers is brought to this format: its snapshots are read as they are, and pointers beside them", () => {
    using store = storeOf({ position: 150 });
    const { state } = storePaths(store.dir);
    const file = { path: state, busyTimeoutMs: 200, cacheKiB: 1024 };
    const { meta } = store.stores();
    const old = new SqliteSnapshots({ ...file, meta });
    const snapshot = { entity: "a/1", shard: 0, seq: 150, version: 150, definition: 1, body: "{}" };
    old.write([snapshot]);
    old.close();
    const db = new Database(state);
    db.exec("DROP TABLE pointers; UPDATE meta SET value = 3 WHERE key IN ('format', 'min_reader')");
    db.close();
    const upgraded = new SqliteSnapshots({ ...file, meta });
    upgraded.write([], packPointers([["a/2", 160]]));
    const reader = new SqliteSnapshotReader(file);
    expect([reader.load("a/1"), reader.load("a/2")]).toEqual([snapshot, { records: [160] }]);
    reader.close();
    upgraded.close();
  });

  it("a newer store that this reader may still read is read", () => {
    using store = storeOf({ position: 150 });
    store.change("UPDATE meta SET value = 2 WHERE key = 'format'");
    expect(store.stores().lastSeq).toBe(RECORDS);
  });

  it("a record that needs a newer reader is refused by its number", () => {
    using store = storeOf({ position: 150 });
    store.change(`UPDATE records SET format = 2, min_reader = 2 WHERE seq = ${RECORDS}`);
    expect(store.stores).toThrow(fault("FORMAT_UNSUPPORTED", /record 200 of format 2/));
    expect(store.verify()).toMatchObject({ ok: false, code: "FORMAT_UNSUPPORTED" });
  });

  it("a database of somebody else is FORMAT_UNSUPPORTED, and a file that is no database JOURNAL_CORRUPT; both stay as they are", () => {
    using dir = folder();
    const path = join(dir.path, "journal.db");
    const db = new Database(path);
    db.exec("CREATE TABLE theirs(x)");
    db.close();
    expect(() => openJournal(dir.path)).toThrow(fault("FORMAT_UNSUPPORTED", /without Troupe's meta table/));
    rmSync(path);
    const text = "this is no database at all\n".repeat(200);
    writeFileSync(path, text);
    expect(() => openJournal(dir.path)).toThrow(fault("JOURNAL_CORRUPT", /not a database/));
    expect(verifyJournal(path)).toMatchObject({ ok: false, code: "JOURNAL_CORRUPT" });
    expect(readFileSync(path, "utf8")).toBe(text);
  });

  it("files of two stores in one directory are refused", () => {
    using store = storeOf({ position: 10 });
    using other = storeOf({ position: 10 });
    const { state } = storePaths(store.dir);
    writeFileSync(state, readFileSync(storePaths(other.dir).state));
    expect(store.stores).toThrow(fault("CONFIG_INVALID", /files of two stores/));
  });

  it("another count of shards is refused by both numbers", () => {
    using store = storeOf({ position: 10 });
    expect(() => openStores({ dir: store.dir, ...settings, shardCount: 5 })).toThrow(fault("CONFIG_INVALID", /5.*4/));
  });
});
