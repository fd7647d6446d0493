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
  /** What was at work when it was opened: see `workOf`. */
  work: Work = null;
  /** Of an effect that leaves the runtime; null of a tell or ask. */
  readonly outside: Outside | null;
  /** The domain that holds a credit for it; null when it is this one, or has handled it. */
  unhandledBy: number | null = null;

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

/** The effects that this domain's entities opened and have not closed, in the order of their opening, with the credits of other domains. */
export class EffectTable {
  readonly #live = new Map<string, LiveEffect>();
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
    return this.#live.size;
  }

  open(effect: LiveEffect): void {
    this.#live.set(effect.opened.id, effect);
    const peer = effect.answer === null && effect.outside === null ? this.#peerOf(effect.toShard) : null;
    if (peer === null) return;
    effect.unhandledBy = peer;
    this.#credits.take(peer);
  }

  /** Its answer has arrived. */
  handled(effect: LiveEffect): void {
    if (effect.unhandledBy === null) return;
    this.#credits.giveBack(effect.unhandledBy);
    effect.unhandledBy = null;
  }

  find(id: string): LiveEffect | undefined {
    return this.#live.get(id);
  }

  close(effect: LiveEffect): void {
    effect.isOpen = false;
    this.handled(effect);
    this.#live.delete(effect.opened.id);
  }

  [Symbol.iterator](): IterableIterator<LiveEffect> {
    return this.#live.values();
  }

  /** What a checkpoint keeps of them, with the answers of those that were handled. */
  *toCheckpoint(): IterableIterator<OpenEffect> {
    for (const { opened, answer, outside } of this.#live.values()) {
      if (outside !== null) yield { ...opened, outside: outside.toJson() };
      else yield answer === null ? opened : { ...opened, answer };
    }
  }
}
