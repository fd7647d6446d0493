import {
  type CheckpointEnd,
  type CheckpointHead,
  entityHash,
  NO_POINTERS,
  type RecordPointers,
  type Snapshot,
  type SnapshotStore,
} from "../../runtime/records.ts";
import { type Connection, checkpointWal, openConnection } from "./connection.ts";
import { headOf, newestOf, SNAPSHOT_FILE, type SnapshotFileOptions } from "./snapshot-file.ts";
import {
  assertSameStore,
  assertShardCount,
  createFile,
  isBlank,
  namingCorruption,
  readMeta,
  type StoreMeta,
  upgradeFile,
} from "./store-meta.ts";
import { StoredHashes } from "./stored-hashes.ts";

/** A larger log than SQLite's 1,000 pages lets one write of a page serve several checkpoints of hot entities. */
const WAL_PAGES = 10_000;

export interface SqliteSnapshotsOptions extends SnapshotFileOptions {
  /** Both must be the journal's. */
  readonly meta: StoreMeta;
  /** Of `StoredHashes`; for a store of which nobody reads meanwhile there need be none. */
  readonly hashes?: SharedArrayBuffer;
}

/**
 * Snapshots and the heads of checkpoints in a file of their own. Only the checkpoint thread writes it. synchronous=NORMAL: after a power cut the
 * last transactions may be missing as a whole, never in part, and recovery then reads a longer tail.
 */
export class SqliteSnapshots implements SnapshotStore {
  readonly shardCount: number;
  readonly #db: Connection;
  readonly #end: (end: CheckpointEnd) => void;
  readonly #write: (snapshots: readonly Snapshot[], pointers: RecordPointers) => void;
  readonly #stored: StoredHashes | null;
  readonly #hashesAfter: ReturnType<typeof preparedHashes>;
  /** Which rows are added to the hashes next. */
  #adding: { readonly table: "snapshots" | "pointers"; readonly after: number } = { table: "snapshots", after: -1 };

