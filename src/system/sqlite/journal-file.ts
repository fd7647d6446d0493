import { Fault, RECORD_FORMAT, type StoredRecord } from "../../runtime/records.ts";
import { type ChainedRow, firstHash, TransactionHash } from "./chain.ts";
import { type Connection, openConnection, type Statement, type Synchronous } from "./connection.ts";
import { type FileFormat, namedCorruption, namingCorruption, readMeta, type StoreMeta } from "./store-meta.ts";

/** One row a record and no index besides the key: a row per event with an index is 6 to 20 times slower. */
export const JOURNAL_FILE: FileFormat = {
  name: "journal",
  format: RECORD_FORMAT,
  schema: `CREATE TABLE records(
    seq INTEGER PRIMARY KEY, format INTEGER NOT NULL, min_reader INTEGER NOT NULL, domain INTEGER NOT NULL, incarnation INTEGER NOT NULL,
    grp INTEGER NOT NULL, time INTEGER NOT NULL, count INTEGER NOT NULL, incarnation_high INTEGER NOT NULL, hash BLOB, body TEXT NOT NULL
  ) STRICT;`,
};

/** A row of `records`. `hash` is there in the last record of each transaction only. */
export interface RecordRow extends ChainedRow {
  readonly hash: Buffer | null;
}

/** Where the chain stands: after the record `seq`, the last of its transaction. */
export interface ChainPoint {
  readonly seq: number;
  readonly hash: Buffer;
}
export interface JournalEnd extends ChainPoint {
  readonly incarnationHigh: number;
}

export const corrupt = (path: string, seq: number, what: string): Fault =>
  new Fault("JOURNAL_CORRUPT", `${path}: record ${seq}: ${what}. Nothing was changed; restore a backup or ask for help.`);

/** @throws Fault `FORMAT_UNSUPPORTED` when a newer program wrote the record in a form that this one cannot read. */
export function assertReadable(path: string, row: Pick<RecordRow, "seq" | "format" | "min_reader">): void {
  if (row.min_reader <= RECORD_FORMAT) return;
  const found = `record ${row.seq} of format ${row.format}, which needs a reader of format ${row.min_reader}`;
  throw new Fault("FORMAT_UNSUPPORTED", `${path}: found ${found}; supported is up to format ${RECORD_FORMAT}.`);
}

const COLUMNS = "seq, format, min_reader, domain, incarnation, grp, time, count, incarnation_high, hash, body";

/** The reading side of an open journal file: prepared statements and what they prove. Changes nothing. */
export class JournalRows {
  readonly meta: StoreMeta;
  readonly #path: string;
  readonly #after: Statement<[number, number], RecordRow>;
  readonly #lastSeq: Statement<[], number | null>;
  readonly #firstSeq: Statement<[], number | null>;
  readonly #firstSince: Statement<[number], number>;
  readonly #bodyOf: Statement<[number], Pick<RecordRow, "seq" | "format" | "min_reader"> & { readonly body: string }>;
  readonly #pointAt: Statement<[number], ChainPoint>;
  readonly #mentions: Statement<[number, Buffer], number>;

  /** @throws Fault `FORMAT_UNSUPPORTED`, `JOURNAL_CORRUPT`. */
  constructor(db: Connection) {
    this.#path = db.name;
    this.meta = readMeta(db, JOURNAL_FILE);
    this.#after = db.prepare(`SELECT ${COLUMNS} FROM records WHERE seq > ? ORDER BY seq LIMIT ?`);
    this.#bodyOf = db.prepare("SELECT seq, format, min_reader, body FROM records WHERE seq = ?");
    this.#lastSeq = db.prepare<[], number | null>("SELECT max(seq) FROM records").pluck();
    this.#firstSeq = db.prepare<[], number | null>("SELECT min(seq) FROM records").pluck();
    this.#firstSince = db.prepare<[number], number>("SELECT seq FROM records WHERE time >= ? ORDER BY seq LIMIT 1").pluck();
    this.#pointAt = db.prepare("SELECT seq, hash FROM records WHERE seq <= ? AND hash IS NOT NULL ORDER BY seq DESC LIMIT 1");
    this.#mentions = db
      .prepare<[number, Buffer], number>("SELECT EXISTS(SELECT 1 FROM records WHERE seq > ? AND instr(CAST(body AS BLOB), ?) > 0)")
      .pluck();
  }

