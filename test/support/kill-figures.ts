import type { LedgerLoad } from "./ledger-load.ts";

/** One run of kills. */
export interface KillRun {
  readonly kills: number;
  /** Counts of shard threads, in turns of two lives each: so every change between them happens. */
  readonly threads: readonly number[];
  readonly weaken: string;
  readonly connections: number;
  readonly accounts: number;
  /** Acknowledgements before each kill. */
  readonly acks: number;
  readonly dataDir: string;
  readonly random: () => number;
  readonly load: LedgerLoad;
}

/** What a kill met. */
export interface KillHit {
  /** Milliseconds since 1970. */
  readonly at: number;
  /** Requests that never got an answer. */
  readonly inFlight: number;
  /** Acknowledgements since the kill before. */
  readonly acknowledged: number;
  readonly isInCheckpoint: boolean;
  /** Another program kept the journal from committing when it came. */
  readonly isJournalHeld: boolean;
}

export interface KillFigures {
  readonly hits: readonly KillHit[];
  /** From the start of the successor to its readiness. */
  readonly readyMs: readonly number[];
  readonly defects: readonly string[];
}

/** Acknowledged orders that are sent a second time after each kill: the latest ones, and some of any age. */
export const COMPARED_LATEST = 64;
export const COMPARED_OLDER = 36;
/** Further acknowledgements and further time before a kill, at most; both are drawn by chance. */
export const MORE_ACKS_MAX = 300;
export const MORE_MS_MAX = 40;

/** Resolves after so many acknowledgements and some more, in the very turn of the last one. */
export const untilAcknowledged = ({ acks, random, load }: KillRun, then: () => void): void =>
  load.whenAcknowledged(acks + Math.floor(random() * MORE_ACKS_MAX), then);

/** A moment by chance, in milliseconds from now. */
export const randomMs = ({ random }: KillRun): number => random() * MORE_MS_MAX;
