/**
 * Effects that leave, through crashes at every boundary of their life: each is done, none is lost, and only its own key is ever repeated.
 *
 *   check:effects -- --rounds 1000 --json      so many seeds of the simulation, and a tenth as many lives of real servers (--processes)
 *   check:effects -- --weaken <bug>            breaks a rule on purpose: the check must fail
 *
 * A seed kills threads, the process and the performer before an opening commits, after it, before and during the call, after the result, and before and
 * after the commit of its outcome; the domains and the performer are the real ones. A life of a server ends by kill -9 as its upstream, a process
 * that fails by a script and writes down every key, gets a call, as a client gets its answer, at some moment, or while nothing can be
 * committed. In the end dead letters are listed and replayed by the command line, and `effects-journal.ts` (plain SQL) says what the journal knows.
 */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { BOUNDARIES, EFFECTS_BUGS, type EffectsBug, runEffects } from "../simulation/effects-run.ts";
import { type CheckResult, runCheck, tell } from "../support/check-run.ts";
import { effectsRounds } from "../support/effects-rounds.ts";
import { randomOf } from "../support/seeded-random.ts";

const USAGE = `check:effects [--rounds 1000] [--processes <a tenth of the rounds>] [--ops 80] [--seed 1] [--weaken <${EFFECTS_BUGS.join("|")}>] [--json]
--rounds: seeds of the simulation from --seed on. --processes: lives of real servers. --ops: commands of clients in each seed.`;
const PROCESSES_SHARE = 0.1;
const DEFECTS_SHOWN = 10;
/** Of the planted bugs, the one that a real server knows. */
const SERVER_BUG = "perform-before-commit";

await runCheck(
  USAGE,
  { rounds: 1_000, processes: "", ops: 80, seed: 1, weaken: "" },
  async ({ rounds, processes, ops, seed, weaken }): Promise<CheckResult> => {
    const bug = bugOf(weaken);
    const simulated = simulate({ rounds, ops, seed, bug });
    const lives = processes === "" ? Math.ceil(rounds * PROCESSES_SHARE) : Number(processes);
    const dataDir = mkdtempSync(join(tmpdir(), "troupe-effects-"));
    try {
      const real = await effectsRounds({ rounds: lives, dataDir, random: randomOf(seed), weaken: bug === SERVER_BUG ? bug : "" });
      const played = Object.values(real.rounds).reduce((sum, count) => sum + count, 0);
      const defects = [...simulated.defects, ...real.defects];
      if (played !== lives) defects.push(`${played} lives of ${lives}`);
      // A life that no call and no dead letter met shows nothing.
      if (real.repeats === 0 && lives >= 20) defects.push("no kill made a call be repeated");
      if (real.deadLetters === 0 && lives >= 20) defects.push("there was no dead letter");
      return {
        ok: defects.length === 0,
        rounds,
        simulation: { ...simulated, defects: simulated.defects.length },
        processes: { ...real, defects: real.defects.length },
        lost: real.lost,
        doubled: real.doubled,
        keysUnknown: real.keysUnknown,
        seed,
        ...(weaken === "" ? {} : { weaken }),
        defects: defects.slice(0, DEFECTS_SHOWN),
      };
    } finally {
      rmSync(dataDir, { recursive: true, force: true });
    }
  },
);

interface SimulateOptions {
  readonly rounds: number;
  readonly ops: number;
  readonly seed: number;
  readonly bug: EffectsBug | null;
}

function simulate({ rounds, ops, seed: from, bug }: SimulateOptions) {
  const sum = { effects: 0, calls: 0, repeats: 0, deadLetters: 0, replays: 0, crashes: 0, processCrashes: 0, performerCrashes: 0 };
  const deaths = Object.fromEntries(BOUNDARIES.map((boundary) => [boundary, 0])) as Record<(typeof BOUNDARIES)[number], number>;
  const defects: string[] = [];
  let failed = 0;
  for (let seed = from; seed < from + rounds; seed++) {
    const result = runEffects({ seed, operationsCount: ops, bug });
    for (const key of Object.keys(sum) as (keyof typeof sum)[]) sum[key] += result[key];
    for (const boundary of BOUNDARIES) deaths[boundary] += result.deaths[boundary];
    if (result.violations.length > 0) failed++;
    defects.push(...result.violations.map((what) => `seed ${seed}: ${what}`));
    if ((seed - from + 1) % 100 === 0) tell(`${seed - from + 1} seeds, ${failed} failed`);
  }
  for (const boundary of BOUNDARIES) {
    if (deaths[boundary] === 0 && rounds >= 10) defects.push(`nothing died ${boundary}`);
  }
  return { seeds: rounds, failed, ...sum, deaths, defects };
}

function bugOf(weaken: string): EffectsBug | null {
  const bug = EFFECTS_BUGS.find((known) => known === weaken);
  if (bug === undefined && weaken !== "") throw new Error(`--weaken is ${weaken}; it knows ${EFFECTS_BUGS.join(", ")}`);
  return bug ?? null;
}
