/**
 * What `/readyz` looks at: progress, not only what is alive (TRAPS 23). Each check names its condition, says what was seen and, when it fails, what is
 * wrong in one sentence for people. Pure: whoever asks gathers what was seen.
 */
import type { Code } from "../runtime/index.ts";
import type { Check, Readiness } from "./system.ts";

/** What was seen of a node. `null`: the thread did not answer in time. */
export interface Seen {
  readonly isStopping: boolean;
  readonly fatal: string | null;
  /** Threads that have ended and whose successors do not run yet; shard threads are in `recovering`. */
  readonly replaced: ReadonlyArray<"journal" | "checkpoint" | "views">;
  /** Threads without a sign of life for half of the time after which they are replaced. */
  readonly late: ReadonlyArray<{ readonly name: string; readonly forMs: number }>;
  readonly journalDown: string | null;
  readonly journal: { readonly groupsWaiting: number; readonly oldestGroupMs: number; readonly lastCommitMs: number } | null;
  readonly recovering: readonly number[];
  readonly checkpointFailures: ReadonlyMap<number, string>;
  readonly oldestCommandMs: number;
  readonly views: {
    readonly position: number;
    readonly failure: string | null;
    readonly findings: readonly string[];
    readonly isStuck: boolean;
  } | null;
  /** Highest lag of late of each thread's event loop, by name. */
  readonly loopLagMs: ReadonlyArray<readonly [thread: string, ms: number | null]>;
  /** Of what the node talks to outside: a failing one without a code leaves it ready, and is told. */
  readonly outside: readonly Check[];
  readonly disk: { readonly freeBytes: number; readonly bytesMin: number } | null;
  readonly position: number;
  readonly synchronous: string;
}

/** A part that has made no progress for so long is named. */
export const STUCK_MS = 5_000;

export function readinessOf(seen: Seen): Readiness {
  const checks = checksOf(seen);
  const failing = checks.filter(({ isOk, code }) => !isOk && code !== undefined);
  const degraded = checks.filter(({ isOk, code }) => !isOk && code === undefined).map(({ detail }) => detail);
  const isDurable = seen.synchronous === "full";
  const durability = `SQLite, synchronous=${seen.synchronous.toUpperCase()}${isDurable ? "" : " (UNSAFE: a power cut can lose acknowledged work)"}`;
  const reasons = failing.map(({ detail }) => detail);
  const told = { isReady: failing.length === 0, checks, reasons, degraded, durability, position: seen.position };
  const code = failing[0]?.code;
  return code === undefined ? told : { ...told, code };
}

function checksOf(seen: Seen): readonly Check[] {
  return [
    seen.isStopping ? failed("serving", "SHUTTING_DOWN", "The service is stopping.") : passed("serving", "not stopping"),
    threadsCheck(seen),
    journalCheck(seen),
    commitsCheck(seen),
    seen.recovering.length > 0
      ? failed("shards", "NOT_OWNER", `Shard threads are being recovered: ${seen.recovering.join(", ")}.`)
      : passed("shards", "all serve"),
    checkpointsCheck(seen),
    seen.oldestCommandMs > STUCK_MS
      ? failed("oldest-command", "OVERLOADED", `The oldest command has waited ${inSeconds(seen.oldestCommandMs)} for its answer.`)
      : passed("oldest-command", `${Math.round(seen.oldestCommandMs)} ms`),
    ...viewsChecks(seen),
    loopCheck(seen),
    diskCheck(seen),
    ...seen.outside,
  ];
}

function threadsCheck({ fatal, replaced, late }: Seen): Check {
  if (fatal !== null) return failed("threads", "JOURNAL_UNAVAILABLE", fatal);
  const [first] = replaced;
  if (first !== undefined) {
    const who = replaced.length === 1 ? `The ${first} thread is` : `The threads ${replaced.join(", ")} are`;
    return failed("threads", CODE_WITHOUT[first], `${who} being replaced.`);
  }
  const [stuck] = late;
  if (stuck === undefined) return passed("threads", "all run");
  return failed("threads", "OVERLOADED", `The ${stuck.name} thread has made no progress for ${inSeconds(stuck.forMs)}.`);
}

