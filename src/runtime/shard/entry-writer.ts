import type { Decision, Effect, EventBase } from "../kernel/decision.ts";
import type { Json } from "../kernel/json.ts";
import type { CommitGate } from "./commit-gate.ts";
import { OUTCOME } from "./domain-meter.ts";
import type { DomainPorts } from "./domain-options.ts";
import type { EffectOpener, Origin } from "./effect-opener.ts";
import type { EffectTable, LiveEffect } from "./effect-table.ts";
import type { EntityMemory } from "./entity-memory.ts";
import type { Outputs } from "./outputs.ts";
import { isOutside, type OutsideEffects, type OutsideLive } from "./outside-effects.ts";
import { PendingEntry } from "./pending-entry.ts";
import { evolve } from "./replay.ts";
import type { Slot } from "./slot.ts";
import type { Timers } from "./timers.ts";
import type { Turn } from "./turn.ts";

const NO_EFFECTS: readonly Effect[] = [];
const NO_TARGETS: Array<Slot | undefined> = [];

/** Writes what comes of messages into the entries of the gathering group, by the rules E1 and E2 of `journal/record.ts`. */
export class EntryWriter {
  readonly #memory: EntityMemory;
  readonly #opener: EffectOpener;
  readonly #outputs: Outputs;
  readonly #gate: CommitGate;
  readonly #turn: Turn;
  readonly #effects: EffectTable;
  readonly #outside: OutsideEffects;
  readonly #timers: Timers;
  readonly #seqs: Map<number, number>;
  readonly #ports: DomainPorts;

  constructor(options: {
    readonly memory: EntityMemory;
    readonly opener: EffectOpener;
    readonly outputs: Outputs;
    readonly gate: CommitGate;
    readonly turn: Turn;
    readonly effects: EffectTable;
    readonly outside: OutsideEffects;
    readonly timers: Timers;
    /** The last sequence of each shard; the writer counts it on. */
    readonly seqs: Map<number, number>;
    readonly ports: DomainPorts;
  }) {
    this.#memory = options.memory;
    this.#opener = options.opener;
    this.#outputs = options.outputs;
    this.#gate = options.gate;
    this.#turn = options.turn;
    this.#effects = options.effects;
    this.#outside = options.outside;
    this.#timers = options.timers;
    this.#seqs = options.seqs;
    this.#ports = options.ports;
  }

  /**
   * Applies the decision and notes it in the entity's entry of the gathering group, which it returns. Null when `evolve` threw (logged): the
   * state is as it was and nothing is written.
   */
  write(slot: Slot, decision: Decision<EventBase, Json>, origin: Origin): PendingEntry | null {
    if (decision.kind !== "accept") return this.entryOf(slot, origin.trace);
    let state = slot.state;
    const effects = decision.effects ?? NO_EFFECTS;
    const targets: Array<Slot | undefined> = effects.length === 0 ? NO_TARGETS : new Array(effects.length);
    try {
      for (const event of decision.events) state = evolve(slot.definition, state, event);
      for (let i = 0; i < effects.length; i++) targets[i] = this.#opener.assertOpens(slot, effects[i] as Effect, origin.hops);
    } catch (cause) {
      this.#turn.outcome = OUTCOME.crashed;
      this.#ports.crashed(slot.address, "evolve", cause);
      return null;
    }
    slot.state = state;
    slot.version += decision.events.length;
    const entry = this.entryOf(slot, origin.trace);
    for (const event of decision.events) entry.events.push(event);
    for (const label of decision.cancels ?? []) {
      this.cancel(entry, this.#outside.find(slot.address, label));
      this.endTimer(slot, entry, label); // It may be one that only the store knows.
    }
    for (let i = 0; i < effects.length; i++) this.#opener.open(slot, entry, effects[i] as Effect, targets[i], origin);
    return entry;
  }

  /** The entity's entry in the gathering group (E1), with one more message in it. */
  entryOf(slot: Slot, trace: string | undefined): PendingEntry {
    let entry = slot.entry;
    if (entry === null) {
      const seq = (this.#seqs.get(slot.shard) ?? 0) + 1;
      this.#seqs.set(slot.shard, seq);
      entry = new PendingEntry(slot, seq, this.#turn.at);
      entry.isBirth = slot.seq === 0 && slot.status === "ready";
      entry.mayFinish = slot.definition.isFinished !== undefined;
      slot.entry = entry;
      slot.seq = seq;
      slot.changedIn = this.#gate.gathering;
      if (slot.status === "ready") this.#memory.dirty.add(slot); // What cannot be rebuilt has no state to keep; its entry changes none.
      this.#gate.add(entry);
    }
    this.#gate.grow();
    if (trace !== undefined && entry.traces?.at(-1) !== trace) {
      entry.traces ??= [];
      entry.traces.push(trace);
    }
    return entry;
  }

  /** The effect is over; one that stood behind it may begin. */
  close(entry: PendingEntry, live: LiveEffect): void {
    this.#effects.close(live);
    if (isOutside(live)) {
      const next = this.#outside.close(live);
      if (next !== null) this.#outputs.perform(this.#gate.gathering, next);
    }
    if (live.openedIn === this.#gate.gathering) return; // E2: what was opened in the same group leaves no trace.
    entry.closes ??= [];
    entry.closes.push(live.opened.id);
  }

  /** Ends an outside effect of the entity without its outcome; nothing when it is over, or never was. */
  cancel(entry: PendingEntry, live: OutsideLive | undefined): void {
    if (live === undefined || !live.isOpen) return;
    this.close(entry, live);
    this.#outputs.cancel(live.opened.id);
  }

  /** The timer is over: it fired, or was cancelled. */
  endTimer(slot: Slot, entry: PendingEntry, label: string): void {
    entry.timers ??= new Map();
    entry.timers.set(label, null);
    this.#timers.end(slot.address, label, slot.shard);
  }
}
