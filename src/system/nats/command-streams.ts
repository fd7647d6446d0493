/** The streams of durable commands and their consumer: how they are made, and what is looked at of them. */
import {
  AckPolicy,
  type Consumer,
  type ConsumerConfig,
  DeliverPolicy,
  DiscardPolicy,
  JetStreamApiCodes,
  JetStreamApiError,
  type JetStreamClient,
  type JetStreamManager,
  jetstream,
  jetstreamManager,
  ReplayPolicy,
  RetentionPolicy,
  StorageType,
  type StreamConfig,
  type StreamInfo,
} from "@nats-io/jetstream";
import { type NatsConnection, nanos } from "nats";
import { describing, ensureOwn, type StreamOwner } from "./stream-owner.ts";
import { DEAD_SUBJECTS, DURABLE_SUBJECTS } from "./subjects.ts";

export const COMMANDS = "TROUPE_COMMANDS";
export const DEAD = "TROUPE_DEAD";
const CONSUMER = "troupe";

const MIB = 1024 * 1024;
/** Beyond, publishers are refused: a command that was taken is never pushed out by another. None is dropped for its age, because one that merely waited is still wanted. */
const COMMANDS_BYTES_MAX = 512 * MIB;
/** Beyond, a command that cannot be done stays in its stream, and comes again. */
const DEAD_BYTES_MAX = 64 * MIB;
/** Share of its size from which on a stream is told to be full: a large message may be refused from there on. */
const FULL_SHARE = 0.99;
/** Commands that rest after a failed attempt are pending too: without room for them a few would stop all others. */
const PENDING_FACTOR = 4;

export interface StreamsOptions {
  readonly storeId: string;
  readonly replicas: number;
  readonly ackMs: number;
  /** Commands in work at once. */
  readonly worksMax: number;
}
/** What was seen of the streams. */
export interface StreamFigures {
  /** Commands in the stream that nobody has now. A count of the consumer's would leave out what it passes over. */
  readonly waiting: number;
  /** Given, and not acknowledged. */
  readonly unacknowledged: number;
  readonly dead: number;
  /** Names of streams that take no more. */
  readonly full: readonly string[];
}

/** The streams on one connection, made where they are missing. Rejects with the server's words: no JetStream, no permission, no room. */
export class CommandStreams {
  readonly client: JetStreamClient;
  readonly manager: JetStreamManager;
  readonly commands: Consumer;

  private constructor(client: JetStreamClient, manager: JetStreamManager, commands: Consumer) {
    this.client = client;
    this.manager = manager;
    this.commands = commands;
  }

  static async open(connection: NatsConnection, options: StreamsOptions): Promise<CommandStreams> {
    const manager = await jetstreamManager(connection);
    for (const wanted of streamsOf(options)) await ensureStream(manager, wanted);
    // Of two stores each command would be done by whichever takes it, and a repeat by the other (L3).
    await ensureOwn(manager, (await manager.streams.info(COMMANDS)).config, ownerOf(options));
    await ensureConsumer(manager, consumerOf(options));
    const client = jetstream(connection);
    return new CommandStreams(client, manager, await client.consumers.get(COMMANDS, CONSUMER));
  }

  async figures(): Promise<StreamFigures> {
    const [consumer, commands, dead] = await Promise.all([
      this.manager.consumers.info(COMMANDS, CONSUMER),
      this.manager.streams.info(COMMANDS),
      this.manager.streams.info(DEAD),
    ]);
    return {
      waiting: Math.max(commands.state.messages - consumer.num_ack_pending, 0),
      unacknowledged: consumer.num_ack_pending,
      dead: dead.state.messages,
      full: [commands, dead].filter(isFull).map(({ config }) => config.name),
    };
  }
}

type Stream = Pick<StreamConfig, "name" | "subjects" | "retention"> & Partial<StreamConfig>;

const ownerOf = ({ storeId }: StreamsOptions): StreamOwner => ({ what: "Commands", storeId });

function streamsOf(options: StreamsOptions): readonly Stream[] {
  const { replicas } = options;
  const kept = { storage: StorageType.File, discard: DiscardPolicy.New, num_replicas: replicas };
  return [
    {
      ...kept,
      description: describing(ownerOf(options)),
      name: COMMANDS,
      subjects: [DURABLE_SUBJECTS],
      retention: RetentionPolicy.Workqueue,
      max_bytes: COMMANDS_BYTES_MAX,
    },
    { ...kept, name: DEAD, subjects: [DEAD_SUBJECTS], retention: RetentionPolicy.Limits, max_bytes: DEAD_BYTES_MAX },
  ];
}

