/** What a server in a process of its own did between two looks at it: the time of its threads, and what its journal wrote. */
import { type Durable, durableBetween } from "./suite.ts";

export interface ServerLook {
  /** Of the whole process so far. */
  readonly cpuMicros: number;
  /** By thread, microseconds. */
  readonly threads: Readonly<Record<string, number>>;
  /** Null of a server that keeps nothing. */
  readonly durable: Durable | null;
}

/** Figures of CPU time for each of `count` requests, in microseconds: of the process, and of each thread that had a share worth telling. */
export function cpuOf(before: ServerLook, after: ServerLook, count: number): Record<string, number> {
  const each = Object.entries(after.threads).map(
    ([name, micros]) => [`cpuMicros.${name}`, (micros - (before.threads[name] ?? 0)) / count] as const,
  );
  return {
    cpuMicrosServer: (after.cpuMicros - before.cpuMicros) / count,
    ...Object.fromEntries(each.filter(([, micros]) => micros >= SHARE_MICROS_MIN)),
  };
}
const SHARE_MICROS_MIN = 0.1;

/** The proof of a durable figure. @throws Error when the server said nothing of its journal. */
export function durableOf(before: ServerLook, after: ServerLook): Durable {
  if (before.durable === null || after.durable === null) throw new Error("the server said nothing of its journal");
  return durableBetween(before.durable, after.durable);
}
