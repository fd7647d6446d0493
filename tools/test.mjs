// What `npm test` runs, under the pinned Node: lint, types, vitest, a tiny run of the benches. Everything runs even when
// something failed before. The last line is `N passed, N failed, N skipped`; lint, types and benches count as one each.
import { spawnSync } from "node:child_process";
import { existsSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, relative } from "node:path";
import { fileURLToPath } from "node:url";

const root = fileURLToPath(new URL("..", import.meta.url));
const count = { passed: 0, failed: 0, skipped: 0 };
const broken = [];

/** Runs one step with a time limit and shows its output. `isOk` looks at the standard output when the exit code is 0. */
function step(name, args, { minutesMax, isOk }) {
  process.stdout.write(`\n== ${name}\n`);
  const stdio = ["ignore", isOk === undefined ? "inherit" : "pipe", "inherit"];
  const limits = { timeout: minutesMax * 60_000, killSignal: "SIGKILL", maxBuffer: 64 * 1024 * 1024 };
  const result = spawnSync(process.execPath, args, { cwd: root, stdio, encoding: "utf8", ...limits });
  if (result.stdout) process.stdout.write(result.stdout);
  const hasPassed = result.status === 0 && (isOk?.(result.stdout) ?? true);
  if (!hasPassed) broken.push(`${name} (${result.error?.message ?? result.signal ?? `exit code ${result.status}`})`);
  return hasPassed;
}

function addOne(hasPassed) {
  count[hasPassed ? "passed" : "failed"]++;
}

function addVitest() {
  const folder = mkdtempSync(join(tmpdir(), "troupe-test-"));
  const file = join(folder, "vitest.json");
  const args = ["node_modules/vitest/vitest.mjs", "run", "--reporter=default", "--reporter=json", `--outputFile.json=${file}`];
  const hasPassed = step("vitest", args, { minutesMax: 30 });
  const report = existsSync(file) ? JSON.parse(readFileSync(file, "utf8")) : undefined;
  rmSync(folder, { recursive: true });
  // A file that cannot be loaded holds no test that failed, yet it failed.
  const isLost = (suite) => suite.status === "failed" && !suite.assertionResults.some((test) => test.status === "failed");
  const failed = (report?.numFailedTests ?? 0) + (report?.testResults ?? []).filter(isLost).length;
  for (const suite of report?.testResults ?? []) {
    const names = suite.assertionResults.filter((test) => test.status === "failed").map((test) => test.fullName);
    for (const name of isLost(suite) ? ["the file could not be loaded"] : names) broken.push(`${relative(root, suite.name)}: ${name}`);
  }
  count.passed += report?.numPassedTests ?? 0;
  count.skipped += (report?.numPendingTests ?? 0) + (report?.numTodoTests ?? 0);
  count.failed += hasPassed ? failed : Math.max(failed, 1);
}

function isJsonOk(output) {
  try {
    return JSON.parse(output.trim().split("\n").at(-1)).ok === true;
  } catch {
    return false;
  }
}

addOne(step("lint", ["node_modules/@biomejs/biome/bin/biome", "check", "--error-on-warnings", "."], { minutesMax: 5 }));
addOne(step("types", ["node_modules/typescript/bin/tsc", "--noEmit"], { minutesMax: 5 }));
addVitest();
if (existsSync(join(root, "bench/main.ts")))
  addOne(step("benches, tiny", ["bench/main.ts", "--tiny", "--json"], { minutesMax: 10, isOk: isJsonOk }));

if (broken.length > 0) process.stdout.write(`\nFAILED:\n  ${broken.join("\n  ")}\n`);
process.stdout.write(`\n${count.passed} passed, ${count.failed} failed, ${count.skipped} skipped\n`);
process.exitCode = count.failed > 0 ? 1 : 0;
