/** Compares what plain clients and listeners of NATS were told with what the journal holds. */
import { entityOf, faceOf, type HeardEvent, isAfter, type Position, positionOf } from "./heard-event.ts";
import { doubledOf, type JournalBooks, readJournal } from "./journal-reader.ts";
import { idOfKey } from "./ledger-load.ts";
import { CODE_OF_WISH, type NatsOrder, STATUS_OF_WISH } from "./nats-orders.ts";
import { isEnd, type NatsFigures } from "./nats-run.ts";
import { type SubscribedView, subscribedView } from "./subscribed-events.ts";

export interface NatsPromises extends SubscribedView {
  readonly acknowledged: number;
  /** Commands that were acknowledged, or stored by the stream, and that the journal does not hold as they were acknowledged. */
  readonly lost: number;
  /** Effects that stand there more than once, and transfers that nobody ordered. */
  readonly doubled: number;
  readonly eventsMissing: number;
  readonly eventsOutOfOrder: number;
  /** Events that stand in the stream again with the same id. */
  readonly eventsRepeated: number;
  readonly books: JournalBooks;
  /** One sentence each; empty when every promise was kept. */
  readonly defects: readonly string[];
}

/** To be called when nobody runs on the store any more. */
export function natsPromises(journalPath: string, figures: NatsFigures, orders: ReadonlyMap<string, NatsOrder>): NatsPromises {
  const books = readJournal(journalPath);
  const defects = [...figures.told.defects, ...books.findings];
  const lost = lostOf(figures, orders, books, defects);
  const known = new Set([...orders.keys(), ...figures.httpKeys].map(idOfKey));
  const inStream = eventsOf(figures.told.events, books, defects);
  const strangers = [...books.transfers.keys()].filter((id) => !known.has(id));
  if (strangers.length > 0) defects.push(`the journal holds ${strangers.length} transfers that nobody ordered: ${strangers[0]}`);
  return {
    acknowledged: figures.told.answered.size,
    lost,
    doubled: doubledOf(books) + strangers.length,
    ...inStream.figures,
    ...subscribedView(figures.told.subscribed, inStream.byId, defects),
    books,
    defects,
  };
}

function lostOf({ told }: NatsFigures, orders: ReadonlyMap<string, NatsOrder>, books: JournalBooks, defects: string[]): number {
  const lost = new Set<string>();
  for (const [key, { wish }] of orders) {
    const answer = told.answered.get(key);
    const story = books.transfers.get(idOfKey(key));
    const finishes = story?.finishes ?? [];
    if (answer !== undefined && (answer.status !== STATUS_OF_WISH[wish] || !answer.body.includes(CODE_OF_WISH[wish] ?? "COMPLETED")))
      defects.push(`${key}: wanted ${STATUS_OF_WISH[wish]}, was answered ${answer.status} ${answer.body.slice(0, 200)}`);
    if (wish === "bad-amount") {
      if (story !== undefined) defects.push(`${key}: was refused at the door and is in the journal`);
    } else if (answer !== undefined && !finishes.some(({ status, body }) => status === answer.status && body === answer.body)) {
      lost.add(key);
      defects.push(
        `${key}: was acknowledged with ${answer.status}, the journal holds ${finishes.length === 0 ? "no outcome" : "another one"}`,
      );
    } else if (finishes.length === 0 && (told.stored.has(key) || told.accepted.has(key))) {
      lost.add(key);
      defects.push(`${key}: was ${told.stored.has(key) ? "stored by the stream" : "accepted with 202"}, the journal holds no outcome`);
    }
  }
  return lost.size;
}

/** Each end of a transfer is one event; an event comes again only as itself; events of one entity come in the order of the journal. */
function eventsOf(events: readonly HeardEvent[], books: JournalBooks, defects: string[]) {
  const first = new Map<string, HeardEvent>();
  const last = new Map<string, Position>();
  const ends = new Map<string, string[]>();
  const entries = new Map<string, number>();
  let eventsOutOfOrder = 0;
  for (const event of events) {
    const { id = "", subject: about = "", type = "" } = event.attributes;
    const before = first.get(id);
    if (before !== undefined) {
      if (faceOf(before) !== faceOf(event)) defects.push(`event ${id} came again as another one: ${faceOf(before)}, ${faceOf(event)}`);
      continue;
    }
    first.set(id, event);
    const entity = entityOf(event);
    const position = positionOf(event);
    const previous = last.get(entity);
    if (previous !== undefined && !isAfter(position, previous)) {
      eventsOutOfOrder++;
      defects.push(`event ${id} of ${entity} (${type}) came after one that stands behind it in the journal`);
    }
    last.set(entity, position);
    if (isEnd(event.subject)) ends.set(decodeURIComponent(about), [...(ends.get(decodeURIComponent(about)) ?? []), event.subject]);
    if (event.subject !== "troupe.events.account.entry-posted") continue;
    const { accountId, sequence } = JSON.parse(event.body) as { readonly accountId: string; readonly sequence: number };
    const expected = (entries.get(accountId) ?? 0) + 1;
    entries.set(accountId, sequence);
    if (sequence === expected) continue;
    eventsOutOfOrder++;
    defects.push(`account ${accountId}: entry ${sequence} was heard where entry ${expected} belongs`);
  }
  let eventsMissing = 0;
  for (const [account, count] of entriesByAccount(books)) {
    const heard = entries.get(account) ?? 0;
    if (heard === count) continue;
    eventsMissing += Math.abs(count - heard);
    defects.push(`account ${account} has ${count} entries, the events say ${heard}`);
  }
  for (const [id, { finishes }] of books.transfers) {
    const wanted = finishes.map(({ kind }) => `troupe.events.transfer.${kind}`).join();
    const heard = (ends.get(id) ?? []).join();
    if (wanted === heard) continue;
    eventsMissing++;
    defects.push(`transfer ${id} ended with ${wanted}, the events say ${heard === "" ? "nothing" : heard}`);
  }
  return { figures: { eventsMissing, eventsOutOfOrder, eventsRepeated: events.length - first.size }, byId: first };
}

/** Of accounts of customers: those of the service itself have no events. */
function entriesByAccount(books: JournalBooks): ReadonlyMap<string, number> {
  const counts = new Map<string, number>();
  for (const { movements } of books.transfers.values())
    for (const { account } of movements) if (!account.startsWith(WORLD)) counts.set(account, (counts.get(account) ?? 0) + 1);
  return counts;
}

const WORLD = "world-";
