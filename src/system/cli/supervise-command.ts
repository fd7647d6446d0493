/**
 * `troupe start --supervise`: a parent above the node, for what no thread survives (the process out of memory, a defect of the engine, a
 * kill). It holds no data and opens no file, so that whatever ends the node does not end it.
 *
 * S1. A node that dies is started again with back-off, at most `supervise.restartsMax` times within `supervise.windowMs`.
 * S2. A node that stops on purpose, or is refused for a reason that stays (`EXIT_REFUSED`), is not; its exit code is this process's.
 * S3. A node does not outlive its supervisor: the channel between them closes, and it stops in order.
 */
import type { Config } from "../config/config.ts";
import { openLog } from "../observe/log.ts";
import { CliError } from "./cli-error.ts";
import { configOf, type Result, type Run, seconds } from "./command.ts";
import { EXIT_OK, EXIT_REFUSED } from "./exit-code.ts";
import { afterDeath, recentDeaths } from "./restart-policy.ts";
import { type NodeEnd, SupervisedNode } from "./supervised-node.ts";

/** Beyond its own deadline a node gets so long to end before it is killed. */
const KILL_AFTER_MS = 10_000;

/** @returns how the node ended. @throws ConfigError before anything is started; CliError `NODE_KEEPS_DYING` at the limit of restarts. */
export async function runSupervise(run: Run): Promise<Result> {
  const config = configOf(run);
  const log = openLog(config.log.level);
  using relay = new SignalRelay();
  let deathsMs: readonly number[] = [];
  for (let restarts = 0; ; restarts++) {
    const node = new SupervisedNode({ args: argsOfNode(), stopMsMax: config.shutdown.deadlineMs + KILL_AFTER_MS });
    relay.node = node;
    const end = await node.ended;
    relay.node = null;
    const isLast = relay.first !== null || end.isOnPurpose || end.exitCode === EXIT_OK || end.exitCode === EXIT_REFUSED;
    if (isLast) return resultOf(end, restarts);
    const nowMs = performance.now();
    deathsMs = [...recentDeaths(deathsMs, nowMs, config.supervise.windowMs), nowMs];
    const next = afterDeath(config.supervise, deathsMs, Math.random);
    if (next.kind === "give-up") throw keepsDying(config, end);
    const fields = { pid: node.pid, how: end.how, deaths: deathsMs.length, restartsMax: config.supervise.restartsMax };
    log.error(
      { ...fields, delayMs: Math.round(next.delayMs) },
      "the node died; it is started again, what was acknowledged is in its journal",
    );
    await relay.rest(next.delayMs);
    if (relay.first !== null) return resultOf(end, restarts);
  }
}

function resultOf({ exitCode, how }: NodeEnd, restarts: number): Result {
  return { ok: exitCode === EXIT_OK, exitCode, how, restarts };
}

/** The command line of this process, but for who supervises whom. */
function argsOfNode(): readonly string[] {
  return [...process.argv.slice(2).filter((word) => word !== "--supervise"), "--supervised"];
}

function keepsDying({ supervise }: Config, { how }: NodeEnd): CliError {
  const { restartsMax, windowMs } = supervise;
  return new CliError(
    "NODE_KEEPS_DYING",
    `the node died ${restartsMax + 1} times within ${seconds(windowMs)}, the last time by ${how}; it is not started again. ` +
      "What was acknowledged is in its journal. The log above says why it died: take that away, then start it again. " +
      "The limit is supervise.restartsMax in supervise.windowMs.",
  );
}

/** Passes SIGTERM and SIGINT on to the node of the moment. */
class SignalRelay implements Disposable {
  node: SupervisedNode | null = null;
  /** The first signal that came, null when none has. */
  first: NodeJS.Signals | null = null;
  #wake: (() => void) | null = null;

  constructor() {
    process.on("SIGTERM", this.#receive);
    process.on("SIGINT", this.#receive);
  }

  /** Waits, not beyond a signal. */
  async rest(ms: number): Promise<void> {
    await new Promise<void>((resolve) => {
      const timer = setTimeout(resolve, ms);
      this.#wake = () => {
        clearTimeout(timer);
        resolve();
      };
      if (this.first !== null) this.#wake();
    });
    this.#wake = null;
  }

  readonly #receive = (signal: NodeJS.Signals): void => {
    this.first ??= signal;
    this.node?.signal(signal);
    this.#wake?.();
  };

  [Symbol.dispose](): void {
    process.off("SIGTERM", this.#receive);
    process.off("SIGINT", this.#receive);
  }
}
