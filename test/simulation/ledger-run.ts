/**
 * One seed of the ledger: its clients, and what money must do, on the simulation that any entities run on. What clients were told, what the
 * journal says, what memory holds and what a recovery would find must all be the same.
 */
import { type AccountView, account, formatAmount, registry } from "../../src/actors/index.ts";
import { type Answer, type Json, partsOf } from "../../src/runtime/index.ts";
import {
  type ClientCommand,
  nameOf,
  type Operation,
  runSimulation,
  type Scenario,
  type SimulatedBug,
  type SimulationResult,
  type SimulationStage,
} from "../../src/runtime/testing/index.ts";
import { JournalFold } from "./journal-fold.ts";
import { bytesOf, LedgerClients } from "./ledger-clients.ts";

export interface LedgerRunOptions {
  readonly seed: number;
  /** Client operations; repeats are not counted. */
  readonly operationsCount: number;
  readonly bug: SimulatedBug | null;
}

export const runLedger = (options: LedgerRunOptions): SimulationResult =>
  runSimulation({ ...options, definitions: registry, scenario: (stage) => new LedgerScenario(stage) });

class LedgerScenario implements Scenario {
  readonly #stage: SimulationStage;
  readonly #fold: JournalFold;
  readonly #clients: LedgerClients;
  /** Versions that were durable when a read was asked. */
  readonly #readFrom = new Map<Operation, number>();

  constructor(stage: SimulationStage) {
    this.#stage = stage;
    this.#fold = new JournalFold(stage.tell);
    this.#clients = new LedgerClients(stage.random);
  }

  readonly bytesOf = bytesOf;
  readonly look = () => ({ command: "get", body: {} });
  readonly next = (operations: readonly Operation[]): ClientCommand => this.#clients.next(operations);
  readonly committed: NonNullable<Scenario["committed"]> = (entries) => this.#fold.add(entries);

  started(operation: Operation): void {
    const { command } = operation;
    if (command.id === null) this.#readFrom.set(operation, this.#stage.journal.versions.get(command.to) ?? 0);
  }

  /** At the moment an answer leaves its domain the journal must hold what it speaks of (L2). */
  leaving(command: ClientCommand, answer: Answer<Json>): void {
    const { tell } = this.#stage;
    const { id } = partsOf(command.to);
    const name = nameOf(command);
    if (!answer.ok && answer.code === "keys_exhausted") return tell(`${name} was told ${answer.code}: ${answer.detail}`);
    if (command.command === "request") return this.#requestLeaves(id, name, answer);
    if (command.command === "open") {
      const opened = this.#fold.accounts.get(id);
      const body = answer.ok ? (answer.value as { readonly body: string }).body : null;
      if (answer.ok && opened?.openedBody !== body) tell(`${name} was answered before it was in the journal, or with other bytes (L2)`);
      if (!answer.ok && answer.code === "already_exists" && opened === undefined) tell(`${name}: it exists, but not in the journal (L2)`);
      return;
    }
    if (command.command === "get" && answer.ok && command.to.startsWith("account/")) {
      this.#viewLeaves(answer.value as unknown as AccountView, name);
    }
  }

  #requestLeaves(id: string, name: string, answer: Answer<Json>): void {
    const { tell } = this.#stage;
    const outcome = this.#fold.transfers.get(id)?.outcome ?? null;
    if (answer.ok) {
      const { status, body } = answer.value as { readonly status: number; readonly body: string };
      if (outcome === null) tell(`${name} was answered before its outcome was in the journal (L2)`);
      else if (outcome.body !== body || outcome.status !== status) tell(`${name} was answered with other bytes than the journal's (L3)`);
    } else if ((answer.code === "key_reused" || answer.code === "key_in_progress") && !this.#fold.transfers.has(id)) {
      tell(`${name} was told ${answer.code} before the transfer was in the journal (L2)`);
    }
  }

  #viewLeaves(view: AccountView, name: string): void {
    const { tell } = this.#stage;
    const then = this.#fold.accounts.get(view.id)?.history[view.version - 1];
    if (view.version === 0) return;
    if (then === undefined) return tell(`${name} showed version ${view.version}, which is not in the journal (L2)`);
    if (then.balance !== view.balance || then.status !== view.status) {
      tell(`${name} showed ${view.balance} ${view.status} at version ${view.version}; the journal says ${then.balance} ${then.status}`);
    }
  }

  /** A read sees every write that was in the journal when it was asked. */
  told(operation: Operation, answer: Answer<Json>): void {
    const version = this.#readFrom.get(operation);
    if (version === undefined || !operation.command.to.startsWith("account/")) return;
    const seen = answer.ok ? (answer.value as unknown as AccountView).version : 0;
    // An account that was never opened may have entries (recorded refusals), but no version.
    if (seen < version) this.#stage.tell(`${nameOf(operation.command)} showed version ${seen}; ${version} was durable when it was asked`);
  }

  ended(operations: readonly Operation[]): void {
    const { journal, tell } = this.#stage;
    for (const [currency, inTransit] of this.#fold.inTransit)
      if (inTransit !== 0n) tell(`${inTransit} ${currency} are in transit and nothing is pending`);
    for (const [id, { outcome }] of this.#fold.transfers) if (outcome === null) tell(`transfer ${id} is pending and nothing is under way`);
    for (const operation of operations) this.#checkTold(operation);
    for (const [id, { balance, currency, status }] of this.#fold.accounts) {
      const state = journal.state(account, id);
      if (state?.balance !== balance || state.status !== status) {
        tell(
          `account ${id} has ${state?.balance} ${state?.status} by its events and ${formatAmount(balance, currency)} ${status} in the journal`,
        );
      }
    }
  }

  /** What a client was told stands in the journal once; what was refused moved nothing. */
  #checkTold({ command, told }: Operation): void {
    if (told === null || command.command !== "request") return; // Others were compared with the journal when the answer left.
    const transfer = this.#fold.transfers.get(partsOf(command.to).id);
    if (!told.ok) {
      if (told.code !== "key_reused" && transfer !== undefined)
        this.#stage.tell(`${nameOf(command)} was refused with ${told.code} and is in the journal`);
      return;
    }
    const { state } = told.value as { readonly state: string };
    if (transfer?.outcome?.isCompleted !== (state === "COMPLETED"))
      this.#stage.tell(`${nameOf(command)} was told ${state}; the journal says otherwise`);
  }
}
