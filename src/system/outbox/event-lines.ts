import type { EventMessage } from "./event-message.ts";
import type { EventPlace } from "./event-place.ts";

/** An event that was read from the journal and is to leave. Of one that nobody knows how to tell `message` is the sentence that says why. */
export interface OutboxEvent {
  readonly entity: string;
  readonly place: EventPlace;
  readonly message: EventMessage | string;
}

/** The events of one entity, in order. The first one is under way or is the next; the others wait for its acknowledgement. */
export interface Line {
  readonly entity: string;
  readonly events: OutboxEvent[];
  /** Of its first event, each with acknowledgements for others since the one before. */
  failures: number;
  /** Acknowledgements of all when it failed last; -1 = it has not. */
  failedAt: number;
}

/** Who may send next: a line for each entity with events, of which one at a time is under way. */
export class EventLines {
  readonly #lines = new Map<string, Line>();
  /** Whose first event is not under way, longest waiting first. */
  #ready: Line[] = [];
  #taken = 0;
  #count = 0;
  #bytes = 0;

  /** Events that are not acknowledged. */
  get count(): number {
    return this.#count;
  }
  /** Of their messages, about. */
  get bytes(): number {
    return this.#bytes;
  }
  get hasReady(): boolean {
    return this.#taken < this.#ready.length;
  }

  add(event: OutboxEvent): void {
    this.#count++;
    this.#bytes += bytesOf(event);
    const line = this.#lines.get(event.entity);
    if (line !== undefined) return void line.events.push(event);
    const added: Line = { entity: event.entity, events: [event], failures: 0, failedAt: -1 };
    this.#lines.set(event.entity, added);
    this.#ready.push(added);
  }

  /** The line that has waited longest; its first event is under way until it comes back by `advance`, `again` or `drop`. */
  take(): Line | null {
    const line = this.#ready[this.#taken];
    if (line === undefined) return null;
    this.#taken++;
    if (this.#taken >= TAKEN_KEPT_MAX) {
      this.#ready = this.#ready.slice(this.#taken);
      this.#taken = 0;
    }
    return line;
  }

  /** The first event is settled, and the next one's turn comes. */
  advance(line: Line): void {
    const [settled] = line.events.splice(0, 1);
    if (settled === undefined) return;
    this.#count--;
    this.#bytes -= bytesOf(settled);
    line.failures = 0;
    line.failedAt = -1;
    if (line.events.length === 0) this.#lines.delete(line.entity);
    else this.#ready.push(line);
  }

  /** The first event is to be sent again, after those of others that wait. */
  again(line: Line): void {
    this.#ready.push(line);
  }

  /** The entity has no line any more. @returns the events that were in it. */
  drop(line: Line): readonly OutboxEvent[] {
    this.#lines.delete(line.entity);
    this.#count -= line.events.length;
    for (const event of line.events) this.#bytes -= bytesOf(event);
    return line.events;
  }
}

const TAKEN_KEPT_MAX = 1_024;
/** Headers, ids and what objects cost. */
const MORE_BYTES = 1_000;
const bytesOf = ({ message }: OutboxEvent): number => (typeof message === "string" ? 0 : message.body.length) + MORE_BYTES;
