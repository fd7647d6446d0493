import { addressOf } from "../kernel/address.ts";
import type { Answer } from "../kernel/decision.ts";
import type { CommandSpec } from "../kernel/definition.ts";
import type { Code } from "../kernel/fault.ts";
import type { Json } from "../kernel/json.ts";
import type { Infer } from "../kernel/schema.ts";
import type { Random } from "./random.ts";
import type { SimulatedCommand } from "./simulated-ingress.ts";
import type { Simulation } from "./simulation.ts";

/** What a client wants: without an `id` it is a read, which may be answered differently each time. */
export type ClientCommand = Omit<SimulatedCommand, "timeoutMs">;

/** A client's command whose name and body the compiler checks, from a protocol or a definition. */
export function commandOf<Commands extends Record<string, CommandSpec>, Name extends keyof Commands & string>(
  { type }: { readonly type: string; readonly commands: Commands },
  what: { readonly to: string; readonly command: Name; readonly body: Infer<Commands[Name]["body"]>; readonly id: string | null },
): ClientCommand {
  return { to: addressOf(type, what.to), command: what.command, body: what.body as Json, id: what.id };
}

/** A command with what it was finally told; `told` is null until then. */
export interface Operation {
  readonly command: ClientCommand;
  told: Answer<Json> | null;
  attempts: number;
}

/** Answers that leave it open whether the command ran, or say that it did not: the same command with the same id is sent again. */
const REPEATABLE: ReadonlySet<Code> = new Set([
  "MAILBOX_FULL",
  "OVERLOADED",
  "JOURNAL_UNAVAILABLE",
  "SHUTTING_DOWN",
  "DEADLINE_EXCEEDED",
  "OUTCOME_UNKNOWN",
  "key_in_progress",
] as const);

export interface SimulatedClientsOptions {
  readonly simulation: Simulation;
  readonly random: Random;
  readonly operationsCount: number;
  readonly clientsCount: number;
  readonly next: (operations: readonly Operation[]) => ClientCommand;
  readonly bytesOf: (answer: Answer<Json>) => string;
  readonly onStart: (operation: Operation) => void;
  /** A definite answer, the first one or a later one. */
  readonly onTold: (operation: Operation, answer: Answer<Json>) => void;
  readonly onViolation: (what: string) => void;
}

/**
 * Clients in virtual time: each sends one command after the other, again with the same id after every answer that leaves the outcome open, some
 * twice at once, and remembers what it was told: equal ids must get equal bytes (L3).
 */
export class SimulatedClients {
  readonly operations: Operation[] = [];
  readonly #options: SimulatedClientsOptions;
  #underWay = 0;

  constructor(options: SimulatedClientsOptions) {
    this.#options = options;
  }

  start(): void {
    for (let client = 0; client < this.#options.clientsCount; client++) this.#next();
  }

  /** Every operation was begun and has a definite answer. */
  get isDone(): boolean {
    return this.operations.length >= this.#options.operationsCount && this.#underWay === 0;
  }

  /** Sends the operation's command again until it gets a definite answer, which must be what it was told before. */
  repeat(operation: Operation): void {
    this.#attempt(operation, () => {});
  }

  #next(): void {
    const { random, simulation, operationsCount, next, onStart } = this.#options;
    if (this.operations.length >= operationsCount) return;
    const operation: Operation = { command: next(this.operations), told: null, attempts: 0 };
    this.operations.push(operation);
    onStart(operation);
    const rest = random.chance(0.3) ? random.next() * 20 : random.next();
    this.#attempt(operation, () => simulation.clock.after(rest, () => this.#next()));
    // A client that does not trust its connection sends the same command over a second one.
    if (operation.command.id !== null && random.chance(0.15)) {
      simulation.clock.after(random.next() * 10, () => this.#attempt(operation, () => {}));
    }
  }

  #attempt(operation: Operation, done: () => void): void {
    const { random, simulation, onTold } = this.#options;
    this.#underWay++;
    operation.attempts++;
    const timeoutMs = random.chance(0.2) ? random.between(1, 15) : random.between(50, 400);
    simulation.ask({ ...operation.command, timeoutMs }, (answer) => {
      this.#underWay--;
      if (!answer.ok && REPEATABLE.has(answer.code)) {
        this.#underWay++;
        simulation.clock.after(1 + random.next() * 30, () => {
          this.#underWay--;
          this.#attempt(operation, done);
        });
        return;
      }
      this.#told(operation, answer);
      onTold(operation, answer);
      done();
    });
  }

  #told(operation: Operation, answer: Answer<Json>): void {
    if (operation.told === null) {
      operation.told = answer;
      return;
    }
    if (operation.command.id === null) return;
    const [first, again] = [this.#options.bytesOf(operation.told), this.#options.bytesOf(answer)];
    if (first !== again) this.#options.onViolation(`${nameOf(operation.command)} was told ${first} and then ${again} (L3)`);
  }
}

export const nameOf = ({ command, to, id }: ClientCommand): string => `${command} ${to} (key ${id})`;
