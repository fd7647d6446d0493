/**
 * `npm run -s bench -- [suite…] [--quick] [--tiny] [--json] [--strict] [--profile <folder>]`: runs the suites and says how fast it is.
 * Progress goes to standard error. With `--json` the last line of standard output is one JSON object; `ok` says that every case ran and
 * its result was right. Whether targets are met is told for each case and counts for `ok` only with `--strict`.
 */
import { parseArgs } from "node:util";
import { busyShare, machineOf } from "./harness/machine.ts";
import { type Case, casesOf, tableOf } from "./harness/report.ts";
import { runSuite } from "./harness/runner.ts";
import type { Mode } from "./harness/suite.ts";
import { suites } from "./suites.ts";

const RUNS = 3;
const progress = (line: string): void => void process.stderr.write(`${line}\n`);

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    quick: { type: "boolean", default: false },
    tiny: { type: "boolean", default: false },
    json: { type: "boolean", default: false },
    strict: { type: "boolean", default: false },
    profile: { type: "string" },
    help: { type: "boolean", default: false },
  },
});
const names = suites.map(({ name }) => name);
const unknown = positionals.filter((name) => !names.includes(name));
if (values.help) process.stdout.write(`${usage()}\n`);
else if (unknown.length > 0) {
  process.stderr.write(`there is no suite ${unknown.join(", ")}\n${usage()}\n`);
  process.exitCode = 2;
} else await main(values.tiny ? "tiny" : values.quick ? "quick" : "full");

async function main(mode: Mode): Promise<void> {
  const isTiny = mode === "tiny";
  const machine = machineOf({ syncs: isTiny ? 20 : 1_000, busyBefore: await busyShare(isTiny ? 50 : 300) });
  const busy = machine.busyBefore === null ? "unknown" : `${Math.round(machine.busyBefore * 100)} %`;
  progress(`${machine.cpu}, ${machine.cores} cores, Node ${machine.node}, ${machine.fdatasyncPerSecond} fdatasync/s, busy before: ${busy}`);
  // One profile a thread. It slows the run, so its figures are for finding costs only.
  const nodeFlags = values.profile === undefined ? [] : ["--cpu-prof", `--cpu-prof-dir=${values.profile}`];
  const cases: Case[] = [];
  for (const suite of suites) {
    if (positionals.length > 0 && !positionals.includes(suite.name)) continue;
    const done = await runSuite(suite, { mode, rounds: isTiny ? 1 : RUNS, nodeFlags, progress });
    cases.push(...casesOf(suite, done, mode));
  }
  const isRight = cases.every((one) => one.ok);
  const ok = isRight && (!values.strict || cases.every((one) => one.target === null || one.met === true));
  if (!values.json) process.stdout.write(`${tableOf(cases)}\n`);
  else process.stdout.write(`${JSON.stringify({ ok, mode, machine, cases })}\n`);
  process.exitCode = ok ? 0 : 1;
}

function usage(): string {
  return `usage: npm run -s bench -- [${names.join("|")} …] [--quick] [--tiny] [--json] [--strict] [--profile <folder>]`;
}
