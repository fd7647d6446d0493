/** A node of this process on a folder of the test's, with what it logged and its threads at hand. */
import { once } from "node:events";
import { setTimeout as delay } from "node:timers/promises";
import type { Worker } from "node:worker_threads";
import { account } from "../../src/actors/index.ts";
import type { Answer } from "../../src/runtime/index.ts";
import { loadConfig } from "../../src/system/config/config.ts";
import { movementCall } from "../../src/system/ingress/ledger-door.ts";
import type { Node } from "../../src/system/node.ts";
import { startSystem } from "../../src/system/start.ts";

const SHARDS = 8;
const CONDITION_MS_MAX = 20_000;

export interface TestNode {
  readonly node: Node;
  /** Texts of the errors that it logged. */
  readonly errors: readonly string[];
  /** The crashes of its parts, and how long each rested before it was replaced. */
  readonly crashes: ReadonlyArray<{ readonly address: string; readonly cause: string; readonly delayMs: number }>;
  /** Its threads by name. */
  readonly threads: ReadonlyMap<string, Worker>;
}

/** Starts a node with few shards. `flags` are those of the command line. Rejects as `startSystem` does. */
export async function openNode(
  dir: string,
  flags: Readonly<Record<string, string | number>> = {},
  modules: readonly URL[] = [],
): Promise<TestNode> {
  const given = { "--data.dir": dir, "--shard.count": SHARDS, "--journal.disk-free-bytes-min": 0, ...flags };
  const argv = Object.entries(given).flatMap(([flag, value]) => [flag, String(value)]);
  const errors: string[] = [];
  const crashes: Array<TestNode["crashes"][number]> = [];
  const nothing = (): void => {};
  const error = (fields: object, text: string): void => {
    errors.push(text);
    if ("delayMs" in fields) crashes.push(fields as (typeof crashes)[number]);
  };
  const log = { debug: nothing, info: nothing, warn: nothing, error };
  const threads = new Map<string, Worker>();
  const started = (worker: Worker): void => void threads.set(worker.threadName ?? "", worker);
  process.on("worker", started);
  try {
    return { node: await startSystem(loadConfig({ argv, env: {}, cwd: process.cwd() }), { log, modules }), errors, crashes, threads };
  } finally {
    process.off("worker", started);
  }
}

/** Resolves with the first value that is neither null nor false. @throws Error naming what was waited for, at the limit. */
export async function until<Value>(
  what: string,
  look: () => Promise<Value | null | false> | Value | null | false,
  msMax: number = CONDITION_MS_MAX,
): Promise<Value> {
  const end = performance.now() + msMax;
  while (performance.now() < end) {
    const seen = await look();
    if (seen !== null && seen !== false) return seen;
    await delay(5);
  }
  throw new Error(`${what}: not within ${msMax} ms`);
}

/** A deposit as the doors ask it. The answer's text is the code, or the stored bytes. */
export function deposit(node: Node, key: string, to: string, amount = "1.00", timeoutMs?: number): Promise<Answer> {
  const checked = movementCall("deposit", { accountId: to, amount, currency: "CZK" }, key);
  if (!checked.ok) throw new Error(checked.detail);
  const { address, command, body } = checked.call;
  return node.ask(address, command, body, { id: key, ...(timeoutMs === undefined ? {} : { timeoutMs }) });
}

export async function balanceOf(node: Node, id: string): Promise<string> {
  const answer = await node.entity(account, id).ask.get({});
  if (!answer.ok) throw new Error(`${id}: ${answer.code} ${answer.detail}`);
  return answer.value.balance;
}

/** Every thread of this process that has not ended, by Node.js' number. */
const living = new Map<number, Worker>();
process.on("worker", (worker) => {
  const { threadId } = worker;
  living.set(threadId, worker);
  worker.once("exit", () => living.delete(threadId));
});

/** Ends the thread that runs at this address of the node's tree, as a crash would. @throws Error when none does. */
export async function endThread(node: Node, address: string): Promise<void> {
  const worker = living.get(node.threadIds.get(address) ?? -1);
  if (worker === undefined) throw new Error(`no thread runs at ${address}`);
  await worker.terminate();
}

/** All threads of a node have ended. */
export async function allEnded(threads: Iterable<Worker>): Promise<void> {
  for (const thread of threads) if (thread.threadId !== -1) await once(thread, "exit");
}
