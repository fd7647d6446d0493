import type { OpenEffect } from "../journal/snapshots.ts";
import type { Answer } from "../kernel/decision.ts";
import type { Json } from "../kernel/json.ts";
import { Outside } from "./outside.ts";
import { PortCredits } from "./port-credits.ts";

/**
 * What to blame if the thread dies now: the number of the client's command, or the words by which something durable is known again after a
 * recovery. Null: nothing that would come again.
 */
export type Work = number | string | null;

/** An open effect in memory. Messages inside the domain carry it, so that no step of a saga looks its effects up again. */
export class LiveEffect {
  readonly opened: OpenEffect;
  /** Shard of the receiver. */
  readonly toShard: number;
  /** Group in which it was opened: it may leave when that is committed. 0 = recovered, so committed before. */
  readonly openedIn: number;
  /** Null until it was handled. */
  answer: Answer<Json> | null;
  isOpen = true;
  /** The `Slot` that opened it, to be answered without being looked for; only of one that is given to an entity in memory, which handles it within moments. */
  owner: object | null = null;
  /** What was at work when it was opened: see `workOf`. */
  work: Work = null;
  /** Of an effect that leaves the runtime; null of a tell or ask. */
  readonly outside: Outside | null;
  /** The domain that holds a credit for it; null when it is this one, or has handled it. */
  unhandledBy: number | null = null;
  /** Its neighbours in the table. */
  before: LiveEffect | null = null;
  after: LiveEffect | null = null;

  constructor(options: { readonly effect: OpenEffect; readonly toShard: number; readonly openedIn: number }) {
    const { effect } = options;
    this.opened = effect.answer === undefined && effect.outside === undefined ? effect : opening(effect);
    this.answer = effect.answer ?? null;
    this.outside = effect.outside === undefined ? null : new Outside(effect.outside);
    this.toShard = options.toShard;
    this.openedIn = options.openedIn;
  }
}

const opening = ({ answer: _, outside: __, ...opened }: OpenEffect): OpenEffect => opened;

/**
 * The effects that this domain's entities opened and have not closed, in the order of their opening, with the credits of other domains.
 *
 * A list through the effects themselves: most are opened and closed within one group, and a table by id would make its tables anew for them all the time. Only what
 * others name by its id (outside effects, messages to other domains) is found by it at once.
 */
export class EffectTable {
  readonly #named = new Map<string, LiveEffect>();
  #first: LiveEffect | null = null;
  #last: LiveEffect | null = null;
  #count = 0;
  readonly #credits: PortCredits;
  readonly #peerOf: (shard: number) => number | null;

  /** `peerOf`: the other domain that owns the shard, null when it is this one. */
  constructor(options: { readonly messagesMax: number; readonly peerOf: (shard: number) => number | null }) {
    this.#credits = new PortCredits(options.messagesMax);
    this.#peerOf = options.peerOf;
  }

  /** Another domain has as many unhandled messages of this one as it may: no new commands. */
  get isPortSpent(): boolean {
    return this.#credits.isSpent;
  }

  get count(): number {
    return this.#count;
  }

  open(effect: LiveEffect): void {
    effect.before = this.#last;
    if (this.#last === null) this.#first = effect;
    else this.#last.after = effect;
    this.#last = effect;
    this.#count++;
    const peer = effect.outside === null ? this.#peerOf(effect.toShard) : null;
    if (effect.outside !== null || peer !== null) this.#named.set(effect.opened.id, effect);
    if (peer === null || effect.answer !== null) return;
    effect.unhandledBy = peer;
    this.#credits.take(peer);
  }

  /** Its answer has arrived. */
  handled(effect: LiveEffect): void {
    if (effect.unhandledBy === null) return;
    this.#credits.giveBack(effect.unhandledBy);
    effect.unhandledBy = null;
  }

  /** One that leaves this domain. */
  find(id: string): LiveEffect | undefined {
    return this.#named.get(id);
  }

  /** Any of them. Looks through all, so for people only. */
  lookFor(id: string): LiveEffect | undefined {
    return this.#named.get(id) ?? this.all().find(({ opened }) => opened.id === id);
  }

  /** Nothing when it is over already. */
  close(effect: LiveEffect): void {
    if (!effect.isOpen) return;
    effect.isOpen = false;
    this.handled(effect);
    const { before, after } = effect;
    if (before === null) this.#first = after;
    else before.after = after;
    if (after === null) this.#last = before;
    else after.before = before;
    // An old one that is over would keep every younger one in memory, which it once stood beside.
    effect.before = null;
    effect.after = null;
    this.#count--;
    if (this.#named.size > 0) this.#named.delete(effect.opened.id);
  }

  /** As they are now: who goes through them may open and close some meanwhile. */
  all(): readonly LiveEffect[] {
    const all: LiveEffect[] = [];
    for (let live = this.#first; live !== null; live = live.after) all.push(live);
    return all;
  }

  /** What a checkpoint keeps of them, with the answers of those that were handled. */
  *toCheckpoint(): IterableIterator<OpenEffect> {
    for (const { opened, answer, outside } of this.all()) {
      if (outside !== null) yield { ...opened, outside: outside.toJson() };
      else yield answer === null ? opened : { ...opened, answer };
    }
  }
}
