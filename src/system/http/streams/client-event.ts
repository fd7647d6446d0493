import type { FeedEvent } from "../../conversation-reads.ts";
import { isJsonObject, type JsonObject } from "../../ingress/json-body.ts";
import { idOfPlace } from "./feed-place.ts";

/** An event of a conversation as clients see it, over SSE and WebSocket alike. */
export interface ClientEvent {
  /** Its place: what `Last-Event-ID` and `after` take. */
  readonly id: string;
  readonly event: string;
  readonly data: JsonObject;
}

/** Opens the texts of one conversation; null when its key was destroyed. */
export type OpenText = (sealed: string) => string | null;

/** Pure but for what `open` does. Null when the text cannot be opened any more: the conversation was deleted meanwhile. */
export function clientEvent(event: FeedEvent, open: OpenText): ClientEvent | null {
  if (!isJsonObject(event.data)) throw new TypeError(`event ${idOfPlace(event)} of a feed has no fields`);
  const { text: sealed, ...rest } = event.data;
  const at = new Date(event.at).toISOString();
  const of = { id: idOfPlace(event), event: event.kind };
  if (typeof sealed !== "string") return { ...of, data: { ...event.data, at } };
  const text = open(sealed);
  return text === null ? null : { ...of, data: { ...rest, text, at } };
}