function consumerOf({ ackMs, worksMax }: StreamsOptions): ConsumerConfig & { readonly durable_name: string } {
  return {
    durable_name: CONSUMER,
    ack_policy: AckPolicy.Explicit,
    deliver_policy: DeliverPolicy.All,
    replay_policy: ReplayPolicy.Instant,
    ack_wait: nanos(ackMs),
    max_ack_pending: worksMax * PENDING_FACTOR,
    // Counted here: at the server's limit a command would stay in the stream, and nobody would be told.
    max_deliver: -1,
  };
}

/** One that is there may have limits of its own, but not another nature. */
async function ensureStream(manager: JetStreamManager, wanted: Stream): Promise<void> {
  const found = await foundOrNull(manager.streams.info(wanted.name), JetStreamApiCodes.StreamNotFound);
  if (found === null) return void (await manager.streams.add(wanted));
  if (wanted.name === COMMANDS) refuseLossy(found.config);
  const { retention, subjects } = found.config;
  if (retention === wanted.retention && wanted.subjects.every((subject) => subjects.includes(subject))) return;
  throw new Error(
    `the stream ${wanted.name} is there with retention ${retention} and subjects ${subjects.join(", ")}; expected ${wanted.retention} and ${wanted.subjects.join(", ")}. Change it, or remove it when it is empty`,
  );
}

/** Settings with which a command that was taken could be lost, or lie there without anybody being told. */
function refuseLossy({ name, storage, discard, no_ack, max_age, max_msgs_per_subject }: StreamConfig): void {
  const wrong = [
    storage !== StorageType.File && `storage ${storage} (expected ${StorageType.File})`,
    discard !== DiscardPolicy.New && `discard ${discard} (expected ${DiscardPolicy.New})`,
    no_ack === true && "no_ack true (expected false)",
    max_age > 0 && `max_age ${max_age} ns (expected 0)`,
    max_msgs_per_subject > 0 && `max_msgs_per_subject ${max_msgs_per_subject} (expected none)`,
  ].filter((each) => each !== false);
  if (wrong.length > 0)
    throw new Error(
      `the stream ${name} is there with ${wrong.join(", ")}: it could lose commands. Change it, or remove it when it is empty`,
    );
}

/** A consumer that gives some commands only, or parts of them. */
function refusePartial({ name, filter_subject, filter_subjects, headers_only }: ConsumerConfig): void {
  if (headers_only === true)
    throw new Error(
      `the consumer ${name ?? CONSUMER} of ${COMMANDS} is there with headers_only: it gives commands without their bodies. Remove it, it is made anew`,
    );
  const filters = [...(filter_subject === undefined || filter_subject === "" ? [] : [filter_subject]), ...(filter_subjects ?? [])];
  if (filters.length === 0 || filters.every((each) => each === DURABLE_SUBJECTS || each === ">")) return;
  throw new Error(
    `the consumer ${name ?? CONSUMER} of ${COMMANDS} is there with the filter ${filters.join(", ")}: it passes over other commands. Remove it, it is made anew`,
  );
}

async function ensureConsumer(manager: JetStreamManager, wanted: ReturnType<typeof consumerOf>): Promise<void> {
  const found = await foundOrNull(manager.consumers.info(COMMANDS, wanted.durable_name), JetStreamApiCodes.ConsumerNotFound);
  if (found === null) return void (await manager.consumers.add(COMMANDS, wanted));
  refusePartial(found.config);
  const { ack_wait, max_ack_pending, max_deliver } = found.config;
  if (ack_wait === wanted.ack_wait && max_ack_pending === wanted.max_ack_pending && max_deliver === wanted.max_deliver) return;
  await manager.consumers.update(COMMANDS, wanted.durable_name, wanted);
}

async function foundOrNull<Found>(asked: Promise<Found>, notFound: JetStreamApiCodes): Promise<Found | null> {
  try {
    return await asked;
  } catch (cause) {
    if (cause instanceof JetStreamApiError && cause.code === notFound) return null;
    throw cause;
  }
}

/** Whether publishers are refused: a stream that discards the oldest takes everything. */
function isFull({ config, state }: StreamInfo): boolean {
  if (config.discard !== DiscardPolicy.New) return false;
  const isOver = (used: number, max: number): boolean => max > 0 && used >= max * FULL_SHARE;
  return isOver(state.bytes, config.max_bytes) || isOver(state.messages, config.max_msgs);
}
