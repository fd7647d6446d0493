import type { EventPlace, HeldEntity, OutboxProgress } from "../outbox/event-place.ts";
import { type Connection, openConnection } from "./connection.ts";
import { type DerivedFile, type DerivedFileOptions, isUnreadable, makeAnew, openDerived } from "./derived-file.ts";
import { type FileFormat, isBlank, readMeta, type StoreMeta } from "./store-meta.ts";

/** `outbox.db`. `event` is the id of the event at (seq, idx), null when it is not known. */
const OUTBOX_FILE: FileFormat = {
  name: "outbox",
  format: 1,
  schema: `
    CREATE TABLE progress(position INTEGER NOT NULL, replays INTEGER NOT NULL, replayed_to INTEGER NOT NULL) STRICT;
    INSERT INTO progress(position, replays, replayed_to) VALUES (0, 0, 0);
    CREATE TABLE held(entity TEXT PRIMARY KEY, seq INTEGER NOT NULL, idx INTEGER NOT NULL, event TEXT, why TEXT NOT NULL,
      attempts INTEGER NOT NULL, since INTEGER NOT NULL, next_at INTEGER NOT NULL) STRICT, WITHOUT ROWID;
    CREATE INDEX held_by_time ON held(next_at);
  `,
};
/** 1,000 pages: what is written is a row four times a second. */
const OUTBOX: DerivedFile = { format: OUTBOX_FILE, walPages: 1_000 };

export type OutboxStoreOptions = DerivedFileOptions;

interface HeldRow {
  readonly entity: string;
  readonly seq: number;
  readonly idx: number;
  readonly event: string | null;
  readonly why: string;
  readonly attempts: number;
  readonly since: number;
  readonly next_at: number;
}

/**
 * How far events have left, and which entities are held. Only the outbox thread holds one. After a power cut the last commits may be gone, in the order in which
 * they came: events are then sent again, never left out. For the same reason a file that is damaged, foreign or of another format is made anew at record 0.
 */
export class SqliteOutbox {
  /** Why the file was made anew; null when it was there and whole, or there was none. */
  readonly remadeBecause: string | null;
  readonly #db: Connection;
  readonly #sql: ReturnType<typeof prepared>;

  constructor(options: OutboxStoreOptions) {
    const { db, remadeBecause } = openOrMake(options);
    this.#db = db;
    this.remadeBecause = remadeBecause;
    this.#sql = prepared(db);
  }

  progress(): OutboxProgress {
    const found = this.#sql.progress.get();
    if (found === undefined) throw new Error(`${this.#db.name} has no progress`);
    return found;
  }

  saveTo(position: number): void {
    this.#sql.savePosition.run(position);
  }

  /** Entities in the order of their addresses. */
  heldPage(after: string, limit: number): readonly HeldEntity[] {
    return this.#sql.page.all(after, limit).map(heldOf);
  }
  heldNames(): readonly string[] {
    return this.#sql.names.all();
  }
  heldOf(entity: string): HeldEntity | null {
    const row = this.#sql.one.get(entity);
    return row === undefined ? null : heldOf(row);
  }

  /** Those whose next attempt is due and whose place is at or below a record, longest due first. */
  due(now: number, seqMax: number, limit: number): readonly HeldEntity[] {
    return this.#sql.due.all(now, seqMax, limit).map(heldOf);
  }
  /** Of the next attempt; null when nothing is held. */
  nextAt(): number | null {
    return this.#sql.nextAt.get() ?? null;
  }

  /** The entity is held from now on, or held again. */
  hold({ entity, place: { seq, index }, eventId, why, attempts, since, nextAt }: HeldEntity): void {
    this.#sql.hold.run(entity, seq, index, eventId, why, attempts, since, nextAt);
  }

