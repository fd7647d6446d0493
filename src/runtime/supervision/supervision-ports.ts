import type { Crash, Directive } from "./supervision.ts";

/** A crash as a person must see it (L5): once each, with what the supervisor does about it. */
export interface CrashReport extends Crash {
  readonly incarnation: number;
  readonly directive: Directive;
  /** Until the restart; null when there is none. */
  readonly delayMs: number | null;
}

/** Something that did not end in time and was left behind. Its outputs are discarded where the runtime can. */
export interface GivenUp {
  readonly address: string;
  readonly doing: string;
  readonly waitedMs: number;
}

/** What supervision asks of its surroundings (L9). None may throw, and none may call back before it returned. */
export interface SupervisionPorts {
  /** Milliseconds from any start; never goes back. */
  nowMs(): number;
  /** Runs once after the delay, until cancelled. It keeps the process alive: a respawn that is due must not be lost to an exit (TRAPS 19). */
  after(delayMs: number, run: () => void): Cancel;
  /** Runs after what the event loop has waiting now, I/O included. */
  soon(run: () => void): void;
  /** At least 0, below 1. */
  random(): number;
  crashed(report: CrashReport): void;
  gaveUp(what: GivenUp): void;
}
export type Cancel = () => void;
