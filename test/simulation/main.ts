/**
 * `npm run -s sim -- [--seeds N] [--seed S] [--ops N] [--mutants] [--json]`: seeded runs of the ledger on the simulated runtime. A seed that fails
 * is printed with the command that runs it again. `--mutants` plants bugs and demands that each is caught.
 */
import { parseArgs } from "node:util";
import type { SimulatedBug } from "../../src/runtime/testing/index.ts";
import { runLedger } from "./ledger-run.ts";
import { catchMutant, MUTANTS } from "./mutants.ts";

const { values } = parseArgs({
  options: {
    seeds: { type: "string", default: "200" },
    seed: { type: "string" },
    ops: { type: "string", default: "240" },
    mutants: { type: "boolean", default: false },
    bug: { type: "string" },
    json: { type: "boolean", default: false },
    help: { type: "boolean", default: false },
  },
});

if (values.help) {
  console.log(`Runs the ledger on the simulated runtime: one loop, virtual time, seeded faults.

  --seeds N    seeds to run, from 1 or from --seed (200)
  --seed S     the first seed; alone: that one seed
  --ops N      client operations a seed (240)
  --mutants    also plant bugs, each of which must be caught
  --bug NAME   run with one planted bug: ${MUTANTS.join(", ")}
  --json       the last line is one JSON object with "ok"`);
} else process.exitCode = main();

function main(): number {
  const [first, operationsCount] = [numberOf("seed", values.seed ?? "1"), numberOf("ops", values.ops)];
  const seedsCount = values.seed !== undefined && !process.argv.includes("--seeds") ? 1 : numberOf("seeds", values.seeds);
  const bug = (values.bug ?? null) as SimulatedBug | null;
  if (bug !== null && !MUTANTS.includes(bug)) throw new Error(`--bug ${bug} is none of ${MUTANTS.join(", ")}`);
  const sum = { operations: 0, attempts: 0, records: 0, faults: 0, crashes: 0, crashesUncommitted: 0, processCrashes: 0, snapshotsLost: 0 };
  const failed: number[] = [];
  const from = performance.now();
  for (let seed = first; seed < first + seedsCount; seed++) {
    const result = runLedger({ seed, operationsCount, bug });
    for (const key of Object.keys(sum) as (keyof typeof sum)[]) sum[key] += result[key];
    if (result.violations.length === 0) continue;
    failed.push(seed);
    console.log(`seed ${seed} failed:\n  ${result.violations.slice(0, 10).join("\n  ")}`);
    console.log(`  again: npm run -s sim -- --seed ${seed} --ops ${operationsCount}${bug === null ? "" : ` --bug ${bug}`}`);
  }
  const mutants = values.mutants ? MUTANTS.map((name) => ({ name, caughtAtSeed: catchMutant(name, operationsCount) })) : [];
  for (const { name, caughtAtSeed } of mutants) {
    console.log(
      caughtAtSeed === null ? `the planted bug ${name} was NOT caught` : `the planted bug ${name} was caught at seed ${caughtAtSeed}`,
    );
  }
  const ok = failed.length === 0 && mutants.every(({ caughtAtSeed }) => caughtAtSeed !== null);
  const seconds = Math.round((performance.now() - from) / 10) / 100;
  console.log(
    `${seedsCount - failed.length} of ${seedsCount} seeds held: ${sum.operations} operations in ${sum.attempts} attempts, ${sum.faults} faults, ` +
      `${sum.crashes} crashes (${sum.crashesUncommitted} with uncommitted groups), ${sum.records} records, ${seconds} s`,
  );
  if (values.json) console.log(JSON.stringify({ ok, seeds: seedsCount, failed, ...sum, seconds, mutants }));
  return ok ? 0 : 1;
}

function numberOf(name: string, text: string): number {
  const number = Number(text);
  if (!Number.isSafeInteger(number) || number < 0) throw new Error(`--${name} is ${text}; expected a whole number from 0 up`);
  return number;
}
