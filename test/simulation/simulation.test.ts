/** The first seeds of `npm run -s sim`, and the planted bugs: a simulation that notices nothing proves nothing. */
import { describe, expect, it } from "vitest";
import { runLedger } from "./ledger-run.ts";
import { catchMutant, MUTANTS } from "./mutants.ts";

const OPERATIONS_COUNT = 200;
const seeds = Array.from({ length: 30 }, (_, i) => i + 1);

describe("the ledger on the simulated runtime", () => {
  it.each(seeds)("L1-L9: seed %i keeps every promise through its faults", (seed) => {
    const result = runLedger({ seed, operationsCount: OPERATIONS_COUNT, bug: null });
    expect(result.violations).toEqual([]);
    expect(result.operations).toBeGreaterThanOrEqual(OPERATIONS_COUNT);
    expect(result.faults).toBeGreaterThanOrEqual(3);
    expect(result.crashesUncommitted).toBeGreaterThanOrEqual(1);
  });

  it("one seed is one run, to the last record", () => {
    const run = () => runLedger({ seed: 7, operationsCount: OPERATIONS_COUNT, bug: null });
    expect(run()).toEqual(run());
  });

  it.each(MUTANTS)("the planted bug %s is caught", (bug) => {
    expect(catchMutant(bug, OPERATIONS_COUNT)).not.toBeNull();
  });
});
