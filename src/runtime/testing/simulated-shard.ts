import { type KnownHistory, readEntity } from "../journal/read-entity.ts";
import type { Recovered } from "../journal/recovery.ts";
import type { SnapshotBatch, SnapshotReader } from "../journal/snapshots.ts";
import type { Answer } from "../kernel/decision.ts";
import type { AnyDefinition } from "../kernel/definition.ts";
import type { FromPerformer, PerformEffect, ProgressCredit, ToPerformer } from "../kernel/effect-protocol.ts";
import type { Json } from "../kernel/json.ts";
import type { Checkpoint } from "../shard/checkpoint.ts";
import { Domain } from "../shard/domain.ts";
import type { DomainLimits, PlantedBug } from "../shard/domain-options.ts";
import type { DomainMessage, EffectAction } from "../shard/message.ts";
import type { FromCheckpoint, FromJournal, ToCheckpoint, ToJournal } from "../worker/protocol.ts";
import type { Channel } from "./channel.ts";
import type { Random } from "./random.ts";
import type { FromSimulatedIngress } from "./simulated-ingress.ts";

export interface SimulatedShardOptions {
  readonly thread: number;
  readonly shardCount: number;
  readonly threadOf: (shard: number) => number;
  readonly definitions: ReadonlyMap<string, AnyDefinition>;
  readonly limits: DomainLimits;
  readonly snapshots: SnapshotReader;
  /** The body of a record; null when the journal does not have it. */
  readonly bodyOf: (record: number) => string | Uint8Array | null;
  readonly random: Random;
  readonly after: (delayMs: number, run: () => void) => void;
  readonly wallMs: () => number;
  /** Sequence of the last committed record of the whole journal. */
  readonly journalSeq: () => number;
  readonly toJournal: Channel<ToJournal>;
  readonly toCheckpoint: Channel<ToCheckpoint>;
  readonly toIngress: Channel<{ readonly caller: number; readonly answer: Answer<Json> }>;
  readonly plantedBug: PlantedBug | null;
  /** A planted bug: a checkpoint is written without waiting for its group. */
  readonly isCheckpointEarly: boolean;
  /** A planted bug: what is pointed to is the record before. */
  readonly isPointerWrong: boolean;
  /** Called as the answer leaves the domain, before any delay. */
  readonly onAnswer: (caller: number, answer: Answer<Json>) => void;
  readonly onCrash: (address: string, doing: string, cause: unknown) => void;
  /** Names of the ports that outside effects may go to. */
  readonly outside: ReadonlySet<string>;
  readonly onSubmit: (group: ToJournal) => void;
  readonly onRefused: () => void;
}

/**
 * What performs outside effects in virtual time: the part of a process that its shard threads hand them to. `tell` is for the thread that handed
 * the effect out last; what it is told after that thread died is lost.
 */
export interface SimulatedPerformer {
  perform(effect: PerformEffect, tell: (outcome: FromPerformer) => void): void;
  cancel(ids: readonly string[]): void;
  credit(credits: readonly ProgressCredit[]): void;
  /** It dies: nothing of it happens any more. */
  close(): void;
}

/** One thread's end of the wires to another. */
export interface Peer {
  readonly out: Channel<DomainMessage>;
  readonly in: Channel<DomainMessage>;
}

/** The shell of a shard thread in virtual time: what `ShardThread` does with ports and timers, done with channels and the virtual clock. */
export class SimulatedShard {
  readonly thread: number;
  /** Nothing happens in it any more. */
  isGone = false;
  readonly #options: SimulatedShardOptions;
  readonly #peers = new Map<number, Peer>();
  #domain: Domain | null = null;
  #toPerformer: Channel<ToPerformer> | null = null;
  #submitted = 0;
  #committed = 0;
  #isScheduled = false;
  #dueAt: number | null = null;
  #checkpoint: Checkpoint | null = null;
  #isEndSent = false;
  #waiting: Array<{ readonly isDone: () => boolean; readonly run: () => void }> = [];

  constructor(options: SimulatedShardOptions) {
    this.#options = options;
    this.thread = options.thread;
  }

  get domain(): Domain | null {
    return this.#domain;
  }
  /** Groups handed to the journal whose fate this thread does not know. */
  get groupsUncommitted(): number {
    return this.#submitted - this.#committed;
  }
  get hasCheckpoint(): boolean {
    return this.#checkpoint !== null;
  }

