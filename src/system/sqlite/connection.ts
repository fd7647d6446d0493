import { createRequire } from "node:module";
import type Sqlite from "better-sqlite3";
import { Fault } from "../../runtime/records.ts";
import { assertNodeApi, assertSqlite } from "./platform.ts";

// Loaded this way round, because the library must not be loaded before the platform was looked at. By `require`, because V8 aborts the process when
// a thread is ended while modules that stand behind a top-level await are run (`AsyncModuleExecutionFulfilled`, Node 24.21).
assertNodeApi(process.versions);
const Database = createRequire(import.meta.url)("better-sqlite3") as typeof Sqlite;
assertSqlite(versionOfSqlite());

export type Connection = Sqlite.Database;
export type Statement<Parameters extends unknown[], Row> = Sqlite.Statement<Parameters, Row>;

/** How durable a commit is: "full" survives a power cut; after "normal" the last commits may be gone, never half there. */
export type Synchronous = "full" | "normal";
const SYNCHRONOUS_VALUE: Readonly<Record<Synchronous, number>> = { full: 2, normal: 1 };

export interface ConnectionOptions {
  readonly path: string;
  readonly synchronous: Synchronous;
  /** Milliseconds to wait for a lock of another connection. */
  readonly busyTimeoutMs: number;
  readonly cacheKiB: number;
  /** Pages in the write-ahead log after which a commit moves them to the file; 0 = never, the owner does it on purpose. */
  readonly walAutocheckpointPages: number;
  /** Of a file that is made; SQLite's 4,096 when it is left out. A file keeps the one that it was made with. */
  readonly pageBytes?: number;
  /** Refuses to write, and to make the file. */
  readonly isReadOnly?: boolean;
  /** Refuses to make the file. */
  readonly mustExist?: boolean;
}

/**
 * The one way to open a database: write-ahead log, a busy timeout, and the synchronous mode set and read back, because this build of SQLite
 * gives a connection to an existing file synchronous=NORMAL unless it is told otherwise.
 * @throws Fault `PLATFORM_UNSUPPORTED` when a setting did not take; SqliteError when the file cannot be opened.
 */
export function openConnection(options: ConnectionOptions): Connection {
  const isReadOnly = options.isReadOnly ?? false;
  const db = new Database(options.path, {
    readonly: isReadOnly,
    fileMustExist: isReadOnly || (options.mustExist ?? false),
    timeout: options.busyTimeoutMs,
  });
  try {
    // Before the mode, which writes the first page. Not read back: a file that is there says its own.
    if (options.pageBytes !== undefined) db.pragma(`page_size=${options.pageBytes}`);
    if (!isReadOnly) setAndCheck(db, { pragma: "journal_mode", value: "wal", expected: "wal" });
    setAndCheck(db, { pragma: "synchronous", value: options.synchronous, expected: SYNCHRONOUS_VALUE[options.synchronous] });
    setAndCheck(db, { pragma: "cache_size", value: -options.cacheKiB, expected: -options.cacheKiB });
    setAndCheck(db, { pragma: "busy_timeout", value: options.busyTimeoutMs, expected: options.busyTimeoutMs });
    setAndCheck(db, { pragma: "wal_autocheckpoint", value: options.walAutocheckpointPages, expected: options.walAutocheckpointPages });
    setAndCheck(db, { pragma: "trusted_schema", value: 0, expected: 0 });
    return db;
  } catch (cause) {
    db.close();
    throw cause;
  }
}

/** A connection that only holds a lock: it waits for nobody and has no write-ahead log, whose locks would not exclude a second process. */
export function lockingConnection(path: string): Connection {
  return new Database(path, { timeout: 0 });
}

/** The synchronous mode that is in force on the connection, as SQLite itself says. @throws Fault when it is one that nobody chose. */
export function synchronousOf(db: Connection): Synchronous {
  const value = db.pragma("synchronous", { simple: true });
  if (value === SYNCHRONOUS_VALUE.full) return "full";
  if (value === SYNCHRONOUS_VALUE.normal) return "normal";
  throw new Fault("PLATFORM_UNSUPPORTED", `SQLite runs with synchronous=${String(value)}, which is neither FULL nor NORMAL.`);
}

/** Pages in the write-ahead log, and how many of them are in the main file already. */
export interface WalFigures {
  readonly pages: number;
  readonly moved: number;
}

/**
 * Moves pages of the write-ahead log to the main file. `passive` never waits and moves what no reader
 * needs; `truncate` waits up to the busy timeout for readers and leaves an empty log.
 * @returns null when `truncate` met a reader that did not go away.
 */
export function checkpointWal(db: Connection, mode: "passive" | "truncate"): WalFigures | null {
  const rows = db.pragma(`wal_checkpoint(${mode})`) as readonly {
    readonly busy: number;
    readonly log: number;
    readonly checkpointed: number;
  }[];
  const row = rows[0];
  if (row === undefined || (mode === "truncate" && row.busy !== 0)) return null;
  return { pages: Math.max(row.log, 0), moved: Math.max(row.checkpointed, 0) };
}

/** SQLite's extended name of an error, like SQLITE_IOERR_FSYNC; null when the error is not SQLite's. */
export function sqliteCodeOf(error: unknown): string | null {
  return error instanceof Database.SqliteError ? error.code : null;
}

/** The file is no database, or its pages contradict each other. */
export function isCorruption(error: unknown): boolean {
  const code = sqliteCodeOf(error);
  return code !== null && (code.startsWith("SQLITE_CORRUPT") || code.startsWith("SQLITE_NOTADB"));
}

function setAndCheck(
  db: Connection,
  { pragma, value, expected }: { pragma: string; value: string | number; expected: string | number },
): void {
  db.pragma(`${pragma}=${value}`);
  const found = db.pragma(pragma, { simple: true });
  if (found === expected) return;
  throw new Fault("PLATFORM_UNSUPPORTED", `SQLite did not take ${pragma}=${value} for ${db.name}: it says ${String(found)}.`);
}

function versionOfSqlite(): string {
  const db = new Database(":memory:");
  try {
    return String(db.prepare("SELECT sqlite_version()").pluck().get());
  } finally {
    db.close();
  }
}
