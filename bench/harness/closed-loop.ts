/** A closed loop: so many requests in flight, the next one starts when one is answered. It hides the waiting that an open loop would show. */
import { quantile } from "./statistics.ts";

export interface LoopFigures {
  readonly perSecond: number;
  readonly p50Ms: number;
  readonly p99Ms: number;
  readonly maxMs: number;
}

/** `one` does the i-th request and rejects when its answer is wrong, which ends the loop. */
export async function closedLoop(options: {
  readonly count: number;
  readonly inFlight: number;
  readonly one: (i: number) => Promise<void>;
}): Promise<LoopFigures> {
  const { count, inFlight, one } = options;
  const latencies = new Float64Array(count);
  let next = 0;
  const worker = async (): Promise<void> => {
    while (next < count) {
      const i = next++;
      const from = performance.now();
      await one(i);
      latencies[i] = performance.now() - from;
    }
  };
  const from = performance.now();
  await Promise.all(Array.from({ length: Math.min(inFlight, count) }, worker));
  const ms = performance.now() - from;
  return {
    perSecond: (count / ms) * 1000,
    p50Ms: quantile(latencies, 0.5),
    p99Ms: quantile(latencies, 0.99),
    maxMs: quantile(latencies, 1),
  };
}
