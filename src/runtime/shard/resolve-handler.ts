import type { Activation } from "./activation.ts";
import type { AnswerHandler } from "./answer-handler.ts";
import type { CommitGate } from "./commit-gate.ts";
import type { Delivery } from "./delivery.ts";
import { OUTCOME } from "./domain-meter.ts";
import type { DomainPorts } from "./domain-options.ts";
import type { EffectTable } from "./effect-table.ts";
import type { EntryWriter } from "./entry-writer.ts";
import type { EffectAction, ResolveMessage } from "./message.ts";
import type { Outputs } from "./outputs.ts";
import { isOutside } from "./outside-effects.ts";
import { effectClosed, refusal } from "./refusal.ts";
import type { Slot } from "./slot.ts";
import type { Turn } from "./turn.ts";

/** Carries out what people decide about open effects, dead letters among them: replay, drop, cancel. */
export class ResolveHandler {
  readonly #gate: CommitGate;
  readonly #ports: DomainPorts;
  readonly #turn: Turn;
  readonly #effects: EffectTable;
  readonly #activation: Activation;
  readonly #delivery: Delivery;
  readonly #writer: EntryWriter;
  readonly #answers: AnswerHandler;
  readonly #outputs: Outputs;

  constructor(options: {
    readonly gate: CommitGate;
    readonly ports: DomainPorts;
    readonly turn: Turn;
    readonly effects: EffectTable;
    readonly activation: Activation;
    readonly delivery: Delivery;
    readonly writer: EntryWriter;
    readonly answers: AnswerHandler;
    readonly outputs: Outputs;
  }) {
    this.#gate = options.gate;
    this.#ports = options.ports;
    this.#turn = options.turn;
    this.#effects = options.effects;
    this.#activation = options.activation;
    this.#delivery = options.delivery;
    this.#writer = options.writer;
    this.#answers = options.answers;
    this.#outputs = options.outputs;
  }

  /** An input: the decision waits for its entity like any message. `caller` is answered. */
  decided({ caller, id, action }: { readonly caller: number; readonly id: string; readonly action: EffectAction }): void {
    const live = this.#effects.lookFor(id);
    if (this.#gate.isDropped) return this.#ports.answer(caller, refusal("JOURNAL_UNAVAILABLE", "The shard is being recovered. Try again."));
    if (live === undefined) return this.#ports.answer(caller, effectClosed(id));
    if (!isOutside(live)) {
      return this.#ports.answer(
        caller,
        refusal("illegal_transition", `${id} is a message between entities: it is carried out, not resolved.`),
      );
    }
    const slot = this.#activation.slotUnlessGone(live.opened.from, `${action} of ${id}`);
    if (slot === null) {
      const detail = `${live.opened.from} is of a type that this program does not have; nothing was changed.`;
      return this.#ports.answer(caller, refusal("ENTITY_FAILED", detail));
    }
    this.#delivery.put(slot, { kind: "resolve", live, action, caller }, true);
  }

  handle(slot: Slot, message: ResolveMessage): void {
    const { live, action, caller } = message;
    const { opened, outside } = live;
    if (!live.isOpen) return this.#outputs.answer(slot.changedIn, caller, effectClosed(opened.id));
    if (this.#gate.isJournalDown)
      return this.#ports.answer(caller, refusal("JOURNAL_UNAVAILABLE", "The journal takes no writes at the moment."));
    if ((action === "cancel") !== (outside.dead === null)) {
      const why = action === "cancel" ? "is a dead letter: replay or drop it" : "is no dead letter: it can only be cancelled";
      return this.#outputs.answer(slot.changedIn, caller, refusal("illegal_transition", `${opened.id} ${why}. Nothing was changed.`));
    }
    this.#turn.outcome = OUTCOME.recorded;
    this.#carryOut(slot, message);
    this.#outputs.answer(slot.changedIn, caller, { ok: true, value: { id: opened.id, action } });
  }

  #carryOut(slot: Slot, { live, action }: ResolveMessage): void {
    const { opened, outside } = live;
    const entry = this.#writer.entryOf(slot, opened.trace);
    if (action === "replay") {
      entry.replays ??= [];
      entry.replays.push(opened.id);
      outside.replay(this.#turn.at);
      this.#outputs.perform(slot.changedIn, live);
    } else if (opened.answerTo === undefined || slot.status === "failed") this.#writer.cancel(entry, live);
    else {
      const cancelled = refusal("INTERNAL_ERROR", "The effect was cancelled by an operator; it may or may not have been carried out.");
      this.#answers.handle(slot, { kind: "answer", live, answer: cancelled });
      this.#outputs.cancel(opened.id);
    }
  }
}
