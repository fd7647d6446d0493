import type { Refusal } from "../kernel/decision.ts";
import { RECORDED_ANSWER } from "../kernel/definition.ts";
import type { Activation } from "./activation.ts";
import { commandWork } from "./at-work.ts";
import type { Checkpoints } from "./checkpoints.ts";
import type { CommitGate } from "./commit-gate.ts";
import { type DomainMeter, OUTCOME } from "./domain-meter.ts";
import type { DomainLimits, DomainPorts } from "./domain-options.ts";
import type { EffectTable } from "./effect-table.ts";
import type { EntityMemory } from "./entity-memory.ts";
import type { CommandMessage } from "./message.ts";
import type { ReadyEntities } from "./ready-entities.ts";
import { CANCELLED, POISONED, refusal } from "./refusal.ts";
import type { Slot } from "./slot.ts";
import type { Turn } from "./turn.ts";

/** Where clients' commands come in: refused at once, with nothing kept, when a limit is reached (L6), or put into a mailbox. */
export class CommandDoor {
  readonly #ports: DomainPorts;
  readonly #limits: DomainLimits;
  readonly #gate: CommitGate;
  readonly #turn: Turn;
  readonly #memory: EntityMemory;
  readonly #activation: Activation;
  readonly #checkpoints: Checkpoints;
  readonly #effects: EffectTable;
  readonly #ready: ReadyEntities;
  readonly #meter: DomainMeter;
  readonly #isOwned: (shard: number) => boolean;

  constructor(options: {
    readonly ports: DomainPorts;
    readonly limits: DomainLimits;
    readonly gate: CommitGate;
    readonly turn: Turn;
    readonly memory: EntityMemory;
    readonly activation: Activation;
    readonly checkpoints: Checkpoints;
    readonly effects: EffectTable;
    readonly ready: ReadyEntities;
    readonly meter: DomainMeter;
    readonly isOwned: (shard: number) => boolean;
  }) {
    this.#ports = options.ports;
    this.#limits = options.limits;
    this.#gate = options.gate;
    this.#turn = options.turn;
    this.#memory = options.memory;
    this.#activation = options.activation;
    this.#checkpoints = options.checkpoints;
    this.#effects = options.effects;
    this.#ready = options.ready;
    this.#meter = options.meter;
    this.#isOwned = options.isOwned;
  }

  /** A command waits for its entity from now on, or its caller is answered why not. */
  take(message: CommandMessage): void {
    const present = this.#memory.slots.get(message.to);
    const refused = this.#whyFull() ?? this.#whyNot(message, present);
    if (refused !== null) return this.#ports.answer(message.caller, refused);
    const slot = present ?? this.#activation.wake(message.to);
    if (!slot.mailbox.offer(message)) {
      const detail = `${slot.mailbox.capacity} messages wait for ${message.to}; nothing was done. Send the command again later.`;
      return this.#ports.answer(message.caller, refusal("MAILBOX_FULL", detail));
    }
    this.#meter.queued(message);
    this.#ready.add(slot);
  }

  /** Why no command at all is taken now; null when there is room. */
  #whyFull(): Refusal | null {
    if (this.#gate.isDropped) return RECOVERING;
    const unstored = this.#checkpoints.dirtyCount + this.#activation.tailsUnread;
    if (this.#effects.count >= this.#limits.effectsMax || unstored >= this.#limits.dirtyMax) return FULL_OF_WORK;
    if (this.#memory.bytes >= this.#limits.entitiesBytesMax) return FULL_OF_ENTITIES;
    return this.#effects.isPortSpent ? PORT_SPENT : null;
  }

  /** Why this command is not taken, whoever else's is; null when it is. */
  #whyNot({ to, id, command }: CommandMessage, present: Slot | undefined): Refusal | null {
    if (this.#turn.knowsPoison && id !== null && this.#turn.isPoison(commandWork(to, id))) return POISONED;
    const definition = present?.definition ?? this.#activation.definitionByType(to);
    if (definition === undefined || !(Object.hasOwn(definition.commands, command) || command === RECORDED_ANSWER)) {
      return refusal("validation_failed", `There is no command "${command}" for ${to}.`);
    }
    if (present === undefined && !this.#isOwned(this.#activation.shardOf(to))) {
      return refusal("NOT_OWNER", `The shard of ${to} is not here; nothing was done.`);
    }
    return null;
  }

  /** The clients of these commands went away: what still waits is dropped and answered as surely not run; what has begun goes on. */
  cancel(commands: Iterable<readonly [caller: number, to: string]>): void {
    const callersOf = new Map<string, Set<number>>();
    for (const [caller, to] of commands) callersOf.set(to, (callersOf.get(to) ?? new Set()).add(caller));
    for (const [to, callers] of callersOf) {
      const slot = this.#memory.slots.get(to);
      const dropped = slot?.mailbox.remove((message) => message.kind === "command" && callers.has(message.caller)) ?? [];
      this.#meter.commandsCancelled += dropped.length;
      if (slot !== undefined) {
        const counts = this.#meter.countsOf(slot.definition.type);
        counts[OUTCOME.dropped] = (counts[OUTCOME.dropped] ?? 0) + dropped.length;
      }
      for (const message of dropped) if (message.kind === "command") this.#ports.answer(message.caller, CANCELLED);
    }
  }
}

const RECOVERING = refusal(
  "JOURNAL_UNAVAILABLE",
  "The shard is being recovered; this attempt did nothing. Send the command again with the same key.",
);
const FULL_OF_WORK = refusal(
  "OVERLOADED",
  "The shard thread has as much open work as it may hold; nothing was done. Send the command again later.",
);
const FULL_OF_ENTITIES = refusal(
  "OVERLOADED",
  "The entities in memory take as many bytes as they may, and none can leave yet; nothing was done. Send the command again later.",
);
const PORT_SPENT = refusal(
  "OVERLOADED",
  "Another shard thread has as many messages of this one to handle as it may have; nothing was done. Send the command again later.",
);
