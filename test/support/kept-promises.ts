/** Compares what clients were told with what the journal holds. */
import { doubledOf, type JournalBooks, readJournal } from "./journal-reader.ts";
import { idOfKey, type LedgerLoad } from "./ledger-load.ts";

export interface KeptPromises {
  readonly acknowledged: number;
  /** Acknowledged outcomes that the journal does not hold as they were acknowledged, or that a repeat did not get again. */
  readonly lost: number;
  /** Ends and movements that stand there more than once. */
  readonly doubled: number;
  readonly books: JournalBooks;
  /** One sentence each; empty when every promise was kept. */
  readonly defects: readonly string[];
}

/** To be called when nobody runs on the store any more. */
export function keptPromises(journalPath: string, load: LedgerLoad): KeptPromises {
  const books = readJournal(journalPath);
  const lost = new Set(load.changed);
  const defects = [...load.changed].map((key) => `${key}: a repeat did not get the first answer again`);
  for (const { order, status, body } of load.acknowledged.values()) {
    const finishes = books.transfers.get(idOfKey(order.key))?.finishes ?? [];
    if (finishes.some((finish) => finish.status === status && finish.body === body)) continue;
    lost.add(order.key);
    defects.push(
      `${order.key}: was acknowledged with ${status}, the journal holds ${finishes.length === 0 ? "no outcome" : "another outcome"}`,
    );
  }
  for (const order of load.stuck) defects.push(`${order} (no outcome in time)`);
  if (load.unanswered > 0) defects.push(`${load.unanswered} orders never got an answer`);
  return {
    acknowledged: load.acknowledged.size,
    lost: lost.size,
    doubled: doubledOf(books),
    books,
    defects: [...defects, ...books.findings],
  };
}
