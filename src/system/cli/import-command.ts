/** `troupe import`: a CSV file into the ledger, each row once; with `--verify` the entries read back and compared. */
import { formatAmount } from "../../actors/index.ts";
import { CliError } from "./cli-error.ts";
import { configOf, counted, type Result, type Run, say, seconds } from "./command.ts";
import { HttpLedger } from "./http-ledger.ts";
import { checkImport, type Difference } from "./import-check.ts";
import { rowsOfFile } from "./import-file.ts";
import { type ImportMapping, readMapping } from "./import-mapping.ts";
import { Importer } from "./importer.ts";
import type { LedgerTarget, TrialTotal } from "./ledger-target.ts";
import { NodeLedger } from "./node-ledger.ts";
import { Progress } from "./progress.ts";
import { realClock, repeatedRead } from "./repeat.ts";

export interface ImportOptions {
  readonly csv: string;
  readonly map: string;
  readonly url?: string;
  readonly dataDir?: string;
  readonly verify?: boolean;
  readonly inFlight: number;
}
/** Refusals and differences that are told one by one; all are counted. */
const SHOWN_MAX = 10;

/** @returns `ok` when every movement is in the ledger, the books balance and, if verified, nothing differs. @throws CliError and others. */
export async function runImport(run: Run, options: ImportOptions): Promise<Result> {
  const mapping = readMapping(options.map);
  if (options.verify === true && mapping.columns.expectedBalance === undefined)
    throw new CliError("MAPPING_INVALID", `--verify compares with columns.expectedBalance, which ${options.map} does not name`);
  // The whole file first: a bad row in its middle is told before anything is written.
  const total = await countRows(options.csv, mapping);
  await using ledger =
    options.url === undefined ? await NodeLedger.start(configOf(run, options.dataDir)) : await HttpLedger.connect(options.url);
  say(run, `Importing ${counted(total)} rows of ${options.csv} into ${ledger.name}`);
  const { figures, ms } = await post(options, { mapping, ledger, total });
  const check = options.verify === true ? await verify(options, { mapping, ledger, total }) : null;
  const line = lineOf(await repeatedRead(() => ledger.trialBalance(), realClock), mapping.currency);
  const ok =
    figures.refused === 0 &&
    figures.rows === total &&
    isBalanced(line, { rows: figures.rows }) &&
    (check === null || check.differences === 0);
  const result = {
    ok,
    ...figures,
    verified: check !== null,
    differences: check?.differences ?? null,
    belowZero: check?.belowZero ?? null,
    trialBalance: line === null ? null : Number(line.total),
    inTransit: line === null ? null : Number(line.inTransit),
    ms: Math.round(ms),
    rowsPerSecond: Math.round(figures.rows / (ms / 1000)),
    verifyMs: check === null ? null : Math.round(check.ms),
  };
  tell(run, result, line);
  return result;
}

/** The line of a currency; null when the ledger says nothing of it. */
const lineOf = (lines: readonly TrialTotal[], currency: string): TrialTotal | null =>
  lines.find((line) => line.currency === currency) ?? null;

/** True when the books say that money was neither made nor lost and nothing is left half way. Books that do not know the currency of imported rows are wrong. */
export const isBalanced = (line: TrialTotal | null, { rows }: { readonly rows: number }): boolean =>
  line === null ? rows === 0 : line.total === 0n && line.inTransit === 0n;

interface Work {
  readonly mapping: ImportMapping;
  readonly ledger: LedgerTarget;
  readonly total: number;
}

async function countRows(csv: string, mapping: ImportMapping): Promise<number> {
  const progress = new Progress({ what: "reading", unit: "rows" });
  let count = 0;
  try {
    for await (const _ of rowsOfFile(csv, mapping)) progress.update(++count, 0);
  } finally {
    progress.done();
  }
  return count;
}

async function post({ csv, inFlight }: ImportOptions, { mapping, ledger, total }: Work) {
  const progress = new Progress({ what: "importing", unit: "rows" });
  const shown = new Shown();
  const importer = new Importer({
    ledger,
    mapping,
    inFlight,
    clock: realClock,
    onRow: (done) => progress.update(done, total),
    onRefused: ({ line }, { key }, { code, detail }) => {
      progress.done();
      shown.tell(`refused: line ${line}, key ${key}: ${code}: ${detail}`);
    },
  });
  const startedMs = performance.now();
  try {
    return { figures: await importer.run(rowsOfFile(csv, mapping)), ms: performance.now() - startedMs };
  } catch (cause) {
    if (!(cause instanceof CliError)) throw cause;
    const way = "What was done stays. Run the same command again when the cause is gone: nothing is done twice.";
    throw new CliError(cause.code, `the import stopped: ${cause.message}\n${way}`, { cause });
  } finally {
    progress.done();
  }
}

async function verify({ csv }: ImportOptions, { mapping, ledger, total }: Work) {
  const progress = new Progress({ what: "comparing", unit: "rows" });
  const shown = new Shown();
  const startedMs = performance.now();
  try {
    const figures = await checkImport(rowsOfFile(csv, mapping), {
      ledger,
      currency: mapping.currency,
      clock: realClock,
      onRow: (done) => progress.update(done, total),
      onDifference: ({ line, account, what }: Difference) => {
        progress.done();
        shown.tell(`difference: ${line === null ? "" : `line ${line}, `}account ${account}: ${what}`);
      },
    });
    return { ...figures, ms: performance.now() - startedMs };
  } finally {
    progress.done();
  }
}

/** Tells the first few on standard error, so that a file of a million bad rows does not scroll the cause away. */
class Shown {
  #count = 0;

  tell(line: string): void {
    this.#count++;
    if (this.#count <= SHOWN_MAX) process.stderr.write(`${line}\n`);
    if (this.#count === SHOWN_MAX + 1) process.stderr.write("... more of them are only counted\n");
  }
}

interface Told {
  readonly ok: boolean;
  readonly rows: number;
  readonly accounts: number;
  readonly effects: number;
  readonly newEffects: number;
  readonly replayed: number;
  readonly adjustments: number;
  readonly refused: number;
  readonly differences: number | null;
  readonly belowZero: number | null;
  readonly ms: number;
  readonly rowsPerSecond: number;
}

function tell(run: Run, figures: Told, line: TrialTotal | null): void {
  const { rows, accounts, effects, newEffects, replayed, adjustments, refused, differences, belowZero, ms, rowsPerSecond } = figures;
  say(run, `  rows           ${counted(rows)} of ${counted(accounts)} accounts`);
  say(
    run,
    `  effects        ${counted(effects)}: ${counted(newEffects)} new, ${counted(replayed)} replayed (adjustments: ${counted(adjustments)})`,
  );
  if (refused > 0) say(run, `  refused        ${counted(refused)}`);
  say(run, `  differences    ${differences === null ? "not compared (--verify does)" : `${counted(differences)} to the file's balances`}`);
  if (belowZero !== null) say(run, `  below zero     ${counted(belowZero)} accounts at some time`);
  say(run, `  trial balance  ${line === null ? "has no such currency" : balanceOf(line)}`);
  say(run, `  took           ${seconds(ms)}, ${counted(rowsPerSecond)} rows/s`);
  say(run, figures.ok ? "ok" : "NOT OK");
}

function balanceOf({ currency, total, inTransit }: TrialTotal): string {
  return `${formatAmount(total, currency)}, in transit ${formatAmount(inTransit, currency)}`;
}