/** What is refused while the thread is not there. */
const CODE_WITHOUT = { journal: "JOURNAL_UNAVAILABLE", checkpoint: "OVERLOADED", views: "VIEW_BEHIND" } as const;

function journalCheck({ journalDown }: Seen): Check {
  if (journalDown === null) return passed("journal", "takes writes");
  return failed("journal", "JOURNAL_UNAVAILABLE", `The journal takes no writes: ${journalDown}`);
}

/** The age of the last commit says nothing while nothing waits: a node may be idle for days. */
function commitsCheck({ journal }: Seen): Check {
  if (journal === null)
    return failed("commits", "JOURNAL_UNAVAILABLE", "The journal thread does not answer: a commit, or the disk, takes long.");
  const { groupsWaiting, oldestGroupMs, lastCommitMs } = journal;
  const last = `the last commit was ${inSeconds(lastCommitMs)} ago`;
  if (oldestGroupMs > STUCK_MS)
    return failed(
      "commits",
      "JOURNAL_UNAVAILABLE",
      `${groupsWaiting} commit groups wait, the oldest for ${inSeconds(oldestGroupMs)}; ${last}.`,
    );
  return passed("commits", `${groupsWaiting} groups wait; ${last}`);
}

function checkpointsCheck({ checkpointFailures }: Seen): Check {
  if (checkpointFailures.size === 0) return passed("checkpoints", "stored");
  const told = Array.from(checkpointFailures, ([thread, why]) => `Shard thread ${thread} cannot store its checkpoint: ${why}`);
  return failed("checkpoints", "OVERLOADED", told.join("; "));
}

function viewsChecks({ views, position }: Seen): readonly Check[] {
  if (views === null) return [failed("views", "VIEW_BEHIND", "The read models do not answer.")];
  const books =
    views.findings.length === 0
      ? passed("books", "add up")
      : failed("books", "INTERNAL_ERROR", `The auditor found that the books do not add up: ${views.findings.join("; ")}`);
  if (views.failure !== null) return [failed("views", "VIEW_BEHIND", `The read models have stopped: ${views.failure}`), books];
  const where = `The read models stand at record ${views.position}, the journal at ${position}.`;
  return [views.isStuck ? failed("views", "VIEW_BEHIND", where) : passed("views", `at record ${views.position} of ${position}`), books];
}

function loopCheck({ loopLagMs }: Seen): Check {
  const shown = loopLagMs.map(([thread, ms]) => `${thread} ${ms === null ? "does not answer" : `${Math.round(ms)} ms`}`).join(", ");
  const late = loopLagMs.filter(([, ms]) => ms === null || ms > STUCK_MS);
  if (late.length === 0) return passed("event-loops", shown);
  return failed("event-loops", "OVERLOADED", `Event loops do not get on: ${shown}.`);
}

function diskCheck({ disk }: Seen): Check {
  if (disk === null) return failed("disk", "JOURNAL_UNAVAILABLE", "The file system of the data directory cannot be looked at.");
  const { freeBytes, bytesMin } = disk;
  const shown = `${freeBytes} bytes free, at least ${bytesMin} are needed (journal.diskFreeBytesMin)`;
  return freeBytes < bytesMin ? failed("disk", "JOURNAL_UNAVAILABLE", `The disk is nearly full: ${shown}.`) : passed("disk", shown);
}

const passed = (name: string, detail: string): Check => ({ name, isOk: true, detail });
const failed = (name: string, code: Code, detail: string): Check => ({ name, isOk: false, detail, code });
const inSeconds = (ms: number): string => `${(ms / 1000).toFixed(1)} s`;
