/** What a suite is: plain data. Which variants run, each in a process of its own, and which cases are judged from their figures. */

/** `tiny`: under 1 s a run, results asserted, figures not judged (it runs with the tests). `quick`: for orientation. `full`: the one that counts. */
export type Mode = "full" | "quick" | "tiny";

/** What a variant measured. Figures in units that their name says: `perSecond`, `p99Ms`, `cpuMicros`. */
export interface Outcome {
  readonly figures: Readonly<Record<string, number>>;
  /** There when the figures claim durability. */
  readonly durable?: Durable;
}

/** The proof of a durable figure: the mode as SQLite itself says, and what was written while the clock ran. Any 0 makes the figure void. */
export interface Durable {
  readonly synchronous: string;
  readonly commits: number;
  /** A lower bound where the program cannot see all. */
  readonly fsyncs: number;
  readonly journalBytes: number;
}

/** What was written between two of them. */
export const durableBetween = (before: Durable, after: Durable): Durable => ({
  synchronous: after.synchronous,
  commits: after.commits - before.commits,
  fsyncs: after.fsyncs - before.fsyncs,
  journalBytes: after.journalBytes - before.journalBytes,
});

/** Measures once. Throws when the result is not what it must be: a fast wrong answer is no figure. */
export type RunVariant = (mode: Mode) => Promise<Outcome>;

export interface Variant {
  /** Module with a function that is a `RunVariant`. */
  readonly module: URL;
  readonly run: string;
  /** Its outcome must carry the proof of durability. */
  readonly isDurable: boolean;
}

/** A limit that a value or ratio is held to. */
export type Bound = { readonly atLeast: number } | { readonly atMost: number };

export interface CaseSpec {
  readonly name: string;
  readonly variant: string;
  readonly figure: string;
  readonly unit: string;
  /** The ratio is taken between figures of one round only, because the machine's mood changes between rounds. */
  readonly ratioTo?: { readonly variant: string; readonly figure: string };
  readonly target?: { readonly value?: Bound; readonly ratio?: Bound };
  /** What must hold already, while the target is still to be reached. */
  readonly already?: { readonly value?: Bound; readonly ratio?: Bound };
}

export interface Suite {
  readonly name: string;
  /** In the order in which they take turns. */
  readonly variants: Readonly<Record<string, Variant>>;
  readonly cases: readonly CaseSpec[];
}

export const byMode = <Value>(mode: Mode, values: Readonly<Record<Mode, Value>>): Value => values[mode];

/**
 * `what` is a function where every request is looked at: putting an answer into words that nobody reads took a quarter of the load's time.
 * @throws Error naming what is wrong: the variant's result is void.
 */
export function assertResult(isRight: boolean, what: string | (() => string)): asserts isRight {
  if (!isRight) throw new Error(`the result is wrong: ${typeof what === "string" ? what : what()}`);
}
