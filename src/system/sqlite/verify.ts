import { existsSync } from "node:fs";
import { Fault, type StartCode, unpackEntries } from "../../runtime/records.ts";
import { openConnection } from "./connection.ts";
import { assertReadable, ChainCheck, corrupt, JournalRows, type RecordRow } from "./journal-file.ts";

export interface JournalFigures {
  readonly records: number;
  readonly transactions: number;
  readonly entries: number;
  /** UTF-8 bytes of the bodies. */
  readonly bytes: number;
  readonly lastSeq: number;
  /** Hash of the last transaction, in hexadecimal: kept elsewhere, it proves later that nothing before it was changed. */
  readonly lastHash: string;
}

export type JournalVerdict =
  | { readonly ok: true; readonly figures: JournalFigures }
  | { readonly ok: false; readonly code: StartCode; readonly detail: string };

export interface VerifyOptions {
  /** Called about every thousand records. */
  readonly onProgress?: (done: { readonly seq: number; readonly lastSeq: number }) => void;
}

const BUSY_TIMEOUT_MS = 5000;
const ROWS_AT_ONCE = 64;
const PROGRESS_EVERY = 1000;

/**
 * Walks the whole journal on a connection that cannot write: sequence, hashes, numbers of groups, sequences of shards. Others may write
 * meanwhile; what they add after the start is not looked at. Repairs nothing.
 * @returns figures, or the first finding by its code with the record it was found at.
 */
export function verifyJournal(path: string, options: VerifyOptions = {}): JournalVerdict {
  if (!existsSync(path)) return { ok: false, code: "JOURNAL_TRUNCATED", detail: `${path} is missing.` };
  try {
    return { ok: true, figures: walk(path, options) };
  } catch (error) {
    if (!(error instanceof Fault) || (error.code !== "JOURNAL_CORRUPT" && error.code !== "FORMAT_UNSUPPORTED")) throw error;
    return { ok: false, code: error.code, detail: error.message };
  }
}

/**
 * `holder` is what knows the position; it may fall behind the journal and never leads it.
 * @throws Fault `JOURNAL_TRUNCATED` when it covers records that the journal does not have: the journal's end was cut off.
 */
export function assertNotTruncated(journalLastSeq: number, highestPosition: number, holder = "the checkpoint"): void {
  if (highestPosition <= journalLastSeq) return;
  throw new Fault(
    "JOURNAL_TRUNCATED",
    `the journal ends at record ${journalLastSeq}, but ${holder} covers records up to ${highestPosition}: its end is missing. ` +
      "Nothing was changed; restore journal.db from a backup.",
  );
}

function walk(path: string, { onProgress }: VerifyOptions): JournalFigures {
  const db = openVerified(path);
  try {
    const rows = new JournalRows(db);
    const lastSeq = rows.lastSeq();
    const chain = new ChainCheck(path, rows.pointAt(0));
    const numbers = new NumberCheck(path, rows.meta.shardCount);
    let bytes = 0;
    let transactions = 0;
    while (chain.seq < lastSeq) {
      const page = rows.rows(chain.seq, Math.min(ROWS_AT_ONCE, lastSeq - chain.seq));
      for (const row of page) {
        assertReadable(path, row);
        bytes += chain.add(row);
        if (row.hash !== null) transactions++;
        numbers.add(row);
        if (row.seq % PROGRESS_EVERY === 0) onProgress?.({ seq: row.seq, lastSeq });
      }
      if (page.length === 0) throw corrupt(path, chain.seq + 1, "it is missing");
    }
    const lastHash = chain.end();
    onProgress?.({ seq: lastSeq, lastSeq });
    return { records: lastSeq, transactions, entries: numbers.entries, bytes, lastSeq, lastHash };
  } finally {
    db.close();
  }
}

function openVerified(path: string) {
  try {
    return openConnection({
      path,
      synchronous: "full",
      busyTimeoutMs: BUSY_TIMEOUT_MS,
      cacheKiB: 4096,
      walAutocheckpointPages: 0,
      isReadOnly: true,
    });
  } catch (cause) {
    if (cause instanceof Fault) throw cause;
    throw new Fault(
      "JOURNAL_CORRUPT",
      `${path} cannot be opened as a database: ${cause instanceof Error ? cause.message : String(cause)}`,
      { cause },
    );
  }
}

/** Checks the numbers that the fence and the shards gave: nothing refused came in, nothing accepted is missing. */
class NumberCheck {
  entries = 0;
  readonly #path: string;
  readonly #shardCount: number;
  /** Newest incarnation of each domain with its last group. Bounded by the threads that ever ran. */
  readonly #groupOf = new Map<number, { readonly incarnation: number; readonly number: number }>();
  readonly #seqOf = new Map<number, number>();
  #incarnationHigh = 0;

  constructor(path: string, shardCount: number) {
    this.#path = path;
    this.#shardCount = shardCount;
  }

  add(row: RecordRow): void {
    this.#addGroup(row);
    const entries = this.#entriesOf(row);
    if (entries.length !== row.count) throw corrupt(this.#path, row.seq, `it says ${row.count} entries and holds ${entries.length}`);
    for (const entry of entries) this.#addEntry(row, entry);
    this.entries += entries.length;
  }

  #addGroup(row: RecordRow): void {
    const before = this.#groupOf.get(row.domain);
    if (row.incarnation_high < this.#incarnationHigh) throw corrupt(this.#path, row.seq, "the highest incarnation went back");
    this.#incarnationHigh = row.incarnation_high;
    if (row.incarnation > row.incarnation_high) throw corrupt(this.#path, row.seq, `its incarnation ${row.incarnation} was never given`);
    if (before !== undefined && row.incarnation < before.incarnation) {
      throw corrupt(this.#path, row.seq, `incarnation ${row.incarnation} of domain ${row.domain} writes after ${before.incarnation}`);
    }
    const expected = before?.incarnation === row.incarnation ? before.number + 1 : 1;
    if (row.grp !== expected) {
      throw corrupt(this.#path, row.seq, `group ${row.grp} of incarnation ${row.incarnation} stands where group ${expected} belongs`);
    }
    this.#groupOf.set(row.domain, { incarnation: row.incarnation, number: row.grp });
  }

  #entriesOf(row: RecordRow): readonly unknown[] {
    let body: unknown;
    try {
      body = unpackEntries(row.body);
    } catch (cause) {
      throw corrupt(this.#path, row.seq, `its body is no JSON (${cause instanceof Error ? cause.message : String(cause)})`);
    }
    if (!Array.isArray(body)) throw corrupt(this.#path, row.seq, "its body is no array");
    return body;
  }

  #addEntry(row: RecordRow, entry: unknown): void {
    const { shard, seq, entity } = (entry ?? {}) as Readonly<Record<"shard" | "seq" | "entity", unknown>>;
    if (typeof shard !== "number" || typeof seq !== "number" || !Number.isInteger(shard) || shard < 0 || shard >= this.#shardCount) {
      throw corrupt(this.#path, row.seq, "an entry of it has no shard of this store or no sequence");
    }
    if (typeof entity !== "string") throw corrupt(this.#path, row.seq, "an entry of it names no entity");
    const expected = (this.#seqOf.get(shard) ?? 0) + 1;
    if (seq !== expected) throw corrupt(this.#path, row.seq, `entry ${seq} of shard ${shard} stands where entry ${expected} belongs`);
    this.#seqOf.set(shard, seq);
  }
}