  /** Whether a record above `after` has an entry of an entity of this type. Reads them all when there is none. */
  hasEntity(type: string, after: number): boolean {
    return namingCorruption(this.#path, () => this.#mentions.get(after, Buffer.from(`"entity":"${type}/`)) === 1);
  }

  lastSeq(): number {
    return namingCorruption(this.#path, () => this.#lastSeq.get() ?? 0);
  }

  /** Null when the journal is empty. */
  firstSeq(): number | null {
    return namingCorruption(this.#path, () => this.#firstSeq.get() ?? null);
  }

  /** The first record that was written at or after a time, in milliseconds since 1970; null when none was. Looks at all that are older. */
  firstSince(time: number): number | null {
    return namingCorruption(this.#path, () => this.#firstSince.get(time) ?? null);
  }

  /** Rows above `after`, as they stand. @throws Fault `JOURNAL_CORRUPT` when SQLite cannot read them. */
  rows(after: number, rowsMax: number): readonly RecordRow[] {
    return namingCorruption(this.#path, () => this.#after.all(after, rowsMax));
  }

  /** Records above `after`; ends with the one that makes `charsMax` full. @throws Fault `JOURNAL_CORRUPT` at a gap, `FORMAT_UNSUPPORTED`. */
  read(after: number, recordsMax: number, charsMax?: number): readonly StoredRecord[] {
    return [...this.each(after, recordsMax, charsMax)];
  }

  /**
   * The same one after the other: whoever lets go of a record before it takes the next has each in V8's young generation and none outlives it. (Bodies as bytes lie
   * outside the heap, and so many of them bring on full collections; kept for a batch they are copied by young ones.) The reader answers nothing else meanwhile, and
   * the journal's log cannot begin anew before it has ended.
   */
  *each(after: number, recordsMax: number, charsMax = Number.POSITIVE_INFINITY): Generator<StoredRecord, void> {
    let seq = after;
    let chars = 0;
    try {
      for (const row of this.#after.iterate(after, recordsMax)) {
        if (row.seq !== ++seq) throw corrupt(this.#path, seq, `it is missing, the next one is ${row.seq}`);
        assertReadable(this.#path, row);
        const { domain, incarnation, grp, time, count, body } = row;
        yield { seq, domain, incarnation, number: grp, time, count, body };
        chars += body.length;
        if (chars >= charsMax) return;
      }
    } catch (cause) {
      throw namedCorruption(this.#path, cause);
    }
  }

  /** The body of one record, as text: for who looks for one entry that is half the time of bytes. Null when it is not there. @throws Fault `JOURNAL_CORRUPT`, `FORMAT_UNSUPPORTED`. */
  bodyOf(seq: number): string | null {
    const row = namingCorruption(this.#path, () => this.#bodyOf.get(seq));
    if (row === undefined) return null;
    assertReadable(this.#path, row);
    return row.body;
  }

  /** Where the chain stands at the last end of a transaction at or below `seq`. */
  pointAt(seq: number): ChainPoint {
    const found = namingCorruption(this.#path, () => this.#pointAt.get(seq));
    return found ?? { seq: 0, hash: firstHash(this.meta.storeId) };
  }

  /**
   * The end of the journal, its last transaction added up. Costs the same however long the journal is.
   * @throws Fault `JOURNAL_CORRUPT`, `FORMAT_UNSUPPORTED`.
   */
  end(): JournalEnd {
    const last = this.rows(this.lastSeq() - 1, 1)[0];
    if (last === undefined) return { ...this.pointAt(0), incarnationHigh: 0 };
    assertReadable(this.#path, last);
    if (last.hash === null) throw corrupt(this.#path, last.seq, "the journal ends inside a transaction");
    this.checkChain(this.pointAt(last.seq - 1));
    return { seq: last.seq, hash: last.hash, incarnationHigh: last.incarnation_high };
  }

  /** Adds up every transaction after the point; `onSeq` hears how far it is. @throws Fault `JOURNAL_CORRUPT` naming the record. */
  checkChain(from: ChainPoint, onSeq?: (seq: number) => void): void {
    const check = new ChainCheck(this.#path, from);
    for (let rows = this.rows(check.seq, CHECK_ROWS); rows.length > 0; rows = this.rows(check.seq, CHECK_ROWS)) {
      for (const row of rows) check.add(row);
      onSeq?.(check.seq);
    }
    check.end();
  }
}

/** Rows held at once while a chain is added up; a record is at most some megabytes. */
const CHECK_ROWS = 64;

/** Adds up the chain row by row. */
export class ChainCheck {
  seq: number;
  #hash: Buffer;
  #open: TransactionHash | null = null;
  readonly #path: string;

  constructor(path: string, from: ChainPoint) {
    this.#path = path;
    this.seq = from.seq;
    this.#hash = from.hash;
  }

  /** Takes the next row; answers the bytes of its body. @throws Fault `JOURNAL_CORRUPT` at a gap and at a hash that does not add up. */
  add(row: RecordRow): number {
    if (row.seq !== this.seq + 1) throw corrupt(this.#path, this.seq + 1, `it is missing, the next one is ${row.seq}`);
    this.#open ??= new TransactionHash(this.#hash);
    const bytes = this.#open.add(row);
    this.seq = row.seq;
    if (row.hash === null) return bytes;
    const sum = this.#open.digest();
    if (!sum.equals(row.hash)) throw corrupt(this.#path, row.seq, "the hash of its transaction does not add up");
    this.#hash = sum;
    this.#open = null;
    return bytes;
  }

  /** @throws Fault `JOURNAL_CORRUPT` when the last row did not end its transaction. */
  end(): string {
    if (this.#open !== null) throw corrupt(this.#path, this.seq, "the journal ends inside a transaction");
    return this.#hash.toString("hex");
  }
}

export interface JournalReaderOptions {
  readonly path: string;
  readonly synchronous: Synchronous;
  readonly busyTimeoutMs: number;
  readonly cacheKiB: number;
}

/** Reads the journal on a connection of its own that cannot write; sees what is committed and synced. For threads that do not write it. */
export interface JournalReader extends Disposable {
  readonly meta: StoreMeta;
  lastSeq(): number;
  /** Null when the journal is empty. */
  firstSeq(): number | null;
  /** The first record that was written at or after a time; null when none was. Looks at all that are older. */
  firstSince(time: number): number | null;
  /** Whether a record above `after` has an entry of an entity of this type. Reads them all when there is none. */
  hasEntity(type: string, after: number): boolean;
  /** Ends with the record that makes `charsMax` full; default: no limit. @throws Fault `JOURNAL_CORRUPT`, `FORMAT_UNSUPPORTED`. */
  read(after: number, recordsMax: number, charsMax?: number): readonly StoredRecord[];
  /** The same one after the other. The reader answers nothing else meanwhile. */
  each(after: number, recordsMax: number, charsMax?: number): Generator<StoredRecord, void>;
  /** The body of one record; null when it is not there. */
  bodyOf(seq: number): string | null;
  close(): void;
}

/** @throws Fault `FORMAT_UNSUPPORTED`, `JOURNAL_CORRUPT`; SqliteError when there is no file. */
export function openJournalReader(options: JournalReaderOptions): JournalReader {
  const db = openConnection({ ...options, walAutocheckpointPages: 0, isReadOnly: true });
  try {
    const rows = new JournalRows(db);
    const close = () => void db.close();
    return {
      meta: rows.meta,
      lastSeq: () => rows.lastSeq(),
      firstSeq: () => rows.firstSeq(),
      firstSince: (time) => rows.firstSince(time),
      hasEntity: (type, after) => rows.hasEntity(type, after),
      read: (after, recordsMax, charsMax) => rows.read(after, recordsMax, charsMax),
      each: (after, recordsMax, charsMax) => rows.each(after, recordsMax, charsMax),
      bodyOf: (seq) => rows.bodyOf(seq),
      close,
      [Symbol.dispose]: close,
    };
  } catch (cause) {
    db.close();
    throw cause;
  }
}
