import { unreachable } from "../kernel/json.ts";
import type { Activation } from "./activation.ts";
import { AnswerHandler } from "./answer-handler.ts";
import { AttemptHandler } from "./attempt-handler.ts";
import { CommandHandler } from "./command-handler.ts";
import type { CommitGate } from "./commit-gate.ts";
import type { Delivery } from "./delivery.ts";
import type { DomainMeter } from "./domain-meter.ts";
import type { DomainPorts } from "./domain-options.ts";
import { EffectOpener } from "./effect-opener.ts";
import type { EffectTable } from "./effect-table.ts";
import type { EntityMemory } from "./entity-memory.ts";
import { EntryWriter } from "./entry-writer.ts";
import { Handlers } from "./handlers.ts";
import type { Message } from "./message.ts";
import type { Outputs } from "./outputs.ts";
import type { OutsideEffects } from "./outside-effects.ts";
import { ParkedMessages } from "./parked-messages.ts";
import type { ReadyEntities } from "./ready-entities.ts";
import { ResolveHandler } from "./resolve-handler.ts";
import type { SeenTells } from "./seen-tells.ts";
import type { Slot } from "./slot.ts";
import { TellHandler } from "./tell-handler.ts";
import { TimerHandler } from "./timer-handler.ts";
import type { Timers } from "./timers.ts";
import type { Turn } from "./turn.ts";

/** Who handles which kind of message. What must be written waits while the journal is down; commands and people are refused instead. */
export class MessageHandlers {
  readonly attempts: AttemptHandler;
  readonly resolutions: ResolveHandler;
  readonly answers: AnswerHandler;
  readonly timers: TimerHandler;
  readonly parked: ParkedMessages;
  readonly #commands: CommandHandler;
  readonly #tells: TellHandler;
  readonly #gate: CommitGate;

  constructor(options: {
    readonly gate: CommitGate;
    readonly ports: DomainPorts;
    readonly turn: Turn;
    readonly outputs: Outputs;
    readonly memory: EntityMemory;
    readonly activation: Activation;
    readonly delivery: Delivery;
    readonly ready: ReadyEntities;
    readonly effects: EffectTable;
    readonly outside: OutsideEffects;
    readonly timers: Timers;
    readonly seen: SeenTells;
    readonly seqs: Map<number, number>;
    readonly meter: DomainMeter;
    readonly isOwned: (shard: number) => boolean;
    readonly shardCount: number;
    readonly incarnation: number;
    readonly hopsMax: number;
    readonly outsidePorts: ReadonlySet<string>;
  }) {
    this.#gate = options.gate;
    this.parked = new ParkedMessages(options);
    const writer = new EntryWriter({ ...options, opener: new EffectOpener(options) });
    const parts = { ...options, writer, handlers: new Handlers(options) };
    this.answers = new AnswerHandler(parts);
    this.attempts = new AttemptHandler({ ...parts, answers: this.answers });
    this.resolutions = new ResolveHandler({ ...parts, answers: this.answers });
    this.timers = new TimerHandler(parts);
    this.#commands = new CommandHandler(parts);
    this.#tells = new TellHandler(parts);
  }

  handle(slot: Slot, message: Message): void {
    switch (message.kind) {
      case "command":
        return this.#commands.handle(slot, message);
      case "tell":
        return this.#gate.isJournalDown ? this.parked.park(slot, message) : this.#tells.tell(slot, message);
      case "ask":
        return this.#tells.ask(slot, message);
      case "answer":
        return this.#gate.isJournalDown ? this.parked.park(slot, message) : this.answers.handle(slot, message);
      case "progress":
        return this.#gate.isJournalDown ? this.parked.park(slot, message) : this.attempts.progress(slot, message);
      case "outcome":
        return this.#gate.isJournalDown ? this.parked.park(slot, message) : this.attempts.outcome(slot, message);
      case "resolve":
        return this.resolutions.handle(slot, message);
      case "timer":
        return this.#gate.isJournalDown ? this.parked.park(slot, message) : this.timers.handle(slot, message);
      default:
        return unreachable(message);
    }
  }
}
