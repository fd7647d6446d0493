/** The stream that keeps events for those who listen. */
import { JetStreamApiCodes, JetStreamApiError, jetstreamManager, RetentionPolicy, StorageType } from "@nats-io/jetstream";
import type { NatsConnection } from "nats";
import { EVENT_SUBJECTS } from "./subjects.ts";

export const EVENT_STREAM = "TROUPE_EVENTS";
/** An event that nobody fetched for so long is gone from the stream; `troupe events replay` sends it again. */
const EVENT_DAYS_MAX = 7;
const NS_PER_DAY = 24 * 3_600 * 1e9;

/** Makes the stream when it is missing; one that is there stays as it is. @returns whether it was missing. @throws what the server, or its permissions, said. */
export async function ensureEventStream(
  connection: NatsConnection,
  options: { readonly replicas: number; readonly msMax: number },
): Promise<boolean> {
  const manager = await jetstreamManager(connection, { checkAPI: false, timeout: options.msMax });
  try {
    await manager.streams.info(EVENT_STREAM);
    return false;
  } catch (cause) {
    if (!(cause instanceof JetStreamApiError && cause.code === JetStreamApiCodes.StreamNotFound)) throw cause;
    await manager.streams.add({
      name: EVENT_STREAM,
      description: "Events of Troupe",
      subjects: [EVENT_SUBJECTS],
      storage: StorageType.File,
      retention: RetentionPolicy.Limits,
      max_age: EVENT_DAYS_MAX * NS_PER_DAY,
      num_replicas: options.replicas,
    });
    return true;
  }
}
