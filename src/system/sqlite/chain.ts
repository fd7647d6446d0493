/**
 * The chain of hashes over the journal: checksum and proof of order in one. Anybody can add it up again with plain SQL and SHA-256.
 *
 * H1. The text of a record is its ten fields and its body, so that no two records have one text:
 *     `<seq> <format> <min_reader> <domain> <incarnation> <grp> <time> <count> <incarnation_high> <bytes of body>\n<body>\n`
 *     Numbers are decimal without leading zeros, the body is UTF-8 as stored.
 * H2. The hash of a transaction = SHA-256(the 32 bytes of the hash before, then the texts of its records in order). It stands in the
 *     last record of the transaction; all other records have none.
 * H3. The hash before the first transaction = SHA-256("troupe journal <store id>\n").
 */
import { createHash, type Hash } from "node:crypto";

/** One row of the journal without its hash; names as in the table. */
export interface ChainedRow {
  readonly seq: number;
  readonly format: number;
  readonly min_reader: number;
  readonly domain: number;
  readonly incarnation: number;
  readonly grp: number;
  readonly time: number;
  readonly count: number;
  readonly incarnation_high: number;
  readonly body: string | Uint8Array;
}

/** The hash before the first transaction (H3). */
export const firstHash = (storeId: string): Buffer => createHash("sha256").update(`troupe journal ${storeId}\n`).digest();

/** Adds up one transaction (H2). A new one for each. */
export class TransactionHash {
  readonly #hash: Hash;

  constructor(before: Uint8Array) {
    this.#hash = createHash("sha256").update(before);
  }

  /** Adds a record and returns the bytes of its body. */
  add(row: ChainedRow): number {
    const bytes = typeof row.body === "string" ? Buffer.byteLength(row.body, "utf8") : row.body.byteLength;
    const numbers = `${row.seq} ${row.format} ${row.min_reader} ${row.domain} ${row.incarnation} ${row.grp} ${row.time} ${row.count}`;
    this.#hash.update(`${numbers} ${row.incarnation_high} ${bytes}\n`).update(row.body).update("\n");
    return bytes;
  }

  digest(): Buffer {
    return this.#hash.digest();
  }
}
