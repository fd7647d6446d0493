/**
 * Ends threads of a server at random under HTTP load, and fills its disk, and proves that nothing acknowledged was lost and nothing done twice, that
 * readiness names each fault, and that between the faults the service is as good as without them.
 *
 *   check:chaos -- --seconds 300 --json                                      every kind of fault, each about as often
 *   check:chaos -- --seconds 20 --kinds shard-loop,disk-full                 only these
 *   check:chaos -- --seconds 20 --kinds journal-exit --weaken reply-before-commit    the server breaks a promise on purpose: the check must fail
 *
 * A thread ends by an error, an exit, a loop without end (its heartbeat notices) or its heap; the disk is full by a limit of the kernel's on the size
 * of every file (`prlimit`). Clients hold what they were answered, and in the end plain SQL over the journal must find all of it. Goodput counts
 * acknowledged orders: outside [fault, ready] against stretches without faults at the beginning, in the middle and at the end of the same run.
 */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { ChaosProcess } from "../support/chaos-process.ts";
import { type ChaosFigures, chaosRun, FAULTS } from "../support/chaos-run.ts";
import { type CheckResult, percentile, runCheck } from "../support/check-run.ts";
import { KeepAliveClient } from "../support/keep-alive-client.ts";
import { type KeptPromises, keptPromises } from "../support/kept-promises.ts";
import { httpDoor, type LedgerLoad, type Order, openAccounts, randomOrders } from "../support/ledger-load.ts";
import { OrderLoad } from "../support/order-load.ts";
import { randomOf } from "../support/seeded-random.ts";
import { defectsOfTrial } from "../support/trial-balance.ts";

const USAGE = `check:chaos [--seconds 300] [--threads 2] [--kinds ${[...FAULTS.keys()].join(",")}] [--gap-ms 3000] [--heartbeat-ms 2000]
            [--connections 64] [--accounts 300] [--ratio-percent 80] [--serving-ms 500] [--weaken reply-before-commit] [--seed <number>] [--json]
--ratio-percent: least goodput outside [fault, ready] of that without faults. --serving-ms: longest p99 from a thread's death to serving; 0 judges neither.`;
const DEFECTS_SHOWN = 10;
/** Caches, compilers and files are warm when the first stretch is measured. */
const WARM_SHARE = 0.05;

await runCheck(
  USAGE,
  {
    seconds: 300,
    threads: 2,
    kinds: "",
    "gap-ms": 3_000,
    "heartbeat-ms": 2_000,
    connections: 64,
    accounts: 300,
    "ratio-percent": 80,
    "serving-ms": 500,
    weaken: "",
    seed: Date.now() % 1_000_000,
  },
  async (options): Promise<CheckResult> => {
    const kinds = options.kinds === "" ? [...FAULTS.keys()] : options.kinds.split(",");
    const dataDir = mkdtempSync(join(tmpdir(), "troupe-chaos-"));
    const random = randomOf(options.seed);
    const load = new OrderLoad<Order>({ next: randomOrders(options.accounts, random), connections: options.connections });
    const flags = {
      "--data.dir": dataDir,
      "--http.port": "0",
      "--shard.threads": String(options.threads),
      "--shard.heap-mib-max": "256", // A heap that is full within a second.
      "--threads.heartbeat-ms": String(options["heartbeat-ms"]),
      "--checkpoint.every-ms": "1000",
      "--log.level": "fatal", // Every fault is told as an error, which here is none.
    };
    try {
      const server = await ChaosProcess.start(flags, options.weaken);
      const client = new KeepAliveClient(server.url, options.connections);
      const door = httpDoor(client);
      await openAccounts(client, options.accounts);
      const running = load.run(door);
      await new Promise((resolve) => setTimeout(resolve, options.seconds * 1_000 * WARM_SHARE));
      const figures = await chaosRun({ ...options, server, load, random, kinds, gapMs: options["gap-ms"] });
      load.stop();
      await running;
      await load.settle(door);
      const trial = await client.send({ method: "GET", path: "/v1/ledger/trial-balance" });
      client.close();
      const exitCode = await server.stop();
      const defects = [
        ...figures.defects,
        ...(exitCode === 0 ? [] : [`the server ended with ${exitCode}: ${server.said.slice(-2_000)}`]),
        ...defectsOfTrial(trial),
      ];
      return judged({ ...figures, defects }, keptPromises(join(dataDir, "journal.db"), load), { ...options, kinds, load });
    } finally {
      rmSync(dataDir, { recursive: true, force: true });
    }
  },
);

