/** How long to rest after failures in a row. From `backoffMsMin` the rest doubles with every failure; it never exceeds `backoffMsMax`. */
export interface Backoff {
  readonly backoffMsMin: number;
  readonly backoffMsMax: number;
  /** From 0 (none) to 1: the share of a rest that is drawn on top, so that what failed together does not come back together. */
  readonly jitterRatio: number;
}

/**
 * Milliseconds to rest after attempt number `attempt` (from 1) failed; not rounded. `random`: from 0, below 1. Pure, so that tests know every
 * delay. Never below `backoffMsMin * 2^(attempt - 1)` unless that is above the cap.
 */
export function nextDelayMs({ backoffMsMin, backoffMsMax, jitterRatio }: Backoff, attempt: number, random: number): number {
  // The jitter comes on top of a smaller cap, so that it still spreads those that have reached the cap.
  const baseMs = Math.min(backoffMsMin * 2 ** (attempt - 1), backoffMsMax / (1 + jitterRatio));
  return baseMs * (1 + jitterRatio * random);
}
