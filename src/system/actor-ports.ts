import type { CrashReport, GivenUp, SupervisionPorts } from "../runtime/index.ts";

/** The ports of an actor system on a real machine: Node's clock, timers and event loop. */
export function actorPorts(report: {
  readonly crashed: (report: CrashReport) => void;
  readonly gaveUp: (what: GivenUp) => void;
}): SupervisionPorts {
  return {
    nowMs: () => performance.now(),
    after(delayMs, run) {
      // Not unref'd: a respawn that is due must not be lost because nothing else keeps the process (TRAPS 19).
      const timer = setTimeout(run, delayMs);
      return () => clearTimeout(timer);
    },
    soon: (run) => void setImmediate(run),
    random: () => Math.random(),
    ...report,
  };
}