  /** Recovered: takes messages from now on, and offers again what was open. */
  start(incarnation: number, recovered: Recovered): void {
    const options = this.#options;
    this.#domain = new Domain({
      domain: this.thread,
      incarnation,
      shardCount: options.shardCount,
      isOwned: (shard) => options.threadOf(shard) === this.thread,
      domainOf: options.threadOf,
      definitions: options.definitions,
      outside: options.outside,
      limits: options.limits,
      recovered,
      plantedBug: options.plantedBug,
      ports: {
        nowMs: options.wallMs,
        load: (address, known) => this.#after(options.random.next() * LOAD_MS_MAX, (domain) => this.#load(domain, address, known)),
        submit: (group) => {
          this.#submitted++;
          options.toJournal.send(group);
          options.onSubmit(group);
        },
        answer: (caller, answer) => {
          if (caller === OPERATOR) return;
          options.onAnswer(caller, answer);
          options.toIngress.send({ caller, answer });
        },
        send: (shard, message) => this.#peers.get(options.threadOf(shard))?.out.send(message),
        perform: (effect) => this.#toPerformer?.send({ kind: "perform", effects: [effect] }),
        cancel: (id) => this.#toPerformer?.send({ kind: "cancel", ids: [id] }),
        credit: (id, attempt) => this.#toPerformer?.send({ kind: "credit", credits: [{ id, attempt, count: 1 }] }),
        crashed: options.onCrash,
      },
    });
    for (const peer of this.#peers.values()) peer.in.listen();
    this.#domain.resume();
    this.#schedule();
    this.#checkpointLater();
    this.#passivateLater();
  }

  command(message: FromSimulatedIngress): void {
    if (this.isGone) return;
    if (message.kind === "cancelled") this.#domain?.cancel([[message.caller, message.to]]);
    else this.#domain?.command(message);
    this.#schedule();
  }

  /** Before `start`: the peer is heard when this thread begins; afterwards: at once. */
  connect(thread: number, peer: Peer): void {
    this.#peers.set(thread, peer);
    if (this.#domain !== null) peer.in.listen();
  }

  fromPeer(thread: number, channel: Channel<DomainMessage>, message: DomainMessage): void {
    if (this.isGone || this.#peers.get(thread)?.in !== channel) return;
    this.#domain?.receive(message);
    this.#schedule();
  }

  fromJournal(message: FromJournal): void {
    const domain = this.#domain;
    if (this.isGone || domain === null) return;
    if (message.kind === "committed") {
      this.#committed++;
      domain.committed(message.number, message.seq);
      this.#wake();
    } else if (message.kind === "refused") {
      domain.refused();
      this.#options.onRefused();
      return;
    } else domain.journalDown(message.kind === "down");
    this.#schedule();
  }

  fromCheckpoint(message: FromCheckpoint): void {
    if (this.isGone) return;
    if (message.kind === "storedApart" || message.kind === "failedApart") this.#domain?.retiredStored(message.kind === "storedApart");
    else {
      this.#checkpoint = null;
      if (message.kind === "ended") this.#domain?.endCheckpoint();
      else this.#domain?.abandonCheckpoint();
    }
    this.#schedule();
  }

  /** Step 3 of a peer's recovery: forgets the old incarnation, and calls back when everything handled so far is committed. */
  peerGone(thread: number, done: () => void): void {
    const domain = this.#domain;
    const peer = this.#peers.get(thread);
    peer?.in.close();
    this.#peers.delete(thread);
    if (domain === null) return done();
    const group = domain.peerChanged((shard) => this.#options.threadOf(shard) === thread);
    this.#schedule();
    this.#waiting.push({ isDone: () => domain.isCommitted(group), run: done });
    this.#wake();
  }

  /** Step 4: the successor is there. */
  peerBack(thread: number, peer: Peer): void {
    this.connect(thread, peer);
    this.#domain?.resend((shard) => this.#options.threadOf(shard) === thread);
    this.#schedule();
  }

  /** The thread dies here: of what it had sent, a first part of each channel still arrives. */
  crash(): void {
    this.isGone = true;
    const { toJournal, toCheckpoint, toIngress } = this.#options;
    for (const channel of [toJournal, toCheckpoint, toIngress]) channel.cut();
    this.#toPerformer?.cut();
    for (const peer of this.#peers.values()) peer.out.cut();
    const waiting = this.#waiting;
    this.#waiting = [];
    for (const { run } of waiting) run(); // Who asked it something hears that it has ended.
  }

  /** A performer is there, or its successor: it gets all that is under way. */
  performerBack(port: Channel<ToPerformer>): void {
    this.#toPerformer = port;
    this.#domain?.performerLost();
    this.#schedule();
  }

  /** How an attempt went, or goes on, from the performer at the other end of `port`. */
  fromPerformer(port: Channel<ToPerformer>, outcome: FromPerformer): void {
    if (this.isGone || this.#toPerformer !== port) return;
    this.#domain?.performed(outcome);
    this.#schedule();
  }

  /** A person's decision about an open effect; nobody hears what became of it. */
  resolve(id: string, action: EffectAction): void {
    if (this.isGone) return;
    this.#domain?.resolve({ caller: OPERATOR, id, action });
    this.#schedule();
  }

  /** Takes a checkpoint as soon as one can begin. */
  checkpointSoon(): void {
    this.#beginCheckpoint();
    this.#schedule();
  }

  #after(delayMs: number, run: (domain: Domain) => void): void {
    this.#options.after(delayMs, () => {
      if (!this.isGone && this.#domain !== null) run(this.#domain);
    });
  }

  #schedule(): void {
    if (this.#isScheduled || this.isGone) return;
    this.#isScheduled = true;
    const { random } = this.#options;
    this.#after(random.next() * RUN_MS_MAX, (domain) => {
      this.#isScheduled = false;
      const window = domain.timersWanted;
      if (window !== null) domain.timersLoaded(window, this.#options.snapshots.timers(window));
      const hasMore = domain.run(random.between(1, RUN_MESSAGES_MAX));
      this.#stepCheckpoint(domain);
      this.#wake();
      if (hasMore) this.#schedule();
      else this.#runWhenDue(domain);
    });
  }

  #runWhenDue(domain: Domain): void {
    const at = domain.nextDueMs;
    if (!Number.isFinite(at) || (this.#dueAt !== null && this.#dueAt <= at)) return;
    this.#dueAt = at;
    this.#after(Math.max(at - this.#options.wallMs(), 1), () => {
      this.#dueAt = null;
      this.#schedule();
    });
  }

  #load(domain: Domain, address: string, known: KnownHistory): void {
    try {
      domain.loaded(address, readEntity(address, known, this.#options));
    } catch (cause) {
      domain.loaded(address, null, cause);
    }
    this.#schedule();
  }

  #wake(): void {
    const waiting = this.#waiting;
    this.#waiting = [];
    for (const wait of waiting) {
      if (wait.isDone()) wait.run();
      else this.#waiting.push(wait);
    }
  }

  #checkpointLater(): void {
    this.#after(this.#options.random.next() * CHECKPOINT_MS_MAX, () => {
      this.#beginCheckpoint();
      this.#schedule();
      this.#checkpointLater();
    });
  }

  #beginCheckpoint(): void {
    if (this.#checkpoint !== null || this.#domain === null) return;
    this.#checkpoint = this.#domain.beginCheckpoint(this.#options.journalSeq());
    this.#isEndSent = false;
    if (this.#options.isCheckpointEarly && this.#checkpoint?.position === null) {
      this.#checkpoint.groupCommitted(this.#options.journalSeq());
    }
  }

  #stepCheckpoint(domain: Domain): void {
    const checkpoint = this.#checkpoint;
    if (checkpoint === null) this.#storeRetired(domain);
    if (checkpoint === null || this.#isEndSent || checkpoint.position === null) return;
    const { toCheckpoint, random } = this.#options;
    if (!checkpoint.isEncoded) toCheckpoint.send({ kind: "rows", ...this.#packed(checkpoint.encode(random.between(1, ENCODE_ROWS_MAX))) });
    if (checkpoint.isEncoded) {
      this.#isEndSent = true;
      toCheckpoint.send({ kind: "end", end: domain.isPinned ? null : checkpoint.end() });
    } else this.#schedule();
  }

  #storeRetired(domain: Domain): void {
    const { random, toCheckpoint } = this.#options;
    const rows = domain.takeRetired({ rowsMin: random.between(1, 5), rowsMax: random.between(5, 20) });
    if (rows !== null) toCheckpoint.send({ kind: "apart", ...this.#packed(rows.next(rows.count)) });
  }

  #packed({ snapshots, pointers }: SnapshotBatch) {
    if (this.#options.isPointerWrong) for (let at = 1; at < pointers.length; at += 2) pointers[at] = (pointers[at] as number) - 1;
    return { rows: snapshots, pointers };
  }

  #passivateLater(): void {
    const { random, wallMs } = this.#options;
    this.#after(random.next() * PASSIVATE_MS_MAX, (domain) => {
      domain.passivate({ idleSince: wallMs() - random.between(-50, 50), stepsMax: random.between(1, 100) });
      domain.passivateLargest({ bytesMax: domain.bytes * random.next(), stepsMax: random.between(1, 100) });
      this.#passivateLater();
    });
  }
}

/** No door waits for it. */
const OPERATOR = -1;
const RUN_MS_MAX = 2;
const RUN_MESSAGES_MAX = 40;
const LOAD_MS_MAX = 5;
const CHECKPOINT_MS_MAX = 200;
const ENCODE_ROWS_MAX = 20;
const PASSIVATE_MS_MAX = 200;
