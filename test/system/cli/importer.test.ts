/** The import over a ledger in memory and a clock of the test's own: order, keys, repeats, bounds, and what the comparison notices. */
import { Readable } from "node:stream";
import { expect, it } from "vitest";
import { csvRows } from "../../../src/system/cli/csv.ts";
import { checkImport, type Difference } from "../../../src/system/cli/import-check.ts";
import { parseMapping } from "../../../src/system/cli/import-mapping.ts";
import { type ImportRow, importRows } from "../../../src/system/cli/import-row.ts";
import { Importer } from "../../../src/system/cli/importer.ts";
import type { Clock } from "../../../src/system/cli/repeat.ts";
import { MemoryLedger, refusal } from "../../support/memory-ledger.ts";

const mapping = parseMapping(
  {
    currency: "CZK",
    overdraft: "unlimited",
    accountPrefix: "b-",
    columns: {
      id: "id",
      account: "account",
      amount: "amount",
      sign: { column: "type", add: ["in"], subtract: ["out"] },
      expectedBalance: "balance",
      adjustment: { column: "adj", unit: "hundredths" },
    },
  },
  "the test's mapping",
);
const FILE = `id,account,type,amount,balance,adj
t1,1,in,10.00,10.00,0
t2,2,in,5.00,5.10,10
t3,1,out,12.50,-2.50,0
t4,2,out,1.00,4.00,-10
t5,1,in,3.00,0.50,0
`;
const MOVEMENTS = 7;

const rowsOf = (text: string): AsyncGenerator<ImportRow> =>
  importRows(csvRows(Readable.from([Buffer.from(text)]), { separator: "," }), mapping);

/** Time passes only by waiting. */
function clockOfTest(): Clock & { readonly waits: number[] } {
  const waits: number[] = [];
  return {
    waits,
    nowMs: () => waits.reduce((sum, ms) => sum + ms, 0),
    wait: async (ms) => void waits.push(ms),
    random: () => 0.5,
  };
}

async function importInto(ledger: MemoryLedger, text = FILE, { inFlight = 8, clock = clockOfTest() } = {}) {
  const refused: string[] = [];
  const importer = new Importer({
    ledger,
    mapping,
    inFlight,
    clock,
    onRefused: (_row, { key }, { code }) => refused.push(`${key} ${code}`),
  });
  return { figures: await importer.run(rowsOf(text)), refused, clock };
}

async function compare(ledger: MemoryLedger, text = FILE) {
  const found: Difference[] = [];
  const figures = await checkImport(rowsOf(text), {
    ledger,
    currency: "CZK",
    clock: clockOfTest(),
    onDifference: (one) => found.push(one),
  });
  return { figures, found };
}

it("posts each row and its adjustment once, in the order of its account, and finds the file's balances in the entries", async () => {
  const ledger = new MemoryLedger();
  const { figures } = await importInto(ledger);
  expect(figures).toEqual({ rows: 5, accounts: 2, effects: MOVEMENTS, newEffects: MOVEMENTS, replayed: 0, adjustments: 2, refused: 0 });
  expect(ledger.asked.filter((key) => ["t1", "t3", "t5"].includes(key))).toEqual(["t1", "t3", "t5"]);
  expect(ledger.asked.filter((key) => !["t1", "t3", "t5"].includes(key))).toEqual(["t2", "t2:adj", "t4", "t4:adj"]);
  expect(await compare(ledger)).toEqual({ figures: { compared: 5, differences: 0, belowZero: 1 }, found: [] });
});

it("R-LED-2: a second run changes nothing and says so", async () => {
  const ledger = new MemoryLedger();
  await importInto(ledger);
  const { figures } = await importInto(ledger);
  expect(figures).toMatchObject({ effects: MOVEMENTS, newEffects: 0, replayed: MOVEMENTS });
  expect((await compare(ledger)).figures.differences).toBe(0);
});

it("R-SYS-1: sends again what was refused for now, and what got no answer, under the same key", async () => {
  const ledger = new MemoryLedger();
  const left = new Map([
    ["t1", 2],
    ["t2:adj", 1],
    ["t4", 1],
  ]);
  ledger.before = async (key) => {
    const times = left.get(key) ?? 0;
    left.set(key, times - 1);
    if (times <= 0) return null;
    if (key === "t4") return "lost";
    return key === "t1" ? refusal(503, "OVERLOADED", 1000) : refusal(409, "key_in_progress", 0);
  };
  const { figures, clock } = await importInto(ledger);
  expect(figures).toMatchObject({ effects: MOVEMENTS, newEffects: MOVEMENTS - 1, replayed: 1, refused: 0 });
  expect(clock.waits.toSorted((one, other) => one - other)).toEqual([20, 20, 1020, 1040]);
  expect((await compare(ledger)).figures.differences).toBe(0);
});

it("gives up on a ledger that stays away for 10 s, and keeps what was done", async () => {
  const ledger = new MemoryLedger();
  ledger.before = async (key) => (key === "t3" ? refusal(0, "SERVER_UNREACHABLE", 0) : null);
  const clock = clockOfTest();
  await expect(importInto(ledger, FILE, { clock })).rejects.toMatchObject({
    code: "SERVER_UNREACHABLE",
    message: expect.stringContaining("line 4, key t3"),
  });
  expect(clock.nowMs()).toBeGreaterThanOrEqual(10_000);
  expect(clock.nowMs()).toBeLessThan(12_000);
  expect(ledger.keys.has("t5")).toBe(false);
});

