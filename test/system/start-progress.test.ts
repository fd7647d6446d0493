/** What a start says that takes long; over a clock of the test's, and once over a real start. */
import { expect, it } from "vitest";
import { loadConfig } from "../../src/system/config/config.ts";
import { startSystem } from "../../src/system/start.ts";
import { StartProgress, type StartStep } from "../../src/system/start-progress.ts";
import { folder } from "../support/journal-bench.ts";

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

it("issue 3 F: a start that is quick says nothing", async () => {
  using dir = folder();
  const config = loadConfig({ argv: ["--data.dir", dir.path, "--log.level", "warn"], env: {}, cwd: dir.path });
  const steps: StartStep[] = [];
  await (await startSystem(config)).close();
  await using _node = await startSystem(config, { onProgress: (step) => steps.push(step) });
  expect(steps).toEqual([]);
});