  /** @throws Fault `CONFIG_INVALID` for another count of shards or another store, `FORMAT_UNSUPPORTED`, `JOURNAL_CORRUPT`. */
  constructor(options: SqliteSnapshotsOptions) {
    const { path, meta } = options;
    this.#stored = options.hashes === undefined ? null : new StoredHashes(options.hashes);
    this.#db = namingCorruption(path, () => openConnection({ ...options, synchronous: "normal", walAutocheckpointPages: WAL_PAGES }));
    try {
      if (namingCorruption(path, () => isBlank(this.#db))) createFile(this.#db, SNAPSHOT_FILE, meta);
      const found = readMeta(this.#db, SNAPSHOT_FILE);
      assertSameStore(path, found.storeId, meta.storeId);
      assertShardCount(path, found.shardCount, meta.shardCount);
      this.shardCount = found.shardCount;
      upgradeFile(this.#db, SNAPSHOT_FILE);
      this.#write = preparedWrite(this.#db);
      this.#end = preparedEnd(this.#db);
      this.#hashesAfter = preparedHashes(this.#db);
    } catch (cause) {
      this.#db.close();
      throw cause;
    }
  }

  head(): CheckpointHead {
    return namingCorruption(this.#db.name, () => headOf(this.#db));
  }

  write(snapshots: readonly Snapshot[], pointers: RecordPointers = NO_POINTERS): void {
    if (this.#stored !== null) addHashes(this.#stored, snapshots, pointers);
    this.#write(snapshots, pointers);
  }

  /** An entity without a row costs no read. */
  get knowsAllHashes(): boolean {
    return this.#stored?.isWhole ?? false;
  }

  /** Adds the hashes of up to `rowsMax` of the rows that were there at the start. False when all of them are added. */
  addStoredHashes(rowsMax: number): boolean {
    const stored = this.#stored;
    if (stored === null || stored.isWhole) return false;
    const { table, after } = this.#adding;
    const hashes = this.#hashesAfter[table].all(after, rowsMax);
    for (const hash of hashes) stored.add(hash);
    const last = hashes.at(-1);
    if (last !== undefined) this.#adding = { table, after: last };
    else if (table === "snapshots") this.#adding = { table: "pointers", after: -1 };
    else stored.declareWhole();
    return !stored.isWhole;
  }

  end(end: CheckpointEnd): void {
    this.#end(end);
  }

  /**
   * Makes everything written so far survive a power cut, and empties the write-ahead log. For a clean stop, and before records leave the journal.
   * @throws Error when a reader kept the log in use for the whole busy timeout.
   */
  fsync(): void {
    if (checkpointWal(this.#db, "truncate") === null) throw new Error(`${this.#db.name}: a reader keeps the write-ahead log in use`);
  }

  close(): void {
    this.#db.close();
  }
}

/** In the order of their hashes, so that a page of the index is touched once for all its rows. */
function preparedWrite(db: Connection): (snapshots: readonly Snapshot[], pointers: RecordPointers) => void {
  const find = db.prepare<[number, string], { readonly id: number; readonly seq: number }>(
    "SELECT id, seq FROM snapshots WHERE hash = ? AND entity = ?",
  );
  const insert = db.prepare<[number, string, number, number, number, number, string]>(
    "INSERT INTO snapshots(hash, entity, shard, seq, version, definition, body) VALUES (?, ?, ?, ?, ?, ?, ?)",
  );
  const update = db.prepare<[number, number, number, string, number]>(
    "UPDATE snapshots SET seq = ?, version = ?, definition = ?, body = ? WHERE id = ?",
  );
  const point = db.prepare<[number, number]>("INSERT OR IGNORE INTO pointers(hash, record) VALUES (?, ?)");
  return db.transaction((snapshots: readonly Snapshot[], pointers: RecordPointers) => {
    for (const index of inOrder(pointers)) point.run(pointers[index] as number, pointers[index + 1] as number);
    const rows = snapshots.map((snapshot) => ({ hash: entityHash(snapshot.entity), snapshot })).sort((a, b) => a.hash - b.hash);
    for (const { hash, snapshot } of rows) {
      const { entity, shard, seq, version, definition, body } = snapshot;
      const found = snapshot.isFirst === true ? undefined : newestOf(find.all(hash, entity));
      if (found === undefined) insert.run(hash, entity, shard, seq, version, definition, body);
      // A thread that died may have left older rows on their way.
      else if (found.seq <= seq) update.run(seq, version, definition, body, found.id);
    }
  }).immediate;
}

function addHashes(stored: StoredHashes, snapshots: readonly Snapshot[], pointers: RecordPointers): void {
  for (const { entity } of snapshots) stored.add(entityHash(entity));
  for (let i = 0; i < pointers.length; i += 2) stored.add(pointers[i] as number);
}

/** Rows that have one hash together may be cut apart: all that matters of them is the hash. */
const preparedHashes = (db: Connection) => ({
  snapshots: db.prepare<[number, number], number>("SELECT hash FROM snapshots WHERE hash > ? ORDER BY hash LIMIT ?").pluck(),
  pointers: db.prepare<[number, number], number>("SELECT hash FROM pointers WHERE hash > ? ORDER BY hash LIMIT ?").pluck(),
});

/** Where the pairs begin, in the order of their hashes. */
function inOrder(pointers: RecordPointers): readonly number[] {
  const starts = Array.from({ length: pointers.length / 2 }, (_, i) => 2 * i);
  return starts.sort((a, b) => (pointers[a] as number) - (pointers[b] as number));
}

/** Rows of exactly the shards in `positions` are replaced, so that the domains can end their checkpoints one by one. */
function preparedEnd(db: Connection): (end: CheckpointEnd) => void {
  const position = db.prepare<[number, number, number]>("INSERT OR REPLACE INTO positions(shard, seq, position) VALUES (?, ?, ?)");
  const dropEffects = db.prepare<[number]>("DELETE FROM effects WHERE shard = ?");
  const dropHandled = db.prepare<[number]>("DELETE FROM handled WHERE shard = ?");
  const effect = db.prepare<[number, number, string]>("INSERT INTO effects(shard, ordinal, body) VALUES (?, ?, ?)");
  const tell = db.prepare<[number, string, string]>("INSERT INTO handled(shard, id, answer) VALUES (?, ?, ?)");
  const timerSet = db.prepare<[number, number, string, string, string]>(
    "INSERT INTO timers(at, shard, entity, label, more) VALUES (?, ?, ?, ?, ?) ON CONFLICT(entity, label) DO UPDATE SET at = excluded.at, shard = excluded.shard, more = excluded.more",
  );
  const timerOver = db.prepare<[string, string]>("DELETE FROM timers WHERE entity = ? AND label = ?");
  const clock = db.prepare<[number]>("UPDATE clock SET at = max(at, ?)");
  return db.transaction((end: CheckpointEnd) => {
    for (const { shard, seq, position: covered } of end.positions) {
      position.run(shard, seq, covered);
      dropEffects.run(shard);
      dropHandled.run(shard);
    }
    for (const [ordinal, { shard, ...body }] of end.effects.entries()) effect.run(shard, ordinal, JSON.stringify(body));
    for (const { shard, id, answer } of end.handled) tell.run(shard, id, JSON.stringify(answer));
    for (const change of end.timers) {
      if (change.timer === null) timerOver.run(change.entity, change.label);
      else {
        const { at, shard, entity, label, ...more } = change.timer;
        timerSet.run(at, shard, entity, label, JSON.stringify(more));
      }
    }
    clock.run(end.at);
  }).immediate;
}
