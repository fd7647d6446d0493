/** A task of the summary pool that does what its first message says, and with any other text answers how its transcript arrived. */
import type { AttemptResult } from "../../src/runtime/index.ts";
import type { SummaryTask, Transcript } from "../../src/system/pools/summary-task.ts";

export function perform({ transcript }: SummaryTask): AttemptResult {
  const { messages } = JSON.parse(new TextDecoder().decode(transcript)) as Transcript;
  switch (messages[0]?.text) {
    case "throw":
      throw new Error("thrown by the task");
    case "exit":
      return process.exit(7);
    case "loop":
      for (;;);
    case "heap":
      // TRAPS 39: in this shape a thread that runs out of memory ends alone.
      for (const kept: number[][] = []; ; ) kept.push(new Array<number>(1_000_000).fill(kept.length));
  }
  return { kind: "done", value: { text: `${messages.length} messages`, memory: `${transcript.byteLength} bytes` } };
}
