/** Files of which nothing is lost with them, because all they hold is made from the journal: one that cannot be read is made anew. */
import { rmSync } from "node:fs";
import { Fault } from "../../runtime/records.ts";
import { type Connection, isCorruption, openConnection } from "./connection.ts";
import { createFile, type FileFormat, isBlank, type StoreMeta } from "./store-meta.ts";

export interface DerivedFileOptions {
  readonly path: string;
  /** The journal's. */
  readonly meta: StoreMeta;
  readonly busyTimeoutMs: number;
  readonly cacheKiB: number;
}
export interface DerivedFile {
  readonly format: FileFormat;
  /** Pages in the write-ahead log from which on a commit moves them to the file. */
  readonly walPages: number;
}

/** Opens the file, which is made when it is not there. What a power cut takes of it is made again. @throws what `isUnreadable` knows, SqliteError. */
export function openDerived({ format, walPages }: DerivedFile, options: DerivedFileOptions): Connection {
  const db = openConnection({ ...options, synchronous: "normal", walAutocheckpointPages: walPages });
  try {
    if (isBlank(db)) createFile(db, format, options.meta);
    return db;
  } catch (cause) {
    db.close();
    throw cause;
  }
}

/** No connection to it may be open. */
export function makeAnew(file: DerivedFile, options: DerivedFileOptions): Connection {
  for (const suffix of ["", "-wal", "-shm"]) rmSync(options.path + suffix, { force: true });
  return openDerived(file, options);
}

/** Damaged, or of another format. */
export function isUnreadable(cause: unknown): boolean {
  return isCorruption(cause) || (cause instanceof Fault && (cause.code === "FORMAT_UNSUPPORTED" || cause.code === "JOURNAL_CORRUPT"));
}
