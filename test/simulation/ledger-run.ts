/**
 * One seed: clients of the ledger against the simulated runtime while things go wrong; then the faults stop, everything drains, and what the
 * clients were told, what the journal says, what memory holds and what a recovery would find must all be the same.
 */
import { type AccountView, formatAmount, registry } from "../../src/actors/index.ts";
import {
  type Answer,
  addressOf,
  type CheckpointHead,
  Domain,
  type DomainLimits,
  type Json,
  partsOf,
  Recovery,
  type Snapshot,
} from "../../src/runtime/index.ts";
import {
  Random,
  type SimulatedBug,
  type SimulatedCommand,
  type SimulatedFault,
  Simulation,
  type SimulationCounts,
} from "../../src/runtime/testing/index.ts";
import { JournalFold } from "./journal-fold.ts";
import { bytesOf, Clients, nameOf, type Operation } from "./ledger-clients.ts";

export interface LedgerRunOptions {
  readonly seed: number;
  /** Client operations; repeats are not counted. */
  readonly operationsCount: number;
  readonly bug: SimulatedBug | null;
}
export interface LedgerRunResult extends Readonly<SimulationCounts> {
  /** What was broken, one sentence each; empty = everything held. */
  readonly violations: readonly string[];
  readonly operations: number;
  readonly attempts: number;
  readonly records: number;
  readonly virtualMs: number;
}

const SHARD_COUNT = 16;
const THREAD_COUNT = 2;

export function runLedger({ seed, operationsCount, bug }: LedgerRunOptions): LedgerRunResult {
  const random = new Random(seed ^ 0x5bd1e995);
  const fold = new JournalFold();
  const told: string[] = [];
  const tell = (what: string): void => {
    told.push(what);
  };
  const simulation = new Simulation({
    seed,
    threadCount: THREAD_COUNT,
    threadCountsLater: [2, 2, 1, 3],
    shardCount: SHARD_COUNT,
    definitions: registry,
    limits: limitsOf(random),
    bug,
    onRecord: (record) => fold.add(record),
    onAnswer: (command, answer) => checkLeaving(fold, command, answer, tell),
  });
  const plan = faultsOf(random, operationsCount);
  const readFrom = new Map<Operation, number>();
  const clients = new Clients({
    simulation,
    random: random.fork(),
    operationsCount,
    clientsCount: random.between(4, 24),
    onStart: (operation) => {
      for (const fault of plan.get(clients.operations.length) ?? []) simulation.inject(fault);
      if (operation.kind === "read") readFrom.set(operation, fold.versions.get(operation.command.to) ?? 0);
    },
    onTold: (operation, answer) => checkRead(operation, answer, readFrom.get(operation), tell),
    onViolation: tell,
  });
  const violations = (): string[] => [...fold.violations, ...simulation.violations, ...told];
  const isBroken = (): boolean => fold.violations.length + simulation.violations.length + told.length > 0;
  const run = (isDone: () => boolean, what: string): void => {
    if (isBroken()) return;
    try {
      if (!simulation.run(() => isDone() || isBroken(), DRAIN_MS_MAX)) tell(`${what} within ${DRAIN_MS_MAX} ms: ${stateOf(simulation)}`);
    } catch (cause) {
      // A thread would have died of it; here it must not hide the seed.
      tell(`the core threw: ${cause instanceof Error ? cause.stack : String(cause)}`);
    }
  };
  clients.start();
  run(() => clients.isDone, "not every operation got a definite answer");
  simulation.calm();
  run(() => simulation.isQuiet, "it did not drain");
  for (const operation of clients.operations) if (operation.kind !== "read") clients.repeat(operation);
  run(() => clients.isDone && simulation.isQuiet, "the repeats did not end");
  if (!isBroken()) checkEnd({ simulation, clients, fold, tell, run });
  return {
    ...simulation.counts,
    violations: violations(),
    operations: clients.operations.length,
    attempts: clients.operations.reduce((sum, { attempts }) => sum + attempts, 0),
    records: simulation.journal.lastSeq,
    virtualMs: Math.round(simulation.clock.nowMs),
  };
}

