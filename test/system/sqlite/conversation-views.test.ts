/** The conversations' part of the read model, on a real file beside the ledger's. */
import { rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import Database from "better-sqlite3";
import { describe, expect, it } from "vitest";
import { FEED_START, type FeedPlace } from "../../../src/system/conversation-reads.ts";
import { ConversationReader } from "../../../src/system/sqlite/conversation-reader.ts";
import { SqliteViews, type SqliteViewsOptions } from "../../../src/system/sqlite/view-store.ts";
import {
  begun,
  chunk,
  conversationRecord,
  deleted,
  interrupted,
  posted,
  replied,
  replyFailed,
  stopped,
  summarized,
  wasOpened,
} from "../../support/conversation-records.ts";
import { folder, JOURNAL_SHARDS } from "../../support/journal-bench.ts";
import { books, opened, recordOf } from "../../support/ledger-records.ts";

const meta = { storeId: "store-1", shardCount: JOURNAL_SHARDS };
const optionsOf = (dir: string): SqliteViewsOptions => ({ path: join(dir, "views.db"), meta, busyTimeoutMs: 200, cacheKiB: 1024 });

/** Two conversations; the second record holds an entry of one of them and of its summary. */
const records = [
  conversationRecord(1, ["conversation/c", wasOpened, posted(1), begun(1)], ["conversation/d", wasOpened]),
  conversationRecord(2, ["summary/c", summarized(1, 1)], ["conversation/c", chunk(1, 0), replied(1)]),
  recordOf(3, ["alice", opened()]),
  conversationRecord(4, ["conversation/d", posted(1, "s1.hi")]),
  conversationRecord(5, [
    "conversation/c",
    posted(2),
    interrupted(2, ["s1.an"], false),
    stopped(2, ["s1.an", "s1.s"], "r2a"),
    replied(2, "r2b", "r2a"),
  ]),
];

const kindsOf = (views: SqliteViews, name: string, after: FeedPlace = FEED_START) =>
  views.feedAfter(name, after, 100).events.map(({ seq, idx, kind }) => [seq, idx, kind]);

describe("conversations in the read model", () => {
  it("R-CON-1: messages count from 1 in each conversation and page by number, also after a restart and in other batches", () => {
    using dir = folder();
    let views = new SqliteViews(optionsOf(dir.path));
    views.apply(records.slice(0, 2));
    views.close();
    views = new SqliteViews(optionsOf(dir.path));
    views.apply(records);
    const shown = (after: number, limit: number) => {
      const { messages, hasMore } = views.messages("c", { after, limit });
      return [messages.map(({ number, messageId, parts, status }) => [number, messageId, parts, status]), hasMore];
    };
    const all = [
      [1, "m1", ["s1.question-1"], "complete"],
      [2, "r1", ["s1.answer-r1"], "complete"],
      [3, "m2", ["s1.question-2"], "complete"],
      [4, "r2a", ["s1.an", "s1.s"], "superseded"],
      [5, "r2b", ["s1.answer-r2b"], "complete"],
    ];
    expect(shown(0, 100)).toEqual([all, false]);
    expect(shown(0, 2)).toEqual([all.slice(0, 2), true]);
    expect(shown(2, 3)).toEqual([all.slice(2), false]);
    expect(views.messages("d", { after: 0, limit: 9 }).messages).toEqual([
      {
        number: 1,
        messageId: "m1",
        turn: 1,
        role: "user",
        speaker: "s1.Ann",
        parts: ["s1.hi"],
        chars: 5,
        status: "complete",
        code: null,
        at: 4000,
      },
    ]);
    expect(views.messages("nobody", { after: 0, limit: 9 })).toEqual({ messages: [], hasMore: false });
    expect(views.trialBalance()).toMatchObject({ position: 5, lines: [{ currency: "CZK", accounts: 1 }] });
    views.close();
  });

  it("R-API-4: an event's place is the journal's record and its number in it, the same in any batches; each event comes once from any place", () => {
    using dir = folder();
    using other = folder();
    const views = new SqliteViews(optionsOf(dir.path));
    for (const record of records) views.apply([record]);
    const kinds = [
      [1, 0, "opened"],
      [1, 1, "posted"],
      [1, 2, "replyBegun"],
      [2, 0, "replyChunk"],
      [2, 1, "replied"],
      [2, 2, "summarized"],
      [5, 0, "posted"],
      [5, 1, "replyInterrupted"],
      [5, 2, "replyStopped"],
      [5, 3, "replied"],
    ];
    expect(kindsOf(views, "c")).toEqual(kinds);
    const atOnce = new SqliteViews(optionsOf(other.path));
    atOnce.apply(records);
    expect(kindsOf(atOnce, "c")).toEqual(kinds);
    for (const [i, [seq = 0, idx = 0]] of kinds.entries())
      expect(kindsOf(views, "c", { seq: Number(seq), idx: Number(idx) })).toEqual(kinds.slice(i + 1));
    const first = views.feedAfter("c", { seq: 1, idx: 0 }, 1);
    expect(first).toEqual({
      events: [{ seq: 1, idx: 1, kind: "posted", at: 1000, data: expect.objectContaining({ text: "s1.question-1", turn: 1 }) }],
      hasMore: true,
      isDeleted: false,
    });
    expect(views.feedAfter("nobody", FEED_START, 1)).toEqual({ events: [], hasMore: false, isDeleted: false });
    views.close();
    atOnce.close();
  });

  it("R-CON-2: the texts of turns come in their order, without a reply that was superseded", () => {
    using dir = folder();
    const views = new SqliteViews(optionsOf(dir.path));
    views.apply(records);
    const texts = (fromTurn: number, toTurn: number) => views.turnTexts("c", { fromTurn, toTurn }).flatMap(({ parts }) => parts);
    expect(texts(1, 2)).toEqual(["s1.question-1", "s1.answer-r1", "s1.question-2", "s1.answer-r2b"]);
    expect(texts(2, 9)).toEqual(["s1.question-2", "s1.answer-r2b"]);
    expect(texts(3, 9)).toEqual([]);
    expect(() => texts(1, 1001)).toThrow(RangeError);
    // Whoever repeats the request that brought it still gets it (L3).
    expect(views.message("c", 2, "r2a")).toMatchObject({ number: 4, parts: ["s1.an", "s1.s"], status: "superseded" });
    expect([views.message("c", 1, "r2a"), views.message("d", 2, "r2a")]).toEqual([null, null]);
    views.close();
  });

  it("R-CON-5: a reply that failed is shown with its code and no text, and no summary reads it", () => {
    using dir = folder();
    const views = new SqliteViews(optionsOf(dir.path));
    views.apply([conversationRecord(1, ["conversation/c", posted(1), replyFailed(1), replied(1, "r1b")])]);
    expect(views.messages("c", { after: 0, limit: 9 }).messages).toMatchObject([
      { number: 1, messageId: "m1", status: "complete", code: null },
      { number: 2, messageId: "r1", status: "failed", code: "UPSTREAM_TIMEOUT", parts: [], chars: 0 },
      { number: 3, messageId: "r1b", status: "complete", code: null },
    ]);
    expect(views.turnTexts("c", { fromTurn: 1, toTurn: 1 }).map(({ role, status }) => [role, status])).toEqual([
      ["user", "complete"],
      ["assistant", "complete"],
    ]);
    views.close();
  });

  it("a turn that was posted while a reply was under way stands behind that reply", () => {
    using dir = folder();
    const views = new SqliteViews(optionsOf(dir.path));
    views.apply([conversationRecord(1, ["conversation/c", posted(1), posted(2), replied(1), replied(2)])]);
    expect(views.turnTexts("c", { fromTurn: 1, toTurn: 2 }).flatMap(({ parts }) => parts)).toEqual([
      "s1.question-1",
      "s1.answer-r1",
      "s1.question-2",
      "s1.answer-r2",
    ]);
    views.close();
  });

  it("DESIGN 4.4: of a deleted conversation only its name is left, and what comes late adds nothing", () => {
    using dir = folder();
    const views = new SqliteViews(optionsOf(dir.path));
    const late = [conversationRecord(6, ["conversation/c", posted(3), deleted]), conversationRecord(7, ["summary/c", summarized(2, 2)])];
    views.apply([...records, ...late]);
    expect(views.feedAfter("c", FEED_START, 100)).toEqual({ events: [], hasMore: false, isDeleted: true });
    expect(views.messages("c", { after: 0, limit: 9 }).messages).toEqual([]);
    expect(views.turnTexts("c", { fromTurn: 1, toTurn: 9 })).toEqual([]);
    expect(kindsOf(views, "d")).toHaveLength(2);
    views.close();
    const db = new Database(join(dir.path, "views.db"));
    expect(db.prepare("SELECT name FROM conversations ORDER BY name").pluck().all()).toEqual(["c", "d"]);
    expect(db.prepare("SELECT count(*) FROM messages").pluck().get()).toBe(1);
    db.close();
  });

  it("L6: a page ends at its characters too, with one row at least", () => {
    using dir = folder();
    const views = new SqliteViews(optionsOf(dir.path));
    const large = "x".repeat(3 * 1024 * 1024);
    views.apply([1, 2, 3, 4].map((turn) => conversationRecord(turn, ["conversation/c", posted(turn, large)])));
    const seen: number[] = [];
    for (let hasMore = true; hasMore; ) {
      const page = views.messages("c", { after: seen.at(-1) ?? 0, limit: 100 });
      expect(page.messages.length).toBe(2);
      seen.push(...page.messages.map(({ number }) => number));
      hasMore = page.hasMore;
    }
    expect(seen).toEqual([1, 2, 3, 4]);
    expect(views.feedAfter("c", FEED_START, 100)).toMatchObject({ events: [{}, {}], hasMore: true });
    views.close();
  });

  it("who listens hears of a batch's conversations when their rows can be read, and of none in one that failed", () => {
    using dir = folder();
    const heard: string[][] = [];
    const views: SqliteViews = new SqliteViews({
      ...optionsOf(dir.path),
      onFed: (conversations) => heard.push([...conversations].map((name) => `${name} ${kindsOf(views, name).length}`)),
    });
    views.apply(records.slice(0, 2));
    views.apply(records.slice(2, 3));
    const other = new Database(join(dir.path, "views.db"));
    other.exec("BEGIN IMMEDIATE");
    expect(() => views.apply(records.slice(3))).toThrow(/locked/);
    other.exec("ROLLBACK");
    other.close();
    views.apply(records.slice(3));
    expect(heard).toEqual([["c 6", "d 1"], [], ["d 2", "c 10"]]);
    views.close();
  });

  it("records in another layout than ours are read too", () => {
    using dir = folder();
    const views = new SqliteViews(optionsOf(dir.path));
    views.apply(records.map((record) => ({ ...record, body: JSON.stringify(JSON.parse(Buffer.from(record.body).toString()), null, 2) })));
    expect(kindsOf(views, "c")).toHaveLength(10);
    views.close();
  });
});

describe("a reader beside the thread that fills the view", () => {
  const turns = { fromTurn: 1, toTurn: 1 };
  const texts = ["s1.question-1", "s1.answer-r1"];
  const textsOf = (reader: ConversationReader, seq: number) => reader.turnTexts(seq, "c", turns)?.flatMap(({ parts }) => parts) ?? null;

  it("answers null until the view is there and holds the record, then the texts", () => {
    using dir = folder();
    using reader = new ConversationReader(optionsOf(dir.path));
    expect(textsOf(reader, 0)).toBeNull();
    const views = new SqliteViews(optionsOf(dir.path));
    views.apply(records.slice(0, 1));
    expect(textsOf(reader, 2)).toBeNull();
    views.apply(records.slice(1, 3));
    expect(textsOf(reader, 2)).toEqual(texts);
    expect(textsOf(reader, 4)).toBeNull();
    expect(textsOf(reader, 3)).toEqual(texts);
    expect(reader.turnTexts(3, "nobody", turns)).toEqual([]);
    expect(() => reader.turnTexts(3, "c", { fromTurn: 1, toTurn: 5000 })).toThrow(RangeError);
    views.close();
  });

  it("TRAPS 22: finds the view that was made anew meanwhile, and is not misled by the old one", () => {
    using dir = folder();
    using reader = new ConversationReader(optionsOf(dir.path));
    let views = new SqliteViews(optionsOf(dir.path));
    views.apply(records.slice(0, 2));
    expect(textsOf(reader, 2)).toEqual(texts);
    views.close();
    // As the thread does with a damaged one, under the reader's hands.
    for (const suffix of ["", "-wal", "-shm"]) rmSync(join(dir.path, `views.db${suffix}`), { force: true });
    views = new SqliteViews(optionsOf(dir.path));
    expect(views.position).toBe(0);
    expect(textsOf(reader, 3)).toBeNull();
    views.apply(records);
    expect(textsOf(reader, 5)).toEqual(texts);
    views.close();
    reader.close();
    rmSync(join(dir.path, "views.db-wal"));
    writeFileSync(join(dir.path, "views.db"), "nonsense ".repeat(10_000));
    expect(textsOf(reader, 3)).toBeNull();
  });

  it("a view of an older format, or of another store, is not there yet", () => {
    using dir = folder();
    using reader = new ConversationReader(optionsOf(dir.path));
    const views = new SqliteViews({ ...optionsOf(dir.path), meta: { ...meta, storeId: "store-2" } });
    views.apply(books);
    expect(textsOf(reader, 0)).toBeNull();
    views.close();
    const db = new Database(join(dir.path, "views.db"));
    db.exec("UPDATE meta SET value = 'store-1' WHERE key = 'store_id'; UPDATE meta SET value = 2 WHERE key IN ('format', 'min_reader')");
    db.close();
    expect(textsOf(reader, 0)).toBeNull();
  });
});
