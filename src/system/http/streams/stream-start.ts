/** Where a stream begins, as a request says. */
import type { IncomingMessage } from "node:http";
import type { Refusal } from "../../../runtime/index.ts";
import { type ConversationReads, FEED_START, type FeedPlace } from "../../conversation-reads.ts";
import type { JsonObject } from "../../ingress/json-body.ts";
import { refuse } from "../../ingress/ledger-door.ts";
import { placeOfId } from "./feed-place.ts";

export type StreamStart = { readonly ok: true; readonly from: FeedPlace } | Refusal;

/**
 * `Last-Event-ID`, which a client that comes back sends by itself, or else `after` in the query, for those who cannot set a header; `after=latest` = what
 * comes from now on. Neither: from the first event. Refused: what is no id, and one that no event of this store has yet.
 */
export function streamStart(reads: Pick<ConversationReads, "feedEnd">, { headers }: IncomingMessage, query: JsonObject): StreamStart {
  const id = headers["last-event-id"] ?? query.after;
  if (id === undefined || id === "") return { ok: true, from: FEED_START };
  if (id === "latest") return { ok: true, from: reads.feedEnd() };
  const from = typeof id === "string" ? placeOfId(id) : null;
  const end = reads.feedEnd();
  // From there nothing would come until the journal has grown that far, and then not what lies between.
  if (from !== null && from.seq > end.seq)
    return refuse(
      "validation_failed",
      `Last-Event-ID, or after, is ${String(id)}, behind the end of the journal at ${end.seq}: it is another store's, or this one was restored from an earlier backup; send no id, and read the conversation anew`,
    );
  if (from !== null) return { ok: true, from };
  return refuse("validation_failed", "Last-Event-ID, or after, is no id of an event; send the id of the last one that came, or none");
}

export function unknownParameter(query: JsonObject, known: readonly string[]): Refusal | null {
  const name = Object.keys(query).find((given) => !known.includes(given));
  return name === undefined
    ? null
    : refuse("validation_failed", `the query has ${name.slice(0, 60)}; expected only ${known.join(" and ")}`);
}
