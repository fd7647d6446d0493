import type { Answer } from "../kernel/decision.ts";
import type { Json } from "../kernel/json.ts";
import { effectWork } from "./at-work.ts";
import { answerOf } from "./decided.ts";
import type { Delivery } from "./delivery.ts";
import { type DomainMeter, OUTCOME } from "./domain-meter.ts";
import type { LiveEffect } from "./effect-table.ts";
import type { EntryWriter } from "./entry-writer.ts";
import type { Handlers } from "./handlers.ts";
import type { AskMessage, TellMessage } from "./message.ts";
import type { Outputs } from "./outputs.ts";
import type { PendingEntry } from "./pending-entry.ts";
import { entityFailed, POISONED, refusal } from "./refusal.ts";
import type { SeenTell, SeenTells } from "./seen-tells.ts";
import { settle } from "./settling.ts";
import type { Slot } from "./slot.ts";
import type { Turn } from "./turn.ts";

/** Handles what one entity tells or asks another, at the other. */
export class TellHandler {
  readonly #turn: Turn;
  readonly #handlers: Handlers;
  readonly #writer: EntryWriter;
  readonly #outputs: Outputs;
  readonly #delivery: Delivery;
  readonly #seen: SeenTells;
  readonly #meter: DomainMeter;
  readonly #hopsMax: number;

  constructor(options: {
    readonly turn: Turn;
    readonly handlers: Handlers;
    readonly writer: EntryWriter;
    readonly outputs: Outputs;
    readonly delivery: Delivery;
    readonly seen: SeenTells;
    readonly meter: DomainMeter;
    readonly hopsMax: number;
  }) {
    this.#turn = options.turn;
    this.#handlers = options.handlers;
    this.#writer = options.writer;
    this.#outputs = options.outputs;
    this.#delivery = options.delivery;
    this.#seen = options.seen;
    this.#meter = options.meter;
    this.#hopsMax = options.hopsMax;
  }

  tell(slot: Slot, message: TellMessage): void {
    const { effect, live } = message;
    const seen = live === null ? this.#seen.find(effect.id) : undefined;
    if (live === null ? seen?.waiting !== message : !live.isOpen) return; // Its sender's successor sent it again.
    const refused = this.#whyNotGiven(slot, message);
    if (refused !== null) return this.#tellDead(slot, message, refused, seen);
    const decision = this.#handlers.decide(slot, effect.command, effect.body, effect.id);
    const entry = decision === null ? null : this.#writer.write(slot, decision, effect);
    if (decision === null || entry === null) return this.#tellDead(slot, message, FAILED_INSIDE, seen);
    const answer = answerOf(decision);
    if (!this.#closeUnanswered(entry, live)) {
      entry.handled ??= [];
      entry.handled.push({ written: { cause: effect.id, answer }, live });
    }
    if (decision.kind === "accept") settle(slot, decision, this.#outputs);
    this.#tellHandled(slot, message, answer, seen);
  }

  /** What the sender is answered when the entity is not to see the message; null when it is. */
  #whyNotGiven(slot: Slot, { effect }: TellMessage): Answer<Json> | null {
    if (slot.status === "failed") {
      this.#turn.outcome = OUTCOME.failed;
      return entityFailed(slot);
    }
    if (this.#turn.isPoison(effectWork(effect.id))) {
      this.#turn.outcome = OUTCOME["dead-letter"];
      return POISONED;
    }
    if (effect.hops > this.#hopsMax) {
      this.#turn.outcome = OUTCOME["dead-letter"];
      return refusal("INTERNAL_ERROR", `The chain of tells without an outside input is longer than ${this.#hopsMax}.`);
    }
    return null;
  }

  /** Not taken by the entity: a dead letter, which stands in the journal like any other message, so that it is not offered again (S3). */
  #tellDead(slot: Slot, message: TellMessage, answer: Answer<Json>, seen: SeenTell | undefined): void {
    const { effect, live } = message;
    this.#meter.deadLetters++;
    const entry = this.#writer.entryOf(slot, effect.trace);
    entry.handled ??= [];
    entry.handled.push({ written: { cause: effect.id, answer, isDeadLetter: true }, live });
    this.#closeUnanswered(entry, live);
    this.#tellHandled(slot, message, answer, seen);
  }

  /** A tell from inside that wants no answer is closed by its receiver's entry. True when this is one. */
  #closeUnanswered(entry: PendingEntry, live: LiveEffect | null): boolean {
    if (live === null || live.opened.answerTo !== undefined) return false;
    this.#writer.close(entry, live);
    return true;
  }

  #tellHandled(slot: Slot, { effect, live }: TellMessage, answer: Answer<Json>, seen: SeenTell | undefined): void {
    if (seen !== undefined) {
      seen.waiting = null;
      seen.answer = answer;
      seen.group = slot.changedIn;
      this.#outputs.send(slot.changedIn, effect.shard, { kind: "answer", id: effect.id, answer });
    } else if (live?.isOpen === true) {
      live.answer = answer;
      this.#delivery.answer(live, answer);
    }
  }

  ask(slot: Slot, { effect, live }: AskMessage): void {
    const isPoison = this.#turn.isPoison(effectWork(effect.id));
    const decision = slot.status === "failed" || isPoison ? null : this.#handlers.decide(slot, effect.command, effect.body, effect.id);
    let answer: Answer<Json>;
    if (slot.status === "failed") {
      this.#turn.outcome = OUTCOME.failed;
      answer = entityFailed(slot);
    } else if (isPoison) {
      this.#turn.outcome = OUTCOME["dead-letter"];
      answer = POISONED;
    } else if (decision === null || decision.kind === "accept") {
      answer = refusal("INTERNAL_ERROR", `${slot.definition.type} cannot answer "${effect.command}" read-only.`);
    } else answer = answerOf(decision);
    if (live === null) this.#outputs.send(slot.changedIn, effect.shard, { kind: "answer", id: effect.id, answer });
    else if (live.isOpen) this.#delivery.answer(live, answer);
  }
}

const FAILED_INSIDE = refusal("INTERNAL_ERROR", "The command failed inside; nothing was changed.");
