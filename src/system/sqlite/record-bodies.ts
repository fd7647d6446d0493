import { type JournalReader, type JournalReaderOptions, openJournalReader } from "./journal-file.ts";

/** Bodies kept for the next reads: repeats of commands and pages of a list come in the order in which they were recorded. */
const BODIES_MAX = 4;
/** Point reads by row id need the upper pages at hand; a body is read once. */
const CACHE_KIB = 1_024;

/** Point reads of records' bodies on a connection of its own that cannot write, opened when the first one is wanted. */
export class RecordBodies {
  readonly #options: JournalReaderOptions;
  /** The one read last stands last. */
  readonly #bodies = new Map<number, string>();
  #reader: JournalReader | null = null;

  constructor(options: JournalReaderOptions) {
    this.#options = { ...options, cacheKiB: Math.min(options.cacheKiB, CACHE_KIB) };
  }

  /** Null when the journal does not have the record. @throws Fault `JOURNAL_CORRUPT`, `FORMAT_UNSUPPORTED`. */
  bodyOf(record: number): string | null {
    const body = this.#bodies.get(record) ?? this.#read(record);
    if (body === null) return null;
    this.#bodies.delete(record);
    this.#bodies.set(record, body);
    for (const oldest of this.#bodies.keys()) {
      if (this.#bodies.size <= BODIES_MAX) break;
      this.#bodies.delete(oldest);
    }
    return body;
  }

  #read(record: number): string | null {
    this.#reader ??= openJournalReader(this.#options);
    return this.#reader.bodyOf(record);
  }
}