const DRAIN_MS_MAX = 60_000;

function limitsOf(random: Random): DomainLimits {
  return {
    mailboxMax: random.pick([3, 20, 1000]),
    turnMessagesMax: random.between(1, 8),
    groupEntriesMax: random.between(2, 60),
    groupsInFlightMax: random.between(1, 4),
    effectsMax: random.pick([10, 1000]),
    dirtyMax: random.pick([40, 5000]),
    hopsMax: 100,
  };
}

/** At least three faults, one of them a crash with groups in flight, by the number of the operation at which they come. */
function faultsOf(random: Random, operationsCount: number): ReadonlyMap<number, readonly SimulatedFault[]> {
  const plan = new Map<number, SimulatedFault[]>();
  const crash = (): SimulatedFault => ({ kind: "shard-crash", thread: random.between(0, THREAD_COUNT - 1) });
  const faults: SimulatedFault[] = [crash()];
  for (let left = random.between(2, 7); left > 0; left--) {
    const kinds: readonly (() => SimulatedFault)[] = [
      crash,
      crash,
      () => ({ kind: "process-crash" }),
      () => ({ kind: "commit-refused" }),
      () => ({ kind: "commit-lost" }),
      () => ({ kind: "commit-kept" }),
      () => ({ kind: "disk-broken", forMs: random.between(10, 300) }),
      () => ({ kind: "journal-slow", forMs: random.between(10, 300) }),
      () => ({ kind: "checkpoint-failed" }),
      () => ({ kind: "clock-jump", byMs: random.between(-5000, 5000) }),
    ];
    faults.push(random.pick(kinds)());
    if (random.chance(0.2)) faults.push(crash()); // Often near another one.
  }
  let at = random.between(10, Math.max(11, operationsCount >> 1));
  for (const fault of faults) {
    plan.set(at, [...(plan.get(at) ?? []), fault]);
    at = random.chance(0.3) ? at : random.between(10, Math.max(11, operationsCount - 20));
  }
  return plan;
}

/** At the moment an answer leaves its domain the journal must hold what it speaks of (L2). */
function checkLeaving(fold: JournalFold, command: SimulatedCommand, answer: Answer<Json>, tell: (what: string) => void): void {
  const { id } = partsOf(command.to);
  const name = `${command.command} ${command.to} (key ${command.id})`;
  if (!answer.ok && UNFIT.has(answer.code)) return tell(`${name} was told ${answer.code}: ${answer.detail}`);
  if (command.command === "request") {
    const outcome = fold.transfers.get(id)?.outcome ?? null;
    if (answer.ok) {
      const { status, body } = answer.value as { readonly status: number; readonly body: string };
      if (outcome === null) tell(`${name} was answered before its outcome was in the journal (L2)`);
      else if (outcome.body !== body || outcome.status !== status) tell(`${name} was answered with other bytes than the journal's (L3)`);
    } else if ((answer.code === "key_reused" || answer.code === "key_in_progress") && !fold.transfers.has(id)) {
      tell(`${name} was told ${answer.code} before the transfer was in the journal (L2)`);
    }
    return;
  }
  if (command.command === "open") {
    const opened = fold.accounts.get(id);
    const body = answer.ok ? (answer.value as { readonly body: string }).body : null;
    if (answer.ok && opened?.openedBody !== body) tell(`${name} was answered before it was in the journal, or with other bytes (L2)`);
    if (!answer.ok && answer.code === "already_exists" && opened === undefined) tell(`${name}: it exists, but not in the journal (L2)`);
    return;
  }
  if (command.command === "get") {
    if (answer.ok && command.to.startsWith("account/")) checkView(fold, answer.value as unknown as AccountView, name, tell);
    return;
  }
  if (!answer.ok && NOT_RUN.has(answer.code)) return;
  const recorded = fold.answerTo(command.to, command.id ?? "");
  if (recorded === undefined) return tell(`${name} was answered before it was in the journal (L2)`);
  if (recorded === null || bytesOf(recorded) !== bytesOf(answer)) tell(`${name} was answered with other bytes than the journal's (L3)`);
}

