import type { StoredTimer, TimerChange, TimerPlace, TimerWindow } from "../journal/timer.ts";
import { timerKey } from "../journal/timer.ts";
import { fnv1a32 } from "../kernel/address.ts";
import { DueQueue } from "./due-queue.ts";

/** How far ahead timers are in memory. */
const WINDOW_MS = 60_000;
/** Most timers read at once. */
const WINDOW_ROWS_MAX = 5_000;
/** Over how long those that may wait are spread when they are late. */
const SPREAD_MS = 10_000;
/** The same while more stand behind them in the store: what is due after them must not wait for the spreading of all. */
const SPREAD_CROWD_MS = 1_000;

/**
 * The durable timers of one domain. The store holds all of them; memory holds those that are due soon, and those that changed since the last
 * checkpoint, so that a million timers of next year cost nothing now.
 *
 * M1. What the store has at or before the place `#read` is armed here, unless a newer change says otherwise; what is set before it is armed at once.
 * M2. A change since the last stored checkpoint counts more than any row: rows may be older.
 * M3. An entity has one timer of a label; a timer that was replaced or ended never fires, because only the armed one does.
 */
export class Timers {
  readonly #isOwned: (shard: number) => boolean;
  readonly #armed = new Map<string, StoredTimer>();
  readonly #due = new DueQueue<StoredTimer>();
  /** Since the last checkpoint began; null = over. */
  #changes: Map<string, TimerChange>;
  /** Of the checkpoint under way. */
  #storing = new Map<string, TimerChange>();
  #read: TimerPlace = { at: Number.NEGATIVE_INFINITY, id: 0 };
  #isAllRead = false;

  constructor(options: { readonly changes: ReadonlyMap<string, TimerChange>; readonly isOwned: (shard: number) => boolean }) {
    this.#changes = new Map(options.changes);
    this.#isOwned = options.isOwned;
  }

  get armedCount(): number {
    return this.#armed.size;
  }

  /** When the next one fires, or the next ones are to be read. */
  get nextAt(): number {
    return Math.min(this.#due.nextAt ?? Number.POSITIVE_INFINITY, this.#readAt);
  }

  /** Memory that is full of timers is filled again as they fire, so no time is waited for. */
  get #readAt(): number {
    if (this.#isAllRead) return this.#read.at - WINDOW_MS / 2;
    return this.#armed.size >= WINDOW_ROWS_MAX ? Number.POSITIVE_INFINITY : 0;
  }

  set(timer: StoredTimer): void {
    const key = timerKey(timer);
    this.#changes.set(key, { key, timer });
    this.#armed.delete(key);
    if (timer.at <= this.#read.at) this.#arm(key, timer, timer.at);
  }

  /** It fired or was cancelled, wherever it is known: in memory, or in the store alone. */
  end(entity: string, label: string, shard: number): void {
    const key = timerKey({ entity, label });
    this.#armed.delete(key);
    this.#changes.set(key, { key, timer: null, entity, label, shard });
  }

  /** It cannot be fired by this program: it makes room for others, and stays in the store, or among the changes, for the next one. */
  leave(timer: StoredTimer): void {
    if (this.isArmed(timer)) this.#armed.delete(timerKey(timer));
  }

  isArmed(timer: StoredTimer): boolean {
    return this.#armed.get(timerKey(timer)) === timer;
  }

  /** The next timer that is due; undefined when none is. */
  takeDue(now: number): StoredTimer | undefined {
    for (let timer = this.#due.take(now); timer !== undefined; timer = this.#due.take(now)) if (this.isArmed(timer)) return timer;
    return undefined;
  }

  /** What is to be read from the store now; null when memory reaches far enough, or holds enough for the moment. */
  wanted(now: number): TimerWindow | null {
    return now < this.#readAt ? null : { after: this.#read, until: now + WINDOW_MS, limit: WINDOW_ROWS_MAX };
  }

  /** The rows that were wanted, in order of (at, id). */
  loaded(window: TimerWindow, rows: ReadonlyArray<StoredTimer & { readonly id: number }>, now: number): void {
    this.#isAllRead = rows.length < window.limit;
    const last = rows.at(-1);
    const before = this.#read.at;
    this.#read = this.#isAllRead || last === undefined ? { at: Math.max(window.until, before), id: 0 } : { at: last.at, id: last.id };
    for (const row of rows) {
      const key = timerKey(row);
      if (!this.#isOwned(row.shard) || this.#changes.has(key) || this.#storing.has(key) || this.#armed.get(key)?.at === row.at) continue;
      this.#arm(key, row, this.#dueAt(row, now));
    }
    for (const changes of [this.#storing, this.#changes]) {
      for (const { key, timer } of changes.values()) {
        if (timer === null || timer.at <= before || timer.at > this.#read.at) continue;
        if (changes === this.#changes || !this.#changes.has(key)) this.#arm(key, timer, this.#dueAt(timer, now));
      }
    }
  }

  /** What the checkpoint that begins now is to store. */
  beginStoring(): readonly TimerChange[] {
    this.#storing = this.#changes;
    this.#changes = new Map();
    return [...this.#storing.values()];
  }

  endStoring(isStored: boolean): void {
    if (!isStored) this.#changes = new Map([...this.#storing, ...this.#changes]);
    this.#storing = new Map();
  }

  /** One that is late and may wait gets a moment of its own, so that a restart does not run thousands in one go (TRAPS 24). */
  #dueAt(timer: StoredTimer, now: number): number {
    if (timer.catchUp !== "spread" || timer.at >= now) return timer.at;
    return now + (fnv1a32(timerKey(timer)) % (this.#isAllRead ? SPREAD_MS : SPREAD_CROWD_MS));
  }

  #arm(key: string, timer: StoredTimer, at: number): void {
    this.#armed.set(key, timer);
    this.#due.add(at, timer);
  }
}
