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

/** Opens a text of one conversation, in one piece or several; null when its key was destroyed. */
export type OpenText = (parts: readonly string[]) => string | null;

/** Pure but for what `open` does. Null when the text cannot be opened any more: the conversation was deleted meanwhile. */
export function clientEvent(event: FeedEvent, open: OpenText): ClientEvent | null {
  if (!isJsonObject(event.data)) throw new TypeError(`event ${idOfPlace(event)} of a feed has no fields`);
  const { text: whole, parts, speaker, ...rest } = event.data;
  const at = new Date(event.at).toISOString();
  const of = { id: idOfPlace(event), event: event.kind };
  const sealed = typeof whole === "string" ? [whole] : Array.isArray(parts) ? parts.map(String) : null;
  if (sealed === null) return { ...of, data: { ...rest, at } };
  const text = open(sealed);
  if (text === null) return null;
  if (speaker === undefined) return { ...of, data: { ...rest, text, at } };
  const name = typeof speaker === "string" ? open([speaker]) : String(rest.role);
  return name === null ? null : { ...of, data: { ...rest, speaker: name, text, at } };
}
