/**
 * The journal in SQLite.
 *
 * J1. All groups of an append stand in one transaction; when `append` returns they are synced to the disk (synchronous=FULL).
 * J2. An error before COMMIT whose rollback succeeded did nothing. An error at COMMIT, in the rollback, or of reading and writing the
 *     file leaves the outcome open, and the connection is used no more: a second fsync may say "done" about pages that the first one lost.
 * J3. What `reopen` finds is on the disk when it returns, and what it does not find never comes back: it moves the whole log into the
 *     main file, which writes every page anew, empties the log and syncs that with a commit of its own. So does the first opening,
 *     because a process that was killed may have left a transaction that was written and not synced.
 */
import { randomUUID } from "node:crypto";
import {
  CommitError,
  Fault,
  type Group,
  type JournalStore,
  RECORD_FORMAT,
  RECORD_MIN_READER,
  type StoredRecord,
} from "../../runtime/records.ts";
import { TransactionHash } from "./chain.ts";
import {
  type Connection,
  checkpointWal,
  openConnection,
  type Statement,
  type Synchronous,
  sqliteCodeOf,
  synchronousOf,
  type WalFigures,
} from "./connection.ts";
import { DiskSpace, type DiskSpaceOptions } from "./disk-space.ts";
import { JOURNAL_FILE, type JournalEnd, JournalRows } from "./journal-file.ts";
import { assertSameStore, assertShardCount, createFile, isBlank, namingCorruption, type StoreMeta } from "./store-meta.ts";
import { assertNotTruncated } from "./verify.ts";

export interface SqliteJournalOptions {
  readonly path: string;
  /** Fixed when the store is made. */
  readonly shardCount: number;
  readonly synchronous: Synchronous;
  readonly busyTimeoutMs: number;
  readonly cacheKiB: number;
  /** Pages in the write-ahead log above which `walCheckpoint` moves them to the main file. */
  readonly walPagesMax: number;
  readonly diskFreeBytesMin: number;
  /** For tests. */
  readonly freeBytes?: DiskSpaceOptions["freeBytes"];
  readonly nowMs?: DiskSpaceOptions["nowMs"];
  /** Most pages of the main file, for tests: a real SQLITE_FULL without a full disk. */
  readonly pagesMax?: number;
}

/** What was written since the store was opened; `reopen` does not reset it. */
export interface JournalCounters {
  readonly commits: number;
  readonly groups: number;
  readonly entries: number;
  /** UTF-8 bytes of the bodies. */
  readonly bytes: number;
  /**
   * One for each commit when synchronous is "full", two for each checkpoint that moved pages. A lower bound: probes, reopenings and the
   * second sync of a commit that starts the log over are not counted.
   */
  readonly fsyncs: number;
}

/** A record of some dozen commands takes 100 KB: in pages of four times SQLite's size it is written and moved with 0.7 of the processor (docs/decisions.md 48). */
const PAGE_BYTES = 16_384;

type Row = [
  seq: number,
  format: number,
  minReader: number,
  domain: number,
  incarnation: number,
  grp: number,
  time: number,
  count: number,
  high: number,
  hash: Buffer | null,
  body: string | Uint8Array,
];

/** One open connection with everything prepared on it. */
interface OpenFile {
  readonly db: Connection;
  readonly rows: JournalRows;
  readonly begin: Statement<[], unknown>;
  readonly insert: Statement<Row, unknown>;
  readonly probe: Statement<[], unknown>;
  readonly commit: Statement<[], unknown>;
  readonly rollback: Statement<[], unknown>;
  readonly walFigures: Statement<[], { readonly log: number; readonly checkpointed: number }>;
}

/** The journal of one data directory. Only the journal thread holds one; nobody else writes the file. */
export class SqliteJournal implements JournalStore {
  readonly meta: StoreMeta;
  readonly #options: SqliteJournalOptions;
  readonly #disk: DiskSpace;
  #file: OpenFile | null;
  #end: JournalEnd;
  #synchronous: Synchronous;
  /** Set while the connection must not be used (J2). When no outcome is open, as after a failed probe, the next probe opens the file anew. */
  #failure: { readonly isOutcomeOpen: boolean; readonly cause: unknown } | null = null;
  readonly #counters = { commits: 0, groups: 0, entries: 0, bytes: 0, fsyncs: 0 };

