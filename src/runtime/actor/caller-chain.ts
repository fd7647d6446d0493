import type { Expirable } from "../supervision/deadlines.ts";

/** Somebody who may be waiting for others. */
export interface Waiter {
  readonly address: string;
  /** For whom its message at hand waits. */
  waitsFor(): Iterable<Waiter>;
}

/** One message, or one hook, being handled: what it began is known by it until it is over. */
export interface Turn extends Expirable {
  readonly owner: Waiter;
  readonly kind: string;
  readonly beganMs: number;
  isOver: boolean;
  /** It was given up while it was running: what it still does must not leave (TRAPS 18). */
  isGivenUp: boolean;
  /** Asks it waits for, and children it starts. */
  waits: Set<{ readonly target: Waiter }> | null;
}

/** Steps of one search; beyond that the deadline of the ask has to do. */
const STEPS_MAX = 10_000;

/**
 * The caller chain that would close if `from` waited for `to`: `[from, to, ..., from]`, or null. It looks at who waits now, so it also finds
 * two actors that ask each other at the same time (TRAPS 14). An actor whose handler has ended waits for nobody.
 */
export function cycleOf(from: Waiter, to: Waiter): readonly string[] | null {
  if (from === to) return [from.address, to.address];
  const cameFrom = new Map<Waiter, Waiter>([[to, from]]);
  const open = [to];
  for (let steps = 0; steps < STEPS_MAX; steps++) {
    const here = open.pop();
    if (here === undefined) return null;
    for (const next of here.waitsFor()) {
      if (next === from) return [...pathTo(here, from, cameFrom), from.address];
      if (cameFrom.has(next)) continue;
      cameFrom.set(next, here);
      open.push(next);
    }
  }
  return null;
}

function pathTo(end: Waiter, from: Waiter, cameFrom: ReadonlyMap<Waiter, Waiter>): readonly string[] {
  const path: string[] = [];
  for (let at: Waiter | undefined = end; at !== undefined && at !== from; at = cameFrom.get(at)) path.unshift(at.address);
  return [from.address, ...path];
}
