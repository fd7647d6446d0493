import {
  type CheckpointHead,
  entityHash,
  type PointedRecords,
  type Snapshot,
  type SnapshotReader,
  type StoredTimer,
  type TimerSet,
  type TimerWindow,
} from "../../runtime/index.ts";
import { type Connection, openConnection, type Statement } from "./connection.ts";
import { headOf, newestOf, SNAPSHOT_FILE, type SnapshotFileOptions } from "./snapshot-file.ts";
import { readMeta } from "./store-meta.ts";
import type { StoredHashes } from "./stored-hashes.ts";

/** Finds the upper pages of the index at hand; the rows are read once, and lie in the system's cache. */
const READER_CACHE_KIB = 4_096;

/** Point reads on a connection of its own that cannot write, for a shard's thread. The file must be there: the store is made before threads start. */
export class SqliteSnapshotReader implements SnapshotReader {
  readonly #db: Connection;
  readonly #stored: StoredHashes | null;
  readonly #begin: Statement<[], never>;
  readonly #end: Statement<[], never>;
  /** Reads of now belong together: the first of them begins a transaction. */
  #isAtOnce = false;
  #hasBegun = false;
  readonly #load: Statement<[number, string, number], Snapshot & { readonly record: number }>;
  readonly #timers: Statement<
    [number, number, number, number],
    Omit<StoredTimer, "command" | "body"> & { readonly id: number; readonly more: string }
  >;

  /** @throws Fault `FORMAT_UNSUPPORTED`, `JOURNAL_CORRUPT`; SqliteError when there is no file. */
  constructor(options: SnapshotFileOptions & { readonly stored?: StoredHashes }) {
    this.#stored = options.stored ?? null;
    const cacheKiB = Math.min(options.cacheKiB, READER_CACHE_KIB);
    this.#db = openConnection({ ...options, cacheKiB, synchronous: "normal", walAutocheckpointPages: 0, isReadOnly: true });
    try {
      readMeta(this.#db, SNAPSHOT_FILE);
      this.#begin = this.#db.prepare("BEGIN");
      this.#end = this.#db.prepare("COMMIT");
      this.#load = this.#db.prepare(
        `SELECT entity, shard, seq, version, definition, body, 0 AS record FROM snapshots WHERE hash = ? AND entity = ?
         UNION ALL SELECT '', 0, 0, 0, 0, '', record FROM pointers WHERE hash = ?`,
      );
      this.#timers = this.#db.prepare(
        "SELECT id, at, shard, entity, label, more FROM timers WHERE (at, id) > (?, ?) AND at < ? ORDER BY at, id LIMIT ?",
      );
    } catch (cause) {
      this.#db.close();
      throw cause;
    }
  }

  load(entity: string): Snapshot | PointedRecords | null {
    const hash = entityHash(entity);
    if (this.#stored !== null && !this.#stored.mayHave(hash)) return null;
    if (this.#isAtOnce && !this.#hasBegun) {
      this.#begin.run();
      this.#hasBegun = true;
    }
    const rows = this.#load.all(hash, entity, hash);
    if (rows.length === 0) return null;
    const newest = newestOf(rows.filter(({ record }) => record === 0));
    if (newest === undefined) return { records: rows.map(({ record }) => record) };
    const { record: _, ...snapshot } = newest;
    return snapshot;
  }

  timers({ after, until, limit }: TimerWindow): ReadonlyArray<StoredTimer & { readonly id: number }> {
    const from = Number.isFinite(after.at) ? after.at : 0;
    return this.#timers.all(from, after.id, until, limit).map(({ id, at, shard, entity, label, more }) => {
      const { command, body, catchUp, trace } = JSON.parse(more) as Omit<TimerSet, "label" | "at">;
      return { id, at, shard, entity, label, command, body, ...(catchUp && { catchUp }), ...(trace && { trace }) };
    });
  }

  /** Runs `read` in one read transaction: taking and giving back SQLite's lock for each of many `load`s costs three times the reads (2.9 against 0.8 us). */
  atOnce(read: () => void): void {
    this.#isAtOnce = true;
    try {
      read();
    } finally {
      this.#isAtOnce = false;
      this.#hasBegun = false;
      if (this.#db.inTransaction) this.#end.run(); // After some errors SQLite has ended it by itself.
    }
  }

  /** The head of the last checkpoints, of one moment even while they are written: where recovery starts. */
  head(): CheckpointHead {
    return headOf(this.#db);
  }

  close(): void {
    this.#db.close();
  }
}
