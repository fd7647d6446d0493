import { integrationEvent } from "../../actors/index.ts";
import { type Entry, partsOf, type StoredRecord, unpackEntries } from "../../runtime/index.ts";
import type { OutboxEvent } from "./event-lines.ts";
import { eventMessage } from "./event-message.ts";
import { type EventPlace, isBefore } from "./event-place.ts";

/** Events from the journal, as messages. */
export class OutboxSource {
  readonly #storeId: string;
  #replay: { readonly number: number; readonly to: number };

  constructor(storeId: string, replay: { readonly number: number; readonly to: number }) {
    this.#storeId = storeId;
    this.#replay = replay;
  }

  /** Events up to the record `to` are sent by this replay from now on. */
  replays(number: number, to: number): void {
    this.#replay = { number, to };
  }

  /** The entries of a record that may have events. */
  entriesOf(record: StoredRecord): readonly Entry[] {
    return unpackEntries(record.body).filter(({ events }) => events !== undefined && events.length > 0);
  }

  /** The public events of an entry from a place on, in order. */
  eventsOf(entry: Entry, seq: number, from: EventPlace | null = null): readonly OutboxEvent[] {
    const { entity, at, events = [] } = entry;
    const address = partsOf(entity);
    const replay = seq <= this.#replay.to ? this.#replay.number : 0;
    return events.flatMap((told, index): OutboxEvent[] => {
      const place = { seq, index };
      if (from !== null && isBefore(place, from)) return [];
      try {
        const event = integrationEvent(address, told, at);
        return event === null ? [] : [{ entity, place, message: eventMessage(this.#storeId, { entry, index, event }, replay) }];
      } catch (cause) {
        return [{ entity, place, message: `it cannot be told: ${cause instanceof Error ? cause.message : String(cause)}` }];
      }
    });
  }
}