/** Answers that nothing in these runs should cause. */
const UNFIT: ReadonlySet<string> = new Set(["INTERNAL_ERROR", "ENTITY_FAILED", "NOT_OWNER", "keys_exhausted"]);
/** Refusals that say that the command did not run. */
const NOT_RUN: ReadonlySet<string> = new Set(["MAILBOX_FULL", "OVERLOADED", "JOURNAL_UNAVAILABLE", "DEADLINE_EXCEEDED", "OUTCOME_UNKNOWN"]);

function checkView(fold: JournalFold, view: AccountView, name: string, tell: (what: string) => void): void {
  const then = fold.accounts.get(view.id)?.history[view.version - 1];
  if (view.version === 0) return;
  if (then === undefined) return tell(`${name} showed version ${view.version}, which is not in the journal (L2)`);
  if (then.balance !== view.balance || then.status !== view.status) {
    tell(`${name} showed ${view.balance} ${view.status} at version ${view.version}; the journal says ${then.balance} ${then.status}`);
  }
}

/** A read sees every write that was in the journal when it was asked. */
function checkRead(operation: Operation, answer: Answer<Json>, version: number | undefined, tell: (what: string) => void): void {
  if (version === undefined || !operation.command.to.startsWith("account/")) return;
  const seen = answer.ok ? (answer.value as unknown as AccountView).version : 0;
  // An account that was never opened may have entries (recorded refusals), but no version.
  if (seen < version) tell(`${nameOf(operation)} showed version ${seen}; ${version} was durable when it was asked`);
}

interface End {
  readonly simulation: Simulation;
  readonly clients: Clients;
  readonly fold: JournalFold;
  readonly tell: (what: string) => void;
  readonly run: (isDone: () => boolean, what: string) => void;
}

function checkEnd({ simulation, clients, fold, tell, run }: End): void {
  for (const [currency, inTransit] of fold.inTransit)
    if (inTransit !== 0n) tell(`${inTransit} ${currency} are in transit and nothing is pending`);
  for (const [id, transfer] of fold.transfers) if (transfer.outcome === null) tell(`transfer ${id} is pending and nothing is under way`);
  if (fold.effectsOpen.length > 0) tell(`effects are open in the journal and nothing is under way: ${fold.effectsOpen.join(", ")}`);
  for (const operation of clients.operations) checkTold(fold, operation, tell);

  // Memory: asked of the running domains.
  const addresses = [...fold.versions.keys()].sort();
  const inMemory = new Map<string, string>();
  let left = addresses.length;
  for (const address of addresses) {
    const ask = (): void =>
      simulation.ask({ to: address, command: "get", body: {}, id: null, timeoutMs: 10_000 }, (answer) => {
        if (!answer.ok && NOT_RUN.has(answer.code)) return simulation.clock.after(5, ask);
        inMemory.set(address, bytesOf(answer));
        left--;
      });
    ask();
  }
  run(() => left === 0, "the final reads did not end");
  for (const [id, account] of fold.accounts) {
    const view = JSON.parse(inMemory.get(addressOf("account", id)) ?? "{}").value as AccountView | undefined;
    if (view?.balance !== formatAmount(account.balance, account.currency) || view.status !== account.status) {
      tell(`account ${id} has ${view?.balance} ${view?.status} in memory and ${account.balance} ${account.status} in the journal`);
    }
  }
  // What a restart would find: from the snapshots and the tail, and from the whole journal alone.
  const empty: CheckpointHead = { positions: [], effects: [], handled: [], at: 0 };
  for (const [name, head, load] of [
    ["snapshots and tail", simulation.snapshots.head(), (address: string) => simulation.snapshots.load(address)],
    ["the whole journal", empty, () => null],
  ] as const) {
    const rebuilt = rebuild({ simulation, fold, head, load, addresses, name, tell });
    for (const address of addresses) {
      if (rebuilt.get(address) !== inMemory.get(address)) {
        tell(`${address} is ${rebuilt.get(address)} from ${name} and ${inMemory.get(address)} in memory`);
      }
    }
  }
}

