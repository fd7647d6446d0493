/**
 * Kills the server, or one of its shard threads, again and again under load, and proves that nothing acknowledged was lost and nothing done twice.
 *
 *   check:kill -- --kills 100 --json                       kill -9 of the process, HTTP load, 1 and 2 shard threads in turns of two lives
 *   check:kill -- --kills 100 --thread [--threads 2,3]     one shard thread of a node in this process
 *   check:kill -- --kills 100 --weaken reply-before-commit the server breaks a promise on purpose: the check must fail
 *
 * Clients hold what they were answered. After every kill the orders without an answer, the latest acknowledged ones and some older ones are sent
 * again with their keys. In the end `journal-reader.ts` (plain SQL, no code of the service) must find every acknowledged outcome, byte for byte and
 * once, and books that add up. A third of the kills come in the very turn in which an acknowledgement arrived, a third some time later, and a third
 * while another program holds the journal's lock: then nothing can be committed, so whatever is acknowledged is lost for sure. That is how
 * the planted bug is found; by the race alone six kills did not find it, because here a commit is faster than an answer's way.
 */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type CheckResult, percentile, runCheck } from "../support/check-run.ts";
import { keptPromises } from "../support/kept-promises.ts";
import type { KillFigures } from "../support/kill-figures.ts";
import { killProcesses } from "../support/kill-processes.ts";
import { killThreads } from "../support/kill-threads.ts";
import { type LedgerLoad, type Order, randomOrders } from "../support/ledger-load.ts";
import { OrderLoad } from "../support/order-load.ts";
import { randomOf } from "../support/seeded-random.ts";

const USAGE = `check:kill [--kills 100] [--thread] [--threads 1,2] [--weaken reply-before-commit] [--connections 64] [--accounts 300] [--acks 200]
           [--seed <number>] [--json]
--thread kills one shard thread instead of the process (then --threads is 2 by default). --acks: acknowledgements before each kill.`;
/** Kills that meet a server at work, of a hundred. */
const IN_FLIGHT_SHARE_MIN = 0.9;
/** A kill hits a checkpoint at random: a short run may meet none. */
const KILLS_PER_CHECKPOINT_HIT = 20;
const DEFECTS_SHOWN = 10;

await runCheck(
  USAGE,
  {
    kills: 100,
    thread: false,
    threads: "",
    weaken: "",
    connections: 64,
    accounts: 300,
    acks: 200,
    seed: Date.now() % 1_000_000,
  },
  async (options): Promise<CheckResult> => {
    if (!["", "reply-before-commit"].includes(options.weaken)) throw new Error(`--weaken knows reply-before-commit, not ${options.weaken}`);
    if (options.thread && options.weaken !== "")
      throw new Error("--weaken needs the process to be killed: the journal outlives a shard thread");
    const threads = (options.threads === "" ? (options.thread ? "2" : "1,2") : options.threads).split(",").map(Number);
    const dataDir = mkdtempSync(join(tmpdir(), "troupe-kill-"));
    const random = randomOf(options.seed);
    const load = new OrderLoad<Order>({ next: randomOrders(options.accounts, random), connections: options.connections });
    const run = { ...options, threads, dataDir, random, load };
    try {
      const figures = options.thread ? await killThreads(run) : await killProcesses(run);
      return judged(figures, run);
    } finally {
      rmSync(dataDir, { recursive: true, force: true });
    }
  },
);

interface Judged {
  readonly kills: number;
  readonly acks: number;
  readonly seed: number;
  readonly thread: boolean;
  readonly threads: readonly number[];
  readonly weaken: string;
  readonly dataDir: string;
  readonly load: LedgerLoad;
}

function judged(figures: KillFigures, { kills, acks, seed, thread, threads, weaken, dataDir, load }: Judged): CheckResult {
  const { acknowledged, lost, doubled, books, defects } = keptPromises(join(dataDir, "journal.db"), load);
  const hits = figures.hits;
  const killsInFlight = hits.filter(({ inFlight }) => inFlight > 0).length;
  const killsInCheckpoint = hits.filter(({ isInCheckpoint }) => isInCheckpoint).length;
  const acksMin = Math.min(...hits.map((hit) => hit.acknowledged));
  // Transfers that one life of the server began and another one finished.
  const resumed = [...books.transfers.values()].filter(({ starts, endedAt }) =>
    hits.some(({ at }) => (starts[0]?.at ?? at) < at && at < endedAt),
  ).length;
  const checkpointHitsMin = thread ? 0 : Math.floor(kills / KILLS_PER_CHECKPOINT_HIT);
  const wanting = [
    hits.length < kills ? `${hits.length} kills of ${kills}` : "",
    killsInFlight < kills * IN_FLIGHT_SHARE_MIN ? `only ${killsInFlight} of ${kills} kills met requests in flight` : "",
    acksMin < acks ? `only ${acksMin} acknowledgements before a kill` : "",
    killsInCheckpoint < Math.min(checkpointHitsMin, 1) ? "no kill hit a checkpoint" : "",
    ...figures.defects,
    ...defects,
  ].filter((text) => text !== "");
  const statuses = [...load.acknowledged.values()].map(({ status }) => status);
  return {
    ok: wanting.length === 0 && lost === 0 && doubled === 0,
    kills: hits.length,
    killsInFlight,
    acknowledged,
    lost,
    doubled,
    readyMsP50: Math.round(percentile(figures.readyMs, 0.5)),
    readyMsP99: Math.round(percentile(figures.readyMs, 0.99)),
    ...(thread ? {} : { killsInCheckpoint, killsWhileJournalHeld: hits.filter(({ isJournalHeld }) => isJournalHeld).length }),
    acksBetweenKillsMin: acksMin,
    inFlightP50: percentile(
      hits.map(({ inFlight }) => inFlight),
      0.5,
    ),
    repeatedUnanswered: load.repeated,
    replaysCompared: load.replays,
    replaysChanged: load.changed.size,
    resumed,
    completed: statuses.filter((status) => status === 201).length,
    refused: statuses.filter((status) => status !== 201).length,
    journalRecords: books.records,
    moneyEntries: books.entries,
    killed: thread ? "shard thread" : "process",
    threads,
    ...(weaken === "" ? {} : { weaken }),
    seed,
    defects: wanting.slice(0, DEFECTS_SHOWN),
  };
}
