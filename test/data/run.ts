/**
 * The checks on real data, one line each: `node_modules/.bin/node test/data/run.ts <folder>`. The data itself is no part of the project; a check
 * whose data is not in the folder is skipped. The last line is `N passed, N failed, N skipped`; the exit code is 0 only when nothing failed.
 */
import { existsSync } from "node:fs";
import { join } from "node:path";
import { checkImportKill } from "../checks/import-kill.ts";
import { checkSummaries } from "../checks/summaries.ts";
import { figuresOf, runCli, startCli, tempFolder } from "../support/cli.ts";
import { checkMicroSchemas } from "./micro-schemas.ts";
import { checkSseVectors } from "./sse-vectors.ts";
import { checkStructuredFields } from "./structured-fields.ts";
import { checkSummaryScores } from "./summary-scores.ts";

interface DataCheck {
  readonly name: string;
  /** What it reads, relative to the data folder. */
  readonly needs: string;
  /** Figures to show. @throws when the check fails. */
  readonly run: (data: string) => Promise<object>;
}

const BERKA = "ledger-berka/transactions.csv.gz";
const BERKA_MAP = "config/import/berka.json";
/** What the data's own README says about it. */
const BERKA_FIGURES = { rows: 19_138, accounts: 218, effects: 19_962, adjustments: 824, differences: 0, belowZero: 9, trialBalance: 0 };

const checks: readonly DataCheck[] = [
  {
    name: "berka: import in process, then again",
    needs: BERKA,
    run: async (data) => {
      using folder = tempFolder();
      return await importTwice(["import", join(data, BERKA), "--map", BERKA_MAP, "--data-dir", folder.path, "--verify", "--json"]);
    },
  },
  {
    name: "berka: import through HTTP, then again",
    needs: BERKA,
    run: async (data) => {
      using folder = tempFolder();
      await using server = await startCli(folder.path);
      const figures = await importTwice(["import", join(data, BERKA), "--map", BERKA_MAP, "--url", server.url, "--verify", "--json"]);
      expectEqual("exit code of the server after SIGTERM", await server.end("SIGTERM"), 0);
      return figures;
    },
  },
  {
    name: "berka: import through HTTP, the server killed twice",
    needs: BERKA,
    run: async (data) => {
      const result = await checkImportKill(join(data, BERKA), BERKA_MAP);
      if (!result.ok) throw new Error(JSON.stringify(result));
      return result;
    },
  },
  {
    name: "RFC 9651: idempotency keys",
    needs: "http-structured-fields",
    run: async (data) => {
      const { ok, vectors, failures } = await checkStructuredFields(data);
      if (!ok) throw new Error(failures.join("\n"));
      return { vectors };
    },
  },
  {
    name: "web-platform-tests: event streams of a model",
    needs: "sse-wpt-vectors/vectors.json",
    run: async (data) => {
      const { ok, vectors, events, failures } = await checkSseVectors(data);
      if (!ok) throw new Error(failures.join("\n"));
      return { vectors, events };
    },
  },
  {
    name: "NATS: what discovery answers, against the published schemas",
    needs: "nats-micro-schemas",
    run: (data) => checkMicroSchemas(join(data, "nats-micro-schemas")),
  },
  {
    name: "dialogues: the built-in summarizer against people's summaries",
    needs: "conv-dialogsum",
    run: async (data) => checkSummaryScores(data, "conv-dialogsum"),
  },
  {
    name: "meetings: the built-in summarizer against people's summaries",
    needs: "conv-qmsum",
    run: async (data) => checkSummaryScores(data, "conv-qmsum"),
  },
  {
    name: "dialogues: through the service, 64 at once",
    needs: "conv-dialogsum",
    run: (data) => summariesThroughService(join(data, "conv-dialogsum")),
  },
  {
    name: "meetings: through the service, 64 at once",
    needs: "conv-qmsum",
    run: (data) => summariesThroughService(join(data, "conv-qmsum")),
  },
];

/** The first run makes every effect, the second none; both agree with the bank. */
async function importTwice(command: readonly string[]): Promise<object> {
  const { effects } = BERKA_FIGURES;
  const first = figuresOf(await runCli(...command));
  expectFigures(first, { ok: true, ...BERKA_FIGURES, newEffects: effects, replayed: 0 });
  const second = figuresOf(await runCli(...command));
  expectFigures(second, { ok: true, ...BERKA_FIGURES, newEffects: 0, replayed: effects });
  return { ...BERKA_FIGURES, rowsPerSecond: first.rowsPerSecond, replayedPerSecond: second.rowsPerSecond };
}

async function summariesThroughService(folder: string): Promise<object> {
  const result = await checkSummaries(folder);
  if (!result.ok) throw new Error(JSON.stringify(result));
  return result;
}

function expectFigures(figures: Readonly<Record<string, unknown>>, expected: Readonly<Record<string, unknown>>): void {
  for (const [name, value] of Object.entries(expected)) expectEqual(name, figures[name], value, JSON.stringify(figures));
}

function expectEqual(name: string, got: unknown, expected: unknown, context = ""): void {
  if (got !== expected) throw new Error(`${name}: got ${String(got)}, expected ${String(expected)} ${context}`);
}

const count = { passed: 0, failed: 0, skipped: 0 };
const [data] = process.argv.slice(2);
if (data === undefined || !existsSync(data)) {
  process.stderr.write(`test/data/run.ts: ${data ?? "no folder"}: expected the path of the folder with the test data\n`);
  count.failed++;
} else {
  for (const { name, needs, run } of checks) {
    if (!existsSync(join(data, needs))) {
      count.skipped++;
      process.stdout.write(`skipped ${name}: there is no ${needs}\n`);
      continue;
    }
    try {
      const startedMs = performance.now();
      const figures = await run(data);
      count.passed++;
      process.stdout.write(`passed  ${name} (${((performance.now() - startedMs) / 1000).toFixed(1)} s): ${JSON.stringify(figures)}\n`);
    } catch (error) {
      count.failed++;
      process.stdout.write(`FAILED  ${name}: ${error instanceof Error ? error.message : String(error)}\n`);
    }
  }
}
process.stdout.write(`${count.passed} passed, ${count.failed} failed, ${count.skipped} skipped\n`);
process.exitCode = count.failed > 0 ? 1 : 0;
