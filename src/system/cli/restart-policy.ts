/** When a supervised node that died is started again. Pure, so that tests call it with any clock and any chance. */
export interface RestartPolicy {
  readonly restartsMax: number;
  readonly windowMs: number;
  readonly backoffMsMin: number;
  readonly backoffMsMax: number;
}
export type AfterDeath = { readonly kind: "restart"; readonly delayMs: number } | { readonly kind: "give-up" };

/**
 * `deathsMs` are the times of all deaths within the window, this one included. The rest doubles from `backoffMsMin` with each of them, up
 * to `backoffMsMax`; half of it is random, so that nodes that died together do not come back together. `random` gives 0 to 1.
 */
export function afterDeath(policy: RestartPolicy, deathsMs: readonly number[], random: () => number): AfterDeath {
  const { restartsMax, backoffMsMin, backoffMsMax } = policy;
  // What outlives so many restarts is not transient; going on would hide it.
  if (deathsMs.length > restartsMax) return { kind: "give-up" };
  const longestMs = Math.min(backoffMsMin * 2 ** (deathsMs.length - 1), backoffMsMax);
  return { kind: "restart", delayMs: longestMs * (0.5 + random() / 2) };
}

/** The deaths that still count. */
export const recentDeaths = (deathsMs: readonly number[], nowMs: number, windowMs: number): readonly number[] =>
  deathsMs.filter((atMs) => nowMs - atMs < windowMs);
