/** The stream that keeps events for those who listen. */
import { JetStreamApiCodes, JetStreamApiError, jetstreamManager, RetentionPolicy, StorageType } from "@nats-io/jetstream";
import type { NatsConnection } from "nats";
import { describing, ensureOwn, type StreamOwner } from "./stream-owner.ts";
import { EVENT_SUBJECTS } from "./subjects.ts";

export const EVENT_STREAM = "TROUPE_EVENTS";
/** An event that nobody fetched for so long is gone from the stream; `troupe events replay` sends it again. */
const EVENT_DAYS_MAX = 7;
const NS_PER_DAY = 24 * 3_600 * 1e9;

export interface EventStreamOptions {
  readonly storeId: string;
  readonly replicas: number;
  readonly msMax: number;
}

/**
 * Makes the stream when it is missing, for this store; one that is there stays as it is, but for its owner when it has none.
 * @throws ForeignStreamError when it belongs to another store, else what the server, or its permissions, said.
 */
export async function ensureEventStream(
  connection: NatsConnection,
  { storeId, replicas, msMax }: EventStreamOptions,
): Promise<"there" | "made" | "bound"> {
  const manager = await jetstreamManager(connection, { checkAPI: false, timeout: msMax });
  const owner: StreamOwner = { what: "Events", storeId };
  try {
    const { config } = await manager.streams.info(EVENT_STREAM);
    return (await ensureOwn(manager, config, owner)) ? "bound" : "there";
  } catch (cause) {
    if (!(cause instanceof JetStreamApiError && cause.code === JetStreamApiCodes.StreamNotFound)) throw cause;
    await manager.streams.add({
      name: EVENT_STREAM,
      description: describing(owner),
      subjects: [EVENT_SUBJECTS],
      storage: StorageType.File,
      retention: RetentionPolicy.Limits,
      max_age: EVENT_DAYS_MAX * NS_PER_DAY,
      num_replicas: replicas,
    });
    return "made";
  }
}
