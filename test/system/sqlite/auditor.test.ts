/** What the auditor finds in books that do not add up, through the view that keeps its findings. */
import { join } from "node:path";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { worldAccountIdOf } from "../../../src/actors/index.ts";
import type { StoredRecord } from "../../../src/runtime/index.ts";
import { SqliteViews } from "../../../src/system/sqlite/view-store.ts";
import { folder, JOURNAL_SHARDS } from "../../support/journal-bench.ts";
import { books, money, opened, recordOf, TRANSFER } from "../../support/ledger-records.ts";

const openViews = (dir: string): SqliteViews =>
  new SqliteViews({
    path: join(dir, "views.db"),
    meta: { storeId: "store-1", shardCount: JOURNAL_SHARDS },
    busyTimeoutMs: 200,
    cacheKiB: 1024,
  });

describe("the auditor", () => {
  /** Findings of the books with their last record replaced. */
  function findingsOf(...last: StoredRecord[]): readonly string[] {
    using dir = folder();
    const views = openViews(dir.path);
    views.apply(books.slice(0, 2));
    const found = views.apply(last);
    expect(views.findings()).toEqual(found);
    views.close();
    const again = openViews(dir.path);
    expect(again.findings()).toEqual(found); // They outlive the process.
    again.close();
    return found;
  }

  it("A1, A3: finds a wrong balance once, by record, currency and account, and that the currency is off", () => {
    expect(
      findingsOf(recordOf(3, ["alice", money("debited", "200", "701", 2)]), recordOf(4, ["alice", money("refunded", "200", "901", 3)])),
    ).toEqual(["record 3: CZK account alice: entry 2: 900 and -200 make 700, not 701", "record 3: CZK adds up to 1, not to 0"]);
  });

  it("A2: finds a missing entry", () => {
    expect(findingsOf(recordOf(3, ["alice", money("debited", "100", "700", 3)]))).toEqual([
      "record 3: CZK account alice: entry 3 stands where entry 2 belongs",
      "record 3: CZK account alice: entry 3: 900 and -100 make 800, not 700",
      "record 3: CZK adds up to -100, not to 0",
    ]);
  });

  it("A2: finds an entry that is there twice", () => {
    const twice = ["alice", money("debited", "200", "700", 2)] as const;
    expect(findingsOf(recordOf(3, twice, twice))[0]).toBe("record 3: CZK account alice: entry 2 stands where entry 3 belongs");
  });

  it("A4: finds money on an account that nobody opened, or in another currency, and an account opened twice", () => {
    expect(findingsOf(recordOf(3, ["carol", money("debited", "5", "-5", 1)]))).toEqual([
      "record 3: CZK account carol: money moves on it and it was never opened",
    ]);
    expect(findingsOf(recordOf(3, ["alice", money("credited", "5", "905", 2, { currency: "EUR" })]))).toContain(
      "record 3: EUR account alice: its currency is CZK",
    );
    expect(findingsOf(recordOf(3, ["alice", opened()]))).toEqual(["record 3: CZK account alice: it was opened twice"]);
  });

  it("a world account needs no opening: its id says currency and kind", () => {
    expect(
      findingsOf(recordOf(3, [worldAccountIdOf("EUR", 1, JOURNAL_SHARDS), money("debited", "5", "-5", 1, { currency: "EUR" })])),
    ).toEqual([]);
  });
});

