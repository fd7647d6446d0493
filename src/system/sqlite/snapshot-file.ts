import type { CheckpointHead, HandledTell, OpenEffect, ShardPosition } from "../../runtime/records.ts";
import { type Connection, openConnection } from "./connection.ts";
import { type FileFormat, isBlank, namingCorruption, readMeta, type StoreMeta } from "./store-meta.ts";

/** `shard` is the entity's; `more` is JSON: {command, body, catchUp?, trace?}. */
const TIMERS = `
    CREATE TABLE timers(id INTEGER PRIMARY KEY, at INTEGER NOT NULL, shard INTEGER NOT NULL, entity TEXT NOT NULL, label TEXT NOT NULL,
      more TEXT NOT NULL) STRICT;
    CREATE UNIQUE INDEX timers_by_label ON timers(entity, label);
    CREATE INDEX timers_by_time ON timers(at);`;

/**
 * Where the records are that say all about an entity that finished in the one in which it began. Nothing but hash and record: the record has the address. In the
 * order of their hashes, because a row of its own with an index beside it costs a third more, and its snapshot twice as much (8 against 3.5 us a row
 * at 300,000 rows).
 */
const POINTERS = `
    CREATE TABLE pointers(hash INTEGER NOT NULL, record INTEGER NOT NULL, PRIMARY KEY(hash, record)) STRICT, WITHOUT ROWID;`;

/**
 * Snapshots lie in the order in which they were first written, and a small index of hashes finds them: keys of finished transfers are random, and
 * with the rows themselves in key order every one of them dirtied a page of its own (20 us a row at 200,000 rows, growing with the
 * table). It also proves the absence of a key from the index alone.
 *
 * Every shard has a position from the start, so that the least of them says where the tail begins even while some shards were never covered.
 * Effects keep the order in which the checkpoint named them: that is the order in which they are offered. `body` of an effect and `answer`
 * of a handled tell are JSON.
 */
export const SNAPSHOT_FILE: FileFormat = {
  name: "snapshots",
  format: 4,
  upgrades: { 2: TIMERS, 3: POINTERS },
  schema: `
    CREATE TABLE snapshots(id INTEGER PRIMARY KEY, hash INTEGER NOT NULL, entity TEXT NOT NULL, shard INTEGER NOT NULL, seq INTEGER NOT NULL,
      version INTEGER NOT NULL, definition INTEGER NOT NULL, body TEXT NOT NULL) STRICT;
    CREATE INDEX snapshots_by_hash ON snapshots(hash);
    CREATE TABLE positions(shard INTEGER PRIMARY KEY, seq INTEGER NOT NULL, position INTEGER NOT NULL) STRICT;
    CREATE TABLE effects(shard INTEGER NOT NULL, ordinal INTEGER NOT NULL, body TEXT NOT NULL, PRIMARY KEY(shard, ordinal)) STRICT, WITHOUT ROWID;
    CREATE TABLE handled(shard INTEGER NOT NULL, id TEXT NOT NULL, answer TEXT NOT NULL, PRIMARY KEY(shard, id)) STRICT, WITHOUT ROWID;
    ${TIMERS}
    ${POINTERS}
    CREATE TABLE clock(at INTEGER NOT NULL) STRICT;
    INSERT INTO clock(at) VALUES (0);
    WITH RECURSIVE shards(shard) AS (
      SELECT 0 UNION ALL SELECT shard + 1 FROM shards WHERE shard + 1 < (SELECT value FROM meta WHERE key = 'shard_count'))
    INSERT INTO positions(shard, seq, position) SELECT shard, 0, 0 FROM shards;
  `,
};

export interface SnapshotFileOptions {
  readonly path: string;
  readonly busyTimeoutMs: number;
  readonly cacheKiB: number;
}

/**
 * The newest of the rows of one entity. There is one at most as long as `isFirst` is true to its word; should it ever not be, the older row must
 * not be taken for the entity's state. (ORDER BY in the query would make SQLite plan it again at every call: 3.7 us instead of 0.6.)
 */
export function newestOf<Row extends { readonly seq: number }>(rows: readonly Row[]): Row | undefined {
  return rows.length < 2 ? rows[0] : rows.reduce((newest, row) => (row.seq > newest.seq ? row : newest));
}

/** What a checkpoint file says before the journal is opened: whose it is, and up to which record it covers a shard. */
export interface SnapshotClaim {
  readonly meta: StoreMeta;
  readonly highestPosition: number;
}

/** Reads the claim without changing the file; null when the file is blank. @throws Fault `FORMAT_UNSUPPORTED`, `JOURNAL_CORRUPT`. */
export function snapshotClaimOf(options: SnapshotFileOptions): SnapshotClaim | null {
  return namingCorruption(options.path, () => {
    const db = openConnection({ ...options, synchronous: "normal", walAutocheckpointPages: 0, isReadOnly: true });
    try {
      if (isBlank(db)) return null;
      const meta = readMeta(db, SNAPSHOT_FILE);
      const highest = db.prepare<[], number | null>("SELECT max(position) FROM positions").pluck().get();
      return { meta, highestPosition: highest ?? 0 };
    } finally {
      db.close();
    }
  });
}

/** One transaction, so that positions, effects and handled tells are of one moment even while the checkpoint thread writes. */
export function headOf(db: Connection): CheckpointHead {
  return db.transaction(() => ({
    positions: db.prepare<[], ShardPosition>("SELECT shard, seq, position FROM positions ORDER BY shard").all(),
    effects: db
      .prepare<[], { readonly shard: number; readonly body: string }>("SELECT shard, body FROM effects ORDER BY shard, ordinal")
      .all()
      .map(({ shard, body }) => ({ ...(JSON.parse(body) as Omit<OpenEffect, "shard">), shard })),
    handled: db
      .prepare<[], { readonly shard: number; readonly id: string; readonly answer: string }>(
        "SELECT shard, id, answer FROM handled ORDER BY shard, id",
      )
      .all()
      .map(({ shard, id, answer }) => ({ shard, id, answer: JSON.parse(answer) as HandledTell["answer"] })),
    at: db.prepare<[], number>("SELECT at FROM clock").pluck().get() ?? 0,
  }))();
}
