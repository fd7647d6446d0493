import { setPriority } from "node:os";

/** A third of the weight of other threads (Linux: 335 of 1,024): what gives way goes on under any load, and never stands still. */
const NICENESS = 5;

/**
 * From now on the thread that calls this gives way to those on the path of a command. For work that nobody waits for at the moment: Linux lets a thread that
 * wakes wait for up to 3 ms while others of its priority compute, so that on full cores every step of a command waited for read models and checkpoints
 * (docs/decisions.md 47). On Linux alone, where a priority is of a thread; elsewhere it would be the whole process's. Never throws.
 */
export function giveWay(): void {
  if (process.platform !== "linux") return;
  try {
    setPriority(NICENESS);
  } catch {
    // Where the system forbids it, everything works as before.
  }
}
