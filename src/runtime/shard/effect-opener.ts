import type { OpenEffect } from "../journal/snapshots.ts";
import type { TimerSet } from "../journal/timer.ts";
import type { AskEffect, Effect, OutsideEffect, ScheduleEffect, TellEffect } from "../kernel/decision.ts";
import type { Activation } from "./activation.ts";
import type { CommitGate } from "./commit-gate.ts";
import type { Delivery } from "./delivery.ts";
import { type EffectTable, LiveEffect } from "./effect-table.ts";
import type { EntityMemory } from "./entity-memory.ts";
import type { Outputs } from "./outputs.ts";
import { isOutside, type OutsideEffects } from "./outside-effects.ts";
import type { PendingEntry } from "./pending-entry.ts";
import type { Slot } from "./slot.ts";
import type { Timers } from "./timers.ts";
import type { Turn } from "./turn.ts";

/** The shard of what is not an entity. */
export const OUTSIDE = -1;

/** Where a handled message came from: what its effects inherit. */
export interface Origin {
  readonly hops: number;
  readonly trace?: string;
}
export const NO_ORIGIN: Origin = { hops: 0 };

/** Opens the effects of a decision: into the entity's entry, into the tables, and on their way. */
export class EffectOpener {
  readonly #memory: EntityMemory;
  readonly #activation: Activation;
  readonly #delivery: Delivery;
  readonly #outputs: Outputs;
  readonly #gate: CommitGate;
  readonly #turn: Turn;
  readonly #effects: EffectTable;
  readonly #outside: OutsideEffects;
  readonly #timers: Timers;
  readonly #incarnation: number;
  readonly #hopsMax: number;
  readonly #outsidePorts: ReadonlySet<string>;

  constructor(options: {
    readonly memory: EntityMemory;
    readonly activation: Activation;
    readonly delivery: Delivery;
    readonly outputs: Outputs;
    readonly gate: CommitGate;
    readonly turn: Turn;
    readonly effects: EffectTable;
    readonly outside: OutsideEffects;
    readonly timers: Timers;
    readonly incarnation: number;
    readonly hopsMax: number;
    readonly outsidePorts: ReadonlySet<string>;
  }) {
    this.#memory = options.memory;
    this.#activation = options.activation;
    this.#delivery = options.delivery;
    this.#outputs = options.outputs;
    this.#gate = options.gate;
    this.#turn = options.turn;
    this.#effects = options.effects;
    this.#outside = options.outside;
    this.#timers = options.timers;
    this.#incarnation = options.incarnation;
    this.#hopsMax = options.hopsMax;
    this.#outsidePorts = options.outsidePorts;
  }

