/**
 * Events of entities, from the journal to a broker.
 *
 * O1. What leaves is read from the journal, where an event stands in one commit with the state that it changed: there is nothing to write twice, and nothing to
 *     lose. The position says how far it is; it passes a record only when each of its events is acknowledged, given up, or its entity's that is held.
 * O2. At most one event of an entity is under way, so that a repeat never overtakes a later one. Many entities at once.
 * O3. At least once: an event may be sent again, always with the same id.
 * O4. An event that the broker refuses, and takes others meanwhile, holds its entity: durably, before the position passes it. All other entities go on.
 *     A broker that takes nothing holds nobody: everything waits, in the journal.
 * O5. Memory is bounded by the window, however far it is behind.
 */
import { setImmediate as turn } from "node:timers/promises";
import { type Backoff, Fault, nextDelayMs, type StoredRecord } from "../../runtime/index.ts";
import type { JournalReader } from "../sqlite/journal-file.ts";
import type { SqliteOutbox } from "../sqlite/outbox-store.ts";
import type { Heartbeat } from "../threads/heartbeat.ts";
import { EventLines, type Line, type OutboxEvent } from "./event-lines.ts";
import type { HeldEntity } from "./event-place.ts";
import type { EventPort, Sent } from "./event-port.ts";
import { HeldReturn } from "./held-return.ts";
import { JournalWindow } from "./journal-window.ts";
import { OutboxSource } from "./outbox-source.ts";

export interface OutboxOptions {
  readonly journal: JournalReader;
  readonly store: SqliteOutbox;
  readonly port: EventPort;
  /** Shared: the sequence of the last committed record. */
  readonly committed: BigInt64Array;
  /** Events under way at once. */
  readonly eventsMax: number;
  /** An entity was held, or gave up an event. */
  readonly onTrouble: (fields: object, text: string) => void;
  /** Runs a call to the disk: see `Heartbeat`. */
  readonly during: Heartbeat["during"];
}

/** How events ended since the start of the thread. */
export type OutboxCounts = Readonly<Record<"acknowledged" | "refused" | "failed" | "skipped", number>>;

export interface OutboxFigures {
  /** See O1. */
  readonly position: number;
  /** The last record of the journal. */
  readonly end: number;
  readonly lagRecords: number;
  /** Age of the oldest event that waits and is not held. */
  readonly lagMs: number;
  readonly held: number;
  readonly inFlight: number;
  /** Events in memory, those under way with them. */
  readonly waiting: number;
  /** Why nothing leaves now, one sentence; null when all is well. */
  readonly trouble: string | null;
  readonly counts: OutboxCounts;
}

/** Why the broker takes nothing. */
interface Trouble {
  readonly why: string;
  readonly failures: number;
  readonly until: number;
}

export class Outbox {
  readonly #options: OutboxOptions;
  readonly #source: OutboxSource;
  readonly #held: Set<string>;
  readonly #counts = { acknowledged: 0, refused: 0, failed: 0, skipped: 0 };
  #window: JournalWindow;
  #lines = new EventLines();
  #saved: number;
  #inFlight = 0;
  #trouble: Trouble | null = null;
  /** What the disk refuses, each until it does it again. */
  readonly #failures = new Map<"follow" | "return" | "save", string>();
  #returning: HeldReturn | null = null;
  /** The last step ended for want of room. */
  #isFull = false;
  #isPaused = false;
  #isClosed = false;
  #wake: (() => void) | null = null;
  readonly #timers = new Map<"probe" | "save" | "return", NodeJS.Timeout>();

  constructor(options: OutboxOptions) {
    const { position, replays, replayedTo } = options.store.progress();
    this.#options = options;
    this.#source = new OutboxSource(options.journal.meta.storeId, { number: replays, to: replayedTo });
    this.#held = new Set(options.store.heldNames());
    this.#window = new JournalWindow(position);
    this.#saved = position;
  }

