/** The projection of journal entries: rows of statements, and legs that add up to 0 (L8). */
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { legsOf, statementRows } from "../../../src/actors/index.ts";
import type { Entry } from "../../../src/runtime/index.ts";
import { Books } from "./books.ts";

const entry = (events: Entry["events"], entity = "account/alice"): Entry => ({
  shard: 7,
  seq: 1,
  entity,
  version: 1,
  at: 1_000,
  ...(events === undefined ? {} : { events }),
});
const moved = { transfer: "t", amount: "250", balance: "750", currency: "CZK", sequence: 3 };

describe("statement rows", () => {
  it("an opening is a row of the account", () => {
    const books = new Books();
    books.open("alice", { overdraftLimit: "500", owner: "Alice" });
    const [opened] = books.entries;
    expect(opened && statementRows(opened)).toEqual({
      opened: { account: "alice", currency: "CZK", kind: "customer", owner: "Alice", overdraftLimit: "500", at: books.at },
      money: [],
    });
  });

  it.each([
    ["debited", "-250"],
    ["credited", "250"],
    ["refunded", "250"],
  ])("L8: %s is a row of %s with the balance after it, and its opposite leg in transit", (kind, amount) => {
    const { money } = statementRows(entry([{ kind, ...moved }]));
    expect(money).toEqual([{ account: "alice", sequence: 3, transfer: "t", amount, balance: "750", currency: "CZK", at: 1_000 }]);
    expect(money.map((row) => legsOf(row, 7))).toEqual([
      [
        { account: "alice", amount },
        { account: "in-transit-CZK-7", amount: kind === "debited" ? "250" : "-250" },
      ],
    ]);
  });

  it.each(["frozen", "unfrozen", "closed"])("%s moves nothing", (kind) => {
    expect(statementRows(entry([{ kind }]))).toEqual({ money: [] });
  });

  it("entries of transfers, and entries without events, have no rows", () => {
    expect(statementRows(entry([{ kind: "debited", balance: "1" }], "transfer/t"))).toEqual({ money: [] });
    expect(statementRows(entry(undefined))).toEqual({ money: [] });
  });

  it("an event that it does not know is not guessed at", () => {
    expect(() => statementRows(entry([{ kind: "moved" }]))).toThrow('"moved"');
  });
});

describe("the books", () => {
  const ids = ["a", "b", "c", "d"] as const;
  const act = fc.record({
    kind: fc.constantFrom("deposit", "withdrawal", "transfer", "freeze", "unfreeze", "close"),
    one: fc.constantFrom(...ids, "nobody"),
    other: fc.constantFrom(...ids, "nobody"),
    amount: fc.integer({ min: 1, max: 500 }).map(String),
    currency: fc.constantFrom("CZK", "JPY"),
    steps: fc.integer({ min: 0, max: 4 }),
  });

  it("L8, R-LED-7: add up to 0 at every commit, whatever happens in whatever order, and statements run without a gap", () => {
    fc.assert(
      fc.property(fc.array(act, { maxLength: 40 }), (acts) => {
        const books = new Books();
        ids.forEach((id, i) => {
          books.open(id, { currency: i === 3 ? "JPY" : "CZK", overdraftLimit: i === 2 ? null : `${i * 100}` });
        });
        const check = () => expect([...books.totals().values()].every((total) => total === 0n)).toBe(true);
        acts.forEach(({ kind, one, other, amount, currency, steps }, i) => {
          if (kind === "deposit") books.request(`${i}`, { kind, to: one, amount, currency });
          else if (kind === "withdrawal") books.request(`${i}`, { kind, from: one, amount, currency });
          else if (kind === "transfer") books.request(`${i}`, { kind, from: one, to: other, amount, currency });
          else books.account(one, kind);
          for (let step = 0; step < steps; step++) books.step();
          check();
        });
        books.run();
        check();
        expect(books.inTransit()).toBe(0n);
        expectStatementsRun(books);
      }),
      { numRuns: 60 },
    );
  });
});

/** Re-adds every account from its rows: the running balance is the sum, the sequence has no gap, the last balance is the account's own. */
function expectStatementsRun(books: Books): void {
  const last = new Map<string, { readonly balance: bigint; readonly sequence: number }>();
  for (const row of books.entries.flatMap((each) => statementRows(each).money)) {
    const before = last.get(row.account) ?? { balance: 0n, sequence: 0 };
    expect(BigInt(row.balance)).toBe(before.balance + BigInt(row.amount));
    expect(row.sequence).toBe(before.sequence + 1);
    last.set(row.account, { balance: BigInt(row.balance), sequence: row.sequence });
  }
  for (const [id, { balance, sequence }] of last) expect(books.state(`account/${id}`)).toMatchObject({ balance, sequence });
}