/** What a client was told stands in the journal once; what was refused moved nothing. */
function checkTold(fold: JournalFold, operation: Operation, tell: (what: string) => void): void {
  const { command, kind, told } = operation;
  const { id } = partsOf(command.to);
  if (told === null) return tell(`${nameOf(operation)} never got a definite answer`);
  if (kind !== "move") return; // Compared with the journal when the answer left.
  const transfer = fold.transfers.get(id);
  if (!told.ok) {
    if (told.code !== "key_reused" && transfer !== undefined)
      tell(`${nameOf(operation)} was refused with ${told.code} and is in the journal`);
    return;
  }
  const { state } = told.value as { readonly state: string };
  if (transfer?.outcome?.isCompleted !== (state === "COMPLETED"))
    tell(`${nameOf(operation)} was told ${state}; the journal says otherwise`);
}

interface RebuildOptions {
  readonly simulation: Simulation;
  readonly fold: JournalFold;
  readonly head: CheckpointHead;
  readonly load: (address: string) => Snapshot | null;
  readonly addresses: readonly string[];
  readonly name: string;
  readonly tell: (what: string) => void;
}

/** A domain of all shards, recovered from what the stores hold, that answers reads. */
function rebuild({ simulation, fold, head, load, addresses, name, tell }: RebuildOptions): ReadonlyMap<string, string> {
  const recovery = new Recovery(head, () => true);
  for (const record of simulation.journal.read(recovery.position, Number.MAX_SAFE_INTEGER)) recovery.add(record);
  const recovered = recovery.finish();
  if (recovered.effects.length > 0) tell(`a recovery from ${name} finds ${recovered.effects.length} open effects`);
  if (recovered.handled.length > 0) tell(`a recovery from ${name} finds ${recovered.handled.length} handled tells`);
  for (const [shard, seq] of fold.seqs) {
    if (recovered.seqs.get(shard) !== seq)
      tell(`a recovery from ${name} has ${recovered.seqs.get(shard)} entries of shard ${shard}, not ${seq}`);
  }
  const answers = new Map<string, string>();
  const loads: string[] = [];
  const domain = new Domain({
    domain: 0,
    incarnation: 1,
    shardCount: SHARD_COUNT,
    isOwned: () => true,
    definitions: new Map(registry.map((definition) => [definition.type, definition])),
    outside: new Set(),
    limits: { mailboxMax: 10, turnMessagesMax: 10, groupEntriesMax: 10, groupsInFlightMax: 1, effectsMax: 10, dirtyMax: 1e6, hopsMax: 10 },
    recovered,
    ports: {
      nowMs: () => simulation.clock.wallMs(),
      load: (address) => loads.push(address),
      submit: () => tell(`a recovery from ${name} writes`),
      answer: (caller, answer) => answers.set(addresses[caller] ?? "", bytesOf(answer)),
      send: () => tell(`a recovery from ${name} sends`),
      perform: () => tell(`a recovery from ${name} performs`),
      cancel: () => tell(`a recovery from ${name} cancels`),
      crashed: (address, doing, cause) => tell(`${address} crashed in ${doing} in a recovery from ${name}: ${String(cause)}`),
    },
  });
  domain.resume();
  for (const [caller, to] of addresses.entries()) {
    domain.command({ kind: "command", caller, to, command: "get", body: {}, id: null, deadlineAt: Number.MAX_SAFE_INTEGER, trace: null });
  }
  for (const address of loads) domain.loaded(address, load(address));
  while (domain.run(1000));
  return answers;
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
