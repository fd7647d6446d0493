import type { EffectLook } from "../kernel/effect-protocol.ts";
import type { LiveEffect } from "./effect-table.ts";

/** Which open effects to look at: `limit` of them with an id after `after`, of one state or of any. */
export interface EffectPage {
  readonly after: string | null;
  readonly limit: number;
  readonly state: EffectLook["state"] | null;
}

/**
 * A page in the order of ids, which are opened in that order within a shard. By keyset, so that what is closed between two pages moves nothing.
 * Looks at every open effect once: they are bounded, and only people ask.
 */
export function lookAt(effects: Iterable<LiveEffect>, { after, limit, state }: EffectPage, now: number): readonly EffectLook[] {
  const from = after === null ? null : numbersOf(after);
  const found: Array<{ readonly numbers: EffectNumbers; readonly look: EffectLook }> = [];
  for (const live of effects) {
    const numbers = numbersOf(live.opened.id);
    const last = found.length < limit ? undefined : found.at(-1);
    if ((from !== null && compare(numbers, from) <= 0) || (last !== undefined && compare(numbers, last.numbers) >= 0)) continue;
    const look = lookOf(live, now);
    if (state !== null && look.state !== state) continue;
    let at = found.length;
    while (at > 0 && compare(found[at - 1]?.numbers ?? numbers, numbers) > 0) at--;
    found.splice(at, 0, { numbers, look });
    if (found.length > limit) found.pop();
  }
  return found.map(({ look }) => look);
}

/** As people see it. */
export function lookOf({ opened, outside, answer }: LiveEffect, now: number): EffectLook {
  const { id, kind, from, to, command } = opened;
  const isResting = outside !== null && outside.dead === null && !outside.isPerforming && outside.nextAt > now;
  return {
    id,
    kind,
    from,
    to,
    command,
    openedAt: outside?.openedAt ?? null,
    // The one that made it a dead letter is in no entry of its own.
    attempts: outside?.dead?.attempts ?? outside?.attempts ?? 0,
    nextAt: isResting ? outside.nextAt : null,
    lastError: outside?.dead?.error ?? outside?.lastError ?? (answer?.ok === false ? answer.detail : null),
    state: outside?.dead != null ? "dead" : isResting ? "resting" : "open",
  };
}

/** `shard.incarnation.seq.index`. */
type EffectNumbers = readonly number[];
const numbersOf = (id: string): EffectNumbers => id.split(".").map(Number);

function compare(left: EffectNumbers, right: EffectNumbers): number {
  for (const [i, number] of left.entries()) {
    const difference = number - (right[i] ?? 0);
    if (difference !== 0) return difference;
  }
  return 0;
}
