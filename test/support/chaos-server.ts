/**
 * A node with its HTTP door, as `troupe start` has them, in a process of its own that takes faults over its channel: which thread of the tree is to
 * end, and how. It answers when that part serves again, with the times between: the clock that sees a thread's end is this process's.
 */
import { setTimeout as delay } from "node:timers/promises";
import { BroadcastChannel, type Worker } from "node:worker_threads";
import { type PlantedBug, shardOf } from "../../src/runtime/index.ts";
import { loadConfig } from "../../src/system/config/config.ts";
import { HttpListener } from "../../src/system/http/index.ts";
import type { Node } from "../../src/system/node.ts";
import { openLog } from "../../src/system/observe/log.ts";
import { stopInOrder } from "../../src/system/ordered-stop.ts";
import { startSystem } from "../../src/system/start.ts";
import { CHAOS_CHANNEL, type FaultOrder, type ThreadFault } from "./chaos-faults.ts";
import { openOnNode } from "./node-door.ts";
import { deposit } from "./test-node.ts";

export interface ChaosOrder {
  readonly kind: "fault" | "stop";
  /** In the tree. */
  readonly address: string;
  readonly fault: ThreadFault;
}
export type ChaosReport =
  | { readonly kind: "ready"; readonly url: string; readonly pid: number; readonly threadCount: number }
  /** `endedMs`: from the order to the end of the thread. `servingMs`: from there to the first work that its successor did. */
  | { readonly kind: "served"; readonly endedMs: number; readonly servingMs: number }
  | { readonly kind: "failed"; readonly why: string };

const SERVING_MS_MAX = 30_000;
const LOOK_MS = 2;

const workers = new Map<number, Worker>();
process.on("worker", (worker) => {
  const { threadId } = worker;
  workers.set(threadId, worker);
  worker.once("exit", () => workers.delete(threadId));
});
const report = (told: ChaosReport): void => void process.send?.(told);
const config = loadConfig({ argv: process.argv.slice(2), env: {}, cwd: process.cwd() });
const log = openLog(config.log.level);
const plantedBug = (process.env.CHAOS_WEAKEN || null) as PlantedBug | null;
const node = await startSystem(config, { log, plantedBug });
const http = new HttpListener({ system: node, config, log });
await node.open(http);
const channel = new BroadcastChannel(CHAOS_CHANNEL);
const probes = await openProbes(node, config.shard.count);
let faults = 0;
process.on("message", (order: ChaosOrder) => {
  const done = order.kind === "stop" ? stop() : commit(order.address, order.fault);
  done.catch((cause) => report({ kind: "failed", why: cause instanceof Error ? (cause.stack ?? cause.message) : String(cause) }));
});
void node.failed.then((why) => report({ kind: "failed", why }));
report({ kind: "ready", url: http.url, pid: process.pid, threadCount: node.threadCount });

async function commit(address: string, fault: ThreadFault): Promise<void> {
  const threadId = node.threadIds.get(address) ?? -1;
  const worker = workers.get(threadId);
  if (worker === undefined) throw new Error(`no thread runs at ${address}`);
  const startedMs = performance.now();
  const ended = new Promise((resolve) => worker.once("exit", resolve)); // `once` would reject with the thread's error.
  channel.postMessage({ threadId, fault } satisfies FaultOrder);
  await ended;
  const endedMs = performance.now();
  await serves(address, threadId);
  report({ kind: "served", endedMs: endedMs - startedMs, servingMs: performance.now() - endedMs });
}

/** Resolves with the first work that was done by whoever took the place of this thread; after the journal thread's end, by every shard thread, as each drops all it had. */
async function serves(address: string, gone: number): Promise<void> {
  const until = performance.now() + SERVING_MS_MAX;
  const isReplaced = (): boolean => ![gone, undefined].includes(node.threadIds.get(address));
  const key = `chaos-${++faults}`;
  while (performance.now() < until) {
    if (address === "/system/views" && (await node.trialBalance()).ok) return;
    if (address === "/system/checkpoint" && isReplaced()) return;
    const asked = address === "/system/journal" ? probes : probes.filter((_, thread) => address === `/system/shards/${thread}`);
    const answers = await Promise.all(asked.map((probe) => deposit(node, `${key}-${probe}`, probe)));
    if (answers.length > 0 && answers.every(({ ok }) => ok) && isReplaced()) return;
    await delay(LOOK_MS);
  }
  throw new Error(`${address} did not serve within ${SERVING_MS_MAX} ms`);
}

/** An account on each shard thread: to deposit there needs that thread and the journal. */
async function openProbes(on: Node, shardCount: number): Promise<readonly string[]> {
  const found: string[] = [];
  for (let thread = 0; thread < on.threadCount; thread++) {
    let number = 0;
    while (shardOf(`account/probe-${number}`, shardCount) % on.threadCount !== thread) number++;
    found.push(`probe-${number}`);
    await openOnNode(on, `probe-${number}`, null);
  }
  return found;
}

async function stop(): Promise<void> {
  const { deadlineMs } = config.shutdown;
  const { isClosed, unanswered } = await stopInOrder({ node, doors: [http], lameDuckMs: 0, deadlineMs, requestsMsMax: deadlineMs / 2 });
  channel.close();
  process.exitCode = isClosed && unanswered === 0 ? 0 : 1;
  process.disconnect();
}