it("gives up once, not once more for all that waited meanwhile", async () => {
  const ledger = new MemoryLedger();
  ledger.before = async () => refusal(0, "SERVER_UNREACHABLE", 0);
  const clock = clockOfTest();
  await expect(importInto(ledger, FILE, { clock, inFlight: 1 })).rejects.toMatchObject({ code: "SERVER_UNREACHABLE" });
  expect(new Set(ledger.asked).size).toBe(1);
});

it("counts what a rule of the ledger refuses, and goes on with the other rows", async () => {
  const ledger = new MemoryLedger();
  ledger.before = async (key) => (key === "t3" ? refusal(422, "insufficient_funds") : null);
  const { figures, refused } = await importInto(ledger);
  expect(figures).toMatchObject({ rows: 5, effects: MOVEMENTS - 1, refused: 1 });
  expect(refused).toEqual(["t3 insufficient_funds"]);
  expect((await compare(ledger)).figures.differences).toBeGreaterThan(0);
});

it("stops at a request that the door calls malformed, because every row would be", async () => {
  const ledger = new MemoryLedger();
  ledger.before = async () => refusal(400, "validation_failed");
  await expect(importInto(ledger)).rejects.toMatchObject({ code: "validation_failed" });
});

it("L6: keeps at most as many movements under way as it may, over any number of accounts", async () => {
  const ledger = new MemoryLedger();
  ledger.before = () => new Promise((resolve) => setImmediate(() => resolve(null)));
  const lines = Array.from({ length: 300 }, (_, row) => `k${row},${row % 50},in,1.00,${Math.floor(row / 50) + 1}.00,0`);
  const { figures } = await importInto(ledger, `id,account,type,amount,balance,adj\n${lines.join("\n")}`, { inFlight: 4 });
  expect(figures).toMatchObject({ rows: 300, accounts: 50, effects: 300 });
  expect(ledger.underWayMost).toBe(4);
});

it.each<[string, (ledger: MemoryLedger) => void, RegExp]>([
  ["a movement done twice", (ledger) => ledger.add("b-1", "t5", 300n), /account b-1.*entries that the file has not/],
  ["a movement lost", (ledger) => void ledger.books.get("b-1")?.pop(), /no entry is there for key t5/],
  ["two movements in the wrong order", (ledger) => void ledger.books.get("b-1")?.reverse(), /where key t1 belongs/],
  ["a foreign movement", (ledger) => ledger.add("b-2", "other", 1n), /account b-2.*entries that the file has not/],
])("--verify notices %s", async (_name, spoil, message) => {
  const ledger = new MemoryLedger();
  await importInto(ledger);
  spoil(ledger);
  const { figures, found } = await compare(ledger);
  expect(figures.differences).toBeGreaterThan(0);
  expect(found.map(({ account, what }) => `account ${account}: ${what}`).join("\n")).toMatch(message);
});

it("--verify notices a balance that is not the file's, by line and both figures", async () => {
  const ledger = new MemoryLedger();
  await importInto(ledger);
  const { found } = await compare(ledger, FILE.replace("-2.50,0", "-2.40,0"));
  expect(found).toEqual([{ line: 4, account: "b-1", what: "the balance is -2.50, the file says -2.40" }]);
});

it.each([
  ["t9,1,in,1.005,1.00,0", /line 2, column amount: got "1.005", expected an amount in CZK/],
  ["t9,1,in,-1.00,1.00,0", /column amount/],
  ["t9,1,up,1.00,1.00,0", /column type: got "up", expected one of "in", "out"/],
  ["t 9,1,in,1.00,1.00,0", /column id/],
  ["t9,1,in,1.00,one,0", /column balance: got "one"/],
  ["t9,1,in,1.00,1.00,0.5", /column adj: got "0.5", expected a whole number of hundredths/],
  ["t9,1,in,1.00,1.00", /line 2: 5 fields, but the first row has 6/],
])("a row that the mapping cannot mean is refused by line and column: %s", async (line, message) => {
  const rows = rowsOf(`id,account,type,amount,balance,adj\n${line}\n`);
  await expect(Array.fromAsync(rows)).rejects.toThrow(message);
});

it("names the columns that the file has when the mapping names another", async () => {
  await expect(Array.fromAsync(rowsOf("id;account\n1;2\n"))).rejects.toThrow(
    /names the column "id", but the file has: id;account. Is the separator "," right/,
  );
});

it.each([
  [{ currency: "XXQ" }, /currency: .*ISO 4217/],
  [{ overdraft: "12.345" }, /overdraft: "unlimited" or an amount of CZK/],
  [{ separator: '"' }, /separator: one character/],
  [{ unknown: 1 }, /Unrecognized key: "unknown"/],
  [{ columns: { ...mapping.columns, sign: { column: "type", add: ["x"], subtract: ["x"] } } }, /columns.sign: "x" adds and subtracts/],
])("a mapping with %j is refused by the field's name", (change, message) => {
  expect(() => parseMapping({ ...mapping, ...change }, "m.json")).toThrow(message);
});
