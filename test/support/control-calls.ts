/** Calls a thread as often as its argument says and prints how many bytes of heap each call left behind. Needs --expose-gc. */
import { WorkerThread } from "../../src/system/threads/worker-thread.ts";
import type { ControlWorker } from "./control-worker.ts";

const ANSWER_CHARACTERS = 1_000;
const AT_ONCE = 100;

const [, , calls = "1000"] = process.argv;
const collect = globalThis.gc;
if (collect === undefined) throw new Error("control-calls.ts needs --expose-gc");
const thread = new WorkerThread<ControlWorker>({
  name: "called",
  url: new URL("./control-worker.ts", import.meta.url),
  data: null,
  heapMiBMax: 64,
});
await callOften(2_000); // What the compiler and comlink keep once is no growth.
const before = await heapBytes();
await callOften(Number(calls));
const grownBytes = (await heapBytes()) - before;
await thread.terminate();
process.stdout.write(`${JSON.stringify({ calls: Number(calls), grownBytes })}\n`);

async function callOften(times: number): Promise<void> {
  for (let done = 0; done < times; done += AT_ONCE) {
    await Promise.all(Array.from({ length: AT_ONCE }, () => thread.call.answer(ANSWER_CHARACTERS)));
  }
}

/** What finalizers let go needs a turn of theirs before it is garbage. */
async function heapBytes(): Promise<number> {
  for (let round = 0; round < 3; round++) {
    collect?.();
    await new Promise((resolve) => setTimeout(resolve));
  }
  return process.memoryUsage().heapUsed;
}
