import { JetStreamApiError, PubHeaders } from "@nats-io/jetstream";
import {
  type ConnectionOptions,
  headers,
  InvalidArgumentError,
  type NatsConnection,
  NoRespondersError,
  PermissionViolationError,
  TimeoutError,
} from "nats";
import { type Backoff, nextDelayMs } from "../../runtime/index.ts";
import type { EventMessage } from "../outbox/event-message.ts";
import type { EventPort, Sent } from "../outbox/event-port.ts";
import { AckedPublisher } from "./acked-publisher.ts";
import { EVENT_STREAM, ensureEventStream } from "./event-stream.ts";
import { NatsLink } from "./nats-link.ts";
import { ForeignStreamError } from "./stream-owner.ts";
import { eventSubject } from "./subjects.ts";

export interface EventPublisherOptions {
  readonly connection: ConnectionOptions;
  readonly backoffMsMin: number;
  readonly backoffMsMax: number;
  /** Longest wait for an acknowledgement. */
  readonly ackMs: number;
  readonly replicas: number;
  /** The stream belongs to one store. */
  readonly storeId: string;
  /** Events can be sent from now on. */
  readonly onUp: () => void;
  readonly onDown: (why: string) => void;
}

/** Sends events to the stream on a connection of its own, one that comes back by itself. */
export class EventPublisher implements EventPort {
  readonly #options: EventPublisherOptions;
  readonly #link: NatsLink;
  #stream: AckedPublisher | null = null;
  #whyNoStream: string | null = null;
  /** On which connection the stream is looked after now. */
  #ensuring: NatsConnection | null = null;
  #ensuredAt = Number.NEGATIVE_INFINITY;
  /** In a row. */
  #failedLooks = 0;
  #nextLook: NodeJS.Timeout | null = null;

  constructor(options: EventPublisherOptions) {
    this.#options = options;
    this.#link = new NatsLink({
      connection: options.connection,
      backoffMsMin: options.backoffMsMin,
      backoffMsMax: options.backoffMsMax,
      onUp: (connection) => void this.#ensure(connection),
      onDown: (why) => {
        this.#stream = null;
        this.#lookNoMore();
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
    // Each once, so nothing is to be replaced, which `set` looks for.
    for (const [key, value] of Object.entries(given)) head.append(key, value);
    head.append(PubHeaders.MsgIdHdr, messageId);
    try {
      await stream.publish(eventSubject(type, name), body, head);
      if (this.#whyNoStream !== null) this.#lookNoMore(); // Whatever kept us from looking after it: it is there.
      this.#whyNoStream = null;
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
    this.#lookNoMore();
    await this.#link.close();
  }

  #open(connection: NatsConnection): void {
    if (this.#stream !== null) return;
    if (this.#link.connection !== connection) return this.#lookLater(connection);
    const { ackMs, connection: given } = this.#options;
    this.#stream = new AckedPublisher(connection, { inboxPrefix: given.inboxPrefix, ackMs });
    this.#options.onUp();
  }

  get #mayLook(): boolean {
    return performance.now() - this.#ensuredAt >= LOOK_REST_MS;
  }

  /**
   * One at a time; what it cannot do is told, and tried again after a rest, or when an event finds no stream or is not acknowledged in time. Events leave all the same,
   * because somebody else may have made the stream, but none into another store's. @returns whether it was missing.
   */
  async #ensure(connection: NatsConnection): Promise<boolean> {
    if (this.#ensuring === connection) return false;
    this.#ensuring = connection;
    this.#ensuredAt = performance.now();
    try {
      const { storeId, replicas, ackMs } = this.#options;
      const found = await ensureEventStream(connection, { storeId, replicas, msMax: ackMs });
      if (connection.isClosed()) return false;
      this.#whyNoStream = null;
      this.#lookNoMore();
      if (found === "bound") this.#lookLater(connection); // Another store may have bound it at the same moment.
      this.#open(connection);
      return found === "made";
    } catch (cause) {
      if (connection.isClosed()) return false;
      const isForeign = cause instanceof ForeignStreamError;
      this.#whyNoStream = isForeign ? cause.message : `the stream ${EVENT_STREAM} can be neither found nor made: ${messageOf(cause)}`;
      if (isForeign) this.#stream = null;
      else this.#open(connection);
      this.#failedLooks++;
      this.#lookLater(connection);
      return false;
    } finally {
      if (this.#ensuring === connection) this.#ensuring = null;
    }
  }

  /** By itself: a node without events would stay degraded for a reason that is long over. */
  #lookLater(connection: NatsConnection): void {
    if (connection.isClosed() || this.#nextLook !== null) return;
    const look = (): void => {
      this.#nextLook = null;
      if (this.#link.connection === connection) void this.#ensure(connection);
    };
    this.#nextLook = setTimeout(look, nextDelayMs(LOOK, Math.max(this.#failedLooks, 1), Math.random())).unref();
  }

  #lookNoMore(): void {
    if (this.#nextLook !== null) clearTimeout(this.#nextLook);
    this.#nextLook = null;
    this.#failedLooks = 0;
  }
}

/** Many events time out at once: the stream is looked after once for all of them. */
const LOOK_REST_MS = 2_000;
/** Rests between looks that fail. */
const LOOK: Backoff = { backoffMsMin: LOOK_REST_MS, backoffMsMax: 30_000, jitterRatio: 0.5 };
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

const isNobodyThere = (cause: unknown): boolean => cause instanceof NoRespondersError;

function messageOf(cause: unknown): string {
  if (isNobodyThere(cause)) return "no stream takes it, or the server has no JetStream";
  if (cause instanceof TimeoutError) return "the server did not answer in time (nats.eventsAckMs)";
  return cause instanceof Error ? cause.message : String(cause);
}
