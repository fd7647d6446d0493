import type { Answer } from "../kernel/decision.ts";
import type { Json } from "../kernel/json.ts";
import type { Activation } from "./activation.ts";
import type { DomainMeter } from "./domain-meter.ts";
import type { LiveEffect } from "./effect-table.ts";
import type { CommandMessage, Message } from "./message.ts";
import type { Outputs } from "./outputs.ts";
import { isOutside } from "./outside-effects.ts";
import type { ReadyEntities } from "./ready-entities.ts";
import { Slot } from "./slot.ts";

/** Brings messages to the entities of this domain, and what others are to handle to where it is handled. */
export class Delivery {
  readonly #activation: Activation;
  readonly #ready: ReadyEntities;
  readonly #outputs: Outputs;
  readonly #meter: DomainMeter;
  readonly #isOwned: (shard: number) => boolean;

  constructor(options: {
    readonly activation: Activation;
    readonly ready: ReadyEntities;
    readonly outputs: Outputs;
    readonly meter: DomainMeter;
    readonly isOwned: (shard: number) => boolean;
  }) {
    this.#activation = options.activation;
    this.#ready = options.ready;
    this.#outputs = options.outputs;
    this.#meter = options.meter;
    this.#isOwned = options.isOwned;
  }

  /** Anything but a client's command goes into a full mailbox too: it is bounded where it comes from, and must not be lost (DESIGN 4.2). */
  put(slot: Slot, message: Exclude<Message, CommandMessage>, isContinuing: boolean): void {
    slot.mailbox.force(message);
    this.#meter.queued(message);
    this.#ready.add(slot, isContinuing);
  }

  /** Brings a tell or ask to its entity, at once inside the domain and after the commit across domains; an outside effect to its port. */
  offer(live: LiveEffect): void {
    if (isOutside(live)) return this.#outputs.perform(live.openedIn, live);
    const { opened, toShard } = live;
    if (opened.kind !== "tell" && opened.kind !== "ask") throw new Error(`${opened.id} leaves the runtime and has no progress`);
    if (this.#isOwned(toShard)) this.put(this.#activation.slotOf(opened.to), { kind: opened.kind, effect: opened, live }, true);
    else this.#outputs.send(live.openedIn, toShard, { kind: opened.kind, effect: opened });
  }

  /** To the entity that opened the effect. */
  answer(live: LiveEffect, answer: Answer<Json>): void {
    const { owner, opened } = live;
    live.owner = null;
    const slot = owner instanceof Slot && owner.isPresent ? owner : this.#activation.slotOf(opened.from);
    this.put(slot, { kind: "answer", live, answer }, true);
  }
}
