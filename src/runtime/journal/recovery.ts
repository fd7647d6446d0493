import type { Answer } from "../kernel/decision.ts";
import type { Json } from "../kernel/json.ts";
import { type Entry, type StoredRecord, unpackEntries } from "./record.ts";
import type { CheckpointHead, HandledTell, OpenEffect, OutsideProgress } from "./snapshots.ts";
import { type TimerChange, timerKey } from "./timer.ts";

/** What a commit domain starts from. `effects` are in the order in which they were opened, per shard. */
export interface Recovered {
  /** Sequence of the last entry of each owned shard. */
  readonly seqs: ReadonlyMap<number, number>;
  /** Open effects of owned shards; with `answer` when they were handled and only the answer is missing. */
  readonly effects: readonly OpenEffect[];
  /** Tells from other domains that owned shards handled and whose sender has not closed them. */
  readonly handled: readonly HandledTell[];
  /** What became of timers of owned shards after the checkpoint, by `timerKey`. */
  readonly timers: ReadonlyMap<string, TimerChange>;
  /** Entries after the checkpoint, by entity, for owned shards. */
  readonly tail: ReadonlyMap<string, readonly Entry[]>;
  /** Journal sequence up to which this holds. */
  readonly position: number;
  readonly at: number;
}

/**
 * Recovery of one commit domain: the checkpoint's lists, then the tail of the journal applied idempotently (DESIGN 4.5). Pure.
 *
 * R1. An entry at or below its shard's checkpointed sequence changes nothing here, but for R2: the lists hold its outcome.
 * R2. An effect is open from the entry that opens it to the entry that closes it, of whichever shard: ids never repeat, so what was closed once is closed.
 * R3. An open effect that some entry names as handled is never handed out again, its answer is.
 *
 * It reads the entries of all shards, not only of its own: the proof that an effect was handled lies at the receiver.
 */
export class Recovery {
  readonly #isOwned: (shard: number) => boolean;
  readonly #shardOfEffect: (id: string) => number;
  readonly #checkpointed = new Map<number, number>();
  readonly #seqs = new Map<number, number>();
  readonly #open = new Map<string, OpenEffect>();
  readonly #answers = new Map<string, { readonly shard: number; readonly answer: Answer<Json> }>();
  readonly #tail = new Map<string, Entry[]>();
  readonly #timers = new Map<string, TimerChange>();
  #position: number;
  #at: number;

  constructor(head: CheckpointHead, isOwned: (shard: number) => boolean) {
    this.#isOwned = isOwned;
    this.#shardOfEffect = (id) => Number(id.slice(0, id.indexOf(".")));
    for (const { shard, seq } of head.positions) {
      this.#checkpointed.set(shard, seq);
      if (isOwned(shard)) this.#seqs.set(shard, seq);
    }
    for (const effect of head.effects) {
      const { answer, ...open } = effect;
      this.#open.set(effect.id, open);
      // The shard of the receiver does not matter here: an answer kept with the effect belongs to the domain that opened it.
      if (answer !== undefined) this.#answers.set(effect.id, { shard: effect.shard, answer });
    }
    for (const { id, shard, answer } of head.handled) this.#answers.set(id, { shard, answer });
    this.#position = head.positions.reduce((least, { position }) => Math.min(least, position), Number.POSITIVE_INFINITY);
    if (!Number.isFinite(this.#position)) this.#position = 0;
    this.#at = head.at;
  }

  /** The journal is read from the record after this one. */
  get position(): number {
    return this.#position;
  }

  add(record: StoredRecord): void {
    for (const entry of unpackEntries(record.body)) this.#addEntry(entry);
    this.#position = record.seq;
  }

  #addEntry(entry: Entry): void {
    // Before R1: the receiver's entry closes a tell that wants no answer, and its shard's checkpoint may be younger than the sender's, which lists it.
    for (const id of entry.closes ?? []) this.#open.delete(id);
    if (entry.seq <= (this.#checkpointed.get(entry.shard) ?? 0)) return;
    if (entry.at > this.#at) this.#at = entry.at;
    for (const { cause, answer } of entry.handled ?? []) this.#answers.set(cause, { shard: entry.shard, answer });
    this.#addProgress(entry);
    for (const effect of entry.opens ?? []) {
      const open: OpenEffect = { ...effect, from: entry.entity, shard: entry.shard };
      const isInside = effect.kind === "tell" || effect.kind === "ask";
      this.#open.set(effect.id, isInside ? open : { ...open, outside: notBegun(entry.at) });
    }
    if (!this.#isOwned(entry.shard)) return;
    this.#addTimers(entry);
    this.#seqs.set(entry.shard, entry.seq);
    const tail = this.#tail.get(entry.entity);
    if (tail === undefined) this.#tail.set(entry.entity, [entry]);
    else tail.push(entry);
  }

  #addProgress({ at, attempts = [], deadEffects = [], progressed = [], replays = [] }: Entry): void {
    const advance = (id: string, change: Partial<OutsideProgress>): void => {
      const open = this.#open.get(id);
      if (open?.outside !== undefined) this.#open.set(id, { ...open, outside: { ...open.outside, ...change } });
    };
    for (const { id, attempt, error, nextAt } of attempts) advance(id, { attempts: attempt, lastError: error, nextAt });
    for (const { id, attempt } of progressed) advance(id, { progressed: attempt });
    for (const dead of deadEffects) advance(dead.id, { dead });
    for (const id of replays) advance(id, { openedAt: at, dead: null, attempts: 0, nextAt: 0, progressed: 0 });
  }

  #addTimers({ entity, shard, timers = [], timersOver = [] }: Entry): void {
    for (const label of timersOver) {
      const key = timerKey({ entity, label });
      this.#timers.set(key, { key, timer: null, entity, label, shard });
    }
    for (const set of timers) {
      const key = timerKey({ entity, label: set.label });
      this.#timers.set(key, { key, timer: { ...set, entity, shard } });
    }
  }

  finish(): Recovered {
    const effects: OpenEffect[] = [];
    for (const effect of this.#open.values()) {
      if (!this.#isOwned(effect.shard)) continue;
      const handled = this.#answers.get(effect.id);
      effects.push(handled === undefined ? effect : { ...effect, answer: handled.answer });
    }
    effects.sort(byOpening);
    const handled: HandledTell[] = [];
    for (const [id, { shard, answer }] of this.#answers) {
      if (this.#isOwned(shard) && this.#open.has(id) && !this.#isOwned(this.#shardOfEffect(id))) handled.push({ id, shard, answer });
    }
    return { seqs: this.#seqs, effects, handled, timers: this.#timers, tail: this.#tail, position: this.#position, at: this.#at };
  }
}

const notBegun = (openedAt: number): OutsideProgress => ({ openedAt, attempts: 0, nextAt: 0, lastError: null, dead: null });

/** Ids are `shard.incarnation.seq.index`; the order of opening is what "ordered per pair" needs when they are sent again. */
function byOpening(a: OpenEffect, b: OpenEffect): number {
  const left = a.id.split(".");
  const right = b.id.split(".");
  for (const i of [0, 2, 3] as const) {
    const difference = Number(left[i]) - Number(right[i]);
    if (difference !== 0) return difference;
  }
  return 0;
}