  get figures(): OutboxFigures {
    const { position, oldestAt } = this.#window;
    const end = this.#end;
    return {
      position,
      end,
      lagRecords: Math.max(end - position, 0),
      lagMs: oldestAt === null ? 0 : Math.max(Date.now() - oldestAt, 0),
      held: this.#held.size,
      inFlight: this.#inFlight,
      waiting: this.#lines.count,
      trouble: this.#failures.values().next().value ?? this.#options.port.whyDown ?? this.#trouble?.why ?? null,
      counts: { ...this.#counts },
    };
  }

  start(): void {
    void this.#follow();
    this.#returnLater();
  }

  /** The port may be tried again. */
  portIsUp(): void {
    if (this.#trouble !== null) this.#trouble = { ...this.#trouble, until: 0 };
    this.#pump();
    this.#returnLater();
  }

  heldPage(after: string, limit: number): readonly HeldEntity[] {
    return this.#options.store.heldPage(after, limit);
  }

  /** Gives up the event at which the entity is held. @throws Fault `not_found` when it is not held, `illegal_transition` while it is tried again. */
  skip(entity: string): HeldEntity {
    const { store, onTrouble } = this.#options;
    const held = store.heldOf(entity);
    if (held === null) throw new Fault("not_found", `${entity} is not held`);
    if (held.eventId === null || this.#returning?.has(entity) === true)
      throw new Fault("illegal_transition", `events of ${entity} are being sent again at this moment; look again`);
    const { place, eventId, why, attempts } = held;
    store.hold({ ...held, place: { ...place, index: place.index + 1 }, eventId: null, attempts: 0, nextAt: Date.now() });
    this.#counts.skipped++;
    onTrouble({ entity, event: eventId, record: place.seq, why, attempts }, "an event was given up; listeners will never see it");
    this.#returnLater();
    return held;
  }

  /**
   * Sends everything from a record on again, in order, then goes on. Resolves when it has begun: events under way are waited for.
   * @throws Fault `validation_failed` for a record that is not there, `illegal_transition` while another replay begins.
   */
  async replay(from: number): Promise<{ readonly from: number; readonly to: number }> {
    const { journal, store } = this.#options;
    const [first, end] = [journal.firstSeq(), this.#end];
    if (first === null || from < first || from > end)
      throw new Fault(
        "validation_failed",
        `the journal has no record ${from}; ${first === null ? "it is empty" : `it has ${first} to ${end}`}`,
      );
    if (this.#isPaused) throw new Fault("illegal_transition", "another replay begins at this moment; look again");
    this.#isPaused = true;
    try {
      this.#returning?.stop();
      while (this.#inFlight > 0 || this.#returning !== null) await new Promise((resolve) => setTimeout(resolve, SETTLE_LOOK_MS));
      const to = Math.max(store.progress().replayedTo, this.#window.readTo); // Another one may not be through.
      store.replay(Math.min(from, this.#window.position + 1), to);
      this.#begin();
      return { from, to };
    } finally {
      this.#isPaused = false;
      this.#stir();
      this.#pump();
      this.#returnLater();
    }
  }

  /** Lets what is committed leave, as long as it does and at most so long, and ends. */
  async close(msMax: number): Promise<void> {
    const until = performance.now() + msMax;
    while (this.#isMoving && performance.now() < until) await new Promise((resolve) => setTimeout(resolve, SETTLE_LOOK_MS));
    this.#isClosed = true;
    this.#returning?.stop();
    for (const timer of this.#timers.values()) clearTimeout(timer);
    this.#stir();
    this.#save();
  }

  /** As the file says, after it was changed. */
  #begin(): void {
    const { store } = this.#options;
    const { position, replays, replayedTo } = store.progress();
    this.#source.replays(replays, replayedTo);
    this.#window = new JournalWindow(position);
    this.#lines = new EventLines();
    this.#saved = position;
    this.#trouble = null;
    this.#held.clear();
    for (const entity of store.heldNames()) this.#held.add(entity);
  }

  get #end(): number {
    return Number(Atomics.load(this.#options.committed, 0));
  }
  get #isMoving(): boolean {
    return this.#options.port.isUp && this.#trouble === null && this.#failures.size === 0 && this.#window.position < this.#end;
  }
  #hasRoom(share: number): boolean {
    const { count, bytes } = this.#lines;
    return count < share * WINDOW_EVENTS_MAX && bytes < share * WINDOW_BYTES_MAX && this.#window.length < share * WINDOW_RECORDS_MAX;
  }
  /** An entity that goes on comes to the end of what was read: it must not grow in that moment. */
  get #mayRead(): boolean {
    return !this.#isPaused && this.#hasRoom(this.#isFull ? ROOM_SHARE : 1) && this.#returning?.isAtTheEnd !== true;
  }

  async #follow(): Promise<void> {
    while (!this.#isClosed) {
      const hasRead = this.#mayRead && this.#step();
      this.#pump();
      if (hasRead) await turn();
      else if (this.#failures.has("follow") || !this.#mayRead) await this.#stirred(FAILED_REST_MS);
      else await this.#committedMore();
    }
  }

  /** Reads some records. False when there are none. */
  #step(): boolean {
    const { journal, during } = this.#options;
    if (this.#window.readTo >= this.#end) return false;
    try {
      const end = this.#end;
      const records = during(() => journal.read(this.#window.readTo, READ_RECORDS_MAX, READ_CHARS_MAX));
      for (const record of records) {
        if (record.seq > end) break;
        this.#take(record);
        this.#isFull = !this.#hasRoom(1);
        if (this.#isFull) break; // The rest is read again when there is room for it.
      }
      this.#failures.delete("follow");
      this.#saveLater();
      return records.length > 0;
    } catch (cause) {
      this.#failures.set("follow", `the journal cannot be followed: ${textOf(cause)}`);
      return false;
    }
  }

  #take(record: StoredRecord): void {
    const events: OutboxEvent[] = [];
    for (const entry of this.#source.entriesOf(record)) {
      if (!this.#held.has(entry.entity)) events.push(...this.#source.eventsOf(entry, record.seq));
    }
    this.#window.took(record.seq, record.time, events.length);
    for (const event of events) this.#lines.add(event);
  }

  /** Waits for the next commit, and then a moment, so that the commits of some milliseconds are one step. */
  async #committedMore(): Promise<void> {
    const commit = Atomics.waitAsync(this.#options.committed, 0, BigInt(this.#window.readTo), LOOK_EVERY_MS);
    if (commit.async) await Promise.race([commit.value, this.#stirred(LOOK_EVERY_MS)]);
    this.#stir(); // Ends the wait that lost.
    await new Promise((resolve) => setTimeout(resolve, REST_MS));
  }

  /** Resolves at `#stir`, or after so long. */
  #stirred(msMax: number): Promise<void> {
    return new Promise((resolve) => {
      const timer = setTimeout(resolve, msMax);
      this.#wake = () => {
        clearTimeout(timer);
        resolve();
      };
    });
  }
  #stir(): void {
    this.#wake?.();
    this.#wake = null;
  }

  /** Sends what may be sent: one event to try it when the broker takes nothing. */
  #pump(): void {
    while (this.#mayStartOne()) {
      const line = this.#lines.take();
      if (line === null) return;
      void this.#sendFirst(line);
    }
  }

  #mayStartOne(): boolean {
    if (this.#isPaused || this.#isClosed || !this.#options.port.isUp || !this.#lines.hasReady) return false;
    if (this.#trouble === null) return this.#inFlight < this.#options.eventsMax;
    if (this.#inFlight > 0) return false;
    const waitMs = this.#trouble.until - performance.now();
    if (waitMs <= 0) return true;
    this.#later("probe", waitMs, () => this.#pump());
    return false;
  }

  async #sendFirst(line: Line): Promise<void> {
    const [event] = line.events;
    if (event === undefined) return;
    const isProbe = this.#trouble !== null;
    const sent = await this.#send(event);
    if (this.#isClosed) return;
    switch (sent.kind) {
      case "acknowledged":
        this.#lines.advance(line);
        this.#settle(event);
        break;
      case "refused":
        this.#hold(line, event, sent.why);
        break;
      default:
        this.#hasFailed(line, event, sent.why, isProbe);
    }
    if (this.#mayRead) this.#stir();
    this.#pump();
  }

  async #send({ message }: OutboxEvent): Promise<Sent> {
    if (typeof message === "string") return { kind: "refused", why: message };
    this.#inFlight++;
    const sent = await this.#options.port.send(message);
    this.#inFlight--;
    this.#counts[sent.kind]++;
    if (sent.kind === "acknowledged") this.#trouble = null;
    return sent;
  }

  #settle({ place }: OutboxEvent): void {
    this.#window.settled(place.seq);
    this.#saveLater();
  }

  /** It is the event's own fault when others get through between its failures, else the broker's. */
  #hasFailed(line: Line, event: OutboxEvent, why: string, isProbe: boolean): void {
    if (line.failedAt !== this.#counts.acknowledged) {
      line.failedAt = this.#counts.acknowledged;
      line.failures++;
    }
    if (line.failures >= FAILURES_MAX) return this.#hold(line, event, `${line.failures} attempts failed while others got through: ${why}`);
    this.#lines.again(line);
    this.#isTroubled(why, isProbe);
  }

  /** Those that were under way when it began do not count as attempts of their own. */
  #isTroubled(why: string, isProbe: boolean): void {
    if (this.#trouble !== null && !isProbe) return;
    const failures = (this.#trouble?.failures ?? 0) + 1;
    this.#trouble = { why, failures, until: performance.now() + nextDelayMs(PROBE, failures, Math.random()) };
  }

  /** O4. */
  #hold(line: Line, { entity, place, message }: OutboxEvent, why: string): void {
    const eventId = typeof message === "string" ? null : message.id;
    const now = Date.now();
    try {
      if (this.#held.size >= HELD_MAX) throw new Error(`${HELD_MAX} entities are held, which is as many as may be: ${why}`);
      const nextAt = now + Math.ceil(nextDelayMs(HELD, 1, Math.random()));
      this.#options.store.hold({ entity, place, eventId: eventId ?? NO_ID, why, attempts: 1, since: now, nextAt });
    } catch (cause) {
      this.#lines.again(line);
      return this.#isTroubled(textOf(cause), true);
    }
    this.#held.add(entity);
    for (const event of this.#lines.drop(line)) this.#settle(event);
    const count = this.#held.size;
    if (count > HELD_TOLD_MAX && count % HELD_TOLD_MAX !== 0) return this.#returnLater();
    this.#options.onTrouble(
      { entity, event: eventId, record: place.seq, why, held: count },
      "an event is refused; its entity's events are held from it on",
    );
    this.#returnLater();
  }

  /** While the broker takes what is sent; and to find out whether it does again, when nothing else is there to try. */
  get #mayReturn(): boolean {
    if (!this.#options.port.isUp) return false;
    if (this.#trouble === null) return true;
    return this.#inFlight === 0 && !this.#lines.hasReady && this.#trouble.until <= performance.now();
  }

  /** Tries the held ones that are due. */
  async #bringBack(): Promise<void> {
    const { store, journal, during } = this.#options;
    if (this.#returning !== null || this.#isPaused || this.#isClosed) return;
    const due = this.#mayReturn ? store.due(Date.now(), this.#window.readTo, RETURN_MAX) : [];
    if (due.length === 0) return this.#returnLater(LOOK_EVERY_MS);
    const trouble = this.#trouble;
    this.#returning = new HeldReturn(due, {
      journal,
      store,
      source: this.#source,
      send: (event) => this.#send(event),
      readTo: () => this.#window.readTo,
      backoff: HELD,
      during,
    });
    try {
      for (const entity of await this.#returning.run()) this.#held.delete(entity);
      this.#failures.delete("return");
    } catch (cause) {
      this.#failures.set("return", `held events cannot be sent again: ${textOf(cause)}`);
    } finally {
      this.#returning = null;
      if (trouble !== null && this.#trouble === trouble) this.#isTroubled(trouble.why, true); // The trial has failed.
      this.#stir();
      this.#returnLater(this.#failures.has("return") ? FAILED_REST_MS : RETURN_REST_MS);
    }
  }

  #returnLater(restMs: number = RETURN_REST_MS): void {
    if (this.#isClosed || this.#returning !== null) return;
    const nextAt = this.#options.store.nextAt();
    if (nextAt === null) return;
    const waitMs = Math.min(Math.max(nextAt - Date.now(), restMs), LOOK_EVERY_MS);
    this.#later("return", waitMs, () => void this.#bringBack());
  }

  #saveLater(): void {
    if (this.#window.position !== this.#saved && !this.#timers.has("save")) this.#later("save", SAVE_EVERY_MS, () => this.#save());
  }

  /** What is sent between two saves is sent again after a crash. */
  #save(): void {
    const { position } = this.#window;
    if (position === this.#saved) return;
    try {
      this.#options.during(() => this.#options.store.saveTo(position));
      this.#saved = position;
      this.#failures.delete("save");
    } catch (cause) {
      this.#failures.set("save", `the position cannot be kept: ${textOf(cause)}`);
      this.#saveLater();
    }
  }

  /** One timer of a kind. */
  #later(kind: "probe" | "save" | "return", ms: number, run: () => void): void {
    clearTimeout(this.#timers.get(kind));
    const timer = setTimeout(() => {
      this.#timers.delete(kind);
      run();
    }, ms);
    this.#timers.set(kind, timer);
  }
}

const textOf = (cause: unknown): string => (cause instanceof Error ? cause.message : String(cause));

/** Of a full window so much is waited for, so that a step is not read for the room of one event. */
const ROOM_SHARE = 0.75;
/** O5, and one record more: events in memory, what their messages take, and records that are not settled. */
const WINDOW_EVENTS_MAX = 4_096;
const WINDOW_BYTES_MAX = 16 * 1024 * 1024;
const WINDOW_RECORDS_MAX = 65_536;
const READ_RECORDS_MAX = 256;
const READ_CHARS_MAX = 4 * 1024 * 1024;
/** After a commit: what else is committed within it is read with it. */
const REST_MS = 5;
const LOOK_EVERY_MS = 1_000;
const FAILED_REST_MS = 1_000;
const SETTLE_LOOK_MS = 5;
const SAVE_EVERY_MS = 200;
/** Of one event, others being acknowledged between them. */
const FAILURES_MAX = 5;
/** Beyond, it is no longer about single events: everything waits. */
const HELD_MAX = 10_000;
/** So many are told each, then one of so many. */
const HELD_TOLD_MAX = 100;
/** Held entities that go on together. */
const RETURN_MAX = 256;
const RETURN_REST_MS = 20;
const PROBE: Backoff = { backoffMsMin: 50, backoffMsMax: 5_000, jitterRatio: 0.5 };
const HELD: Backoff = { backoffMsMin: 1_000, backoffMsMax: 60_000, jitterRatio: 0.5 };
/** Of an event that nobody knows how to tell. */
const NO_ID = "";
