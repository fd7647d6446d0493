/**
 * The floor of an ask across threads: JSON arrays of the same commands and answers over a MessagePort, gathered for one turn of the event loop,
 * with no entity, no deadline table and no promise behind them.
 */
import { MessageChannel, type MessagePort, Worker } from "node:worker_threads";
import { quantile } from "../harness/statistics.ts";
import { assertResult, type RunVariant } from "../harness/suite.ts";
import { asksIn, type EchoData, IN_FLIGHT } from "./shape.ts";

export const raw: RunVariant = async (mode) => {
  const { port1, port2 } = new MessageChannel();
  const worker = new Worker(new URL("./echo-worker.ts", import.meta.url), {
    workerData: { port: port2 } satisfies EchoData,
    transferList: [port2],
  });
  try {
    const asks = asksIn(mode);
    await exchange(port1, { count: asks.warmUp, inFlight: IN_FLIGHT, latencies: null });
    const ms = await exchange(port1, { count: asks.many, inFlight: IN_FLIGHT, latencies: null });
    const latencies = new Float64Array(asks.one);
    await exchange(port1, { count: asks.one, inFlight: 1, latencies });
    return { figures: { perSecond: (asks.many / ms) * 1000, oneP50Micros: quantile(latencies, 0.5) * 1000 } };
  } finally {
    port1.close();
    await worker.terminate();
  }
};

/** Milliseconds for `count` asks. */
async function exchange(
  port: MessagePort,
  { count, inFlight, latencies }: { readonly count: number; readonly inFlight: number; readonly latencies: Float64Array | null },
): Promise<number> {
  const { promise, resolve, reject } = Promise.withResolvers<void>();
  let sent = 0;
  let answered = 0;
  let sum = 0;
  let begun = 0;
  const send = (howMany: number): void => {
    const commands = [];
    for (let i = 0; i < howMany && sent < count; i++) commands.push([++sent, "counter/one", "look", { plus: 1 }, null, 1e15, null]);
    begun = performance.now();
    if (commands.length > 0) port.postMessage(JSON.stringify(commands));
  };
  const take = (text: string): void => {
    if (latencies !== null) latencies[answered] = performance.now() - begun;
    const answers = JSON.parse(text) as ReadonlyArray<readonly [caller: number, answer: { readonly value: number }]>;
    for (const [, { value }] of answers) sum += value;
    answered += answers.length;
    if (answered < count) send(answers.length);
    else if (sum === count * 2) resolve();
    else reject(new Error(`the result is wrong: ${count} answers add up to ${sum}`));
  };
  port.on("message", take);
  const from = performance.now();
  // In several batches, so that both threads have work at any time.
  for (let batches = Math.min(inFlight, BATCHES); batches > 0; batches--) send(Math.ceil(inFlight / BATCHES));
  await promise;
  port.off("message", take);
  assertResult(answered === count, `${answered} of ${count} were answered`);
  return performance.now() - from;
}

const BATCHES = 4;
