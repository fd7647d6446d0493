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

/** To be called when nobody runs on the store any more, and everything was settled. */
export function keptPromises(journalPath: string, load: LedgerLoad): KeptPromises {
  const kept = promisesSoFar(journalPath, load);
  const defects = [...kept.defects, ...load.stuck.map((order) => `${order} (no outcome in time)`)];
  if (load.unanswered > 0) defects.push(`${load.unanswered} orders never got an answer`);
  return { ...kept, defects: [...defects, ...kept.books.findings] };
}

/** The same between two lives of a server: orders may still wait for an answer, and after a kill transfers are under way (`books.findings`). */
export function promisesSoFar(journalPath: string, load: LedgerLoad): KeptPromises {
  const books = readJournal(journalPath);
  const lost = new Set(load.changed.keys());
  const defects = [...load.changed].map(([key, got]) => `${key}: a repeat did not get the first answer again, but ${got}`);
  for (const key of load.accepted) {
    if (books.transfers.has(idOfKey(key))) continue;
    lost.add(key);
    defects.push(`${key}: was accepted with 202, the journal does not know it`);
  }
  for (const { order, status, body } of load.acknowledged.values()) {
    const finishes = books.transfers.get(idOfKey(order.key))?.finishes ?? [];
    if (finishes.some((finish) => finish.status === status && finish.body === body)) continue;
    lost.add(order.key);
    defects.push(
      `${order.key}: was acknowledged with ${status}, the journal holds ${finishes.length === 0 ? "no outcome" : "another outcome"}`,
    );
  }
  return {
    acknowledged: load.acknowledged.size,
    lost: lost.size,
    doubled: doubledOf(books),
    books,
    defects,
  };
}
