/** What a start says that takes long; over a clock of the test's, and once over a real start. */
import { copyFileSync } from "node:fs";
import { join } from "node:path";
import { expect, it, vi } from "vitest";
import { loadConfig } from "../../src/system/config/config.ts";
import { startSystem } from "../../src/system/start.ts";
import { StartProgress, type StartStep } from "../../src/system/start-progress.ts";
import { folder } from "../support/journal-bench.ts";
import { openOnNode } from "../support/node-door.ts";
import { deposit, openNode } from "../support/test-node.ts";

const configOf = (dir: string) => loadConfig({ argv: ["--data.dir", dir, "--shard.count", "8", "--log.level", "warn"], env: {}, cwd: dir });

function listening() {
  const steps: StartStep[] = [];
  const clock = { ms: 5_000 };
  return { steps, clock, progress: new StartProgress({ listener: (step) => steps.push(step), nowMs: () => clock.ms }) };
}

it("issue 3 F: nothing is said in the first second, then at most one step a second", () => {
  const { steps, clock, progress } = listening();
  for (let records = 1; records <= 3_000; records++) {
    clock.ms++;
    progress.checked(records, 3_000);
  }
  expect(steps.map(({ records }) => records)).toEqual([1_000, 2_000, 3_000]);
});

it("issue 3 F: of the threads that recover the one counts that has most to read", () => {
  const { steps, clock, progress } = listening();
  progress.recovering(0, 10, 100);
  progress.recovering(1, 90, 100);
  clock.ms += 1_000;
  progress.recovering(1, 95, 100);
  expect(steps).toEqual([{ phase: "recovering", records: 10, of: 100 }]);
});

it("issue 3 F: a start behind a tail hears of its records, first as they are checked, then as they are read", async () => {
  using dir = folder();
  using copy = folder();
  const { node } = await openNode(dir.path, { "--checkpoint.every-ms": 86_400_000 });
  await openOnNode(node, "a", "0");
  for (let count = 0; count < 5; count++) await deposit(node, `k-${count}`, "a");
  // A journal without its checkpoint: all of it is the tail.
  for (const name of ["journal.db", "journal.db-wal"]) copyFileSync(join(dir.path, name), join(copy.path, name));
  await node.close();
  let ms = 0;
  const clock = vi.spyOn(performance, "now").mockImplementation(() => (ms += 1_000)); // So that nothing is too quick to be told.
  const steps: StartStep[] = [];
  try {
    await using _again = await startSystem(configOf(copy.path), { onProgress: (step) => steps.push(step) });
  } finally {
    clock.mockRestore();
  }
  expect(steps.map(({ phase }) => phase)).toEqual(["checking", ...steps.slice(1).map(() => "recovering")]);
  expect(steps.length).toBeGreaterThan(1);
  for (const { records, of } of steps) expect([records, of > 5]).toEqual([of, true]);
});

it("issue 3 F: a start that is quick says nothing", async () => {
  using dir = folder();
  const config = configOf(dir.path);
  const steps: StartStep[] = [];
  await (await startSystem(config)).close();
  await using _node = await startSystem(config, { onProgress: (step) => steps.push(step) });
  expect(steps).toEqual([]);
});
