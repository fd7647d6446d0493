/** A shard thread's end of the journal thread's port: sends groups and keeps what comes back. */
import { once } from "node:events";
import { MessageChannel, type MessagePort } from "node:worker_threads";
import type { FromJournal, ToJournal } from "../../src/runtime/index.ts";
import type { JournalThread } from "../../src/system/threads/journal-thread.ts";
import { groupOf } from "./journal-bench.ts";

export class JournalClient implements Disposable {
  readonly incarnation: number;
  readonly isDown: boolean;
  /** What was answered so far, in order. */
  readonly heard: FromJournal[] = [];
  /** Answers to clients that left with commits, in order. */
  readonly answers: string[] = [];
  /** What the shared cell said when each answer left, of clients and ours. */
  readonly committedAtAnswer: readonly number[];
  readonly #domain: number;
  readonly #port: MessagePort;
  readonly #answers: MessagePort;

  private constructor(
    domain: number,
    port: MessagePort,
    answers: MessagePort,
    given: { readonly incarnation: number; readonly isDown: boolean; readonly committedAtAnswer: readonly number[] },
  ) {
    this.#domain = domain;
    this.#port = port;
    this.#answers = answers;
    this.incarnation = given.incarnation;
    this.isDown = given.isDown;
    this.committedAtAnswer = given.committedAtAnswer;
    port.on("message", (message: FromJournal) => this.heard.push(message));
    answers.on("message", (text: string) => this.answers.push(text));
  }

  /** Registers a new incarnation of the domain. */
  static async register(thread: JournalThread, domain: number, committed: BigInt64Array): Promise<JournalClient> {
    const [groups, answers] = [new MessageChannel(), new MessageChannel()];
    const committedAtAnswer: number[] = [];
    for (const { port2 } of [groups, answers]) {
      const post = port2.postMessage.bind(port2);
      port2.postMessage = (message: unknown) => {
        committedAtAnswer.push(Number(Atomics.load(committed, 0)));
        post(message);
      };
    }
    const registered = await thread.register(domain, { groups: groups.port2, answers: answers.port2 });
    return new JournalClient(domain, groups.port1, answers.port1, { ...registered, committedAtAnswer });
  }

  send(
    number: number,
    { incarnation = this.incarnation, answers = null }: { readonly incarnation?: number; readonly answers?: string | null } = {},
  ): void {
    this.#port.postMessage({ ...groupOf(number), domain: this.#domain, incarnation, answers } satisfies ToJournal);
  }

  /** Resolves when so many answers have come. */
  async hears(count: number): Promise<readonly FromJournal[]> {
    while (this.heard.length < count) await once(this.#port, "message");
    return this.heard;
  }

  /** Resolves when so many answers to clients have left. */
  async answered(count: number): Promise<readonly string[]> {
    while (this.answers.length < count) await once(this.#answers, "message");
    return this.answers;
  }

  [Symbol.dispose](): void {
    this.#port.close();
    this.#answers.close();
  }
}
