/** A thread for tests of control calls: what it is told to do, it does. */
import { parentPort } from "node:worker_threads";
import { Fault } from "../../src/runtime/index.ts";
import { exposeControl } from "../../src/system/threads/control.ts";
import { Heartbeat } from "../../src/system/threads/heartbeat.ts";

export type ControlWorker = ReturnType<typeof control>;

if (parentPort === null) throw new Error("control-worker.ts runs as a worker thread");
exposeControl(parentPort, control());

function control() {
  Heartbeat.ofThisThread();
  return {
    echo: (value: string): string => value,
    /** An answer of so many characters. */
    answer: (characters: number): { readonly text: string } => ({ text: "x".repeat(characters) }),
    never: (): Promise<never> => new Promise(() => {}),
    fault(): never {
      throw new Fault("JOURNAL_CORRUPT", "record 7 is not what its hash says");
    },
    defect(): never {
      throw new TypeError("a defect of the thread");
    },
    /** Ends the thread by an error that nobody catches. */
    crash(): void {
      setImmediate(() => {
        throw new RangeError("the thread broke");
      });
    },
    /** Never gives the event loop its turn again. */
    loop(): never {
      for (;;);
    },
    exit: (code: number): never => process.exit(code),
  };
}
