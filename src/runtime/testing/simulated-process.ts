import type { MemoryJournal } from "../journal/memory-journal.ts";
import { Recovery } from "../journal/recovery.ts";
import type { Answer } from "../kernel/decision.ts";
import type { AnyDefinition } from "../kernel/definition.ts";
import type { FromPerformer, ToPerformer } from "../kernel/effect-protocol.ts";
import type { Json } from "../kernel/json.ts";
import type { DomainLimits, PlantedBug } from "../shard/domain-options.ts";
import type { DomainMessage } from "../shard/message.ts";
import { CheckpointWriter } from "../worker/checkpoint-writer.ts";
import type { FromCheckpoint, FromJournal, ToCheckpoint, ToJournal } from "../worker/protocol.ts";
import { Channel } from "./channel.ts";
import type { LossySnapshots } from "./lossy-snapshots.ts";
import type { Random } from "./random.ts";
import { type FromSimulatedIngress, SimulatedIngress } from "./simulated-ingress.ts";
import { SimulatedJournal } from "./simulated-journal.ts";
import { type Peer, type SimulatedPerformer, SimulatedShard } from "./simulated-shard.ts";
import type { VirtualClock } from "./virtual-clock.ts";

/** Rules that a run breaks on purpose, to prove that its checks notice. Those of `PlantedBug` are switches of the domain itself. */
export type SimulatedBug = PlantedBug | "fence-ignored" | "snapshot-before-commit" | "read-before-register" | "pointer-to-wrong-record";

export interface SimulatedProcessOptions {
  readonly threadCount: number;
  readonly shardCount: number;
  readonly definitions: ReadonlyMap<string, AnyDefinition>;
  readonly limits: DomainLimits;
  readonly clock: VirtualClock;
  readonly random: Random;
  readonly journal: MemoryJournal;
  readonly snapshots: LossySnapshots;
  readonly bug: SimulatedBug | null;
  /** Null when no effect leaves. */
  readonly performer: SimulatedPerformers | null;
  readonly commitMsMax: () => number;
  readonly onCommit: () => void;
  readonly onAnswer: (thread: number, caller: number, answer: Answer<Json>) => void;
  readonly onViolation: (what: string) => void;
  readonly onSubmit: (thread: number, group: ToJournal) => void;
}

/** Who performs outside effects: the names of the ports, and one performer after the other. */
export interface SimulatedPerformers {
  readonly ports: ReadonlySet<string>;
  readonly start: () => SimulatedPerformer;
}

/** One life of the process: a journal, threads and a door in one virtual time. `kill` ends it; what it left is in the stores alone. */
export class SimulatedProcess {
  readonly ingress: SimulatedIngress;
  readonly #options: SimulatedProcessOptions;
  readonly #journal: SimulatedJournal;
  readonly #shards: Array<SimulatedShard | null>;
  readonly #dead: number[] = [];
  /** Between a thread and the checkpoint thread, by thread: closed when a new incarnation is registered. */
  readonly #toCheckpoint = new Map<number, Channel<ToCheckpoint>>();
  readonly #controlMsMax: number;
  #performer: SimulatedPerformer | null;
  /** From a thread to the performer, by thread: closed when a new incarnation of either is connected. */
  readonly #toPerformer = new Map<number, Channel<ToPerformer>>();
  #isRecovering = false;
  #startsLeft: number;
  #isGone = false;

