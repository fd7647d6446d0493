/**
 * Clients of the ledger: they open accounts, move money, freeze and read, repeat with the same key after every answer that leaves the outcome
 * open, send some commands twice at once, and remember what they were told.
 */
import { transferIdOf } from "../../src/actors/index.ts";
import { type Answer, addressOf, type Code, type Json } from "../../src/runtime/index.ts";
import type { Random, SimulatedCommand, Simulation } from "../../src/runtime/testing/index.ts";

/** A command with what it was finally told; `told` is null until then. */
export interface Operation {
  readonly kind: "open" | "move" | "change" | "read";
  readonly command: SimulatedCommand;
  told: Answer<Json> | null;
  attempts: number;
}

const REPEATABLE: ReadonlySet<Code> = new Set([
  "MAILBOX_FULL",
  "OVERLOADED",
  "JOURNAL_UNAVAILABLE",
  "SHUTTING_DOWN",
  "DEADLINE_EXCEEDED",
  "OUTCOME_UNKNOWN",
  "key_in_progress",
] as const);

export interface ClientsOptions {
  readonly simulation: Simulation;
  readonly random: Random;
  readonly operationsCount: number;
  readonly clientsCount: number;
  readonly onStart: (operation: Operation) => void;
  /** A definite answer, the first one or a later one. */
  readonly onTold: (operation: Operation, answer: Answer<Json>) => void;
  readonly onViolation: (what: string) => void;
}

const CURRENCIES = ["CZK", "EUR"] as const;

export class Clients {
  readonly operations: Operation[] = [];
  readonly accounts: readonly { readonly id: string; readonly currency: string }[];
  readonly #options: ClientsOptions;
  #underWay = 0;
  #keys = 0;

  constructor(options: ClientsOptions) {
    this.#options = options;
    this.accounts = Array.from({ length: ACCOUNTS_COUNT }, (_, i) => ({
      id: `acc-${i}`,
      currency: CURRENCIES[i % 4 === 3 ? 1 : 0] ?? "CZK",
    }));
  }

  start(): void {
    for (let client = 0; client < this.#options.clientsCount; client++) this.#next(client);
  }

  /** Every operation was begun and has a definite answer. */
  get isDone(): boolean {
    return this.operations.length >= this.#options.operationsCount && this.#underWay === 0;
  }

  /** Sends the operation's command again until it gets a definite answer, which must be what it was told before. */
  repeat(operation: Operation): void {
    this.#attempt(operation, () => {});
  }

  #next(client: number): void {
    const { random, simulation, operationsCount, onStart } = this.#options;
    if (this.operations.length >= operationsCount) return;
    const first = this.operations.length < this.accounts.length;
    const operation = first ? this.#open(this.operations.length) : this.#any();
    this.operations.push(operation);
    onStart(operation);
    const rest = random.chance(0.3) ? random.next() * 20 : random.next();
    this.#attempt(operation, () => simulation.clock.after(rest, () => this.#next(client)));
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

  /** Equal keys get equal bytes; only the mark that says "again" may differ. */
  #told(operation: Operation, answer: Answer<Json>): void {
    if (operation.told === null) {
      operation.told = answer;
      return;
    }
    if (operation.kind === "read") return;
    const [first, again] = [bytesOf(operation.told), bytesOf(answer)];
    if (first !== again) this.#options.onViolation(`${nameOf(operation)} was told ${first} and then ${again} (L3)`);
  }

  #any(): Operation {
    const { random } = this.#options;
    const what = random.next();
    if (what < 0.2) return this.#move("deposit");
    if (what < 0.3) return this.#move("withdrawal");
    if (what < 0.66) return this.#move("transfer");
    if (what < 0.82) return this.#change();
    if (what < 0.86) return this.#open(random.between(0, this.accounts.length - 1));
    if (what < 0.94) return this.#read("account", this.#account());
    const moved = this.operations.filter(({ kind }) => kind === "move");
    return moved.length === 0 ? this.#read("account", this.#account()) : this.#otherBody(random.pick(moved));
  }

  #account(): string {
    const { random } = this.#options;
    // A few are in most operations, one in 25 does not exist.
    if (random.chance(0.04)) return "nobody";
    return random.pick(random.chance(0.5) ? this.accounts.slice(0, 3) : this.accounts).id;
  }

  #open(i: number): Operation {
    const account = this.accounts[i] ?? { id: "acc-0", currency: "CZK" };
    const overdraftLimit = i % 5 === 4 ? null : i % 5 === 2 ? "5000" : "0";
    const key = `open-${account.id}-${this.operations.length}`;
    const body = { currency: account.currency, kind: "customer", overdraftLimit, owner: null, caller: "local", key };
    return operationOf("open", { to: addressOf("account", account.id), command: "open", body, id: key });
  }

  #move(kind: "deposit" | "withdrawal" | "transfer"): Operation {
    const { random } = this.#options;
    const key = `key-${++this.#keys}`;
    const [from, to] = [kind === "deposit" ? null : this.#account(), kind === "withdrawal" ? null : this.#account()];
    const known = this.accounts.find(({ id }) => id === (from ?? to));
    const currency = random.chance(0.95) ? (known?.currency ?? "CZK") : "EUR";
    const body = { kind, from, to, amount: String(random.between(1, 3000)), currency, caller: "local", key };
    return operationOf("move", { to: addressOf("transfer", transferIdOf("local", key)), command: "request", body, id: key });
  }

  /** The key of an earlier movement with another body, or its read. */
  #otherBody({ command }: Operation): Operation {
    if (this.#options.random.chance(0.4)) return operationOf("read", { to: command.to, command: "get", body: {}, id: null });
    const body = { ...(command.body as Readonly<Record<string, Json>>), amount: "4001" };
    return operationOf("move", { ...command, body });
  }

  #change(): Operation {
    const { random } = this.#options;
    const command = random.pick(["freeze", "unfreeze", "unfreeze", "freeze", "unfreeze", "close"]);
    const id = `change-${++this.#keys}`;
    const body = random.chance(0.1) ? { expectedVersion: random.between(1, 20) } : {};
    return operationOf("change", { to: addressOf("account", this.#account()), command, body, id });
  }

  #read(type: string, id: string): Operation {
    return operationOf("read", { to: addressOf(type, id), command: "get", body: {}, id: null });
  }
}

const ACCOUNTS_COUNT = 12;

const operationOf = (kind: Operation["kind"], command: Omit<SimulatedCommand, "timeoutMs">): Operation => ({
  kind,
  command: { ...command, timeoutMs: 0 },
  told: null,
  attempts: 0,
});

export const nameOf = ({ command }: Operation): string => `${command.command} ${command.to} (key ${command.id})`;

/** An answer without its mark of a repeat. */
export function bytesOf({ isRepeat: _mark, ...answer }: Answer<Json>): string {
  if (!answer.ok || typeof answer.value !== "object" || answer.value === null || !("replayed" in answer.value))
    return JSON.stringify(answer);
  return JSON.stringify({ ...answer, value: { ...answer.value, replayed: false } });
}
