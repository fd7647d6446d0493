import type { Activation } from "./activation.ts";
import { timerWork } from "./at-work.ts";
import type { Delivery } from "./delivery.ts";
import { type DomainMeter, OUTCOME } from "./domain-meter.ts";
import { NO_ORIGIN } from "./effect-opener.ts";
import type { EntryWriter } from "./entry-writer.ts";
import type { Handlers } from "./handlers.ts";
import type { TimerMessage } from "./message.ts";
import type { Outputs } from "./outputs.ts";
import { settle } from "./settling.ts";
import type { Slot } from "./slot.ts";
import type { Timers } from "./timers.ts";
import type { Turn } from "./turn.ts";

/** How late a timer that may be skipped still fires. */
const SKIP_LATE_MS = 60_000;

/** Gives due timers to their entities. A timer that nobody can take stays in the store. */
export class TimerHandler {
  readonly #timers: Timers;
  readonly #turn: Turn;
  readonly #activation: Activation;
  readonly #delivery: Delivery;
  readonly #handlers: Handlers;
  readonly #writer: EntryWriter;
  readonly #outputs: Outputs;
  readonly #meter: DomainMeter;

  constructor(options: {
    readonly timers: Timers;
    readonly turn: Turn;
    readonly activation: Activation;
    readonly delivery: Delivery;
    readonly handlers: Handlers;
    readonly writer: EntryWriter;
    readonly outputs: Outputs;
    readonly meter: DomainMeter;
  }) {
    this.#timers = options.timers;
    this.#turn = options.turn;
    this.#activation = options.activation;
    this.#delivery = options.delivery;
    this.#handlers = options.handlers;
    this.#writer = options.writer;
    this.#outputs = options.outputs;
    this.#meter = options.meter;
  }

  /**
   * Not while the journal is down: they would all be read, wake their entities and wait in memory, for as long as that lasts. By the time that
   * their entry will carry: a group that gathers may be older than now, and no timer fires before its time by `info.at`.
   */
  fire(): void {
    const { at } = this.#turn;
    for (let timer = this.#timers.takeDue(at); timer !== undefined; timer = this.#timers.takeDue(at)) {
      const slot = this.#activation.slotUnlessGone(timer.entity, `timer ${timer.label}`);
      if (slot === null) this.#timers.leave(timer);
      else this.#delivery.put(slot, { kind: "timer", timer }, false);
    }
  }

  /** A timer that was replaced or cancelled since it became due does nothing; one that fired is over, whatever came of it. */
  handle(slot: Slot, { timer }: TimerMessage): void {
    if (!this.#timers.isArmed(timer)) return;
    if (slot.status === "failed") return this.#timers.leave(timer);
    const isSkipped = timer.catchUp === "skip" && this.#turn.at - timer.at > SKIP_LATE_MS;
    const isPoison = this.#turn.knowsPoison && this.#turn.isPoison(timerWork(timer));
    if (isPoison) this.#turn.outcome = OUTCOME["dead-letter"];
    const id = `timer ${slot.address} ${timer.label} ${timer.at}`;
    const decision = isSkipped || isPoison ? null : this.#handlers.decide(slot, timer.command, timer.body, id);
    const origin = timer.trace === undefined ? NO_ORIGIN : { hops: 0, trace: timer.trace };
    const written = decision === null ? null : this.#writer.write(slot, decision, origin);
    if (written === null && !isSkipped) this.#meter.deadLetters++;
    if (this.#timers.isArmed(timer)) this.#writer.endTimer(slot, written ?? this.#writer.entryOf(slot, timer.trace), timer.label);
    if (written !== null && decision?.kind === "accept") settle(slot, decision, this.#outputs);
  }
}