  constructor(options: SimulatedProcessOptions) {
    this.#options = options;
    this.#shards = new Array(options.threadCount).fill(null);
    this.#startsLeft = options.threadCount;
    this.#controlMsMax = options.random.pick([0.5, 4, 12]);
    this.#performer = options.performer?.start() ?? null;
    this.ingress = new SimulatedIngress({
      threadCount: options.threadCount,
      after: this.#after,
      wallMs: () => options.clock.wallMs(),
      onStray: (caller) => options.onViolation(`caller ${caller} was answered twice`),
    });
    this.#journal = new SimulatedJournal({
      store: options.journal,
      random: options.random.fork(),
      after: this.#after,
      commitMsMax: options.commitMsMax,
      isFenceIgnored: options.bug === "fence-ignored",
      onCommit: options.onCommit,
    });
    const threads = Array.from({ length: options.threadCount }, (_, thread) => this.#newShard(thread));
    for (const { shard: a } of threads) {
      for (const { shard: b } of threads) if (a.thread < b.thread) this.#link(a, b, (peer) => b.connect(a.thread, peer));
      this.#shards[a.thread] = a;
    }
    // Each starts in its own time: one may run already while another still reads the journal.
    const started = (): void => {
      this.#startsLeft--;
      this.#recoverNext();
    };
    for (const born of threads) this.#after(this.#delay(), () => this.#register(born, (run) => run(), started));
  }

  get shards(): readonly SimulatedShard[] {
    return this.#shards.filter((shard): shard is SimulatedShard => shard !== null);
  }
  /** Every thread runs and none is being replaced. */
  get isWhole(): boolean {
    return !this.#isRecovering && this.#dead.length === 0 && this.shards.every((shard) => !shard.isGone && shard.domain !== null);
  }

  /** Ends a thread. False when it is not running. */
  crashShard(thread: number): boolean {
    const shard = this.#shards[thread];
    if (shard === null || shard === undefined || shard.isGone || shard.domain === null) return false;
    shard.crash();
    // The exit is noticed a little later, and only then the four steps begin.
    this.#after(this.#delay(), () => {
      this.ingress.detach(thread);
      this.#dead.push(thread);
      this.#recoverNext();
    });
    return true;
  }

  /** Ends the performer with all that is under way in it; its successor comes a little later. False when none is there. */
  crashPerformer(): boolean {
    const { performer } = this.#options;
    if (this.#performer === null || performer === null) return false;
    this.#performer.close();
    this.#performer = null;
    this.#after(this.#delay(), () => {
      this.#performer = performer.start();
      for (const shard of this.shards) if (!shard.isGone && shard.domain !== null) this.#connectPerformer(shard);
    });
    return true;
  }

  kill(): void {
    this.#isGone = true;
    this.#performer?.close();
    for (const shard of this.shards) shard.isGone = true;
    this.ingress.lose();
  }

  readonly #after = (delayMs: number, run: () => void): void => {
    this.#options.clock.after(delayMs, () => {
      if (!this.#isGone) run();
    });
  };

  #delay(): number {
    return this.#options.random.next() * this.#controlMsMax;
  }

  #channel<Message>(deliver: (message: Message) => void): Channel<Message> {
    const { clock, random } = this.#options;
    return new Channel({
      clock,
      random: random.fork(),
      delayMsMax: random.next() * CHANNEL_MS_MAX,
      deliver: (message: Message) => {
        if (!this.#isGone) deliver(message);
      },
    });
  }

  #newShard(thread: number): Born {
    const { options, ports } = this.#portsOf(thread, () => shard);
    const shard = new SimulatedShard(options);
    return { shard, ...ports };
  }

  #portsOf(thread: number, shardOf: () => SimulatedShard) {
    const { bug, clock, definitions, journal, limits, random, shardCount, snapshots, threadCount } = this.#options;
    const fromJournal = this.#channel<FromJournal>((message) => shardOf().fromJournal(message));
    const toJournal = this.#channel<ToJournal>((group) => this.#journal.receive(group, fromJournal));
    const fromCheckpoint = this.#channel<FromCheckpoint>((message) => shardOf().fromCheckpoint(message));
    const toCheckpoint = this.#channel(this.#checkpointWriter(fromCheckpoint));
    const toIngress = this.#channel<{ caller: number; answer: Answer<Json> }>(({ caller, answer }) =>
      this.ingress.answered(caller, answer),
    );
    const fromIngress = this.#channel<FromSimulatedIngress>((message) => shardOf().command(message));
    toIngress.listen();
    const options = {
      thread,
      shardCount,
      threadOf: (shard: number) => shard % threadCount,
      definitions,
      limits,
      outside: this.#options.performer?.ports ?? new Set<string>(),
      snapshots,
      bodyOf: (record: number) => journal.read(record - 1, 1)[0]?.body ?? null,
      random: random.fork(),
      after: this.#after,
      wallMs: () => clock.wallMs(),
      journalSeq: () => journal.lastSeq,
      toJournal,
      toCheckpoint,
      toIngress,
      plantedBug: isOfDomain(bug) ? bug : null,
      isCheckpointEarly: bug === "snapshot-before-commit",
      isPointerWrong: bug === "pointer-to-wrong-record",
      onAnswer: (caller: number, answer: Answer<Json>) => this.#options.onAnswer(thread, caller, answer),
      onCrash: (address: string, doing: string, cause: unknown) =>
        this.#options.onViolation(`${address} crashed in ${doing}: ${cause instanceof Error ? cause.stack : String(cause)}`),
      onSubmit: (group: ToJournal) => this.#options.onSubmit(thread, group),
      onRefused: () => this.crashShard(thread),
    };
    return { options, ports: { fromJournal, toJournal, fromCheckpoint, toCheckpoint, fromIngress } };
  }

  #checkpointWriter(answers: Channel<FromCheckpoint>): (message: ToCheckpoint) => void {
    const writer = new CheckpointWriter({ store: this.#options.snapshots, batchRows: BATCH_ROWS });
    return (message) => {
      const answer = writer.take(message);
      if (answer !== null) answers.send(answer);
    };
  }

  /** Both directions between two threads; `b` is given its end by `hand`, now or when it may have it. */
  #link(a: SimulatedShard, b: SimulatedShard, hand: (peer: Peer) => void): void {
    const there: Channel<DomainMessage> = this.#channel((message) => b.fromPeer(a.thread, there, message));
    const back: Channel<DomainMessage> = this.#channel((message) => a.fromPeer(b.thread, back, message));
    a.connect(b.thread, { out: there, in: back });
    hand({ out: back, in: there });
  }

  /** Both directions between a thread and the performer. */
  #connectPerformer(shard: SimulatedShard): void {
    const performer = this.#performer;
    if (performer === null) return;
    const back: Channel<FromPerformer> = this.#channel((outcome) => shard.fromPerformer(there, outcome));
    const there: Channel<ToPerformer> = this.#channel((message) => {
      if (this.#performer !== performer) return;
      if (message.kind === "cancel") performer.cancel(message.ids);
      else if (message.kind === "credit") performer.credit(message.credits);
      else for (const effect of message.effects) performer.perform(effect, (outcome) => back.send(outcome));
    });
    // What its predecessor sent must not arrive later than what it sends: the outcome would be told to the dead.
    this.#toPerformer.get(shard.thread)?.close();
    this.#toPerformer.set(shard.thread, there);
    there.listen();
    back.listen();
    shard.performerBack(there);
  }

  /** Steps 2 to 4 of a start or recovery; `barrier` is step 3. */
  #register(born: Born, barrier: (run: () => void) => void, started: () => void): void {
    const { thread } = born.shard;
    const { bug, journal, snapshots, threadCount } = this.#options;
    const before = journal.lastSeq;
    this.#journal.register(thread, born.fromJournal, (incarnation) => {
      this.#toCheckpoint.get(thread)?.close();
      this.#toCheckpoint.set(thread, born.toCheckpoint);
      const begin = (): void => {
        const position = bug === "read-before-register" ? before : journal.lastSeq;
        const recovery = new Recovery(snapshots.head(), (shard) => shard % threadCount === thread);
        this.#after(this.#delay(), () => {
          for (const record of journal.read(recovery.position, position - recovery.position)) recovery.add(record);
          born.toJournal.listen();
          born.toCheckpoint.listen();
          born.shard.start(incarnation, recovery.finish());
          born.fromJournal.listen();
          born.fromCheckpoint.listen();
          born.fromIngress.listen();
          this.ingress.attach(thread, born.fromIngress);
          this.#connectPerformer(born.shard);
          started();
        });
      };
      this.#after(this.#delay(), () => barrier(begin));
    });
  }

  /** One recovery at a time, as DESIGN 4.3 says. */
  #recoverNext(): void {
    const thread = this.#dead[0];
    if (thread === undefined || this.#isRecovering || this.#startsLeft > 0) return;
    this.#isRecovering = true;
    this.#dead.shift();
    const born = this.#newShard(thread);
    this.#shards[thread] = born.shard;
    const living = this.shards.filter((shard) => shard !== born.shard && !shard.isGone && shard.domain !== null);
    const handOver: Array<() => void> = [];
    for (const peer of living) {
      this.#link(born.shard, peer, (end) => {
        handOver.push(() => this.#after(this.#delay(), () => (peer.isGone ? undefined : peer.peerBack(thread, end))));
      });
    }
    const barrier = (run: () => void): void => {
      let waiting = living.length;
      const done = (): void => {
        if (--waiting === 0) run();
      };
      if (waiting === 0) return run();
      for (const peer of living)
        this.#after(this.#delay(), () => (peer.isGone ? done() : peer.peerGone(thread, () => this.#after(this.#delay(), done))));
    };
    this.#register(born, barrier, () => {
      for (const give of handOver) give();
      this.#isRecovering = false;
      this.#recoverNext();
    });
  }
}

interface Born {
  readonly shard: SimulatedShard;
  readonly fromJournal: Channel<FromJournal>;
  readonly toJournal: Channel<ToJournal>;
  readonly fromCheckpoint: Channel<FromCheckpoint>;
  readonly toCheckpoint: Channel<ToCheckpoint>;
  readonly fromIngress: Channel<FromSimulatedIngress>;
}

const OF_DOMAIN = ["reply-before-commit", "dedup-not-rebuilt", "perform-before-commit"] as const satisfies readonly PlantedBug[];
const isOfDomain = (bug: SimulatedBug | null): bug is PlantedBug => OF_DOMAIN.some((known) => known === bug);
const CHANNEL_MS_MAX = 4;
const BATCH_ROWS = 8;