  /**
   * Opens the journal, or makes it.
   * @throws Fault `FORMAT_UNSUPPORTED`, `JOURNAL_CORRUPT` (by a check of the end), `CONFIG_INVALID`; `JOURNAL_UNAVAILABLE` when the disk
   * does not take a write.
   */
  constructor(options: SqliteJournalOptions) {
    this.#options = options;
    this.#disk = new DiskSpace({ ...options, bytesMin: options.diskFreeBytesMin });
    try {
      this.#file = openFile(options);
    } catch (cause) {
      if (cause instanceof Fault) throw cause;
      throw new Fault("JOURNAL_UNAVAILABLE", `${options.path} cannot be opened for writing: ${textOf(cause)}`, {
        isRetryable: true,
        cause,
      });
    }
    try {
      this.meta = this.#file.rows.meta;
      this.#synchronous = synchronousOf(this.#file.db);
      assertShardCount(options.path, this.meta.shardCount, options.shardCount);
      this.#end = this.#file.rows.end();
    } catch (cause) {
      this.#file.db.close();
      throw cause;
    }
  }

  get lastSeq(): number {
    return this.#end.seq;
  }

  get incarnationHigh(): number {
    return this.#end.incarnationHigh;
  }

  /** The mode in force, as SQLite said when the file was opened last. */
  get synchronous(): Synchronous {
    return this.#synchronous;
  }

