import { type Entry, unpackEntries } from "../journal/record.ts";
import { partsOf } from "../kernel/address.ts";
import type { Answer } from "../kernel/decision.ts";
import type { AnyDefinition } from "../kernel/definition.ts";
import type { Code } from "../kernel/fault.ts";
import type { Json } from "../kernel/json.ts";
import type { DomainLimits } from "../shard/domain-options.ts";
import { faultPlanOf } from "./fault-plan.ts";
import { JournalCheck } from "./journal-check.ts";
import { Random } from "./random.ts";
import { type Look, RECOVERY_SOURCES, recoveredAnswers } from "./recovery-check.ts";
import { type ClientCommand, nameOf, type Operation, SimulatedClients } from "./simulated-clients.ts";
import type { SimulatedBug } from "./simulated-process.ts";
import { Simulation, type SimulationCounts, type SimulationOptions } from "./simulation.ts";

export interface SimulationRunOptions {
  /** One seed is one run, to the last record. */
  readonly seed: number;
  /** Commands of clients; repeats are not counted. */
  readonly operationsCount: number;
  readonly definitions: readonly AnyDefinition[];
  /** Called once: what the clients do and what must hold, with state of its own for this run. */
  readonly scenario: (stage: SimulationStage) => Scenario;
  /** Who performs effects that leave: see `SimulationOptions`. */
  readonly performer?: NonNullable<SimulationOptions["performer"]>;
  /** For checks of the checks: breaks one rule. */
  readonly bug?: SimulatedBug | null;
}
export interface SimulationStage {
  /** The run's own: what it draws depends on the seed alone. */
  readonly random: Random;
  /** Committed states, events and answers, up to the record that was committed last. */
  readonly journal: JournalCheck;
  /** Says what is broken, in one sentence. */
  readonly tell: (what: string) => void;
}
export interface Scenario {
  /** The next command of some client. An `id` must be new, unless a repeat is meant; without an id it is a read. */
  next(operations: readonly Operation[]): ClientCommand;
  /** With it, at the end every entity is looked at in memory and in two recoveries, and must be the same. */
  readonly look?: Look;
  /** An answer's bytes for comparing two answers to one id; the default is all of it but the runtime's mark of a repeat. */
  bytesOf?(answer: Answer<Json>): string;
  /** A group leaves its domain: nothing of it is committed. */
  submitted?(entries: readonly Entry[]): void;
  /** After every commit, before anybody hears of it: the place for what must always hold. */
  committed?(entries: readonly Entry[]): void;
  /** An answer as it leaves its domain: what it speaks of must be committed (L2). */
  leaving?(command: ClientCommand, answer: Answer<Json>): void;
  started?(operation: Operation): void;
  /** A definite answer arrived. */
  told?(operation: Operation, answer: Answer<Json>): void;
  /** All faults are over, nothing is open, everybody has been answered. */
  ended?(operations: readonly Operation[]): void;
}
export interface SimulationResult extends Readonly<SimulationCounts> {
  /** What was broken, one sentence each; empty = everything held. */
  readonly violations: readonly string[];
  readonly operations: number;
  readonly attempts: number;
  readonly records: number;
  readonly virtualMs: number;
}

/**
 * One seed of any entities: clients against the real domains, gates, fence, recovery and checkpoints in virtual time, while threads, the process, the
 * journal and the disk fail; then the faults stop, everything drains, and each command is sent once more. Checked for any entities: the
 * journal (`JournalCheck`), one answer a caller, equal bytes for equal ids (L3), no crash, recorded answers committed before they leave (L2), no
 * effect left open, and memory equal to what a restart would find. What the entities mean is checked by the scenario. Never throws.
 */
export function runSimulation(options: SimulationRunOptions): SimulationResult {
  return new SimulationRun(options).run();
}

const SHARD_COUNT = 16;
const THREAD_COUNT = 2;
/** One of these after each restart: shards must not care who hosts them. */
const THREAD_COUNTS_LATER = [2, 2, 1, 3] as const;
const DRAIN_MS_MAX = 60_000;
const LOOK_MS_MAX = 10_000;
const LOOKS_MAX = 100;

class SimulationRun {
  readonly #options: SimulationRunOptions;
  readonly #journal: JournalCheck;
  readonly #told: string[] = [];
  readonly #simulation: Simulation;
  readonly #scenario: Scenario;
  readonly #clients: SimulatedClients;

