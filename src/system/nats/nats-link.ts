import { setTimeout as delay } from "node:timers/promises";
import { type ConnectionOptions, connect, type NatsConnection } from "nats";
import { connectionTroubleOf } from "./connection-trouble.ts";

export interface NatsLinkOptions {
  readonly connection: ConnectionOptions;
  /** Rest after a failed attempt; doubles with each, up to the longest. */
  readonly backoffMsMin: number;
  readonly backoffMsMax: number;
  /** Another one is there, and counts as up when the server has read what is subscribed here. Must not throw. */
  readonly onUp: (connection: NatsConnection) => void;
  readonly onDown: (why: string) => void;
}

/**
 * A connection to NATS that comes back by itself, for ever, also after refused credentials, which are changed while services run: the service starts
 * without a server, and goes on without one. Each time it is another connection, on which `onUp` subscribes anew, so nothing that was sent while it was down
 * waits in memory: whoever has something that must arrive keeps it until it is acknowledged.
 */
export class NatsLink {
  readonly #options: NatsLinkOptions;
  readonly #closing = new AbortController();
  #connection: NatsConnection | null = null;
  #whyDown: string | null = "no connection was made yet";
  #failures = 0;

  constructor(options: NatsLinkOptions) {
    this.#options = options;
    void this.#keep();
  }

  /** The connection while it is up, else null. */
  get connection(): NatsConnection | null {
    return this.#connection;
  }

  /** Why there is none, one sentence; null while there is one. */
  get whyDown(): string | null {
    return this.#whyDown;
  }

  /** Sends what was handed to it, and ends it. */
  async close(): Promise<void> {
    this.#closing.abort();
    const connection = this.#connection;
    if (connection === null) return;
    await Promise.race([connection.flush().catch(() => undefined), delay(FLUSH_MS_MAX, undefined, { ref: false })]);
    await connection.close();
  }

  async #keep(): Promise<void> {
    while (!this.#closing.signal.aborted) {
      try {
        const connection = await connect({ ...this.#options.connection, reconnect: false });
        if (this.#closing.signal.aborted) return await connection.close();
        this.#options.onUp(connection);
        await connection.flush().catch(() => undefined); // Not up before the server knows what we subscribe to; an end is told by `closed`.
        if (!connection.isClosed()) this.#isUp(connection);
        const cause = await connection.closed();
        this.#isDown(cause instanceof Error ? connectionTroubleOf(cause) : "the server closed the connection");
      } catch (cause) {
        this.#isDown(connectionTroubleOf(cause));
      }
      await delay(this.#rest(), undefined, { signal: this.#closing.signal, ref: false }).catch(() => undefined);
    }
  }

  #isUp(connection: NatsConnection): void {
    this.#connection = connection;
    this.#whyDown = null;
    this.#failures = 0;
  }

  #isDown(why: string): void {
    this.#connection = null;
    if (this.#closing.signal.aborted) return;
    const isNews = this.#whyDown !== why;
    this.#whyDown = why;
    if (isNews) this.#options.onDown(why);
  }

  /** Half of each rest is drawn, so that nodes do not come all at once. */
  #rest(): number {
    const { backoffMsMin, backoffMsMax } = this.#options;
    const ms = Math.min(backoffMsMin * 2 ** Math.min(this.#failures++, 30), backoffMsMax);
    return ms * (0.5 + Math.random() / 2);
  }
}

const FLUSH_MS_MAX = 1_000;
