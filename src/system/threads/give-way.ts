import { getPriority, setPriority } from "node:os";

/** Above the main thread's: a third of its weight (Linux: 335 of 1,024 beside 0). What gives way goes on under any load, and never stands still. */
const NICER_BY = 5;
const NICENESS_MAX = 19;

/**
 * From now on the thread that calls this gives way to those on the path of a command. For work that no command waits for: Linux lets a thread that
 * wakes wait for up to 3 ms while others of its priority compute, so that on full cores every step of a command waited for read models and checkpoints
 * (docs/decisions.md 47). On Linux alone, where a priority is of a thread; elsewhere it would be the whole process's. May be called again. Never throws.
 */
export function giveWay(): void {
  if (process.platform !== "linux") return;
  try {
    // The process's number is the main thread's too, and a whole process may have been started with a niceness of its own.
    setPriority(Math.min(getPriority(process.pid) + NICER_BY, NICENESS_MAX));
  } catch {
    // Where the system forbids it, everything works as before.
  }
}
