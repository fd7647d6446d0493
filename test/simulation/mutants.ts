/** Planted bugs: each breaks one rule, and the checks of a ledger run must notice within a few seeds. */
import type { SimulatedBug } from "../../src/runtime/testing/index.ts";
import { runLedger } from "./ledger-run.ts";

export const MUTANTS: readonly SimulatedBug[] = [
  "reply-before-commit",
  "dedup-not-rebuilt",
  "fence-ignored",
  "snapshot-before-commit",
  "read-before-register",
  "pointer-to-wrong-record",
];

const SEEDS_MAX = 200;

/** The first seed at which the planted bug is noticed, or null when none of the first 200 does. */
export function catchMutant(bug: SimulatedBug, operationsCount: number): number | null {
  for (let seed = 1; seed <= SEEDS_MAX; seed++) {
    if (runLedger({ seed, operationsCount, bug }).violations.length > 0) return seed;
  }
  return null;
}
