import { setImmediate as turn } from "node:timers/promises";
import { type Backoff, nextDelayMs } from "../../runtime/index.ts";
import type { JournalReader } from "../sqlite/journal-file.ts";
import type { SqliteOutbox } from "../sqlite/outbox-store.ts";
import type { Heartbeat } from "../threads/heartbeat.ts";
import type { OutboxEvent } from "./event-lines.ts";
import type { HeldEntity } from "./event-place.ts";
import type { Sent } from "./event-port.ts";
import type { OutboxSource } from "./outbox-source.ts";

export interface HeldReturnOptions {
  readonly journal: JournalReader;
  readonly store: SqliteOutbox;
  readonly source: OutboxSource;
  readonly send: (event: OutboxEvent) => Promise<Sent>;
  /** The last record that the outbox has read. */
  readonly readTo: () => number;
  readonly backoff: Backoff;
  readonly during: Heartbeat["during"];
}

/**
 * Some held entities that are tried again, together, because each needs the journal from its place on. One event at a time. Who is refused again is held at that
 * event; who has sent all up to the record that the outbox has read is held no more.
 */
export class HeldReturn {
  readonly #options: HeldReturnOptions;
  /** Who is still in it, with where it was held. */
  readonly #going: Map<string, HeldEntity>;
  #cursor: number;
  #isStopped = false;
  #isAtTheEnd = false;

  constructor(held: readonly HeldEntity[], options: HeldReturnOptions) {
    this.#options = options;
    this.#going = new Map(held.map((entity) => [entity.entity, entity]));
    this.#cursor = Math.min(...held.map(({ place }) => place.seq)) - 1;
  }

  has(entity: string): boolean {
    return this.#going.has(entity);
  }
  /** The outbox must read no further now, else an entity that has many events would never be done. */
  get isAtTheEnd(): boolean {
    return this.#isAtTheEnd;
  }
  /** It ends after the event that is under way. */
  stop(): void {
    this.#isStopped = true;
  }

  /** Never called twice. @returns who is held no more. */
  async run(): Promise<readonly string[]> {
    const { store, readTo } = this.#options;
    while (this.#going.size > 0 && !this.#isStopped) {
      const end = readTo();
      this.#isAtTheEnd = end - this.#cursor <= LAST_RECORDS;
      await this.#sendSome(end);
      if (this.#isStopped) break; // Some of the records' events are sent, and will be again.
      const names = [...this.#going.keys()];
      if (this.#cursor >= readTo()) {
        this.#isAtTheEnd = true; // Until whoever waits for the names knows them.
        store.release(names);
        return names;
      }
      // Who has its place further on has sent nothing yet.
      const moved = names.filter((name) => (this.#going.get(name)?.place.seq ?? 0) <= this.#cursor);
      store.moveOn(moved, { seq: this.#cursor + 1, index: 0 });
      await turn();
    }
    return [];
  }

  /** Of the next records, up to the record `end`. */
  async #sendSome(end: number): Promise<void> {
    const { journal, source, during } = this.#options;
    const records = during(() => journal.read(this.#cursor, RECORDS_MAX, CHARS_MAX)).filter(({ seq }) => seq <= end);
    for (const record of records) {
      for (const entry of source.entriesOf(record)) {
        const held = this.#going.get(entry.entity);
        if (held !== undefined) await this.#sendAll(held, source.eventsOf(entry, record.seq, held.place));
        if (this.#isStopped) return;
      }
      this.#cursor = record.seq;
    }
  }

  async #sendAll(held: HeldEntity, events: readonly OutboxEvent[]): Promise<void> {
    for (const event of events) {
      const sent = await this.#options.send(event);
      if (sent.kind !== "acknowledged") {
        this.#heldAgain(held, event, sent.why);
        if (sent.kind === "failed") this.#isStopped = true; // The broker's fault perhaps, and each of the others would wait as long.
        return;
      }
      if (this.#isStopped) return;
    }
  }

  #heldAgain(held: HeldEntity, { entity, place, message }: OutboxEvent, why: string): void {
    const { store, backoff } = this.#options;
    const isSame = place.seq === held.place.seq && place.index === held.place.index;
    const attempts = isSame ? held.attempts + 1 : 1;
    const nextAt = Date.now() + Math.ceil(nextDelayMs(backoff, attempts, Math.random()));
    store.hold({ ...held, entity, place, eventId: typeof message === "string" ? "" : message.id, why, attempts, nextAt });
    this.#going.delete(entity);
  }
}

const RECORDS_MAX = 256;
const CHARS_MAX = 1024 * 1024;
const LAST_RECORDS = 32;
