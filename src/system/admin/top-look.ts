import type { Inspected, ThreadTop } from "./inspected.ts";

/** Rates are a second, since the last look of anybody; null at the first one. */
export interface TopLook {
  readonly sinceMs: number | null;
  readonly types: ReadonlyArray<{ readonly type: string; readonly handled: number; readonly handledPerSecond: number | null }>;
  /** Estimated from a sample; an entity with few messages may be missing. */
  readonly busiest: ReadonlyArray<{ readonly address: string; readonly thread: string; readonly handledPerSecond: number }>;
  readonly fullest: ReadonlyArray<{ readonly address: string; readonly thread: string; readonly waiting: number }>;
  readonly unanswered: readonly string[];
}

/** Makes rates of counts: remembers what the threads had counted at the last look. */
export class Top {
  readonly #system: Pick<Inspected, "top">;
  /** By thread, its life and the type. */
  #before = new Map<string, number>();
  #lookedMs: number | null = null;

  constructor(system: Pick<Inspected, "top">) {
    this.#system = system;
  }

  async look(limit: number): Promise<TopLook> {
    const threads = await this.#system.top(limit);
    const nowMs = performance.now();
    const sinceMs = this.#lookedMs === null ? null : nowMs - this.#lookedMs;
    this.#lookedMs = nowMs;
    const perSecond = (count: number): number | null => (sinceMs === null ? null : Math.round((count * 1000) / Math.max(sinceMs, 1)));
    const { types, grownOf } = this.#grown(threads);
    return {
      sinceMs: sinceMs === null ? null : Math.round(sinceMs),
      types: types
        .map(({ grown, ...type }) => ({ ...type, handledPerSecond: perSecond(grown) }))
        .sort((a, b) => (b.handledPerSecond ?? b.handled) - (a.handledPerSecond ?? a.handled)),
      busiest: threads
        .flatMap(({ thread, seen }) =>
          (seen?.hot.entities ?? []).map(({ address, samples }) => {
            // Its share of the sample is its share of what the thread handled.
            const handled = ((grownOf.get(thread) ?? 0) * samples) / Math.max(seen?.hot.samples ?? 1, 1);
            return { address, thread, handledPerSecond: perSecond(handled) ?? 0 };
          }),
        )
        .sort((a, b) => b.handledPerSecond - a.handledPerSecond)
        .slice(0, sinceMs === null ? 0 : limit),
      fullest: threads
        .flatMap(({ thread, seen }) => (seen?.fullest ?? []).map(({ address, waiting }) => ({ address, thread, waiting })))
        .sort((a, b) => b.waiting - a.waiting)
        .slice(0, limit),
      unanswered: threads.filter(({ seen }) => seen === null).map(({ thread }) => thread),
    };
  }

  /** By type over all threads, and by thread over all types. A thread that began anew has grown by all that it counted. */
  #grown(threads: readonly ThreadTop[]) {
    const sums = new Map<string, { handled: number; grown: number }>();
    const grownOf = new Map<string, number>();
    const counted = new Map<string, number>();
    for (const { thread, seen } of threads) {
      for (const [type, counts] of seen?.messages ?? []) {
        const handled = Object.values(counts).reduce((sum, count) => sum + count, 0);
        const key = `${thread} ${seen?.life} ${type}`;
        const grown = handled - (this.#before.get(key) ?? 0);
        counted.set(key, handled);
        const sum = sums.get(type) ?? { handled: 0, grown: 0 };
        sums.set(type, { handled: sum.handled + handled, grown: sum.grown + grown });
        grownOf.set(thread, (grownOf.get(thread) ?? 0) + grown);
      }
    }
    this.#before = counted;
    return { types: Array.from(sums, ([type, sum]) => ({ type, ...sum })), grownOf };
  }
}