  /** These go on, and have come to a place. */
  moveOn(entities: Iterable<string>, { seq, index }: EventPlace): void {
    this.#db.transaction(() => {
      for (const entity of entities) this.#sql.moveOn.run(seq, index, entity);
    })();
  }

  /** Nothing of these is held any more. */
  release(entities: Iterable<string>): void {
    this.#db.transaction(() => {
      for (const entity of entities) this.#sql.release.run(entity);
    })();
  }

  /** Goes back: everything from the record on is sent again, up to `to` as part of a replay. What is held from there on is met again. */
  replay(from: number, to: number): void {
    this.#db
      .transaction(() => {
        this.#sql.replay.run(from - 1, to);
        this.#sql.releaseFrom.run(from);
      })
      .immediate();
  }

  close(): void {
    this.#db.close();
  }
}

/** How far an outbox has come, or null when there is none of this store: a journal that ends before it has lost its end. */
export function outboxPositionOf(options: OutboxStoreOptions): number | null {
  try {
    const db = openConnection({ ...options, synchronous: "normal", walAutocheckpointPages: 0, isReadOnly: true });
    try {
      if (isBlank(db) || readMeta(db, OUTBOX_FILE).storeId !== options.meta.storeId) return null;
      return db.prepare<[], number>("SELECT position FROM progress").pluck().get() ?? null;
    } finally {
      db.close();
    }
  } catch (cause) {
    if (isUnreadable(cause)) return null; // It will be made anew, at record 0.
    throw cause;
  }
}

function openOrMake(options: OutboxStoreOptions): { readonly db: Connection; readonly remadeBecause: string | null } {
  try {
    const db = openDerived(OUTBOX, options);
    let why: string | null;
    try {
      why = whyUseless(db, options.meta);
    } catch (cause) {
      db.close();
      throw cause;
    }
    if (why === null) return { db, remadeBecause: null };
    db.close();
    return { db: makeAnew(OUTBOX, options), remadeBecause: why };
  } catch (cause) {
    if (!isUnreadable(cause)) throw cause;
    return { db: makeAnew(OUTBOX, options), remadeBecause: cause instanceof Error ? cause.message : String(cause) };
  }
}

/** It is small, so it is read whole: damage is found here, and not where a held entity is looked for. */
function whyUseless(db: Connection, { storeId }: StoreMeta): string | null {
  const found = readMeta(db, OUTBOX_FILE);
  if (found.storeId !== storeId) return `${db.name} belongs to store ${found.storeId}, the journal to store ${storeId}`;
  const said = db.pragma("quick_check(1)", { simple: true });
  return said === "ok" ? null : `${db.name} is damaged: SQLite says "${String(said)}"`;
}

const heldOf = ({ entity, seq, idx: index, event: eventId, why, attempts, since, next_at: nextAt }: HeldRow): HeldEntity => ({
  entity,
  place: { seq, index },
  eventId,
  why,
  attempts,
  since,
  nextAt,
});

function prepared(db: Connection) {
  return {
    progress: db.prepare<[], OutboxProgress>("SELECT position, replays, replayed_to AS replayedTo FROM progress"),
    savePosition: db.prepare<[number]>("UPDATE progress SET position = ?"),
    replay: db.prepare<[number, number]>("UPDATE progress SET position = ?, replays = replays + 1, replayed_to = max(replayed_to, ?)"),
    releaseFrom: db.prepare<[number]>("DELETE FROM held WHERE seq >= ?"),
    page: db.prepare<[string, number], HeldRow>("SELECT * FROM held WHERE entity > ? ORDER BY entity LIMIT ?"),
    names: db.prepare<[], string>("SELECT entity FROM held").pluck(),
    one: db.prepare<[string], HeldRow>("SELECT * FROM held WHERE entity = ?"),
    due: db.prepare<[number, number, number], HeldRow>("SELECT * FROM held WHERE next_at <= ? AND seq <= ? ORDER BY next_at LIMIT ?"),
    nextAt: db.prepare<[], number | null>("SELECT min(next_at) FROM held").pluck(),
    hold: db.prepare<[string, number, number, string | null, string, number, number, number]>(
      "INSERT OR REPLACE INTO held(entity, seq, idx, event, why, attempts, since, next_at) VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
    ),
    moveOn: db.prepare<[number, number, string]>("UPDATE held SET seq = ?, idx = ?, event = NULL, attempts = 0 WHERE entity = ?"),
    release: db.prepare<[string]>("DELETE FROM held WHERE entity = ?"),
  };
}
