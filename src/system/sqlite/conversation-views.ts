import { type FeedRows, feedRows, type MessageRow } from "../../actors/projections.ts";
import type { Entry, Json } from "../../runtime/records.ts";
import type { ConversationMessage, FeedEvent, FeedPage, FeedPlace, MessagePage, TurnRange, TurnText } from "../conversation-reads.ts";
import type { Connection } from "./connection.ts";

/**
 * Rows of a conversation lie together: they are read by conversation, and their number is small beside the ledger's. `messages` counts the
 * conversation's messages; the parts of a text stand in one column with blanks between, which sealed text never has. Of a deleted one only its name is kept, so that what comes late adds nothing to it again.
 */
export const CONVERSATION_TABLES = `
    CREATE TABLE conversations(id INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE, messages INTEGER NOT NULL, is_deleted INTEGER NOT NULL) STRICT;
    CREATE TABLE messages(conversation INTEGER NOT NULL, number INTEGER NOT NULL, message_id TEXT NOT NULL, turn INTEGER NOT NULL,
      role TEXT NOT NULL, speaker TEXT, text TEXT NOT NULL, chars INTEGER NOT NULL, status TEXT NOT NULL, code TEXT, at INTEGER NOT NULL,
      PRIMARY KEY(conversation, number)) STRICT, WITHOUT ROWID;
    CREATE INDEX messages_by_turn ON messages(conversation, turn);
    CREATE TABLE feed(conversation INTEGER NOT NULL, seq INTEGER NOT NULL, idx INTEGER NOT NULL, kind TEXT NOT NULL, data TEXT NOT NULL,
      at INTEGER NOT NULL, PRIMARY KEY(conversation, seq, idx)) STRICT, WITHOUT ROWID;
`;

/** Rows of a page, and characters of text after which it ends: a page costs the same memory whatever stands in it. */
const PAGE_ROWS_MAX = 1_000;
const PAGE_CHARS_MAX = 4 * 1024 * 1024;
const TURNS_MAX = 1_000;

interface BatchRow {
  readonly seq: number;
  readonly at: number;
  readonly row: FeedRows["rows"][number];
}

/** What some records say about conversations, in order. A new one for each batch. */
export class FeedBatch {
  readonly #rows = new Map<string, BatchRow[]>();

  /** Conversations of which there are rows. */
  get conversations(): Iterable<string> {
    return this.#rows.keys();
  }
  get rows(): Iterable<readonly [conversation: string, rows: readonly BatchRow[]]> {
    return this.#rows;
  }

  /** The record `seq`, of which `entries` are those of `FED_TYPES` and perhaps others. */
  add(seq: number, entries: readonly Entry[]): void {
    for (const type of FED_TYPES) {
      for (const entry of entries) if (entry.entity.startsWith(`${type}/`)) this.#add(seq, feedRows(entry));
    }
  }

  #add(seq: number, found: FeedRows | null): void {
    if (found === null) return;
    const rows = this.#rows.get(found.conversation) ?? [];
    for (const row of found.rows) rows.push({ seq, at: found.at, row });
    this.#rows.set(found.conversation, rows);
  }
}
/** In this order within a record, so that the places of events are the same whenever the view is made. */
export const FED_TYPES = ["conversation", "summary"] as const;

/** The conversations' part of the view's file. Keeps nothing at hand, so a batch that was rolled back leaves nothing behind. */
export class ConversationViews {
  readonly #sql: ReturnType<typeof prepared>;

  constructor(db: Connection) {
    this.#sql = prepared(db);
  }

  /** Inside the transaction of a batch. */
  write(batch: FeedBatch): void {
    for (const [name, rows] of batch.rows) this.#write(name, rows);
  }

