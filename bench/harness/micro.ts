import { Bench } from "tinybench";
import { byMode, type Mode } from "./suite.ts";

/**
 * Operations a second of a small piece of code, by tinybench. `batch` does `operations` of them; a batch must be long against the clock's
 * own cost (tens of nanoseconds), so it holds hundreds of operations.
 */
export async function operationsPerSecond(mode: Mode, operations: number, batch: () => void | Promise<void>): Promise<number> {
  const ms = byMode(mode, { full: 2_000, quick: 500, tiny: 50 });
  const bench = new Bench({ time: ms, warmupTime: ms / 4, throws: true });
  bench.add("batch", batch);
  const [task] = await bench.run();
  const result = task?.result;
  if (result === undefined || !("latency" in result)) throw new Error("tinybench measured nothing");
  return (operations * 1000) / result.latency.mean;
}