  constructor(options: SimulationRunOptions) {
    this.#options = options;
    const { seed, operationsCount, definitions, bug = null } = options;
    const random = new Random(seed ^ 0x5bd1e995);
    this.#journal = new JournalCheck(definitions);
    this.#scenario = options.scenario({ random: random.fork(), journal: this.#journal, tell: this.#tell });
    this.#simulation = new Simulation({
      seed,
      threadCount: THREAD_COUNT,
      threadCountsLater: THREAD_COUNTS_LATER,
      shardCount: SHARD_COUNT,
      definitions,
      limits: limitsOf(random),
      bug,
      ...(options.performer === undefined ? {} : { performer: options.performer }),
      onSubmit: ({ body }) => {
        if (this.#scenario.submitted !== undefined) this.#scenario.submitted(unpackEntries(body));
      },
      onRecord: (record) => {
        const entries = this.#journal.add(record); // Not inside the optional call, which does not evaluate its arguments without a function.
        this.#scenario.committed?.(entries);
      },
      onAnswer: (command, answer) => this.#leaving(command, answer),
    });
    const plan = faultPlanOf(random, { operationsCount, threadCount: THREAD_COUNT });
    this.#clients = new SimulatedClients({
      simulation: this.#simulation,
      random: random.fork(),
      operationsCount,
      clientsCount: random.between(4, 24),
      next: (operations) => this.#scenario.next(operations),
      bytesOf: this.#bytesOf,
      onStart: (operation) => {
        for (const fault of plan.get(this.#clients.operations.length) ?? []) this.#simulation.inject(fault);
        this.#scenario.started?.(operation);
      },
      onTold: (operation, answer) => this.#scenario.told?.(operation, answer),
      onViolation: this.#tell,
    });
  }

  run(): SimulationResult {
    const { operations } = this.#clients;
    this.#until(
      () => this.#clients.isDone,
      "not every operation got a definite answer",
      () => this.#clients.start(),
    );
    this.#simulation.calm();
    this.#until(() => this.#simulation.isQuiet, "it did not drain");
    const repeatAll = (): void => {
      for (const operation of operations) if (operation.command.id !== null) this.#clients.repeat(operation);
    };
    this.#until(() => this.#clients.isDone && this.#simulation.isQuiet, "the repeats did not end", repeatAll);
    if (!this.#isBroken) this.#end();
    return {
      ...this.#simulation.counts,
      violations: this.#violations,
      operations: operations.length,
      attempts: operations.reduce((sum, { attempts }) => sum + attempts, 0),
      records: this.#simulation.journal.lastSeq,
      virtualMs: Math.round(this.#simulation.clock.nowMs),
    };
  }

  get #violations(): readonly string[] {
    return [...this.#journal.violations, ...this.#simulation.violations, ...this.#told];
  }
  get #isBroken(): boolean {
    return this.#journal.violations.length + this.#simulation.violations.length + this.#told.length > 0;
  }

  readonly #tell = (what: string): void => {
    this.#told.push(what);
  };

  readonly #bytesOf = (answer: Answer<Json>): string => {
    if (this.#scenario.bytesOf !== undefined) return this.#scenario.bytesOf(answer);
    const { isRepeat: _mark, ...bytes } = answer;
    return JSON.stringify(bytes);
  };

  #until(isDone: () => boolean, what: string, begin: () => void = () => undefined): void {
    if (this.#isBroken) return;
    const simulation = this.#simulation;
    try {
      begin();
      if (!simulation.run(() => isDone() || this.#isBroken, DRAIN_MS_MAX)) {
        this.#tell(`${what} within ${DRAIN_MS_MAX} ms: ${stateOf(simulation)}`);
      }
    } catch (cause) {
      // A thread would have died of it; here it must not hide the seed.
      this.#tell(`the core or the scenario threw: ${cause instanceof Error ? cause.stack : String(cause)}`);
    }
  }

  #leaving(command: ClientCommand, answer: Answer<Json>): void {
    const name = nameOf(command);
    if (!answer.ok && UNFIT.has(answer.code)) return this.#tell(`${name} was told ${answer.code}: ${answer.detail}`);
    this.#scenario.leaving?.(command, answer);
    if (!this.#isRecorded(command) || (!answer.ok && NOT_RECORDED.has(answer.code))) return;
    const recorded = this.#journal.answerTo(command.to, command.id ?? "");
    if (recorded === undefined) return this.#tell(`${name} was answered before it was in the journal (L2)`);
    if (recorded === null || this.#bytesOf(recorded) !== this.#bytesOf(answer)) {
      this.#tell(`${name} was answered with other bytes than the journal's (L3)`);
    }
  }

  #isRecorded({ to, command, id }: ClientCommand): boolean {
    const definition = this.#options.definitions.find(({ type }) => type === partsOf(to).type);
    return id !== null && definition?.commands[command]?.repeats === "recorded";
  }

  #end(): void {
    const { effectsOpen } = this.#journal;
    if (effectsOpen.length > 0) this.#tell(`effects are open in the journal and nothing is under way: ${effectsOpen.join(", ")}`);
    for (const { command, told } of this.#clients.operations) {
      if (told === null) this.#tell(`${nameOf(command)} never got a definite answer`);
    }
    const { look } = this.#scenario;
    if (look !== undefined) this.#compare(look);
    this.#scenario.ended?.(this.#clients.operations);
  }

  /** Memory, and what two restarts would find. */
  #compare(look: Look): void {
    const addresses = [...this.#journal.versions.keys()].sort();
    const inMemory = this.#lookAtRest(addresses, look);
    for (const source of RECOVERY_SOURCES) {
      const rebuilt = recoveredAnswers(source, {
        simulation: this.#simulation,
        definitions: this.#options.definitions,
        shardCount: SHARD_COUNT,
        journal: this.#journal,
        addresses,
        look,
        bytesOf: this.#bytesOf,
        tell: this.#tell,
      });
      for (const address of addresses) {
        const [found, expected] = [rebuilt.get(address), inMemory.get(address)];
        if (found !== expected) this.#tell(`${address} is ${found} from ${source} and ${expected} in memory`);
      }
    }
  }

  /** All looks at one position of the journal: a timer that fires between two of them would make memory differ from what is recovered. */
  #lookAtRest(addresses: readonly string[], look: Look): ReadonlyMap<string, string> {
    for (let looks = 0; ; looks++) {
      const seq = this.#simulation.journal.lastSeq;
      const seen = this.#lookAtAll(addresses, look);
      this.#until(() => this.#simulation.isQuiet, "it did not come to rest after the final reads");
      if (this.#simulation.journal.lastSeq === seq || this.#isBroken) return seen;
      if (looks === LOOKS_MAX) this.#tell(`something was written during each of ${LOOKS_MAX} rounds of final reads`);
    }
  }

  #lookAtAll(addresses: readonly string[], look: Look): ReadonlyMap<string, string> {
    const simulation = this.#simulation;
    const seen = new Map<string, string>();
    let left = addresses.length;
    const ask = (to: string): void =>
      simulation.ask({ to, ...look(to), id: null, timeoutMs: LOOK_MS_MAX }, (answer) => {
        if (!answer.ok && NOT_RUN.has(answer.code)) return simulation.clock.after(5, () => ask(to));
        seen.set(to, this.#bytesOf(answer));
        left--;
      });
    for (const address of addresses) ask(address);
    this.#until(() => left === 0, "the final reads did not end");
    return seen;
  }
}

