/**
 * Durable transfers in process: command router, shard thread, journal thread, checkpoints, read model and auditor all running, 256 in flight.
 * Each has a random id, because its id is a hash of its key. It does not measure HTTP, nor a ledger with millions of finished transfers on
 * disk (`TROUPE_BENCH_PRELOAD` makes that many before the clock starts).
 */
import { randomUUID } from "node:crypto";
import { transferIdOf } from "../../src/actors/index.ts";
import type { Node } from "../../src/system/node.ts";
import { closedLoop, type LoopFigures } from "../harness/closed-loop.ts";
import { benchFolder } from "../harness/folder.ts";
import { cpuByThread, cpuFigures } from "../harness/machine.ts";
import { assertResult, byMode, durableBetween, type Mode, type Outcome, type RunVariant } from "../harness/suite.ts";
import { accountOf, audit, benchNode, CURRENCY, journalOf } from "./bench-node.ts";

/** Which accounts the i-th transfer moves money between; `random` is a number below 1. */
type Route = (i: number, random: () => number) => readonly [from: number, to: number];

const IN_FLIGHT = 256;
const preload = Number(process.env.TROUPE_BENCH_PRELOAD ?? "0");

const uniformOver =
  (accounts: number): Route =>
  (_, random) => {
    const from = Math.floor(random() * accounts);
    return [from, (from + 1 + Math.floor(random() * (accounts - 1))) % accounts];
  };

/** Account 0 is in every transfer, as source and as destination by turns. */
const hotOver =
  (accounts: number): Route =>
  (i, random) => {
    const other = 1 + Math.floor(random() * (accounts - 1));
    return i % 2 === 0 ? [0, other] : [other, 0];
  };

export const uniform: RunVariant = (mode) => measure(mode, uniformOver);
export const hot: RunVariant = (mode) => measure(mode, hotOver);

async function measure(mode: Mode, routeOver: (accounts: number) => Route): Promise<Outcome> {
  const accounts = byMode(mode, { full: 10_000, quick: 10_000, tiny: 100 });
  const count = byMode(mode, { full: 300_000, quick: 100_000, tiny: 1_000 });
  const warmUp = byMode(mode, { full: 30_000, quick: 30_000, tiny: 200 }) + (mode === "tiny" ? 0 : preload);
  using folder = benchFolder();
  await using node = await benchNode(folder.path, accounts);
  const route = routeOver(accounts);
  await transfers(node, { count: warmUp, route });
  const before = await journalOf(node);
  const cpuBefore = cpuByThread();
  const cpu = process.cpuUsage();
  const loop = await transfers(node, { count, route });
  const used = process.cpuUsage(cpu);
  const cpuAfter = cpuByThread();
  const durable = durableBetween(before, await journalOf(node));
  const { viewBehindMs } = await audit(node, warmUp + count);
  const { shardThreads } = await node.figures();
  const checkpoints = shardThreads.reduce((sum, thread) => sum + thread.checkpoints, 0);
  assertResult(mode === "tiny" || checkpoints > 0, "no checkpoint ran");
  const cpuMicros = (used.user + used.system) / count;
  const perCommit = count / durable.commits;
  return {
    figures: { ...loop, cpuMicros, ...cpuFigures(cpuBefore, cpuAfter, count), perCommit, viewBehindMs, checkpoints },
    durable,
  };
}

async function transfers(node: Node, { count, route }: { readonly count: number; readonly route: Route }): Promise<LoopFigures> {
  const run = randomUUID();
  const one = async (i: number): Promise<void> => {
    const [from, to] = route(i, Math.random);
    const key = `${run}-${i}`;
    const body = { kind: "transfer", from: accountOf(from), to: accountOf(to), amount: "5", currency: CURRENCY, caller: "local", key };
    const answer = await node.ask(`transfer/${transferIdOf("local", key)}`, "request", body, { id: key });
    const isDone = answer.ok && (answer.value as { readonly status?: unknown }).status === 201;
    assertResult(isDone, () => `transfer ${i} was answered ${JSON.stringify(answer)}`);
  };
  return await closedLoop({ count, inFlight: IN_FLIGHT, one });
}