describe("the auditor and both legs of a transfer (A5)", () => {
  interface Move {
    readonly record: number;
    readonly account: string;
    readonly kind: "debited" | "credited" | "refunded";
    readonly amount: bigint;
    readonly transfer: string;
    readonly currency?: string;
  }
  const ACCOUNTS = ["alice", "bob", "carol"];

  /** Records in which every running balance adds up, whatever the moves are; the first opens the accounts. Moves stand in their order. */
  function recordsOf(moves: readonly Move[], last = Math.max(2, ...moves.map(({ record }) => record))): StoredRecord[] {
    const at = new Map<string, { balance: bigint; sequence: number }>();
    const records = [recordOf(1, ...ACCOUNTS.map((account) => [account, opened()] as const))];
    for (let seq = 2; seq <= last; seq++) {
      const events = moves
        .filter(({ record }) => record === seq)
        .map(({ account, kind, amount, transfer, currency = "CZK" }) => {
          const { balance, sequence } = at.get(account) ?? { balance: 0n, sequence: 0 };
          const next = { balance: kind === "debited" ? balance - amount : balance + amount, sequence: sequence + 1 };
          at.set(account, next);
          return [account, money(kind, String(amount), String(next.balance), next.sequence, { transfer, currency })] as const;
        });
      records.push(recordOf(seq, ...events));
    }
    return records;
  }
  const move = (record: number, account: string, kind: Move["kind"], amount: number, transfer = TRANSFER): Move => ({
    record,
    account,
    kind,
    amount: BigInt(amount),
    transfer,
  });

  interface Audited {
    readonly findings: readonly string[];
    readonly inTransit: string;
    readonly total: string;
  }
  /** What is found when each record is a batch of its own and the view is opened anew before each, and when all are one batch. */
  function audited(moves: readonly Move[]): Audited {
    const records = recordsOf(moves);
    using dir = folder();
    for (const record of records) {
      const views = openViews(dir.path);
      views.apply([record]);
      views.close();
    }
    using other = folder();
    const whole = openViews(other.path);
    whole.apply(records);
    const line = whole.trialBalance().lines[0];
    const found = { findings: whole.findings(), inTransit: line?.inTransit ?? "", total: line?.total ?? "" };
    whole.close();
    const stepwise = openViews(dir.path);
    expect(stepwise.findings()).toEqual(found.findings);
    expect(stepwise.trialBalance().lines[0]).toMatchObject({ inTransit: found.inTransit, total: found.total });
    stepwise.close();
    return found;
  }

  it("L8: one transfer that is credited three times and never debited is found, and the total is not 0", () => {
    const told = (record: number) => `record ${record}: CZK account alice: 100 of transfer ${TRANSFER} come from no open debit`;
    expect(audited([2, 3, 4].map((record) => move(record, "alice", "credited", 100)))).toEqual({
      findings: [
        told(2),
        "record 2: CZK adds up to 100, not to 0",
        told(3),
        "record 3: CZK adds up to 200, not to 0",
        told(4),
        "record 4: CZK adds up to 300, not to 0",
      ],
      inTransit: "0",
      total: "300",
    });
  });

  it("a debit and its credit or refund close, in one record in either order or in two records", () => {
    for (const moves of [
      [move(2, "alice", "debited", 5), move(2, "bob", "credited", 5)],
      [move(2, "bob", "credited", 5), move(2, "alice", "debited", 5)],
      [move(2, "alice", "debited", 5), move(4, "bob", "credited", 5)],
      [move(2, "alice", "debited", 5), move(3, "alice", "refunded", 5)],
    ])
      expect(audited(moves)).toEqual({ findings: [], inTransit: "0", total: "0" });
  });

  it("R-LED-4: a leg that is missing keeps the money in transit, and the total is 0: it may still come", () => {
    expect(audited([move(2, "alice", "debited", 5)])).toEqual({ findings: [], inTransit: "5", total: "0" });
  });

  it("another amount, a second credit, a second debit, a credit and a refund, another currency are found", () => {
    const both = [move(2, "alice", "debited", 5), move(2, "bob", "credited", 5)];
    const cases: readonly (readonly [RegExp, readonly Move[]])[] = [
      [/record 3: CZK account bob: transfer t+ took 5 and gives 6$/, [move(2, "alice", "debited", 5), move(3, "bob", "credited", 6)]],
      [/record 2: CZK account carol: 5 of transfer t+ come from no open debit$/, [...both, move(2, "carol", "credited", 5)]],
      [/record 3: CZK account alice: 5 of transfer t+ come from no open debit$/, [...both, move(3, "alice", "refunded", 5)]],
      [/record 2: CZK account carol: transfer t+ is debited again/, [...both, move(2, "carol", "debited", 5)]],
      [/record 3: CZK account alice: transfer t+ is debited again/, [move(2, "alice", "debited", 5), move(3, "alice", "debited", 5)]],
      [
        /record 3: CZK account alice: transfer t+ is debited again/,
        [2, 3, 3].map((record, index) => move(record, index === 1 ? "bob" : "alice", index === 1 ? "credited" : "debited", 5)),
      ],
      [
        /record 2: EUR account bob: 5 of transfer t+ come from no open debit$/,
        [move(2, "alice", "debited", 5), { ...move(2, "bob", "credited", 5), currency: "EUR" }],
      ],
    ];
    for (const [finding, moves] of cases) expect(audited(moves).findings.filter((text) => finding.test(text))).toHaveLength(1);
  });

  /** Transfers between accounts of three, each with the records of its two legs. */
  const transfers = fc.array(
    fc.record({
      from: fc.nat(2),
      step: fc.integer({ min: 1, max: 2 }),
      amount: fc.bigInt(1n, 10n ** 15n),
      record: fc.nat(5),
      later: fc.nat(3),
      isOpen: fc.boolean(),
    }),
    { minLength: 1, maxLength: 12 },
  );
  type Transfers = typeof transfers extends fc.Arbitrary<infer Value> ? Value : never;
  const movesOf = (made: Transfers): Move[] =>
    made.flatMap(({ from, step, amount, record, later, isOpen }, index) => {
      const shared = { amount, transfer: `t${index}` };
      const debit = { ...shared, record: 2 + record, account: ACCOUNTS[from] ?? "", kind: "debited" as const };
      const credit = { ...shared, record: 2 + record + later, account: ACCOUNTS[(from + step) % 3] ?? "", kind: "credited" as const };
      return isOpen ? [debit] : index % 2 === 0 ? [debit, credit] : [credit, debit];
    });

  it("L8: after any right history the total is 0, in transit is what is open, and nothing is found", () => {
    fc.assert(
      fc.property(transfers, (made) => {
        const open = made.reduce((sum, { isOpen, amount }) => (isOpen ? sum + amount : sum), 0n);
        expect(audited(movesOf(made))).toEqual({ findings: [], inTransit: String(open), total: "0" });
      }),
      { numRuns: 25 },
    );
  });

  it("a leg too many or of another amount, anywhere in any history, is found", () => {
    fc.assert(
      fc.property(transfers, fc.nat(), fc.boolean(), (made, at, isTwice) => {
        const moves = movesOf(made.map((transfer) => ({ ...transfer, isOpen: false })));
        const index = at % moves.length;
        const hit = moves[index];
        if (hit === undefined) return;
        moves.splice(index, isTwice ? 0 : 1, isTwice ? hit : { ...hit, amount: hit.amount + 1n });
        expect(audited(moves).findings).not.toEqual([]);
      }),
      { numRuns: 25 },
    );
  });
});
