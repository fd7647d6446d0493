/** Effects that tell while they go on, on the simulated runtime: threads die in the middle of what they tell (L2, L7, P1, X4, R-CON-9). */
import { describe, expect, it } from "vitest";
import { PROGRESS_BUGS, runProgress } from "./progress-run.ts";

const SEEDS = Array.from({ length: 25 }, (_, i) => i + 1);

describe("progress under faults", () => {
  it.each(SEEDS)("what is heard of an attempt is one run of it, whole as far as it goes: seed %i", (seed) => {
    const result = runProgress({ seed, operationsCount: 60, bug: null });
    expect(result.violations).toEqual([]);
    expect(result.pieces).toBeGreaterThan(60);
  });

  it("the seeds meet what they are for: partial attempts that begin anew, dead letters that are replayed, deaths of every kind", () => {
    const results = SEEDS.slice(0, 10).map((seed) => runProgress({ seed, operationsCount: 60, bug: null }));
    const sum = (of: (result: ReturnType<typeof runProgress>) => number): number =>
      results.reduce((total, result) => total + of(result), 0);
    for (const figure of ["begunAnew", "replays", "crashes", "performerCrashes", "processCrashes"] as const) {
      expect(
        sum((result) => result[figure]),
        figure,
      ).toBeGreaterThan(5);
    }
  });

  it.each(PROGRESS_BUGS)("the planted bug %s is caught", (bug) => {
    expect(SEEDS.some((seed) => runProgress({ seed, operationsCount: 60, bug }).violations.length > 0)).toBe(true);
  });
});
