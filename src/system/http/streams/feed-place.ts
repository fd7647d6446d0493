/** Places in a conversation's feed as clients name them: the ids of events (R-API-4). They never come from a clock (TRAPS 11). */
import { FEED_IDX_MAX, type FeedPlace } from "../../conversation-reads.ts";

export const idOfPlace = ({ seq, idx }: FeedPlace): string => `${seq}.${idx}`;

/** The place behind the event of this id; of a plain sequence, behind all events of that record. Null for what is no id of ours. */
export function placeOfId(id: string): FeedPlace | null {
  const match = /^(\d{1,15})(?:\.(\d{1,9}))?$/.exec(id);
  if (match === null) return null;
  return { seq: Number(match[1]), idx: match[2] === undefined ? FEED_IDX_MAX : Number(match[2]) };
}
