import { JetStreamApiError, type JetStreamClient, jetstream } from "@nats-io/jetstream";
import { type ConnectionOptions, headers, InvalidArgumentError, type NatsConnection, PermissionViolationError, TimeoutError } from "nats";
import type { EventMessage } from "../outbox/event-message.ts";
import type { EventPort, Sent } from "../outbox/event-port.ts";
import { EVENT_STREAM, ensureEventStream } from "./event-stream.ts";
import { NatsLink } from "./nats-link.ts";
import { eventSubject } from "./subjects.ts";

export interface EventPublisherOptions {
  readonly connection: ConnectionOptions;
  readonly backoffMsMin: number;
  readonly backoffMsMax: number;
  /** Longest wait for an acknowledgement. */
  readonly ackMs: number;
  readonly replicas: number;
  /** Events can be sent from now on. */
  readonly onUp: () => void;
  readonly onDown: (why: string) => void;
}

/** Sends events to the stream on a connection of its own, one that comes back by itself. */
export class EventPublisher implements EventPort {
  readonly #options: EventPublisherOptions;
  readonly #link: NatsLink;
  #stream: JetStreamClient | null = null;
  #whyNoStream: string | null = null;
  #isEnsuring = false;
  #ensuredAt = Number.NEGATIVE_INFINITY;

  constructor(options: EventPublisherOptions) {
    this.#options = options;
    this.#link = new NatsLink({
      connection: { ...options.connection, noAsyncTraces: true }, // They cost a stack for each event.
      backoffMsMin: options.backoffMsMin,
      backoffMsMax: options.backoffMsMax,
      onUp: (connection) => void this.#isUp(connection),
      onDown: (why) => {
        this.#stream = null;
        options.onDown(why);
      },
    });
  }

  get isUp(): boolean {
    return this.#stream !== null && this.#link.connection !== null;
  }

  get whyDown(): string | null {
    const { whyDown } = this.#link;
    if (whyDown !== null) return `there is no connection to NATS: ${whyDown}`;
    return this.#whyNoStream;
  }

  async send({ type, name, messageId, headers: given, body }: EventMessage): Promise<Sent> {
    const [connection, stream] = [this.#link.connection, this.#stream];
    if (connection === null || stream === null) return { kind: "failed", why: this.whyDown ?? "the connection was just made" };
    const head = headers();
    for (const [key, value] of Object.entries(given)) head.set(key, value);
    try {
      await stream.publish(eventSubject(type, name), body, { msgID: messageId, headers: head, timeout: this.#options.ackMs, retries: 1 });
      this.#whyNoStream = null; // Whatever kept us from looking after it: it is there.
      return { kind: "acknowledged" };
    } catch (cause) {
      const refusal = refusalOf(cause, connection, body);
      if (refusal !== null) return { kind: "refused", why: refusal };
      if (isNobodyThere(cause)) void this.#ensure(connection);
      // Who listens to the subject takes the message too: then nobody says that there is no stream.
      const isGone = cause instanceof TimeoutError && this.#mayLook && (await this.#ensure(connection));
      return { kind: "failed", why: isGone ? `the stream ${EVENT_STREAM} is gone` : messageOf(cause) };
    }
  }

  async close(): Promise<void> {
    await this.#link.close();
  }

  async #isUp(connection: NatsConnection): Promise<void> {
    await this.#ensure(connection);
    if (this.#link.connection !== connection) return;
    this.#stream = jetstream(connection, { timeout: this.#options.ackMs });
    this.#options.onUp();
  }

  get #mayLook(): boolean {
    return performance.now() - this.#ensuredAt >= LOOK_REST_MS;
  }

  /** One at a time; what it cannot do is told, and tried again when an event finds no stream or is not acknowledged in time. @returns whether it was missing. */
  async #ensure(connection: NatsConnection): Promise<boolean> {
    if (this.#isEnsuring) return false;
    this.#isEnsuring = true;
    this.#ensuredAt = performance.now();
    try {
      const isMade = await ensureEventStream(connection, { replicas: this.#options.replicas, msMax: this.#options.ackMs });
      this.#whyNoStream = null;
      return isMade;
    } catch (cause) {
      this.#whyNoStream = `the stream ${EVENT_STREAM} can be neither found nor made: ${messageOf(cause)}`;
      return false;
    } finally {
      this.#isEnsuring = false;
    }
  }
}

/** Many events time out at once: the stream is looked after once for all of them. */
const LOOK_REST_MS = 2_000;
/** Of JetStream: the message is larger than the stream's limit. Its other errors are about the stream, or the server. */
const MESSAGE_TOO_LARGE = 10054;

/** Why the server takes everything but this message; null when the failure does not say that. */
function refusalOf(cause: unknown, connection: NatsConnection, body: string): string | null {
  const told = cause instanceof Error && cause.cause !== undefined ? cause.cause : cause;
  if (told instanceof PermissionViolationError && told.operation === "publish") return `its subject may not be published: ${told.message}`;
  if (told instanceof InvalidArgumentError && told.message.includes("max_payload"))
    return `the server takes messages of at most ${connection.info?.max_payload} bytes, and this one, with ${Buffer.byteLength(body)} bytes of data and its headers, is larger`;
  if (told instanceof JetStreamApiError && told.code === MESSAGE_TOO_LARGE) return `the stream refused it: ${told.message}`;
  return null;
}

const isNobodyThere = (cause: unknown): boolean => cause instanceof Error && cause.name === "JetStreamNotEnabled";

function messageOf(cause: unknown): string {
  if (isNobodyThere(cause)) return "no stream takes it, or the server has no JetStream";
  return cause instanceof Error ? cause.message : String(cause);
}
