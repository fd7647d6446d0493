import type { DeadEffect, Entry, FailedAttempt, HandledCause, RecordedKey } from "../journal/record.ts";
import type { TimerSet } from "../journal/timer.ts";
import type { EventBase } from "../kernel/decision.ts";
import type { Json } from "../kernel/json.ts";
import type { LiveEffect } from "./effect-table.ts";

/** A handled tell. `live` is the record of a sender inside the domain, null of one elsewhere. */
interface PendingCause {
  readonly written: HandledCause;
  readonly live: LiveEffect | null;
}

/** What an entry needs of the slot of its entity. */
interface EntryOwner {
  readonly shard: number;
  readonly address: string;
  readonly version: number;
}

/** The entry of one entity in the group that gathers: it grows with every message that the entity handles until the group is cut. */
export class PendingEntry<Owner extends EntryOwner = EntryOwner> {
  readonly slot: Owner;
  readonly seq: number;
  readonly at: number;
  /** The entity had no entry before. */
  isBirth = false;
  /** Entities of its type can be finished. */
  mayFinish = false;
  readonly events: EventBase[] = [];
  ids: string[] | null = null;
  keys: RecordedKey[] | null = null;
  handled: PendingCause[] | null = null;
  opens: LiveEffect[] | null = null;
  /** Effects opened so far: the index of the next one. */
  opened = 0;
  closes: string[] | null = null;
  attempts: FailedAttempt[] | null = null;
  deadEffects: DeadEffect[] | null = null;
  progressed: Array<{ readonly id: string; readonly attempt: number }> | null = null;
  replays: string[] | null = null;
  /** By label; null = over. */
  timers: Map<string, TimerSet | null> | null = null;
  traces: string[] | null = null;

  constructor(slot: Owner, seq: number, at: number) {
    this.slot = slot;
    this.seq = seq;
    this.at = at;
  }

  /** As it goes into the journal, without what was opened and closed within the group (E2). `packEntries` and the readers of lines rely on the order of the first three keys. */
  toEntry(): Entry {
    const { slot, seq, at, events, ids, keys, closes, traces } = this;
    const entry: { -readonly [Key in keyof Entry]: Entry[Key] } = {
      shard: slot.shard,
      seq,
      entity: slot.address,
      version: slot.version,
      at,
    };
    if (events.length > 0) entry.events = events as unknown as readonly Json[];
    if (ids !== null) entry.ids = ids;
    if (keys !== null) entry.keys = keys;
    if (this.handled !== null) {
      const handled = this.handled.filter(({ live, written }) => live === null || live.isOpen || written.isDeadLetter === true);
      if (handled.length > 0) entry.handled = handled.map(({ written }) => written);
    }
    if (this.opens !== null) {
      const opens = this.opens.filter(({ isOpen }) => isOpen);
      if (opens.length > 0) entry.opens = opens.map(({ opened: { from, shard, ...written } }) => written);
    }
    if (closes !== null) entry.closes = closes;
    if (this.attempts !== null) entry.attempts = this.attempts;
    if (this.deadEffects !== null) entry.deadEffects = this.deadEffects;
    if (this.progressed !== null) entry.progressed = this.progressed;
    if (this.replays !== null) entry.replays = this.replays;
    if (this.timers !== null) {
      const set = [...this.timers.values()].filter((timer) => timer !== null);
      const over = [...this.timers].filter(([, timer]) => timer === null).map(([label]) => label);
      if (set.length > 0) entry.timers = set;
      if (over.length > 0) entry.timersOver = over;
    }
    if (traces !== null) entry.traces = traces;
    return entry;
  }
}
