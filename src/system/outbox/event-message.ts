/** An event as one message: CloudEvents 1.0 in binary mode, as its NATS protocol binding says. */
import { INTEGRATION_VERSION, type IntegrationEvent, isoTime } from "../../actors/index.ts";
import { type Entry, partsOf } from "../../runtime/index.ts";

export interface EventMessage {
  readonly type: string;
  readonly name: string;
  /** The event's id, the same however often it is sent: store, shard, number of the entity's entry in the shard, number of the event in the entry. */
  readonly id: string;
  /** By which the stream knows within its window that it has the message; another one when the event is sent by a replay. */
  readonly messageId: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: string;
}

export interface EventSource {
  readonly entry: Entry;
  readonly index: number;
  readonly event: IntegrationEvent;
}

/** `replay`: the number of the replay that sends it; 0 = none. */
export function eventMessage(storeId: string, { entry, index, event: { name, data } }: EventSource, replay: number): EventMessage {
  const { type, id: entityId } = partsOf(entry.entity);
  const id = `${storeId}.${entry.shard}.${entry.seq}.${index}`;
  // Of several traces in one entry nobody knows which one the event is of.
  const trace = entry.traces?.length === 1 ? entry.traces[0] : undefined;
  const headers = {
    "ce-specversion": "1.0",
    "ce-id": id,
    "ce-source": `/troupe/${storeId}`,
    "ce-type": `troupe.${type}.${name}.v${INTEGRATION_VERSION}`,
    "ce-subject": encodeURIComponent(entityId),
    "ce-time": isoTime(entry.at),
    "ce-sequence": sequenceOf(entry.seq, index),
    "content-type": "application/json",
    ...(trace === undefined ? {} : { traceparent: trace }),
  };
  return { type, name, id, messageId: replay === 0 ? id : `${id}/${replay}`, headers, body: JSON.stringify(data) };
}

/** Grows from event to event of an entity, as text too: the CloudEvents extension "sequence" is compared as text. */
const sequenceOf = (seq: number, index: number): string => `${String(seq).padStart(16, "0")}.${String(index).padStart(6, "0")}`;
