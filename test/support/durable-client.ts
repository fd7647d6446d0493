/** A client of the stream of durable commands, as anybody writes one: the NATS library alone, none of Troupe's code. */
import { type JetStreamClient, type JetStreamManager, jetstream, jetstreamManager } from "@nats-io/jetstream";
import { connect, createInbox, headers, type NatsConnection } from "nats";

export interface DurableAnswer {
  readonly status: number;
  readonly isReplayed: boolean;
  readonly body: string;
}
export type Words = Readonly<Record<string, string>>;

export class DurableClient implements AsyncDisposable {
  readonly connection: NatsConnection;
  readonly manager: JetStreamManager;
  readonly #stream: JetStreamClient;
  readonly #inbox: string;
  /** What came to the reply subject, by key, in order. */
  readonly answers = new Map<string, DurableAnswer[]>();

  private constructor(connection: NatsConnection, manager: JetStreamManager) {
    this.connection = connection;
    this.manager = manager;
    this.#stream = jetstream(connection);
    this.#inbox = createInbox();
    connection.subscribe(`${this.#inbox}.*`, {
      callback: (error, message) => {
        if (error !== null) return;
        const key = Buffer.from(message.subject.slice(this.#inbox.length + 1), "base64url").toString();
        const answer = answerOf(message);
        this.answers.set(key, [...(this.answers.get(key) ?? []), answer]);
      },
    });
  }

  /** Comes back by itself after a restart of the server. */
  static async open(url: string): Promise<DurableClient> {
    const connection = await connect({ servers: url, maxReconnectAttempts: -1, reconnectTimeWait: 100 });
    return new DurableClient(connection, await jetstreamManager(connection, { checkAPI: false }));
  }

  /** Publishes a command with a key, and resolves when the stream has it. Its answer comes to `answers` under the key. */
  async publish(command: string, key: string | null, body: object | string, more: Words = {}): Promise<void> {
    const said = headers();
    if (key !== null) said.set("Idempotency-Key", key);
    said.set("Troupe-Reply-To", `${this.#inbox}.${Buffer.from(key ?? "").toString("base64url")}`);
    for (const [name, value] of Object.entries(more)) said.set(name, value);
    await this.#stream.publish(`troupe.durable.v1.${command}`, typeof body === "string" ? body : JSON.stringify(body), { headers: said });
  }

  /** Asks by request and reply. */
  async request(command: string, words: Words, body: object = {}): Promise<DurableAnswer> {
    const said = headers();
    for (const [name, value] of Object.entries(words)) said.set(name, value);
    return answerOf(await this.connection.request(`troupe.v1.${command}`, JSON.stringify(body), { timeout: 10_000, headers: said }));
  }

  /** Messages in a stream; -1 when it is not there. */
  async messagesIn(stream: string): Promise<number> {
    try {
      return (await this.manager.streams.info(stream)).state.messages;
    } catch {
      return -1;
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.connection.close();
  }
}

const answerOf = (message: { readonly headers?: { get(name: string): string } | undefined; string(): string }): DurableAnswer => ({
  status: Number(message.headers?.get("Troupe-Status")),
  isReplayed: message.headers?.get("Idempotency-Replayed") === "true",
  body: message.string(),
});
