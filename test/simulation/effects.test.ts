/** Effects that leave, on the simulated runtime: something dies at each boundary of their life, and each is done once as far as the entity knows. */
import { describe, expect, it } from "vitest";
import { BOUNDARIES, EFFECTS_BUGS, runEffects } from "./effects-run.ts";

const SEEDS = Array.from({ length: 25 }, (_, i) => i + 1);
/** The fence is needed only when a dead thread's group is on its way. */
const SEEDS_MAX = 40;

describe("effects that leave under faults", () => {
  it.each(SEEDS)("L2, L4, R-SYS-3: seed %i", (seed) => {
    const result = runEffects({ seed, operationsCount: 80, bug: null });
    expect(result.violations).toEqual([]);
    expect(result.effects).toBeGreaterThan(40);
    for (const boundary of BOUNDARIES) expect(result.deaths[boundary], boundary).toBe(1);
  });

  it.each(EFFECTS_BUGS)("the planted bug %s is caught", (bug) => {
    const isCaught = (seed: number): boolean => runEffects({ seed, operationsCount: 80, bug }).violations.length > 0;
    expect(Array.from({ length: SEEDS_MAX }, (_, i) => i + 1).some(isCaught)).toBe(true);
  });

  it("what a dead thread sent before its successor was connected does not turn the outcomes to the dead", () => {
    // The seed in which the simulation found that they were.
    expect(runEffects({ seed: 1232, operationsCount: 80, bug: null }).violations).toEqual([]);
  });
});
