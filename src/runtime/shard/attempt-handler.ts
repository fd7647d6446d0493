import type { DeadEffect } from "../journal/record.ts";
import type { FromPerformer } from "../kernel/effect-protocol.ts";
import { type Json, unreachable } from "../kernel/json.ts";
import type { Activation } from "./activation.ts";
import type { AnswerHandler } from "./answer-handler.ts";
import { progressWork } from "./at-work.ts";
import type { CommitGate } from "./commit-gate.ts";
import { leavesTrace } from "./decided.ts";
import type { Delivery } from "./delivery.ts";
import { type DomainMeter, OUTCOME } from "./domain-meter.ts";
import type { DomainPorts } from "./domain-options.ts";
import type { EffectTable } from "./effect-table.ts";
import type { EntryWriter } from "./entry-writer.ts";
import type { Handlers } from "./handlers.ts";
import type { OutcomeMessage, ProgressMessage } from "./message.ts";
import type { Outputs } from "./outputs.ts";
import { isOutside, type OutsideEffects, type OutsideLive } from "./outside-effects.ts";
import { refusal } from "./refusal.ts";
import { settle } from "./settling.ts";
import type { Slot } from "./slot.ts";
import type { Turn } from "./turn.ts";

/** Takes what comes back of attempts at outside effects, progress and outcomes, and gives it to the entities that opened them (S8). */
export class AttemptHandler {
  readonly #gate: CommitGate;
  readonly #ports: DomainPorts;
  readonly #turn: Turn;
  readonly #effects: EffectTable;
  readonly #outside: OutsideEffects;
  readonly #activation: Activation;
  readonly #delivery: Delivery;
  readonly #handlers: Handlers;
  readonly #writer: EntryWriter;
  readonly #answers: AnswerHandler;
  readonly #outputs: Outputs;
  readonly #meter: DomainMeter;

  constructor(options: {
    readonly gate: CommitGate;
    readonly ports: DomainPorts;
    readonly turn: Turn;
    readonly effects: EffectTable;
    readonly outside: OutsideEffects;
    readonly activation: Activation;
    readonly delivery: Delivery;
    readonly handlers: Handlers;
    readonly writer: EntryWriter;
    readonly answers: AnswerHandler;
    readonly outputs: Outputs;
    readonly meter: DomainMeter;
  }) {
    this.#gate = options.gate;
    this.#ports = options.ports;
    this.#turn = options.turn;
    this.#effects = options.effects;
    this.#outside = options.outside;
    this.#activation = options.activation;
    this.#delivery = options.delivery;
    this.#handlers = options.handlers;
    this.#writer = options.writer;
    this.#answers = options.answers;
    this.#outputs = options.outputs;
    this.#meter = options.meter;
  }

  /** An input: how an attempt went, or goes on. One that nobody waits for any more changes nothing (L7). */
  performed({ id, attempt, outcome }: FromPerformer): void {
    const live = this.#effects.find(id);
    if (this.#gate.isDropped || live === undefined || !isOutside(live)) return;
    const { outside } = live;
    if (!outside.isPerforming || attempt !== outside.attempt) return;
    if (outcome.kind === "progress") return this.#progressed(live, outcome.value);
    outside.isPerforming = false;
    if (outcome.kind === "postponed") {
      this.#outside.rest(live, this.#turn.nowMs + Math.max(outcome.afterMs, 1));
      return;
    }
    const slot = this.#activation.slotUnlessGone(live.opened.from, `outcome of ${id}`);
    if (slot === null) return; // It stays open, and is performed again, with the same id, by a program that has the entity.
    outside.isJudged = true;
    this.#delivery.put(slot, { kind: "outcome", live, attempt, outcome }, true);
  }

  #progressed(live: OutsideLive, value: Json): void {
    const { opened, outside } = live;
    const { attempt } = outside;
    outside.hear();
    const slot = this.#activation.slotUnlessGone(opened.from, `progress of ${opened.id}`);
    if (slot === null) this.#ports.credit(opened.id, attempt);
    else this.#delivery.put(slot, { kind: "progress", live, attempt, value }, true);
  }

