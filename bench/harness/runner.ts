/** Runs the variants of a suite in turns and keeps every round. */
import { type ChildResult, runInChild, whyVoid } from "./child.ts";
import { BUSY_MAX, busyShare } from "./machine.ts";
import { rounded } from "./statistics.ts";
import { byMode, type Mode, type Outcome, type Suite } from "./suite.ts";

export interface Run {
  readonly outcome: Outcome;
  /** Share of all cores that others used just before it; null = unknown. */
  readonly busyBefore: number | null;
}
/** The runs of a suite by variant, one for each round; the reason when one of them did not count. */
export interface SuiteRuns {
  readonly runs: ReadonlyMap<string, readonly Run[]>;
  readonly failures: ReadonlyMap<string, string>;
}

const QUIET_LOOK_MS = 300;

/** `progress` gets one line a run. A variant that failed is not run again. */
export async function runSuite(
  suite: Suite,
  options: {
    readonly mode: Mode;
    readonly rounds: number;
    readonly nodeFlags: readonly string[];
    readonly progress: (line: string) => void;
  },
): Promise<SuiteRuns> {
  const runs = new Map<string, Run[]>();
  const failures = new Map<string, string>();
  for (let round = 1; round <= options.rounds; round++) {
    for (const [name, variant] of Object.entries(suite.variants)) {
      if (failures.has(name)) continue;
      const busyBefore = await quietMoment(options.mode);
      const result: ChildResult = await runInChild(variant, options.mode, options.nodeFlags);
      const why = result.ok ? whyVoid(variant, result.outcome) : result.why;
      const busy = busyBefore === null ? "busy ?" : `busy ${Math.round(busyBefore * 100)} %`;
      options.progress(`${suite.name} ${round}/${options.rounds} ${name} (${busy}): ${why ?? (result.ok ? lineOf(result.outcome) : "")}`);
      if (!result.ok || why !== null) failures.set(name, why ?? "it failed");
      else runs.set(name, [...(runs.get(name) ?? []), { outcome: result.outcome, busyBefore }]);
    }
  }
  return { runs, failures };
}

/** Waits a little for what the last run left behind (pages to write, files to remove), then says how busy the machine is all the same. */
async function quietMoment(mode: Mode): Promise<number | null> {
  if (mode === "tiny") return null; // Not judged anyway.
  const looks = byMode(mode, { full: 20, quick: 5, tiny: 1 });
  for (let look = 1; ; look++) {
    const busy = await busyShare(QUIET_LOOK_MS);
    if (busy === null || busy <= BUSY_MAX || look === looks) return busy;
  }
}

const lineOf = ({ figures }: Outcome): string =>
  Object.entries(figures)
    .map(([name, value]) => `${name} ${rounded(value)}`)
    .join(", ");