  messages(name: string, { after, limit }: { readonly after: number; readonly limit: number }): MessagePage {
    const { rows, hasMore } = pageOf(this.#sql.messages.iterate(name, after), limit, ({ text }) => text.length);
    return { messages: rows.map(inParts), hasMore };
  }

  /** @throws RangeError for more than 1,000 turns. */
  turnTexts(name: string, { fromTurn, toTurn }: TurnRange): readonly TurnText[] {
    if (toTurn - fromTurn >= TURNS_MAX) throw new RangeError(`turns ${fromTurn} to ${toTurn} are more than ${TURNS_MAX}`);
    return this.#sql.turns.all(name, fromTurn, toTurn).map(inParts);
  }

  /** The message of this turn and id, superseded or not; null when it is not known. */
  message(name: string, turn: number, messageId: string): ConversationMessage | null {
    const row = this.#sql.message.get(name, turn, messageId);
    return row === undefined ? null : inParts(row);
  }

  feedAfter(name: string, { seq, idx }: FeedPlace, limit: number): FeedPage {
    const { rows, hasMore } = pageOf(this.#sql.feed.iterate(name, seq, idx), limit, ({ data }) => data.length);
    const events = rows.map(({ data, ...row }): FeedEvent => ({ ...row, data: JSON.parse(data) as Json }));
    return { events, hasMore, isDeleted: this.#sql.find.get(name)?.is_deleted === 1 };
  }

  #write(name: string, rows: readonly BatchRow[]): void {
    const found = this.#sql.find.get(name);
    if (found?.is_deleted === 1) return;
    const id = found?.id ?? Number(this.#sql.add.run(name).lastInsertRowid);
    let messages = found?.messages ?? 0;
    let place: FeedPlace = { seq: 0, idx: 0 };
    for (const { seq, at, row } of rows) {
      if (row.kind === "deleted") return this.#delete(id);
      place = { seq, idx: seq === place.seq ? place.idx + 1 : 0 };
      this.#sql.addEvent.run(id, seq, place.idx, row.kind, JSON.stringify(row.data), at);
      if (row.message === undefined) continue;
      if (row.supersedes !== undefined) this.#sql.supersede.run(id, row.message.turn, row.supersedes);
      this.#addMessage(id, ++messages, row.message, at);
    }
    this.#sql.count.run(messages, id);
  }

  #addMessage(id: number, number: number, { messageId, turn, role, speaker, parts, chars, status, code }: MessageRow, at: number): void {
    this.#sql.addMessage.run(id, number, messageId, turn, role, speaker, parts.join(" "), chars, status, code, at);
  }

  #delete(id: number): void {
    this.#sql.removeMessages.run(id);
    this.#sql.removeEvents.run(id);
    this.#sql.setDeleted.run(id);
  }
}

/** The first rows, at least one if there is any, until `limit` or the characters are reached; `hasMore` when another one follows. */
function pageOf<Row>(found: Iterable<Row>, limit: number, charsOf: (row: Row) => number) {
  const rows: Row[] = [];
  let chars = 0;
  for (const row of found) {
    if (rows.length >= Math.min(limit, PAGE_ROWS_MAX) || chars > PAGE_CHARS_MAX) return { rows, hasMore: true };
    rows.push(row);
    chars += charsOf(row);
  }
  return { rows, hasMore: false };
}

interface FoundConversation {
  readonly id: number;
  readonly messages: number;
  readonly is_deleted: number;
}
/** A row as it lies in the table. */
type Stored<Row extends { readonly parts: readonly string[] }> = Omit<Row, "parts"> & { readonly text: string };
type EventRow = Omit<FeedEvent, "data"> & { readonly data: string };

const inParts = <Row extends { readonly text: string }>({ text, ...row }: Row) => ({
  ...row,
  parts: text === "" ? [] : text.split(" "),
});

function prepared(db: Connection) {
  const its = "conversation = (SELECT id FROM conversations WHERE name = ?)";
  const said = "turn, role, speaker, text, chars, status";
  return {
    find: db.prepare<[string], FoundConversation>("SELECT id, messages, is_deleted FROM conversations WHERE name = ?"),
    add: db.prepare<[string]>("INSERT INTO conversations(name, messages, is_deleted) VALUES (?, 0, 0)"),
    count: db.prepare<[number, number]>("UPDATE conversations SET messages = ? WHERE id = ?"),
    setDeleted: db.prepare<[number]>("UPDATE conversations SET messages = 0, is_deleted = 1 WHERE id = ?"),
    addMessage: db.prepare<[number, number, string, number, string, string | null, string, number, string, string | null, number]>(
      `INSERT INTO messages(conversation, number, message_id, ${said}, code, at) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`,
    ),
    addEvent: db.prepare<[number, number, number, string, string, number]>(
      "INSERT INTO feed(conversation, seq, idx, kind, data, at) VALUES (?, ?, ?, ?, ?, ?)",
    ),
    supersede: db.prepare<[number, number, string]>(
      "UPDATE messages SET status = 'superseded' WHERE conversation = ? AND turn = ? AND message_id = ?",
    ),
    removeMessages: db.prepare<[number]>("DELETE FROM messages WHERE conversation = ?"),
    removeEvents: db.prepare<[number]>("DELETE FROM feed WHERE conversation = ?"),
    messages: db.prepare<[string, number], Stored<ConversationMessage>>(
      `SELECT number, message_id AS messageId, ${said}, code, at FROM messages WHERE ${its} AND number > ? ORDER BY number`,
    ),
    message: db.prepare<[string, number, string], Stored<ConversationMessage>>(
      `SELECT number, message_id AS messageId, ${said}, code, at FROM messages WHERE ${its} AND turn = ? AND message_id = ?`,
    ),
    turns: db.prepare<[string, number, number], Stored<TurnText>>(
      `SELECT ${said} FROM messages WHERE ${its} AND turn BETWEEN ? AND ? AND status NOT IN ('superseded', 'failed') ORDER BY turn, number`,
    ),
    feed: db.prepare<[string, number, number], EventRow>(
      `SELECT seq, idx, kind, data, at FROM feed WHERE ${its} AND (seq, idx) > (?, ?) ORDER BY seq, idx`,
    ),
  };
}