  /** An input: see `Domain.performerLost`. */
  performerLost(): void {
    if (this.#gate.isDropped) return;
    for (const live of this.#effects.all()) {
      if (!isOutside(live) || !live.outside.isPerforming) continue;
      live.outside.isPerforming = false;
      this.#outputs.performNow(live);
    }
  }

  /** Attempts whose rest is over. */
  performDue(): void {
    const { nowMs } = this.#turn;
    for (let due = this.#outside.takeDue(nowMs); due !== undefined; due = this.#outside.takeDue(nowMs)) this.#outputs.performNow(due);
  }

  /** What arrived before its effect was over, or its attempt was lost, changes nothing after it (L7). Room for more is given when it is committed (L2). */
  progress(slot: Slot, { live, attempt, value }: ProgressMessage): void {
    const { opened, outside } = live;
    if (!live.isOpen || attempt !== outside.attempt) return; // Nobody waits for room: the attempt is over.
    if (slot.status === "failed") this.#turn.outcome = OUTCOME.failed;
    else if (this.#turn.isPoison(progressWork(opened.id))) this.#turn.outcome = OUTCOME["dead-letter"];
    else this.#hear(slot, live, attempt, value);
    this.#outputs.credit(slot.changedIn, opened.id, attempt);
  }

  #hear(slot: Slot, live: OutsideLive, attempt: number, value: Json): void {
    const { opened, outside } = live;
    const name = opened.progressTo ?? "";
    const handler = slot.definition.progress?.[name];
    const decision = this.#handlers.react(slot, `progress.${name}`, handler, value, this.#handlers.info(slot, opened.id, attempt));
    if (decision?.kind !== "accept") return;
    if (leavesTrace(decision)) {
      const entry = this.#writer.write(slot, decision, opened);
      if (entry === null) return;
      if (live.isOpen && outside.progressed < attempt) {
        entry.progressed ??= [];
        entry.progressed.push({ id: opened.id, attempt });
        outside.progressed = attempt;
      }
    }
    settle(slot, decision, this.#outputs);
  }

  /** An attempt's outcome is an entry of the entity that opened the effect, before anything else comes of it (S8). */
  outcome(slot: Slot, message: OutcomeMessage): void {
    const { live, attempt, outcome } = message;
    const { opened, outside } = live;
    outside.isJudged = false;
    if (!live.isOpen) return;
    this.#meter.attempted(opened.kind, outcome.kind);
    this.#turn.outcome = OUTCOME.recorded;
    switch (outcome.kind) {
      case "done":
        return this.#answers.handle(slot, { kind: "answer", live, answer: { ok: true, value: outcome.value }, attempt });
      case "refused":
        if (opened.keepsDead === true) return this.#die(slot, live, { code: outcome.code, error: outcome.detail, attempts: attempt });
        return this.#answers.handle(slot, { kind: "answer", live, answer: refusal(outcome.code, outcome.detail), attempt });
      case "failed":
        return this.#failed(slot, live, { attempt, error: outcome.error, afterMs: outcome.afterMs });
      case "dead":
        this.#die(slot, live, { code: outcome.code, error: outcome.error, attempts: outcome.attempts });
        if (opened.answerTo === undefined || opened.keepsDead === true) return;
        return this.#answers.handle(slot, { kind: "answer", live, answer: refusal(outcome.code, outcome.error), attempt });
      default:
        return unreachable(outcome);
    }
  }

  /** There will be another attempt. */
  #failed(
    slot: Slot,
    live: OutsideLive,
    { attempt, error, afterMs }: { readonly attempt: number; readonly error: string; readonly afterMs: number },
  ): void {
    const { opened, outside } = live;
    const entry = this.#writer.entryOf(slot, opened.trace);
    const nextAt = this.#turn.at + Math.max(afterMs, 1);
    entry.attempts ??= [];
    entry.attempts.push({ id: opened.id, attempt, error, nextAt });
    outside.attempts = attempt;
    outside.lastError = error;
    outside.nextAt = nextAt;
    this.#outputs.perform(slot.changedIn, live);
  }

  /** A dead letter stands in the journal: it is open until somebody replays or drops it, or its entity is told. */
  #die(slot: Slot, { opened, outside }: OutsideLive, why: Omit<DeadEffect, "id">): void {
    this.#meter.deadLetters++;
    const entry = this.#writer.entryOf(slot, opened.trace);
    const dead = { id: opened.id, ...why };
    entry.deadEffects ??= [];
    entry.deadEffects.push(dead);
    outside.dead = dead;
  }
}
