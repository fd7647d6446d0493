/**
 * Preloaded into a program (`NODE_OPTIONS=--import=<this file>`), it watches the event loop of each of its threads: a line of JSON in the file that
 * `LOOP_WATCH_FILE` names for each time a loop was held for longer than 10 ms. That a timer is late says little about what the thread did when the machine
 * gives it, or a helper of the garbage collector that it waits for, no core; so the CPU time of the thread itself is told beside.
 */
import { appendFileSync, readFileSync } from "node:fs";

export interface LoopBlock {
  /** Name of the thread as the system knows it; the program's own name for the main thread. */
  readonly thread: string;
  /** When it ended, milliseconds since 1970. */
  readonly atMs: number;
  readonly ms: number;
  /** Of it, the thread's own CPU time. */
  readonly ranMs: number;
  /** Of it, the time in which the thread could not run because others did; 0 where nobody tells. */
  readonly waitedMs: number;
}

const EVERY_MS = 5;
const TOLD_FROM_MS = 10;
const NANOS = 1_000_000;

const file = process.env.LOOP_WATCH_FILE;
if (file !== undefined) watch(file);

function watch(to: string): void {
  let lastMs = performance.now();
  let lastWaitedMs = waitedMs();
  let lastRanMs = ranMs();
  setInterval(() => {
    const nowMs = performance.now();
    const ms = nowMs - lastMs - EVERY_MS;
    const waited = waitedMs();
    if (ms > TOLD_FROM_MS) {
      const told = { ms, ranMs: Math.min(ranMs() - lastRanMs, ms), waitedMs: Math.min(waited - lastWaitedMs, ms) };
      const block: LoopBlock = { thread: threadName(), atMs: Date.now(), ...told };
      appendFileSync(to, `${JSON.stringify(block)}\n`);
    }
    lastMs = performance.now();
    lastWaitedMs = waitedMs();
    lastRanMs = ranMs();
  }, EVERY_MS).unref();
}

/** In the queue for a core since the thread began. */
function waitedMs(): number {
  try {
    return Number(readFileSync("/proc/thread-self/schedstat", "utf8").split(" ")[1]) / NANOS;
  } catch {
    return 0; // Another system than Linux.
  }
}

function threadName(): string {
  try {
    return readFileSync("/proc/thread-self/comm", "utf8").trim();
  } catch {
    return "unknown";
  }
}

function ranMs(): number {
  const { user, system } = process.threadCpuUsage();
  return (user + system) / 1_000;
}
