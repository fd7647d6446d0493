import { Fault } from "../../runtime/records.ts";
import { type Connection, isCorruption } from "./connection.ts";

/** What the three files of a store say about themselves. `storeId` tells files of different stores apart. */
export interface StoreMeta {
  readonly storeId: string;
  readonly shardCount: number;
}

/** A kind of file and the format of it that this program reads and writes: older ones are not read, newer ones when they allow it. */
export interface FileFormat {
  readonly name: string;
  readonly format: number;
  readonly schema: string;
  /** What makes a file of this older format one of the next. Run by its only writer, before others open it. */
  readonly upgrades?: Readonly<Record<number, string>>;
}

const META_SCHEMA = "CREATE TABLE meta(key TEXT PRIMARY KEY, value ANY NOT NULL) STRICT, WITHOUT ROWID;";

/** True when nothing was ever put into the file: it was made just now, or its making was cut short. */
export const isBlank = (db: Connection): boolean => db.prepare("SELECT count(*) FROM sqlite_schema").pluck().get() === 0;

/** Makes tables and meta in one transaction, so that a file is blank or whole. */
export function createFile(db: Connection, file: FileFormat, meta: StoreMeta): void {
  db.transaction(() => {
    db.exec(META_SCHEMA);
    const insert = db.prepare("INSERT INTO meta(key, value) VALUES (?, ?)");
    const rows = { kind: file.name, format: file.format, min_reader: file.format, store_id: meta.storeId, shard_count: meta.shardCount };
    for (const [key, value] of Object.entries(rows)) insert.run(key, value);
    insert.run("created", new Date().toISOString());
    insert.run("probe", 0);
    db.exec(file.schema); // Last: it may read meta.
  }).immediate();
}

/**
 * Reads what the file says about itself.
 * @throws Fault `FORMAT_UNSUPPORTED` naming what was found and what is supported, `JOURNAL_CORRUPT` when SQLite cannot read the file.
 */
export function readMeta(db: Connection, file: FileFormat): StoreMeta {
  const found = new Map(metaRows(db, file));
  const format = found.get("format");
  const minReader = found.get("min_reader");
  if (found.get("kind") !== file.name || typeof format !== "number" || typeof minReader !== "number") {
    throw unsupported(db, `something else than Troupe's ${file.name}`, file);
  }
  if (minReader > file.format) throw unsupported(db, `format ${format}, which needs a reader of format ${minReader}`, file);
  if (format < file.format && file.upgrades?.[format] === undefined)
    throw unsupported(db, `format ${format}, which is older than this program reads`, file);
  return { storeId: String(found.get("store_id")), shardCount: Number(found.get("shard_count")) };
}

/** Brings a file of an older format to this one, step by step, in one transaction: a program that only knows the older one refuses it from then on. */
export function upgradeFile(db: Connection, file: FileFormat): void {
  const formatOf = db.prepare<[], number>("SELECT value FROM meta WHERE key = 'format'").pluck();
  if (formatOf.get() === file.format) return;
  db.transaction(() => {
    for (let format = formatOf.get() ?? 0; format < file.format; format++) db.exec(file.upgrades?.[format] ?? "");
    db.prepare("UPDATE meta SET value = ? WHERE key IN ('format', 'min_reader')").run(file.format);
  }).immediate();
}

/** @throws Fault `CONFIG_INVALID` naming both numbers: the count of shards is fixed when a store is made. */
export function assertShardCount(path: string, found: number, wanted: number): void {
  if (found === wanted) return;
  throw new Fault(
    "CONFIG_INVALID",
    `shard.count is ${wanted}, but ${path} was made with ${found}; the count is fixed when a store is made.`,
  );
}

/** @throws Fault `CONFIG_INVALID` when a file stands beside the journal of another store. */
export function assertSameStore(path: string, found: string, wanted: string): void {
  if (found === wanted) return;
  throw new Fault(
    "CONFIG_INVALID",
    `data.dir holds files of two stores: ${path} belongs to store ${found}, the journal to store ${wanted}.`,
  );
}

/** Runs what reads a file and gives SQLite's own findings the name of ours. @throws Fault `JOURNAL_CORRUPT`. */
export function namingCorruption<Result>(path: string, read: () => Result): Result {
  try {
    return read();
  } catch (cause) {
    throw namedCorruption(path, cause);
  }
}

/** What `namingCorruption` throws for it: the Fault, or the cause itself when it is no finding of SQLite's. */
export function namedCorruption(path: string, cause: unknown): unknown {
  if (!isCorruption(cause)) return cause;
  const said = cause instanceof Error ? cause.message : String(cause);
  return new Fault("JOURNAL_CORRUPT", `${path} is damaged: SQLite says "${said}".`, { cause });
}

function metaRows(db: Connection, file: FileFormat): readonly (readonly [string, unknown])[] {
  return namingCorruption(db.name, () => {
    const hasMeta = db.prepare("SELECT count(*) FROM sqlite_schema WHERE type = 'table' AND name = 'meta'").pluck().get() === 1;
    if (!hasMeta) throw unsupported(db, "a database without Troupe's meta table", file);
    return db.prepare<[], [string, unknown]>("SELECT key, value FROM meta").raw().all() as [string, unknown][];
  });
}

const unsupported = (db: Connection, found: string, file: FileFormat): Fault =>
  new Fault("FORMAT_UNSUPPORTED", `${db.name}: found ${found}; supported is ${file.name} of format ${file.format}.`);
