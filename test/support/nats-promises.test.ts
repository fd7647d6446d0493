import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import Database from "better-sqlite3";
import { afterAll, expect, it } from "vitest";
import type { HeardEvent } from "./heard-event.ts";
import { idOfKey } from "./ledger-load.ts";
import { natsOrder } from "./nats-orders.ts";
import { natsPromises } from "./nats-promises.ts";
import { type NatsFigures, NatsTold } from "./nats-run.ts";

/** Number 1 is a transfer that is done. */
const order = natsOrder("stream", 1);
const id = idOfKey(order.key);
const body = '{"status":"COMPLETED"}';
const folder = mkdtempSync(join(tmpdir(), "troupe-nats-promises-"));
const journal = join(folder, "journal.db");
afterAll(() => rmSync(folder, { recursive: true }));

const money = { transfer: id, amount: "5", currency: "CZK", sequence: 1 };
const entries = [
  { entity: `transfer/${id}`, at: 1, events: [{ kind: "started", from: "a", to: "b", amount: "5", currency: "CZK" }] },
  { entity: "account/a", at: 1, events: [{ ...money, kind: "debited", balance: "-5" }] },
  { entity: "account/b", at: 1, events: [{ ...money, kind: "credited", balance: "5" }] },
  { entity: `transfer/${id}`, at: 1, events: [{ kind: "completed", status: 201, body }] },
];
const db = new Database(journal);
db.exec("CREATE TABLE records (seq INTEGER PRIMARY KEY, count INTEGER, body TEXT)");
db.prepare("INSERT INTO records VALUES (1, ?, ?)").run(entries.length, JSON.stringify(entries));
db.close();

const event = (place: string, type: string, name: string, about: string, data: object): HeardEvent => ({
  subject: `troupe.events.${type}.${name}`,
  attributes: { id: `store.0.${place}`, subject: about },
  body: JSON.stringify(data),
});
const debit = event("2.0", "account", "entry-posted", "a", { accountId: "a", sequence: 1 });
const credit = event("3.0", "account", "entry-posted", "b", { accountId: "b", sequence: 1 });
const end = event("4.0", "transfer", "completed", id, {});
const all = [debit, credit, end];

const orders = [order, natsOrder("stream", 2)];

function judged(events: readonly HeardEvent[], tell: (told: NatsTold) => void = () => undefined, known = orders) {
  const told = new NatsTold();
  told.events.push(...events);
  told.hear({ kind: "stored", key: order.key });
  told.hear({ kind: "answered", key: order.key, answer: { status: 201, body, isReplayed: false, errorCode: "", error: "" } });
  tell(told);
  const figures: NatsFigures = {
    told,
    kills: 0,
    killsWhileJournalHeld: 0,
    restarts: 0,
    readyMs: [],
    refusalsCompared: 0,
    httpKeys: new Set(),
  };
  return natsPromises(journal, figures, new Map(known.map((one) => [one.key, one])));
}

it("finds nothing where every promise was kept, also when an event comes again as itself", () => {
  expect(judged(all)).toMatchObject({ lost: 0, doubled: 0, eventsMissing: 0, eventsOutOfOrder: 0, defects: [] });
  expect(judged([debit, credit, debit, end, end])).toMatchObject({ eventsRepeated: 2, eventsOutOfOrder: 0, defects: [] });
});

it.each([
  ["an event that is missing", [debit, credit], { eventsMissing: 1 }],
  ["an entry that is missing", [credit, end], { eventsMissing: 1 }],
  ["an event that has another id the second time", [...all, event("9.0", "transfer", "completed", id, {})], { eventsMissing: 1 }],
  ["an event that comes again as another one", [...all, { ...end, body: "{}x" }], { eventsRepeated: 1 }],
  ["events of one entity in another order", [event("5.0", "account", "frozen", "a", {}), ...all], { eventsOutOfOrder: 1 }],
])("notices %s", (_, events, figures) => {
  const found = judged(events);
  expect(found).toMatchObject(figures);
  expect(found.defects).not.toEqual([]);
});

it("notices commands that were acknowledged or stored and are not in the journal, and transfers that nobody ordered", () => {
  const lost = natsOrder("stream", 2).key;
  expect(judged(all, (told) => told.hear({ kind: "stored", key: lost }))).toMatchObject({ lost: 1 });
  expect(judged(all, (told) => told.hear({ kind: "accepted", key: lost }))).toMatchObject({ lost: 1 });
  const answer = { status: 201, body: "another COMPLETED", isReplayed: false, errorCode: "", error: "" };
  expect(judged(all, (told) => told.hear({ kind: "answered", key: order.key, answer }))).toMatchObject({ lost: 1 });
  expect(judged(all, undefined, [])).toMatchObject({ doubled: 1 });
});
