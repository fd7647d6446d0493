/** Judges what a plain subscriber heard, who sees each repeat and may have missed something between two of its connections. */
import { entityOf, faceOf, type HeardEvent, isAfter, type Position, positionOf } from "./heard-event.ts";
import type { SubscribedEvent } from "./plain-nats-subscriber.ts";

export interface SubscribedView {
  readonly subscribed: number;
  /** Events that came again as they were. */
  readonly repeats: number;
  /** Events that came again, or stand in the stream, as another one. */
  readonly repeatsChanged: number;
  readonly subscribedOutOfOrder: number;
}

/** Adds a sentence to `defects` for each promise that was broken. `inStream`: what the stream has, by id. */
export function subscribedView(
  events: readonly SubscribedEvent[],
  inStream: ReadonlyMap<string, HeardEvent>,
  defects: string[],
): SubscribedView {
  const first = new Map<string, HeardEvent>();
  const entities = new Map<string, Place[]>();
  const view = { subscribed: events.length, repeats: 0, repeatsChanged: 0, subscribedOutOfOrder: 0 };
  for (const event of events) {
    const { id = "" } = event.attributes;
    const before = first.get(id);
    const known = before ?? inStream.get(id);
    if (known !== undefined && faceOf(known) !== faceOf(event)) {
      view.repeatsChanged++;
      defects.push(`event ${id} was heard as another one: ${faceOf(known)}, ${faceOf(event)}`);
    }
    if (before !== undefined) {
      view.repeats++;
      continue;
    }
    first.set(id, event);
    const entity = entityOf(event);
    const heard = entities.get(entity) ?? [];
    entities.set(entity, heard);
    if (place(heard, { position: positionOf(event), life: event.life })) continue;
    view.subscribedOutOfOrder++;
    defects.push(`event ${id} of ${entity} was heard first after one that stands behind it in the journal`);
  }
  return view;
}

interface Place {
  readonly position: Position;
  readonly life: number;
}

/**
 * Puts an event that was never heard among those of its entity, which stand in the order of the journal.
 * @returns whether it may come now: after all of them, or as the repeat of one that was missed between two connections.
 */
function place(heard: Place[], { position, life }: Place): boolean {
  const below = heard.findLastIndex((one) => isAfter(position, one.position));
  const above = heard[below + 1];
  if (above === undefined) {
    heard.push({ position, life });
    return true;
  }
  // It belongs to the time before the gap, as do others that were missed with it and come after it.
  const lifeBelow = heard[below]?.life ?? 0;
  heard.splice(below + 1, 0, { position, life: lifeBelow });
  return above.life > lifeBelow;
}
