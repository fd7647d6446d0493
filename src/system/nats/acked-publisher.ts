import { type ApiError, JetStreamApiError } from "@nats-io/jetstream";
import {
  createInbox,
  type Msg,
  type MsgHdrs,
  type NatsConnection,
  NoRespondersError,
  PermissionViolationError,
  type PublishOptions,
  TimeoutError,
} from "nats";

/** What a stream answers to a message, or its server instead. */
interface Answered {
  readonly stream?: string;
  readonly error?: ApiError;
}

/** A message that is not acknowledged. */
interface Pending {
  readonly subject: string;
  /** On the monotonic clock. */
  readonly until: number;
  readonly resolve: () => void;
  readonly reject: (cause: Error) => void;
}

/**
 * Publishes into streams on one connection, and hears of the acknowledgements on one subscription. The library's own `publish` is a request each, which makes an
 * error with its stack for every one that succeeds: with it the outbox thread took a third more time an event (docs/decisions.md 40).
 *
 * P1. A message counts as acknowledged when a stream answered to this very message that it has it.
 * P2. Each message ends: acknowledged, refused by name, without a stream, after `ackMs`, or with the connection.
 */
export class AckedPublisher {
  readonly #connection: NatsConnection;
  readonly #ackMs: number;
  readonly #inbox: string;
  /** By the last token of their reply subjects, in the order in which they were published. */
  readonly #pending = new Map<string, Pending>();
  #published = 0;
  #isListening = false;
  #timer: NodeJS.Timeout | null = null;

  constructor(connection: NatsConnection, options: { readonly inboxPrefix: string | undefined; readonly ackMs: number }) {
    this.#connection = connection;
    this.#ackMs = options.ackMs;
    this.#inbox = `${createInbox(options.inboxPrefix)}.`;
    void this.#hearOfErrors();
    void connection.closed().then((cause) => this.#endAll(cause instanceof Error ? cause : new Error("the connection was closed")));
  }

  /**
   * @throws (rejects with) PermissionViolationError and InvalidArgumentError, which are about this message, JetStreamApiError, NoRespondersError when no stream takes
   * its subject, TimeoutError, or what ended the connection.
   */
  publish(subject: string, body: string, headers: MsgHdrs): Promise<void> {
    const token = (++this.#published).toString(36);
    return new Promise((resolve, reject) => {
      if (!this.#isListening) this.#listen();
      this.#connection.publish(subject, body, { reply: this.#inbox + token, headers } satisfies PublishOptions);
      this.#pending.set(token, { subject, until: performance.now() + this.#ackMs, resolve, reject });
      this.#watch();
    });
  }

  /** Again after an error: the permission to listen may have been given meanwhile. */
  #listen(): void {
    this.#isListening = true;
    this.#connection.subscribe(`${this.#inbox}*`, {
      callback: (error, message) => {
        if (error === null) return this.#hear(message);
        this.#isListening = false;
        this.#endAll(error);
      },
    });
  }

  #hear(message: Msg): void {
    const token = message.subject.slice(this.#inbox.length);
    const pending = this.#pending.get(token);
    if (pending === undefined) return; // It came too late.
    this.#pending.delete(token);
    const flaw = flawOf(message, pending.subject);
    if (flaw === null) pending.resolve();
    else pending.reject(flaw);
  }

  /** What may not be published is told by subject alone, once for each message: the oldest of them is meant. */
  async #hearOfErrors(): Promise<void> {
    for await (const status of this.#connection.status()) {
      if (status.type !== "error") continue;
      const { error } = status;
      if (!(error instanceof PermissionViolationError) || error.operation !== "publish") continue;
      for (const [token, { subject, reject }] of this.#pending) {
        if (subject !== error.subject) continue;
        this.#pending.delete(token);
        reject(error);
        break;
      }
    }
  }

  /** One timer for all: the oldest ends first. */
  #watch(): void {
    if (this.#timer !== null) return;
    const [oldest] = this.#pending.values();
    if (oldest === undefined) return;
    this.#timer = setTimeout(this.#endLate, Math.max(oldest.until - performance.now(), 0)).unref();
  }

  readonly #endLate = (): void => {
    this.#timer = null;
    const now = performance.now();
    for (const [token, { until, reject }] of this.#pending) {
      if (until > now) break;
      this.#pending.delete(token);
      reject(new TimeoutError());
    }
    this.#watch();
  };

  #endAll(cause: Error): void {
    const all = [...this.#pending.values()];
    this.#pending.clear();
    for (const { reject } of all) reject(cause);
  }
}

/** Null when it says that a stream has the message. Anybody who listens to the subject may answer, so it may say anything. */
function flawOf(message: Msg, subject: string): Error | null {
  if (message.data.byteLength === 0 && message.headers?.code === NO_RESPONDERS) return new NoRespondersError(subject);
  try {
    const { stream, error } = JSON.parse(message.string()) as Answered;
    if (error !== undefined) return new JetStreamApiError(error);
    return typeof stream === "string" && stream !== "" ? null : new Error(NO_ACKNOWLEDGEMENT);
  } catch (cause) {
    return new Error(NO_ACKNOWLEDGEMENT, { cause });
  }
}
const NO_RESPONDERS = 503;
const NO_ACKNOWLEDGEMENT = "what answered is no stream's acknowledgement";
