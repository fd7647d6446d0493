/** `troupe demo`: the shop of data/shop.csv in a store of its own, and a table of what happened. */
import { createReadStream, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { accountViewSchema, formatAmount } from "../../actors/index.ts";
import { storePaths } from "../sqlite/open-stores.ts";
import { verifyJournal } from "../sqlite/verify.ts";
import { CliError } from "./cli-error.ts";
import { configOf, counted, type Result, type Run, say, seconds, tableOf } from "./command.ts";
import { csvRows } from "./csv.ts";
import { SHOP_HEADER, type ShopStep } from "./demo-data.ts";
import type { LedgerTarget, Outcome } from "./ledger-target.ts";
import { NodeLedger } from "./node-ledger.ts";
import { Progress } from "./progress.ts";
import { realClock, repeated } from "./repeat.ts";

const SHOP_FILE = fileURLToPath(new URL("../../../data/shop.csv", import.meta.url));

/** @returns `ok` when a repeated key changed nothing, the trial balance is 0 and the journal is whole. Removes its store in any case. */
export async function runDemo(run: Run): Promise<Result> {
  const dir = mkdtempSync(join(tmpdir(), "troupe-demo-"));
  try {
    const config = configOf(run, dir);
    const steps = await stepsOf(SHOP_FILE);
    say(run, `A shop with its customers: ${steps.length} steps of data/shop.csv, each waiting for its fsync.\n`);
    let result: Result;
    {
      await using ledger = await NodeLedger.start({ ...config, log: { level: "warn" } });
      result = await play(run, ledger, steps);
    }
    const verdict = verifyJournal(storePaths(dir).journal);
    const journal = verdict.ok
      ? `whole: ${counted(verdict.figures.records)} records, ${counted(verdict.figures.entries)} entries`
      : verdict.detail;
    say(run, `  journal        ${journal}`);
    const ok = result.ok && verdict.ok;
    say(run, ok ? "\nok. The store was a temporary one and is gone; `npm start` makes one that stays." : "\nNOT OK");
    return { ...result, ok, journalRecords: verdict.ok ? verdict.figures.records : null };
  } finally {
    rmSync(dir, { recursive: true, force: true });
  }
}

async function play(run: Run, ledger: LedgerTarget, steps: readonly ShopStep[]): Promise<Result> {
  const startedMs = performance.now();
  const tally = new Map<string, { count: number }>();
  const progress = new Progress({ what: "shopping", unit: "steps" });
  let done = 0;
  for (const step of steps) {
    const outcome = await take(ledger, step);
    const how = outcome.ok ? "done" : `refused: ${outcome.code}`;
    const line = tally.get(`${step.kind}\n${how}`) ?? { count: 0 };
    line.count++;
    tally.set(`${step.kind}\n${how}`, line);
    progress.update(++done, steps.length);
  }
  progress.done();
  const ms = performance.now() - startedMs;
  const rows = [...tally].map(([name, { count }]) => [...name.split("\n"), counted(count)]);
  for (const line of tableOf([["what", "how it ended", "times"], ...rows])) say(run, line);
  say(run);
  const repeat = await repeatOne(ledger, steps);
  await showAccounts(run, ledger, steps);
  const totals = await ledger.trialBalance();
  const isBalanced = totals.length > 0 && totals.every(({ total }) => total === 0n);
  say(run, `  took           ${seconds(ms)} for ${counted(steps.length)} steps, one after the other`);
  say(
    run,
    `  repeated key   ${repeat.isSame ? `${repeat.key} again: the same answer, byte for byte; nothing was done twice` : "THE ANSWER DIFFERED"}`,
  );
  say(run, `  other body     the same key with another amount: ${repeat.otherBody}`);
  say(run, `  trial balance  ${totals.map(({ currency, total }) => `${formatAmount(total, currency)} ${currency}`).join(", ")}`);
  const refused = rows.filter(([, how]) => how !== "done").reduce((sum, [, , times]) => sum + Number(times), 0);
  const ok = isBalanced && repeat.isSame && repeat.otherBody === "key_reused";
  return { ok, steps: steps.length, refused, isRepeatSame: repeat.isSame, otherBody: repeat.otherBody, isBalanced, ms: Math.round(ms) };
}

/** A step as a client sends it; the same step sent again is the same command. */
function take(ledger: LedgerTarget, step: ShopStep): Promise<Outcome> {
  const { key, kind, from, to, amount, currency } = step;
  return repeated(() => {
    switch (kind) {
      case "open":
        return ledger.open({ id: to, currency, kind: from });
      case "deposit":
        return ledger.move("deposit", { accountId: to, amount, currency }, key);
      case "withdrawal":
        return ledger.move("withdrawal", { accountId: from, amount, currency }, key);
      case "transfer":
        return ledger.move("transfer", { from, to, amount, currency }, key);
      default:
        throw new CliError("CSV_INVALID", `${key}: a step is an open, deposit, withdrawal or transfer, not ${JSON.stringify(kind)}`);
    }
  }, realClock);
}

interface Repeat {
  readonly key: string;
  readonly isSame: boolean;
  /** The code of the refusal, "accepted" when there was none. */
  readonly otherBody: string;
}

/** Sends the first deposit again, as a client does that did not see its answer; then its key with another amount. */
async function repeatOne(ledger: LedgerTarget, steps: readonly ShopStep[]): Promise<Repeat> {
  const step = steps.find(({ kind }) => kind === "deposit");
  if (step === undefined) throw new CliError("CSV_INVALID", `${SHOP_FILE} has no deposit`);
  const [first, second] = [await take(ledger, step), await take(ledger, step)];
  const isSame = first.ok && second.ok && second.isReplayed && first.body === second.body;
  const other = await take(ledger, { ...step, amount: "9999.00" });
  return { key: step.key, isSame, otherBody: other.ok ? "accepted" : other.code };
}

async function showAccounts(run: Run, ledger: LedgerTarget, steps: readonly ShopStep[]): Promise<void> {
  const rows: string[][] = [];
  for (const { to } of steps.filter(({ kind }) => kind === "open")) {
    const outcome = await repeated(() => ledger.account(to), realClock);
    if (!outcome.ok) throw new CliError(outcome.code, outcome.detail);
    const { id, kind, balance, currency, version } = accountViewSchema.parse(JSON.parse(outcome.body));
    rows.push([id, kind, balance, currency, String(version - 1)]);
  }
  for (const line of tableOf([["account", "kind", "balance", "", "entries"], ...rows])) say(run, line);
  say(run);
}

async function stepsOf(path: string): Promise<readonly ShopStep[]> {
  const steps: ShopStep[] = [];
  let isHead = true;
  for await (const { line, fields } of csvRows(createReadStream(path), { separator: "," })) {
    if (fields.length !== SHOP_HEADER.length) throw new CliError("CSV_INVALID", `${path}, line ${line}: expected ${SHOP_HEADER.join(",")}`);
    const [key = "", kind = "", from = "", to = "", amount = "", currency = ""] = fields;
    if (!isHead) steps.push({ key, kind, from, to, amount, currency });
    isHead = false;
  }
  return steps;
}
