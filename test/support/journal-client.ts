/** A shard thread's end of the journal thread's port: sends groups and keeps what comes back. */
import { once } from "node:events";
import { MessageChannel, type MessagePort } from "node:worker_threads";
import type { FromJournal } from "../../src/runtime/index.ts";
import type { JournalThread } from "../../src/system/threads/journal-thread.ts";
import { groupOf } from "./journal-bench.ts";

export class JournalClient implements Disposable {
  readonly incarnation: number;
  readonly isDown: boolean;
  /** What was answered so far, in order. */
  readonly heard: FromJournal[] = [];
  /** What the shared cell said when each answer left. */
  readonly committedAtAnswer: readonly number[];
  readonly #domain: number;
  readonly #port: MessagePort;

  private constructor(
    domain: number,
    port: MessagePort,
    given: { readonly incarnation: number; readonly isDown: boolean; readonly committedAtAnswer: readonly number[] },
  ) {
    this.#domain = domain;
    this.#port = port;
    this.incarnation = given.incarnation;
    this.isDown = given.isDown;
    this.committedAtAnswer = given.committedAtAnswer;
    port.on("message", (message: FromJournal) => this.heard.push(message));
  }

  /** Registers a new incarnation of the domain. */
  static async register(thread: JournalThread, domain: number, committed: BigInt64Array): Promise<JournalClient> {
    const { port1, port2 } = new MessageChannel();
    const committedAtAnswer: number[] = [];
    const post = port2.postMessage.bind(port2);
    port2.postMessage = (message: unknown) => {
      committedAtAnswer.push(Number(Atomics.load(committed, 0)));
      post(message);
    };
    return new JournalClient(domain, port1, { ...(await thread.register(domain, port2)), committedAtAnswer });
  }

  send(number: number, incarnation: number = this.incarnation): void {
    this.#port.postMessage({ ...groupOf(number), domain: this.#domain, incarnation });
  }

  /** Resolves when so many answers have come. */
  async hears(count: number): Promise<readonly FromJournal[]> {
    while (this.heard.length < count) await once(this.#port, "message");
    return this.heard;
  }

  [Symbol.dispose](): void {
    this.#port.close();
  }
}
