import type { OpenEffect } from "../journal/snapshots.ts";
import type { Answer } from "../kernel/decision.ts";
import type { Json } from "../kernel/json.ts";

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

  constructor(options: { readonly effect: OpenEffect; readonly toShard: number; readonly openedIn: number }) {
    this.opened = options.effect.answer === undefined ? options.effect : withoutAnswer(options.effect);
    this.answer = options.effect.answer ?? null;
    this.toShard = options.toShard;
    this.openedIn = options.openedIn;
  }
}

const withoutAnswer = ({ answer: _, ...opened }: OpenEffect): OpenEffect => opened;

/** The effects that this domain's entities opened and have not closed, in the order of their opening. */
export class EffectTable {
  readonly #live = new Map<string, LiveEffect>();

  get count(): number {
    return this.#live.size;
  }

  open(effect: LiveEffect): void {
    this.#live.set(effect.opened.id, effect);
  }

  find(id: string): LiveEffect | undefined {
    return this.#live.get(id);
  }

  close(effect: LiveEffect): void {
    effect.isOpen = false;
    this.#live.delete(effect.opened.id);
  }

  [Symbol.iterator](): IterableIterator<LiveEffect> {
    return this.#live.values();
  }

  /** What a checkpoint keeps of them, with the answers of those that were handled. */
  *toCheckpoint(): IterableIterator<OpenEffect> {
    for (const { opened, answer } of this.#live.values()) yield answer === null ? opened : { ...opened, answer };
  }
}