  /**
   * A tell to nobody would crash whoever gets it, again after every recovery, and a chain of answers is a chain of tells.
   * @returns the entity that gets it, for `open`; undefined when it is not in memory, or none gets it.
   * @throws Error.
   */
  assertOpens(slot: Slot, effect: Effect, hops: number): Slot | undefined {
    let target: Slot | undefined;
    if (effect.kind === "schedule") {
      assertTimer(slot, effect);
      return undefined;
    }
    if (effect.kind === "tell" || effect.kind === "ask") target = this.#assertEntity(effect);
    else {
      if (!this.#outsidePorts.has(effect.to)) throw new Error(`there is no port "${effect.to}"`);
      assertProgress(slot, effect);
    }
    if (effect.answerTo !== undefined && !Object.hasOwn(slot.definition.answers ?? {}, effect.answerTo)) {
      throw new Error(`${slot.definition.type} has no handler "${effect.answerTo}" in answers`);
    }
    if (hops > this.#hopsMax) throw new Error(`the chain without an outside input is longer than ${this.#hopsMax}`);
    return target;
  }

  #assertEntity(effect: TellEffect | AskEffect): Slot | undefined {
    const target = this.#memory.slots.get(effect.to);
    const definition = target?.definition ?? this.#activation.definitionByType(effect.to);
    if (definition === undefined || !Object.hasOwn(definition.commands, effect.command)) {
      throw new Error(`there is no command "${effect.command}" for ${effect.to}`);
    }
    return target;
  }

  /** Only what `assertOpens` let pass, with what it returned. */
  open(slot: Slot, entry: PendingEntry, effect: Effect, target: Slot | undefined, origin: Origin): void {
    if (effect.kind === "tell" || effect.kind === "ask") this.#openInside(slot, entry, effect, target, origin);
    else if (effect.kind === "schedule") this.#setTimer(slot, entry, effect, origin.trace);
    else this.#openOutside(slot, entry, effect, origin);
  }

  #openInside(
    slot: Slot,
    entry: PendingEntry,
    { kind, to, command, body, answerTo }: TellEffect | AskEffect,
    target: Slot | undefined,
    origin: Origin,
  ): void {
    const id = `${slot.shard}.${this.#incarnation}.${entry.seq}.${entry.opened++}`;
    const effect: { -readonly [Key in keyof OpenEffect]: OpenEffect[Key] } = {
      id,
      kind,
      to,
      command,
      body,
      hops: origin.hops + 1,
      from: slot.address,
      shard: slot.shard,
    };
    if (answerTo !== undefined) effect.answerTo = answerTo;
    if (origin.trace !== undefined) effect.trace = origin.trace;
    const live = new LiveEffect({ effect, toShard: target?.shard ?? this.#activation.shardOf(to), openedIn: this.#gate.gathering });
    live.work = this.#turn.work;
    entry.opens ??= [];
    entry.opens.push(live);
    this.#effects.open(live);
    if (target === undefined) return this.#delivery.offer(live);
    live.owner = slot;
    this.#delivery.put(target, { kind, effect, live }, true);
  }

  #openOutside(
    slot: Slot,
    entry: PendingEntry,
    { kind, to, command, body, answerTo, isOrdered, label, keepsDead, progressTo }: OutsideEffect,
    origin: Origin,
  ): void {
    const effect: OpenEffect = {
      id: `${slot.shard}.${this.#incarnation}.${entry.seq}.${entry.opened++}`,
      kind,
      to,
      command,
      body,
      ...(answerTo === undefined ? {} : { answerTo }),
      ...(isOrdered === true ? { isOrdered } : {}),
      ...(label === undefined ? {} : { label }),
      ...(keepsDead === true ? { keepsDead } : {}),
      ...(progressTo === undefined ? {} : { progressTo }),
      hops: 0, // What comes back from outside is an outside input: a queue that is worked off call by call is no chain without end.
      ...(origin.trace === undefined ? {} : { trace: origin.trace }),
      from: slot.address,
      shard: slot.shard,
      outside: { openedAt: this.#turn.at, attempts: 0, nextAt: 0, lastError: null, dead: null },
    };
    const live = new LiveEffect({ effect, toShard: OUTSIDE, openedIn: this.#gate.gathering });
    live.work = this.#turn.work;
    entry.opens ??= [];
    entry.opens.push(live);
    this.#effects.open(live);
    if (!isOutside(live)) return;
    this.#outside.open(live);
    this.#outputs.perform(live.openedIn, live);
  }

  #setTimer(slot: Slot, entry: PendingEntry, { label, at, command, body, catchUp }: ScheduleEffect, trace: string | undefined): void {
    const timer: TimerSet = {
      label,
      at,
      command,
      body,
      ...(catchUp === undefined || catchUp === "run" ? {} : { catchUp }),
      ...(trace === undefined ? {} : { trace }),
    };
    entry.timers ??= new Map();
    entry.timers.set(label, timer);
    this.#timers.set({ ...timer, entity: slot.address, shard: slot.shard });
  }
}

/** A label names a timer wherever its work is noted, where space is bounded: what is cut there cannot be known again as poison (L6). */
const TIMER_LABEL_CHARS_MAX = 200;

/** A timer that nobody can handle would be found out when it is due, which may be in a year. @throws Error. */
function assertTimer({ definition }: Slot, { label, at, command }: ScheduleEffect): void {
  if (label.length > TIMER_LABEL_CHARS_MAX)
    throw new Error(
      `a timer of ${definition.type} has a label of ${label.length} characters; at most ${TIMER_LABEL_CHARS_MAX} are allowed`,
    );
  if (!Object.hasOwn(definition.commands, command))
    throw new Error(`${definition.type} has no command "${command}" for its timer "${label}"`);
  if (!Number.isSafeInteger(at) || at < 0) throw new Error(`the timer "${label}" of ${definition.type} is set to ${at}, which is no time`);
}

/** @throws Error. */
function assertProgress({ definition }: Slot, { kind, progressTo }: OutsideEffect): void {
  if (progressTo === undefined) return;
  if (kind === "compute") throw new Error("a task of the pool tells no progress");
  if (!Object.hasOwn(definition.progress ?? {}, progressTo))
    throw new Error(`${definition.type} has no handler "${progressTo}" in progress`);
}
