import { MemoryJournal } from "../journal/memory-journal.ts";
import type { Group, StoredRecord } from "../journal/record.ts";
import { shardOf } from "../kernel/address.ts";
import type { Answer } from "../kernel/decision.ts";
import type { AnyDefinition } from "../kernel/definition.ts";
import type { Json } from "../kernel/json.ts";
import type { DomainLimits } from "../shard/domain-options.ts";
import type { Fault } from "./fault-plan.ts";
import { LossySnapshots } from "./lossy-snapshots.ts";
import { Random } from "./random.ts";
import type { SimulatedCommand } from "./simulated-ingress.ts";
import { type SimulatedBug, SimulatedProcess } from "./simulated-process.ts";
import type { SimulatedPerformer } from "./simulated-shard.ts";
import { VirtualClock } from "./virtual-clock.ts";

export interface SimulationOptions {
  readonly seed: number;
  readonly threadCount: number;
  /** One of these is the count of threads after each restart; the same as before when absent. */
  readonly threadCountsLater?: readonly number[];
  readonly shardCount: number;
  readonly definitions: readonly AnyDefinition[];
  readonly limits: DomainLimits;
  readonly bug?: SimulatedBug | null;
  /** Who performs outside effects, and to which ports they go. A performer is a part of its process; what it calls is outside. */
  readonly performer?: { readonly ports: ReadonlySet<string>; readonly start: (simulation: Simulation) => SimulatedPerformer };
  /** A group as it leaves its domain for the journal, before anybody has it. */
  readonly onSubmit?: (group: Group) => void;
  /** Every record as it becomes durable, in order, before anybody hears of it. */
  readonly onRecord: (record: StoredRecord) => void;
  /** An answer as it leaves its domain, with the command it belongs to. */
  readonly onAnswer: (command: SimulatedCommand, answer: Answer<Json>) => void;
}

/** What has happened so far. `crashesUncommitted` of the crashes hit a thread with groups in flight. */
export interface SimulationCounts {
  faults: number;
  crashes: number;
  crashesUncommitted: number;
  processCrashes: number;
  performerCrashes: number;
  snapshotsLost: number;
}

/**
 * The whole runtime in one loop: the same domains, gates, fence, recovery and checkpoints that threads run, with only the ports doubled. One
 * seed gives one run, to the last step.
 */
export class Simulation {
  readonly clock = new VirtualClock(START_MS);
  readonly random: Random;
  readonly journal = new MemoryJournal();
  readonly snapshots: LossySnapshots;
  readonly counts: SimulationCounts = {
    faults: 0,
    crashes: 0,
    crashesUncommitted: 0,
    processCrashes: 0,
    performerCrashes: 0,
    snapshotsLost: 0,
  };
  /** What the machinery itself noticed: entities that crashed, callers answered twice. */
  readonly violations: string[] = [];
  readonly #options: SimulationOptions;
  readonly #crashDue = new Set<number>();
  readonly #asked = new Map<number, SimulatedCommand>();
  #process: SimulatedProcess | null = null;
  #seen = 0;
  readonly #commitMsUsual: number;
  #commitMsMax: number;
  #threadCount: number;

  constructor(options: SimulationOptions) {
    this.#options = options;
    this.random = new Random(options.seed);
    this.#threadCount = options.threadCount;
    this.#commitMsUsual = this.random.pick(COMMIT_MS_MAX);
    this.#commitMsMax = this.#commitMsUsual;
    this.snapshots = new LossySnapshots({ shardCount: options.shardCount });
    this.#startProcess();
  }

