import type { Decision, EventBase } from "../kernel/decision.ts";
import { answerWork } from "./at-work.ts";
import { type DomainMeter, OUTCOME } from "./domain-meter.ts";
import type { EntryWriter } from "./entry-writer.ts";
import type { Handlers } from "./handlers.ts";
import type { AnswerMessage } from "./message.ts";
import type { Outputs } from "./outputs.ts";
import { isOutside } from "./outside-effects.ts";
import { settle } from "./settling.ts";
import type { Slot } from "./slot.ts";
import type { Turn } from "./turn.ts";

/** Gives entities the answers to their effects, which closes these. */
export class AnswerHandler {
  readonly #turn: Turn;
  readonly #handlers: Handlers;
  readonly #writer: EntryWriter;
  readonly #outputs: Outputs;
  readonly #meter: DomainMeter;
  readonly #isOwned: (shard: number) => boolean;
  /** Answered effects of entities that cannot be rebuilt (S7). */
  readonly #stranded = new Set<string>();

  constructor(options: {
    readonly turn: Turn;
    readonly handlers: Handlers;
    readonly writer: EntryWriter;
    readonly outputs: Outputs;
    readonly meter: DomainMeter;
    readonly isOwned: (shard: number) => boolean;
  }) {
    this.#turn = options.turn;
    this.#handlers = options.handlers;
    this.#writer = options.writer;
    this.#outputs = options.outputs;
    this.#meter = options.meter;
    this.#isOwned = options.isOwned;
  }

  /** Messages between entities that were answered and stay open, because the entity to be told cannot be rebuilt. */
  get strandedCount(): number {
    return this.#stranded.size;
  }

  handle(slot: Slot, message: AnswerMessage): void {
    const { live } = message;
    if (!live.isOpen) return;
    const { opened, toShard } = live;
    if (slot.status === "failed") {
      this.#turn.outcome = OUTCOME.failed;
      if (!isOutside(live)) this.#stranded.add(opened.id); // An outside effect is performed again, with the same id, when its entity can be rebuilt.
      return;
    }
    const decision = this.#react(slot, message);
    const written = decision === null ? null : this.#writer.write(slot, decision, opened);
    // A dead letter whose refusal the entity does not take is one, not two.
    if (written === null && opened.answerTo !== undefined && (live.outside?.dead ?? null) === null) this.#meter.deadLetters++;
    this.#writer.close(written ?? this.#writer.entryOf(slot, opened.trace), live);
    if (opened.kind === "tell" && !this.#isOwned(toShard)) {
      this.#outputs.send(slot.changedIn, toShard, { kind: "closed", id: opened.id });
    }
    if (written !== null && decision?.kind === "accept") settle(slot, decision, this.#outputs);
  }

  /** Null when the entity wants no answer, or its handler is not to be called, or threw. */
  #react(slot: Slot, { live: { opened }, answer, attempt }: AnswerMessage): Decision<EventBase, never> | null {
    const name = opened.answerTo;
    if (name === undefined) return null;
    if (this.#turn.knowsPoison && this.#turn.isPoison(answerWork(opened.id))) {
      this.#turn.outcome = OUTCOME["dead-letter"];
      return null;
    }
    const handler = slot.definition.answers?.[name];
    return this.#handlers.react(slot, `answers.${name}`, handler, answer, this.#handlers.info(slot, opened.id, attempt));
  }
}
