/** The reader of the kill checks is the last witness: what it must find is planted here, in records that no Troupe code wrote. */
import { join } from "node:path";
import Database from "better-sqlite3";
import { expect, it } from "vitest";
import { folder } from "../../support/journal-bench.ts";
import { doubledOf, readJournal } from "../../support/journal-reader.ts";

interface Leg {
  readonly account: string;
  readonly kind: "debited" | "credited" | "refunded";
  readonly amount?: number;
  readonly currency?: string;
}
const debit: Leg = { account: "a", kind: "debited" };
const credit: Leg = { account: "b", kind: "credited" };

/** What is found of one transfer of 5 CZK from a to b, with these legs; running balances are right whatever they are. */
function read(end: "completed" | "failed", ...legs: readonly Leg[]) {
  using dir = folder();
  const path = join(dir.path, "journal.db");
  const db = new Database(path);
  db.exec("CREATE TABLE records(seq INTEGER PRIMARY KEY, count INTEGER, body TEXT)");
  const transfer = "t1";
  const at = new Map<string, { balance: number; sequence: number }>();
  const moved = legs.map(({ account, kind, amount = 5, currency = "CZK" }) => {
    const { balance, sequence } = at.get(account) ?? { balance: 0, sequence: 0 };
    const next = { balance: balance + (kind === "debited" ? -amount : amount), sequence: sequence + 1 };
    at.set(account, next);
    const event = { kind, transfer, amount: String(amount), currency, balance: String(next.balance), sequence: next.sequence };
    return { entity: `account/${account}`, at: 2, events: [event] };
  });
  const started = { kind: "started", from: "a", to: "b", amount: "5", currency: "CZK" };
  const entries = [
    { entity: `transfer/${transfer}`, at: 1, events: [started] },
    ...moved,
    { entity: `transfer/${transfer}`, at: 3, events: [{ kind: end, status: 201, body: "{}" }] },
  ];
  const put = db.prepare("INSERT INTO records VALUES (?, ?, ?)");
  for (const [index, entry] of entries.entries()) put.run(index + 1, 1, JSON.stringify([entry]));
  db.close();
  return readJournal(path);
}

it("R-LED-4: a completed transfer has one debit and one credit of its amount, and a failed one none or a debit and its refund", () => {
  expect(read("completed", debit, credit).findings).toEqual([]);
  expect(read("failed").findings).toEqual([]);
  expect(read("failed", debit, { ...debit, kind: "refunded" }).findings).toEqual([]);
});

it.each<[string, readonly Leg[]]>([
  ["credited three times, never debited", [credit, credit, credit]],
  ["without legs", []],
  ["without a credit", [debit]],
  ["without a debit", [credit]],
  ["debited twice and credited twice", [debit, credit, debit, credit]],
  ["credited before it is debited", [credit, debit]],
  [
    "of another amount",
    [
      { ...debit, amount: 6 },
      { ...credit, amount: 6 },
    ],
  ],
  ["of another account", [debit, { ...credit, account: "c" }]],
  [
    "in another currency",
    [
      { ...debit, currency: "EUR" },
      { ...credit, currency: "EUR" },
    ],
  ],
  ["credited and refunded", [debit, credit, { ...debit, kind: "refunded" }]],
])("R-LED-4: a completed transfer is found that is %s", (_, legs) => {
  expect(read("completed", ...legs).findings).toContainEqual(expect.stringMatching(/^transfer t1 is completed and moved: /));
});

it("R-LED-3: movements that stand there twice are counted", () => {
  expect(doubledOf(read("completed", debit, credit))).toBe(0);
  expect(doubledOf(read("completed", debit, credit, debit, credit))).toBe(2);
});