/** Answers that nothing in a run should cause. */
const UNFIT: ReadonlySet<Code> = new Set(["INTERNAL_ERROR", "ENTITY_FAILED", "NOT_OWNER"] as const);
/** Refusals that say that the command did not run, or may not have. */
const NOT_RUN: ReadonlySet<Code> = new Set([
  "MAILBOX_FULL",
  "OVERLOADED",
  "JOURNAL_UNAVAILABLE",
  "DEADLINE_EXCEEDED",
  "OUTCOME_UNKNOWN",
] as const);
/** What the runtime itself refuses is not kept under the command's id. */
const NOT_RECORDED: ReadonlySet<Code> = new Set([...NOT_RUN, "key_reused", "keys_exhausted", "validation_failed"] as const);

function limitsOf(random: Random): DomainLimits {
  return {
    mailboxMax: random.pick([3, 20, 1000]),
    turnMessagesMax: random.between(1, 8),
    groupEntriesMax: random.between(2, 60),
    groupsInFlightMax: random.between(1, 4),
    effectsMax: random.pick([10, 1000]),
    portMessagesMax: random.pick([3, 1000]),
    entitiesBytesMax: 1e9,
    dirtyMax: random.pick([40, 5000]),
    hopsMax: 100,
    tailsWokenMax: random.pick([1, 64]),
  };
}

function stateOf(simulation: Simulation): string {
  const { process } = simulation;
  if (process === null) return "no process runs";
  const shards = process.shards.map(({ thread, isGone, domain, groupsUncommitted }) => {
    if (isGone || domain === null) return `thread ${thread} is gone`;
    const { openEffects } = domain.figures();
    return `thread ${thread}: ${domain.isIdle ? "idle" : "busy"}, ${groupsUncommitted} groups, ${openEffects} effects, ${domain.tellsSeen} tells seen`;
  });
  return `${process.isWhole ? "all threads run" : "a thread is missing"}; ${shards.join("; ")}`;
}