interface Asked {
  readonly seconds: number;
  readonly threads: number;
  readonly kinds: readonly string[];
  readonly "ratio-percent": number;
  readonly "serving-ms": number;
  readonly weaken: string;
  readonly seed: number;
  readonly load: LedgerLoad;
}

function judged({ faults, goodputBaseline, goodputBetween, defects }: ChaosFigures, kept: KeptPromises, asked: Asked): CheckResult {
  const { seconds, threads, load, weaken, seed } = asked;
  const ratio = asked["ratio-percent"] / 100;
  const servingMsMax = asked["serving-ms"];
  const serving = faults.flatMap(({ servingMs }) => (servingMs === null ? [] : [servingMs]));
  const p99 = percentile(serving, 0.99);
  const goodputRatio = goodputBaseline === 0 ? 0 : goodputBetween / goodputBaseline;
  const wanting = [
    ...asked.kinds.filter((kind) => !faults.some((fault) => fault.kind === kind)).map((kind) => `${kind} never came: the run is too short`),
    goodputRatio < ratio
      ? `goodput outside [fault, ready] is ${goodputRatio.toFixed(2)} of that without faults, at least ${ratio} is wanted`
      : "",
    servingMsMax > 0 && p99 > servingMsMax
      ? `from a thread's death to serving took ${Math.round(p99)} ms (p99), ${servingMsMax} are allowed`
      : "",
    ...defects,
    ...kept.defects,
  ].filter((text) => text !== "");
  return {
    ok: wanting.length === 0 && kept.lost === 0 && kept.doubled === 0,
    seconds,
    threads,
    faults: Object.fromEntries(asked.kinds.map((kind) => [kind, faults.filter((fault) => fault.kind === kind).length])),
    named: faults.filter(({ isNamed }) => isNamed).length,
    acknowledged: kept.acknowledged,
    lost: kept.lost,
    doubled: kept.doubled,
    goodputRatio: Number(goodputRatio.toFixed(3)),
    goodputPerSecond: Math.round(goodputBaseline),
    deathToServingMsP50: Math.round(percentile(serving, 0.5)),
    deathToServingMsP99: Math.round(p99),
    byKind: Object.fromEntries(asked.kinds.map((kind) => [kind, timesOf(faults.filter((fault) => fault.kind === kind))])),
    unknown: load.unknown,
    repeatedUnanswered: load.repeated,
    replaysCompared: load.replays,
    ...(weaken === "" ? {} : { weaken }),
    seed,
    defects: wanting.slice(0, DEFECTS_SHOWN),
  };
}

/** Median and longest, in milliseconds: until the thread had ended, from there to serving, and in all until ready. */
function timesOf(faults: ChaosFigures["faults"]): object {
  const told = (values: ReadonlyArray<number | null>): readonly number[] => {
    const known = values.filter((value) => value !== null);
    return [Math.round(percentile(known, 0.5)), Math.round(percentile(known, 1))];
  };
  const whole = told(faults.map(({ wholeMs }) => wholeMs));
  if (faults.every(({ servingMs }) => servingMs === null)) return { readyMs: whole };
  return { endedMs: told(faults.map(({ endedMs }) => endedMs)), servingMs: told(faults.map(({ servingMs }) => servingMs)), readyMs: whole };
}
