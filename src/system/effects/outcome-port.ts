import type { MessagePort } from "node:worker_threads";
import type { FromPerformer, ToPerformer } from "../../runtime/index.ts";

/** The effects thread's end of the port to a shard thread: what ends in one turn travels together, as one JSON string. */
export class OutcomePort {
  readonly #port: MessagePort;
  #outcomes: FromPerformer[] = [];
  #isScheduled = false;
  #isClosed = false;

  constructor(port: MessagePort, take: (message: ToPerformer, tell: (outcome: FromPerformer) => void) => void) {
    this.#port = port;
    port.on("message", (text: string) => {
      // What a dead thread sent and arrives after its successor was registered would turn the outcomes to the dead.
      if (!this.#isClosed) take(JSON.parse(text) as ToPerformer, this.#tell);
    });
  }

  /** Posts what has not been posted. */
  flush(): void {
    this.#isScheduled = false;
    if (this.#outcomes.length > 0) this.#port.postMessage(JSON.stringify(this.#outcomes));
    this.#outcomes = [];
  }

  /** What is told from now on goes nowhere: the thread at the other end is gone, and its successor asks again. */
  close(): void {
    this.#isClosed = true;
    this.#port.close();
  }

  readonly #tell = (outcome: FromPerformer): void => {
    this.#outcomes.push(outcome);
    if (this.#isScheduled) return;
    this.#isScheduled = true;
    setImmediate(() => this.flush());
  };
}
