/**
 * The same promise written plainly, as many services do: SQLite with synchronous=FULL, one transaction for each transfer: the key is
 * looked up, two balances change, two entries and the key with its answer are written. One process, one thread, no network.
 */
import { randomUUID } from "node:crypto";
import { statSync } from "node:fs";
import { join } from "node:path";
import { openConnection, synchronousOf } from "../../src/system/sqlite/connection.ts";
import { benchFolder } from "../harness/folder.ts";
import { quantile } from "../harness/statistics.ts";
import { assertResult, byMode, type RunVariant } from "../harness/suite.ts";

const SCHEMA = `
  CREATE TABLE accounts(id INTEGER PRIMARY KEY, balance INTEGER NOT NULL) STRICT;
  CREATE TABLE entries(id INTEGER PRIMARY KEY, account INTEGER NOT NULL, transfer TEXT NOT NULL, amount INTEGER NOT NULL, balance INTEGER NOT NULL) STRICT;
  CREATE TABLE keys(key TEXT PRIMARY KEY, answer TEXT NOT NULL) STRICT, WITHOUT ROWID;
`;
const AMOUNT = 5;

export const sqlite: RunVariant = async (mode) => {
  const accounts = byMode(mode, { full: 10_000, quick: 10_000, tiny: 100 });
  const count = byMode(mode, { full: 40_000, quick: 20_000, tiny: 500 });
  using folder = benchFolder();
  const path = join(folder.path, "plain.db");
  const db = openConnection({ path, synchronous: "full", busyTimeoutMs: 1_000, cacheKiB: 16_384, walAutocheckpointPages: 1_000 });
  db.exec(SCHEMA);
  const insertAccount = db.prepare("INSERT INTO accounts(id, balance) VALUES (?, 0)");
  db.transaction(() => {
    for (let id = 0; id < accounts; id++) insertAccount.run(id);
  })();
  const known = db.prepare<[string], string>("SELECT answer FROM keys WHERE key = ?").pluck();
  const move = db.prepare<[number, number], number>("UPDATE accounts SET balance = balance + ? WHERE id = ? RETURNING balance").pluck();
  const entry = db.prepare("INSERT INTO entries(account, transfer, amount, balance) VALUES (?, ?, ?, ?)");
  const keep = db.prepare("INSERT INTO keys(key, answer) VALUES (?, ?)");
  const transfer = db.transaction((key: string, from: number, to: number): string => {
    const before = known.get(key);
    if (before !== undefined) return before;
    const left = move.get(-AMOUNT, from) ?? 0;
    const right = move.get(AMOUNT, to) ?? 0;
    entry.run(from, key, -AMOUNT, left);
    entry.run(to, key, AMOUNT, right);
    const answer = JSON.stringify({ id: key, from, to, amount: AMOUNT, balances: [left, right] });
    keep.run(key, answer);
    return answer;
  });
  const run = randomUUID();
  const latencies = new Float64Array(count);
  const from = performance.now();
  for (let i = 0; i < count; i++) {
    const source = Math.floor(Math.random() * accounts);
    const begun = performance.now();
    transfer.immediate(`${run}-${i}`, source, (source + 1 + Math.floor(Math.random() * (accounts - 1))) % accounts);
    latencies[i] = performance.now() - begun;
  }
  const ms = performance.now() - from;
  const sum = db.prepare<[], number>("SELECT sum(balance) FROM accounts").pluck().get();
  const kept = db.prepare<[], number>("SELECT count(*) FROM keys").pluck().get();
  assertResult(sum === 0 && kept === count, `the balances add up to ${sum}, ${kept} of ${count} keys are kept`);
  const synchronous = synchronousOf(db);
  const journalBytes = statSync(`${path}-wal`).size + statSync(path).size;
  db.close();
  const figures = { perSecond: (count / ms) * 1000, p50Ms: quantile(latencies, 0.5), p99Ms: quantile(latencies, 0.99) };
  // FULL syncs the log once a commit; the syncs of its own checkpoints come on top and are not counted.
  return { figures, durable: { synchronous, commits: count, fsyncs: count, journalBytes } };
};