  get counters(): JournalCounters {
    return { ...this.#counters };
  }

  append(groups: readonly Group[], incarnationHigh: number): number {
    if (this.#failure !== null) throw new CommitError(`the journal must be reopened first: ${textOf(this.#failure.cause)}`, this.#failure);
    try {
      this.#disk.assert();
    } catch (cause) {
      throw new CommitError("nothing was written", { isOutcomeOpen: false, cause });
    }
    const file = this.#open();
    const first = this.#end.seq + 1;
    if (groups.length === 0) return first;
    const high = Math.max(incarnationHigh, this.#end.incarnationHigh);
    const { hash, bytes } = this.#transaction(file, () => insertGroups(file, groups, { after: this.#end, high }));
    this.#end = { seq: this.#end.seq + groups.length, hash, incarnationHigh: high };
    this.#count(groups, bytes);
    return first;
  }

  /**
   * J3. Makes no file: a journal that is not where it was is not an empty one.
   * @throws Fault `JOURNAL_TRUNCATED` when the file holds fewer records than were acknowledged, `CONFIG_INVALID` when it is another store's;
   * as the constructor otherwise.
   */
  reopen(): void {
    this.#closeFile();
    const file = openFile({ ...this.#options, mustExist: true });
    try {
      assertSameStore(this.#options.path, file.rows.meta.storeId, this.meta.storeId);
      const end = file.rows.end();
      assertNotTruncated(end.seq, this.#end.seq, "an acknowledgement");
      this.#end = end;
      this.#synchronous = synchronousOf(file.db);
    } catch (cause) {
      file.db.close();
      throw cause;
    }
    this.#file = file;
    this.#failure = null;
  }

  probe(): void {
    if (this.#failure?.isOutcomeOpen) throw new Error("the journal must be reopened first", { cause: this.#failure.cause });
    this.#disk.assertNow();
    if (this.#failure !== null) {
      this.reopen(); // Opening probes.
      return;
    }
    const file = this.#open();
    try {
      this.#transaction(file, () => file.probe.run());
    } catch (cause) {
      if (this.#failure !== null) this.#failure = { isOutcomeOpen: false, cause };
      throw cause;
    }
  }

  read(after: number, recordsMax: number): readonly StoredRecord[] {
    return this.#open().rows.read(after, recordsMax);
  }

  /** Adds up the chain of the transactions that hold records above `after`; `onSeq` hears how far it is. @throws Fault `JOURNAL_CORRUPT` naming the record. */
  checkTail(after: number, onSeq?: (seq: number) => void): void {
    const { rows } = this.#open();
    rows.checkChain(rows.pointAt(after), onSeq);
  }

  /** Pages in the write-ahead log, and how many of them are in the main file; none while the file is closed. Takes 26 us: SQLite prepares this PRAGMA anew each time. */
  get log(): WalFigures {
    const row = this.#file?.walFigures.get();
    return row === undefined ? { pages: 0, moved: 0 } : { pages: Math.max(row.log, 0), moved: Math.max(row.checkpointed, 0) };
  }

  /** Pages in the write-ahead log that are not in the main file yet. As `log`. */
  get walPages(): number {
    const { pages, moved } = this.log;
    return pages - moved;
  }

  /**
   * Moves pages from the write-ahead log to the main file when more than `pagesMin` wait (default: `walPagesMax`). It waits for nobody, but
   * it takes about 1 ms of processor a MB and 2 to 4 ms for its syncs, so the thread calls it when it has nothing to do, with a smaller `pagesMin` the longer it is
   * idle, and under steady load when `walPages` passes a few times the limit. When the disk fails nothing is lost, because the log holds
   * every page until it was moved; the next append is refused and tells the error, and a probe opens the file anew.
   * @returns the figures after it, null when there was nothing to do or the disk failed.
   */
  walCheckpoint(pagesMin: number = this.#options.walPagesMax): WalFigures | null {
    if (this.#failure !== null || this.walPages <= pagesMin) return null;
    try {
      const figures = checkpointWal(this.#open().db, "passive");
      this.#counters.fsyncs += 2;
      return figures;
    } catch (cause) {
      if (sqliteCodeOf(cause) === null) throw cause;
      this.#failure = { isOutcomeOpen: false, cause };
      return null;
    }
  }

  close(): void {
    this.#closeFile();
  }

  /** J2. `work` runs between BEGIN and COMMIT; they are statements of their own so that it is known which one failed. */
  #transaction<Result>(file: OpenFile, work: () => Result): Result {
    let result: Result;
    try {
      file.begin.run();
      result = work();
    } catch (cause) {
      const isOutcomeOpen = !rolledBack(file) || isDiskError(cause);
      if (isOutcomeOpen) this.#failure = { isOutcomeOpen, cause };
      throw new CommitError(`the transaction failed before its commit: ${textOf(cause)}`, { isOutcomeOpen, cause });
    }
    try {
      file.commit.run();
    } catch (cause) {
      this.#failure = { isOutcomeOpen: true, cause };
      throw new CommitError(`the commit failed: ${textOf(cause)}`, this.#failure);
    }
    return result;
  }

  #count(groups: readonly Group[], bytes: number): void {
    const counters = this.#counters;
    counters.commits++;
    if (this.#options.synchronous === "full") counters.fsyncs++;
    counters.groups += groups.length;
    counters.bytes += bytes;
    for (const group of groups) counters.entries += group.count;
  }

  #open(): OpenFile {
    if (this.#file === null) throw new Error("the journal is closed");
    return this.#file;
  }

  #closeFile(): void {
    this.#file?.db.close();
    this.#file = null;
  }
}

function insertGroups(
  file: OpenFile,
  groups: readonly Group[],
  at: { readonly after: JournalEnd; readonly high: number },
): { hash: Buffer; bytes: number } {
  const sum = new TransactionHash(at.after.hash);
  let hash: Buffer | null = null;
  let bytes = 0;
  for (const [index, group] of groups.entries()) {
    const { domain, incarnation, number: grp, time, count, body } = group;
    const seq = at.after.seq + index + 1;
    bytes += sum.add({
      seq,
      format: RECORD_FORMAT,
      min_reader: RECORD_MIN_READER,
      domain,
      incarnation,
      grp,
      time,
      count,
      incarnation_high: at.high,
      body,
    });
    if (index === groups.length - 1) hash = sum.digest();
    file.insert.run(seq, RECORD_FORMAT, RECORD_MIN_READER, domain, incarnation, grp, time, count, at.high, hash, body);
  }
  return { hash: hash ?? at.after.hash, bytes };
}

/** J3. */
function openFile(options: SqliteJournalOptions & { readonly mustExist?: boolean }): OpenFile {
  const { path } = options;
  const db = namingCorruption(path, () => openConnection({ ...options, pageBytes: PAGE_BYTES, walAutocheckpointPages: 0 }));
  try {
    if (options.pagesMax !== undefined) db.pragma(`max_page_count=${options.pagesMax}`);
    if (!options.mustExist && namingCorruption(path, () => isBlank(db)))
      createFile(db, JOURNAL_FILE, { storeId: randomUUID(), shardCount: options.shardCount });
    const file: OpenFile = {
      db,
      rows: new JournalRows(db),
      begin: db.prepare("BEGIN IMMEDIATE"),
      insert: db.prepare(
        "INSERT INTO records(seq, format, min_reader, domain, incarnation, grp, time, count, incarnation_high, hash, body) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, CAST(? AS TEXT))",
      ),
      probe: db.prepare("UPDATE meta SET value = value + 1 WHERE key = 'probe'"),
      commit: db.prepare("COMMIT"),
      rollback: db.prepare("ROLLBACK"),
      walFigures: db.prepare("PRAGMA wal_checkpoint(noop)"),
    };
    if (checkpointWal(db, "truncate") === null)
      throw new Error(`${path}: a reader kept the write-ahead log in use for ${options.busyTimeoutMs} ms`);
    file.probe.run();
    return file;
  } catch (cause) {
    db.close();
    throw cause;
  }
}

/** SQLite rolls back by itself after some errors, then there is nothing left to do. */
function rolledBack(file: OpenFile): boolean {
  try {
    if (file.db.inTransaction) file.rollback.run();
    return !file.db.inTransaction;
  } catch {
    return false; // The error that led here is the one that is told.
  }
}

function isDiskError(cause: unknown): boolean {
  return sqliteCodeOf(cause)?.startsWith("SQLITE_IOERR") ?? false;
}

const textOf = (cause: unknown): string => {
  const code = sqliteCodeOf(cause);
  return code === null ? String(cause) : `${code}: ${cause instanceof Error ? cause.message : ""}`;
};