  get process(): SimulatedProcess | null {
    return this.#process;
  }
  shardOf(address: string): number {
    return shardOf(address, this.#options.shardCount);
  }

  /** Sends a command as a client would; `settle` is called exactly once, never from inside this call. */
  ask(command: SimulatedCommand, settle: (answer: Answer<Json>) => void): void {
    const process = this.#process;
    if (process === null) {
      this.clock.after(this.random.next() * 20, () => settle({ ok: false, code: "SHUTTING_DOWN", detail: "Nobody listens." }));
      return;
    }
    const caller = process.ingress.ask(this.shardOf(command.to) % this.#threadCount, command, settle);
    this.#asked.set(caller, command);
  }

  inject(fault: Fault): void {
    this.counts.faults++;
    switch (fault.kind) {
      case "shard-crash":
        this.#crashDue.add(fault.thread);
        return;
      case "crash-now":
        if (this.#process?.crashShard(fault.thread % this.#threadCount) === true) this.counts.crashes++;
        return;
      case "process-crash":
        return this.#crashProcess();
      case "performer-crash":
        if (this.#process?.crashPerformer() === true) this.counts.performerCrashes++;
        return;
      case "commit-refused":
        return this.journal.failNext("before");
      case "commit-lost":
      case "commit-kept":
        return this.journal.failNext(fault.kind);
      case "disk-broken":
        this.journal.isDiskBroken = true;
        return this.clock.after(fault.forMs, () => {
          this.journal.isDiskBroken = false;
        });
      case "journal-slow":
        this.#commitMsMax = SLOW_MS_MAX;
        return this.clock.after(fault.forMs, () => {
          this.#commitMsMax = this.#commitMsUsual;
        });
      case "checkpoint-failed":
        return this.snapshots.failNext(1);
      case "clock-jump":
        this.clock.skewMs += fault.byMs;
        return;
      default:
        throw new Error(`unknown fault ${JSON.stringify(fault satisfies never)}`);
    }
  }

  /** Crashes that wait for a group in flight are called off. */
  calm(): void {
    this.#crashDue.clear();
  }

  /** Lets time pass until `isDone`, at most `forMs`. False when it was not done by then. */
  run(isDone: () => boolean, forMs: number): boolean {
    const until = this.clock.nowMs + forMs;
    while (!isDone()) {
      if (this.clock.nowMs > until || !this.clock.step()) return false;
    }
    return true;
  }

  /** Nothing is under way anywhere. */
  get isQuiet(): boolean {
    return this.isAtRest && (this.#process?.shards ?? []).every(({ domain }) => domain?.outsideOpen === 0);
  }
  /** The same, but for effects that leave: they may be open. */
  get isAtRest(): boolean {
    if (this.#process?.isWhole !== true) return false;
    return this.#process.shards.every(({ domain, groupsUncommitted }) => {
      return domain?.isIdle && groupsUncommitted === 0 && domain.effectsOpen === 0 && domain.tellsSeen === 0;
    });
  }

  #startProcess(): void {
    const { definitions, limits, shardCount, bug = null, performer, onAnswer, onSubmit } = this.#options;
    this.#asked.clear();
    this.#process = new SimulatedProcess({
      threadCount: this.#threadCount,
      shardCount,
      definitions: new Map(definitions.map((definition) => [definition.type, definition])),
      limits,
      clock: this.clock,
      random: this.random.fork(),
      journal: this.journal,
      snapshots: this.snapshots,
      bug,
      performer: performer === undefined ? null : { ports: performer.ports, start: () => performer.start(this) },
      commitMsMax: () => this.#commitMsMax,
      onCommit: () => this.#observe(),
      onAnswer: (_thread, caller, answer) => {
        const command = this.#asked.get(caller);
        if (command !== undefined) onAnswer(command, answer);
      },
      onViolation: (what) => this.violations.push(what),
      onSubmit: (thread, group) => {
        onSubmit?.(group);
        this.#submitted(thread);
      },
    });
  }

  /** A crash that was due comes soon after the group left: before, while or after the journal commits it. */
  #submitted(thread: number): void {
    // After a restart there may be fewer threads than when the crash was planned.
    const due = [...this.#crashDue].find((planned) => planned % this.#threadCount === thread);
    if (due === undefined) return;
    this.#crashDue.delete(due);
    const process = this.#process;
    this.clock.after(this.random.next() * Math.min(4, this.#commitMsUsual * 2), () => {
      const isOver = process === null || process !== this.#process;
      const uncommitted = isOver ? 0 : (process.shards.find((shard) => shard.thread === thread)?.groupsUncommitted ?? 0);
      // The first crash is one with a group in flight, even if that takes several tries.
      if (isOver || (uncommitted === 0 && this.counts.crashesUncommitted === 0)) return void this.#crashDue.add(due);
      if (!process.crashShard(thread)) return void this.#crashDue.add(due);
      this.counts.crashes++;
      if (uncommitted > 0) this.counts.crashesUncommitted++;
    });
  }

  #crashProcess(): void {
    const process = this.#process;
    if (process === null) return;
    this.counts.processCrashes++;
    this.counts.crashes++;
    if (process.shards.some(({ groupsUncommitted }) => groupsUncommitted > 0)) this.counts.crashesUncommitted++;
    this.#process = null;
    process.kill();
    if (this.random.chance(0.5)) {
      this.counts.snapshotsLost++;
      this.snapshots.loseLast(this.random.between(1, 8));
    }
    this.clock.after(this.random.next() * 50, () => {
      this.journal.isDiskBroken = false;
      this.journal.close();
      this.journal.reopen();
      this.#observe();
      this.#threadCount = this.random.pick(this.#options.threadCountsLater ?? [this.#threadCount]);
      this.#startProcess();
    });
  }

  #observe(): void {
    for (const record of this.journal.read(this.#seen, this.journal.lastSeq - this.#seen)) this.#options.onRecord(record);
    this.#seen = this.journal.lastSeq;
  }
}

/** 1 January 2026. */
const START_MS = 1_767_225_600_000;
/** One of these is the longest commit of a run. */
const COMMIT_MS_MAX = [0.5, 3, 20] as const;
const SLOW_MS_MAX = 80;
