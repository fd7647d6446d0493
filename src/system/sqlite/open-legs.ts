import type { OpenLeg } from "./auditor.ts";
import type { Connection } from "./connection.ts";

/** Legs kept in memory, about 200 bytes each; beyond them a leg costs a point read. In flight are some thousands. */
const AT_HAND_MAX = 100_000;

/** What some records did to the open legs. */
export interface LegChanges {
  readonly opened: ReadonlyMap<string, OpenLeg>;
  readonly closed: ReadonlySet<string>;
}

/**
 * The open legs of a view: those in its table, with the newest batches' at hand, so that a transfer of which nothing is open costs a look into
 * a Map. Follows the file: `write` inside the transaction of a batch, `keep` once it is committed.
 */
export class OpenLegs {
  readonly #atHand = new Map<string, OpenLeg>();
  readonly #sql: ReturnType<typeof prepared>;
  /** Rows in the table. */
  #count: number;

  constructor(db: Connection) {
    this.#sql = prepared(db);
    this.#count = this.#sql.count.get() ?? 0;
    for (const { transfer, currency, amount } of this.#sql.first.all(AT_HAND_MAX)) this.#atHand.set(transfer, { currency, amount });
  }

  get(transfer: string): OpenLeg | null {
    const atHand = this.#atHand.get(transfer);
    if (atHand !== undefined) return atHand;
    return this.#count === this.#atHand.size ? null : (this.#sql.get.get(transfer) ?? null);
  }

  write({ opened, closed }: LegChanges): void {
    for (const transfer of closed) this.#sql.remove.run(transfer);
    for (const [transfer, { currency, amount }] of opened) this.#sql.add.run(transfer, currency, amount);
  }

  keep({ opened, closed }: LegChanges): void {
    for (const transfer of closed) this.#atHand.delete(transfer);
    for (const [transfer, leg] of opened) {
      if (this.#atHand.size < AT_HAND_MAX) this.#atHand.set(transfer, leg);
    }
    this.#count += opened.size - closed.size;
  }
}

const prepared = (db: Connection) => ({
  count: db.prepare<[], number>("SELECT count(*) FROM legs").pluck(),
  first: db
    .prepare<[number], OpenLeg & { readonly transfer: string }>("SELECT transfer, currency, amount FROM legs LIMIT ?")
    .safeIntegers(),
  get: db.prepare<[string], OpenLeg>("SELECT currency, amount FROM legs WHERE transfer = ?").safeIntegers(),
  add: db.prepare<[string, string, bigint]>("INSERT INTO legs(transfer, currency, amount) VALUES (?, ?, ?)"),
  remove: db.prepare<[string]>("DELETE FROM legs WHERE transfer = ?"),
});
