import type { MessagePort } from "node:worker_threads";
import {
  type Answer,
  type AnyDefinition,
  type Checkpoint,
  Domain,
  type DomainLimits,
  type DomainMessage,
  DomainMeter,
  type EffectAction,
  type EffectLook,
  type EffectPage,
  type FromCheckpoint,
  type FromIngress,
  type FromJournal,
  type FromPerformer,
  type Json,
  type KnownHistory,
  type PackedAnswer,
  type PackedSnapshots,
  type PerformEffect,
  type PlantedBug,
  type ProgressCredit,
  packAnswers,
  packMessages,
  packSnapshots,
  type Recovered,
  readEntity,
  type SnapshotBatch,
  type SnapshotReader,
  type ToCheckpoint,
  type ToPerformer,
  type TracedMessage,
  unpackCommands,
  unpackMessages,
  unreachable,
  type Work,
} from "../../runtime/index.ts";
import { type Peek, type PeekQuery, peekFullest, peekPage } from "./entity-peek.ts";
import type { Heartbeat } from "./heartbeat.ts";

export interface ShardThreadOptions {
  readonly thread: number;
  readonly incarnation: number;
  readonly shardCount: number;
  readonly threadOf: (shard: number) => number;
  readonly definitions: ReadonlyMap<string, AnyDefinition>;
  readonly limits: DomainLimits;
  readonly recovered: Recovered;
  /** `atOnce` makes many loads in a row cheap. */
  readonly snapshots: SnapshotReader & { readonly atOnce: (read: () => void) => void };
  /** The body of a record of the journal; null when it is not there. */
  readonly bodyOf: (record: number) => string | null;
  /** What may end and come back without this thread (other shard threads, the checkpoint thread) gives its port later. */
  readonly ports: {
    readonly ingress: MessagePort;
    readonly journal: MessagePort;
  };
  readonly heartbeat: Pick<Heartbeat, "beat" | "during">;
  /** Notes what is at work where it outlives this thread. */
  readonly atWork: (work: Work) => void;
  /** What ended its thread too often. */
  readonly poison: readonly string[];
  /** Names of the ports that outside effects may go to. */
  readonly outside: ReadonlySet<string>;
  /** Shared: the sequence of the last committed record of the whole journal. */
  readonly committed: BigInt64Array;
  readonly settings: ShardThreadSettings;
  readonly plantedBug: PlantedBug | null;
  /** Hears of every message of a sampled trace; null when nobody listens. */
  readonly onTraced: ((handled: TracedMessage) => void) | null;
  readonly onCrash: (address: string, doing: string, cause: unknown) => void;
  readonly onCheckpointFailed: (reason: string) => void;
  /** A checkpoint was stored after one or more had failed. */
  readonly onCheckpointRecovered: () => void;
  /** A group was refused: this thread's work is over, its successor recovers. */
  readonly onRefused: () => void;
}

export interface ShardThreadSettings {
  readonly runMessagesMax: number;
  readonly runMsMax: number;
  readonly checkpointEveryMs: number;
  readonly checkpointEveryEntities: number;
  readonly entitiesIdleMs: number;
  readonly entitiesMax: number;
  /** Estimated bytes of the entities in memory, above which the largest and idlest leave. */
  readonly entitiesBytesMax: number;
}

/**
 * The shell around a domain: moves batches between ports and the synchronous core, and gives the event loop its turn. One JSON string a
 * flush and port; a flush after every run, so that what waits together travels together.
 */
export class ShardThread {
  readonly #options: ShardThreadOptions;
  readonly #domain: Domain;
  readonly #peers = new Map<number, MessagePort>();
  readonly #timers: NodeJS.Timeout[] = [];
  #loads: Array<readonly [address: string, known: KnownHistory]> = [];
  #answers: PackedAnswer[] = [];
  #messages = new Map<number, DomainMessage[]>();
  #performer: MessagePort | null = null;
  #performs: PerformEffect[] = [];
  #cancels: string[] = [];
  /** By effect: only its youngest attempt waits for room. */
  #credits = new Map<string, ProgressCredit>();
  #due: { readonly at: number; readonly timer: NodeJS.Timeout } | null = null;
  /** Callers of `resolveEffect`, which count below zero: those of the doors count above. */
  readonly #resolving = new Map<number, (answer: Answer<Json>) => void>();
  #resolver = 0;
  #isScheduled = false;
  #checkpointPort: MessagePort | null = null;
  #checkpoint: Checkpoint | null = null;
  #checkpointAt = performance.now();
  #checkpointPosition = 0;
  #checkpoints = 0;
  #checkpointFailure: string | null = null;
  #checkpointFailures = 0;
  /** A store that fails is left alone for a while: trying again at once would burn the core that refusals and reads need. */
  #checkpointNotBefore = 0;
  #checkpointBackoffMs = CHECKPOINT_BACKOFF_MS_MIN;
  #isEndSent = false;
  #relievedAt = 0;
  /** The entities take more bytes than they may, and the last look found none that can leave. */
  #isCrowded = false;
  #waiting: Array<{ readonly isDone: () => boolean; readonly resolve: () => void; readonly reject: (why: Error) => void }> = [];
  #isClosed = false;

  constructor(options: ShardThreadOptions) {
    this.#options = options;
    this.#domain = new Domain({
      domain: options.thread,
      incarnation: options.incarnation,
      shardCount: options.shardCount,
      isOwned: (shard) => options.threadOf(shard) === options.thread,
      domainOf: options.threadOf,
      definitions: options.definitions,
      outside: options.outside,
      limits: options.limits,
      recovered: options.recovered,
      poison: new Set(options.poison),
      plantedBug: options.plantedBug,
      meter: new DomainMeter(() => performance.now()),
      ports: {
        nowMs: Date.now,
        load: (address, known) => this.#loads.push([address, known]),
        submit: (group) =>
          options.ports.journal.postMessage(group, typeof group.body === "string" ? [] : [group.body.buffer as ArrayBuffer]),
        answer: (caller, answer) => this.#answer(caller, answer),
        perform: (effect) => this.#performs.push(effect),
        cancel: (id) => this.#cancels.push(id),
        credit: (id, attempt) => this.#credit(id, attempt),
        send: (shard, message) => this.#queueMessage(options.threadOf(shard), message),
        crashed: options.onCrash,
        atWork: options.atWork,
        ...(options.onTraced === null ? {} : { traced: options.onTraced }),
      },
    });
    this.#checkpointPosition = options.recovered.position;
  }

  /** Begins to take messages, and offers again what was open. */
  start(isJournalDown: boolean): void {
    const { ports, settings } = this.#options;
    ports.journal.on("message", (message: FromJournal) => this.#fromJournal(message));
    if (isJournalDown) this.#domain.journalDown(true);
    this.#domain.resume();
    this.#schedule();
    ports.ingress.on("message", (message: FromIngress) => {
      if (typeof message === "string") for (const command of unpackCommands(message)) this.#domain.command(command);
      else this.#domain.cancel(message);
      this.#schedule();
    });
    this.#timers.push(
      setInterval(() => this.#checkpointWhenDue(), Math.min(settings.checkpointEveryMs, 200)),
      setInterval(() => this.#passivate(), PASSIVATE_EVERY_MS),
    );
  }

  figures() {
    const { messagesHandled, entities, openEffects, passivations, deadLetters, commandsCancelled, entitiesBytes } = this.#domain.figures();
    return {
      thread: this.#options.thread,
      messagesHandled,
      entitiesInMemory: entities,
      entitiesBytes,
      openEffects,
      passivations,
      deadLetters,
      commandsCancelled,
      checkpoints: this.#checkpoints,
      checkpointFailure: this.#checkpointFailure,
      heapBytes: process.memoryUsage().heapTotal,
    };
  }

  /** The thread that performs effects is there, or its successor: it gets all that is under way. */
  performerBack(port: MessagePort): void {
    this.#performer?.close();
    this.#performer = port;
    this.#performs = [];
    this.#cancels = [];
    this.#credits.clear();
    port.on("message", (text: string) => {
      if (this.#performer !== port) return; // From an older incarnation.
      for (const outcome of JSON.parse(text) as FromPerformer[]) this.#domain.performed(outcome);
      this.#schedule();
    });
    this.#domain.performerLost();
    this.#schedule();
  }

  effectLooks(page: EffectPage): readonly EffectLook[] {
    return this.#domain.effectLooks(page);
  }

  effectLook(id: string): EffectLook | null {
    return this.#domain.effectLook(id);
  }

  /** Answers when the decision is in the journal, or why it was not taken. */
  resolveEffect(id: string, action: EffectAction): Promise<Answer<Json>> {
    return new Promise((resolve) => {
      const caller = --this.#resolver;
      this.#resolving.set(caller, resolve);
      this.#domain.resolve({ caller, id, action });
      this.#schedule();
    });
  }

  /** What the thread counted, for `/metrics`. */
  measures() {
    const { deadLetters, passivations, openEffects } = this.#domain.figures();
    return { ...this.#domain.meter.look(), active: [...this.#domain.entitiesByType], deadLetters, passivations, openEffects };
  }

  /** One page of the entities in memory. Never wakes one (TRAPS 26). */
  async peek(query: PeekQuery): Promise<Peek> {
    return await peekPage(this.#domain.look(), query);
  }

  /** What was busy since the last call, from a sample of the messages, and where most wait now. */
  async top(limit: number) {
    const { messages } = this.#domain.meter.look();
    const hot = this.#domain.meter.hot.take(limit);
    return { messages, hot, fullest: await peekFullest(this.#domain.look(), limit) };
  }

  /** A peer has a new incarnation: closes the old port, and answers when all that was handled here is committed (DESIGN 4.3, step 3). */
  async peerGone(thread: number): Promise<void> {
    this.#peers.get(thread)?.close();
    this.#peers.delete(thread);
    this.#messages.delete(thread);
    const group = this.#domain.peerChanged((shard) => this.#options.threadOf(shard) === thread);
    this.#schedule();
    await this.#until(() => this.#domain.isCommitted(group));
  }

  /** The other thread runs, now or again: sends it what is open. */
  peerBack(thread: number, port: MessagePort): void {
    this.#peers.get(thread)?.close();
    this.#peers.set(thread, port);
    this.#listenToPeer(thread, port);
    this.#domain.resend((shard) => this.#options.threadOf(shard) === thread);
    this.#schedule();
  }

  /** The checkpoint thread runs, now or again: what the old one had taken and not answered is given anew. */
  checkpointBack(port: MessagePort): void {
    this.#checkpointPort?.close();
    this.#checkpointPort = port;
    port.on("message", (message: FromCheckpoint) => {
      if (this.#checkpointPort === port) this.#fromCheckpoint(message);
    });
    if (this.#checkpoint !== null) {
      this.#checkpoint = null;
      this.#domain.abandonCheckpoint();
    }
    this.#domain.retiredStored(false);
    this.#schedule();
  }

  /** Nothing waits, nothing is open, everything is committed. */
  async idle(): Promise<void> {
    await this.#until(() => this.#domain.isIdle && this.#domain.effectsOpen === 0);
  }

  /** Everything handled so far is in a checkpoint when it resolves. @throws Error when the checkpoint could not be written. */
  async checkpointNow(): Promise<void> {
    await this.#until(() => this.#checkpoint === null);
    const [ended, failed] = [this.#checkpoints, this.#checkpointFailures];
    this.#checkpointNotBefore = 0;
    // It cannot begin while a group is in flight that may not be followed by another, or while a tail is being read.
    await this.#until(() => {
      if (this.#checkpoint === null && this.#checkpoints === ended && this.#checkpointFailures === failed) this.#beginCheckpoint();
      return this.#checkpoints > ended || this.#checkpointFailures > failed;
    });
    if (this.#checkpointFailures > failed) throw new Error(this.#checkpointFailure ?? "the checkpoint failed");
  }

  /** Drops everything: nothing leaves any more, and who waits hears that it is over. */
  close(): void {
    this.#isClosed = true;
    for (const { reject } of this.#waiting.splice(0)) reject(new Error(OVER));
    for (const resolve of this.#resolving.values()) resolve({ ok: false, code: "OUTCOME_UNKNOWN", detail: OVER });
    for (const timer of this.#timers) clearInterval(timer);
    if (this.#due !== null) clearTimeout(this.#due.timer);
    this.#performer?.close();
    const { ports } = this.#options;
    for (const port of [ports.ingress, ports.journal, ...this.#peers.values()]) port.close();
    this.#checkpointPort?.close();
  }

  readonly #run = (): void => {
    this.#isScheduled = false;
    if (this.#isClosed) return;
    const { settings } = this.#options;
    this.#flush(); // What is committed need not wait for what is handled now.
    const until = performance.now() + settings.runMsMax;
    const window = this.#domain.timersWanted;
    if (window !== null) this.#domain.timersLoaded(window, this.#options.snapshots.timers(window));
    let hasMore = false;
    do {
      hasMore = this.#domain.run(settings.runMessagesMax);
      if (this.#load()) hasMore = this.#domain.hasReady;
    } while (hasMore && !this.#domain.isWaking && performance.now() < until);
    this.#stepCheckpoint();
    this.#passivateLargest(0);
    this.#flush();
    if (hasMore) this.#schedule();
    else this.#runWhenDue();
    if (this.#waiting.length > 0) this.#wake();
  };

  /** What rests until a time is brought by no message. */
  #runWhenDue(): void {
    const at = this.#domain.nextDueMs;
    if (!Number.isFinite(at) || (this.#due !== null && this.#due.at <= at)) return;
    if (this.#due !== null) clearTimeout(this.#due.timer);
    const timer = setTimeout(
      () => {
        this.#due = null;
        this.#schedule();
      },
      Math.min(Math.max(at - Date.now(), 0), TIMER_MS_MAX),
    );
    this.#due = { at, timer };
  }

  #answer(caller: number, answer: Answer<Json>): void {
    const resolve = caller < 0 ? this.#resolving.get(caller) : undefined;
    if (resolve === undefined) this.#answers.push([caller, answer]);
    else {
      this.#resolving.delete(caller);
      resolve(answer);
    }
  }

  #schedule(): void {
    if (this.#isScheduled) return;
    this.#isScheduled = true;
    setImmediate(this.#run);
  }

  /** Point reads of what the domain wants to wake. True when there was any. */
  #load(): boolean {
    if (this.#loads.length === 0) return false;
    const loads = this.#loads;
    this.#loads = [];
    this.#options.snapshots.atOnce(() => {
      for (const [address, known] of loads) this.#loadOne(address, known);
    });
    return true;
  }

  #loadOne(address: string, known: KnownHistory): void {
    try {
      this.#domain.loaded(
        address,
        this.#options.heartbeat.during(() => readEntity(address, known, this.#options)),
      );
    } catch (cause) {
      this.#domain.loaded(address, null, cause);
    }
  }

  #flush(): void {
    if (this.#answers.length > 0) {
      this.#options.ports.ingress.postMessage(packAnswers(this.#answers));
      this.#answers = [];
    }
    this.#flushPerforms();
    for (const [thread, messages] of this.#messages) {
      const port = this.#peers.get(thread);
      // Without a port the peer is being recovered: its successor gets what is open by `resend`.
      if (port !== undefined && messages.length > 0) port.postMessage(packMessages(messages));
    }
    if (this.#messages.size > 0) this.#messages = new Map();
  }

  /** Without a port nothing is lost: the domain hands out again all that is under way when `performerBack` brings one. */
  #flushPerforms(): void {
    if (this.#performs.length > 0) {
      this.#performer?.postMessage(JSON.stringify({ kind: "perform", effects: this.#performs } satisfies ToPerformer));
      this.#performs = [];
    }
    if (this.#cancels.length > 0) {
      this.#performer?.postMessage(JSON.stringify({ kind: "cancel", ids: this.#cancels } satisfies ToPerformer));
      this.#cancels = [];
    }
    if (this.#credits.size > 0) {
      this.#performer?.postMessage(JSON.stringify({ kind: "credit", credits: [...this.#credits.values()] } satisfies ToPerformer));
      this.#credits.clear();
    }
  }

  #credit(id: string, attempt: number): void {
    const known = this.#credits.get(id);
    this.#credits.set(id, { id, attempt, count: known?.attempt === attempt ? known.count + 1 : 1 });
  }

  #queueMessage(thread: number, message: DomainMessage): void {
    const messages = this.#messages.get(thread);
    if (messages === undefined) this.#messages.set(thread, [message]);
    else messages.push(message);
  }

  #listenToPeer(thread: number, port: MessagePort): void {
    port.on("message", (text: string) => {
      if (this.#peers.get(thread) !== port) return; // From an older incarnation.
      for (const message of unpackMessages(text)) this.#domain.receive(message);
      this.#schedule();
    });
  }

  #fromJournal(message: FromJournal): void {
    if (message.kind === "committed") this.#domain.committed(message.number, message.seq);
    else if (message.kind === "refused") {
      this.#domain.refused();
      this.#flush();
      this.#options.onRefused();
      return;
    } else this.#domain.journalDown(message.kind === "down");
    this.#schedule();
  }

  // Checkpoints --------------------------------------------------------------------------------------------------------------------

  #checkpointWhenDue(): void {
    this.#passivateLargest(this.#options.settings.runMsMax);
    if (this.#waiting.length > 0) this.#schedule();
    const { settings } = this.#options;
    const isTime = performance.now() - this.#checkpointAt >= settings.checkpointEveryMs;
    // A domain that writes nothing must move its position too, or a start would read what the others wrote meanwhile.
    const isBehind = this.#domain.dirtyCount > 0 || this.#journalSeq() > this.#checkpointPosition;
    // What no snapshot holds cannot leave memory.
    const isCrowded = this.#isCrowded && this.#domain.dirtyCount > 0;
    if (this.#domain.changedCount >= settings.checkpointEveryEntities || isCrowded || (isTime && isBehind)) this.#beginCheckpoint();
  }

  #beginCheckpoint(): void {
    if (this.#checkpointPort === null || this.#checkpoint !== null || performance.now() < this.#checkpointNotBefore) return;
    this.#checkpoint = this.#domain.beginCheckpoint(this.#journalSeq());
    if (this.#checkpoint === null) return;
    this.#checkpointAt = performance.now();
    this.#isEndSent = false;
    this.#schedule();
  }

  /** A slice a run: encoding thousands of states at once would make a turn long. */
  #stepCheckpoint(): void {
    if (this.#checkpoint === null) {
      if (this.#domain.changedCount >= this.#options.settings.checkpointEveryEntities) this.#beginCheckpoint();
      else this.#storeRetired();
      return;
    }
    const checkpoint = this.#checkpoint;
    const port = this.#checkpointPort;
    if (port === null || this.#isEndSent || checkpoint.position === null) return;
    if (!checkpoint.isEncoded) {
      this.#postRows(port, "rows", checkpoint.encode(ENCODE_ROWS_MAX));
    }
    if (checkpoint.isEncoded) {
      this.#isEndSent = true;
      this.#checkpointPosition = checkpoint.position;
      const end = this.#domain.isPinned ? null : checkpoint.end();
      port.postMessage({ kind: "end", end } satisfies ToCheckpoint<PackedSnapshots>);
    } else this.#schedule();
  }

  /** Finished entities leave memory in small batches; the checkpoint that is due goes first, or a steady stream of them would hold it up. */
  #storeRetired(): void {
    if (this.#checkpointPort === null || performance.now() < this.#checkpointNotBefore) return;
    const rows = this.#domain.takeRetired({ rowsMin: RETIRED_ROWS_MIN, rowsMax: RETIRED_ROWS_MAX });
    if (rows === null) return;
    this.#postRows(this.#checkpointPort, "apart", rows.next(rows.count));
  }

  #postRows(port: MessagePort, kind: "rows" | "apart", { snapshots, pointers }: SnapshotBatch): void {
    const message: ToCheckpoint<PackedSnapshots> = { kind, rows: packSnapshots(snapshots), pointers };
    // Handed over: a buffer that is given away is gone here, and `NO_POINTERS` belongs to everybody.
    port.postMessage(message, pointers.length > 0 ? [pointers.buffer] : []);
  }

  #fromCheckpoint(message: FromCheckpoint): void {
    switch (message.kind) {
      case "ended":
        this.#checkpointStored();
        break;
      case "failed":
        this.#checkpoint = null;
        this.#domain.abandonCheckpoint();
        this.#storeFailed(message.reason);
        break;
      case "storedApart":
        this.#domain.retiredStored(true);
        break;
      case "failedApart":
        this.#domain.retiredStored(false);
        this.#storeFailed(message.reason);
        break;
      default:
        unreachable(message);
    }
    this.#schedule();
  }

  #checkpointStored(): void {
    this.#checkpoint = null;
    this.#checkpoints++;
    if (this.#checkpointFailure !== null) this.#options.onCheckpointRecovered();
    this.#checkpointFailure = null;
    this.#checkpointBackoffMs = CHECKPOINT_BACKOFF_MS_MIN;
    this.#domain.endCheckpoint();
  }

  #storeFailed(reason: string): void {
    this.#checkpointFailures++;
    this.#checkpointFailure = reason;
    this.#checkpointNotBefore = performance.now() + this.#checkpointBackoffMs;
    this.#checkpointBackoffMs = Math.min(this.#checkpointBackoffMs * 2, CHECKPOINT_BACKOFF_MS_MAX);
    this.#options.onCheckpointFailed(reason);
  }

  #journalSeq(): number {
    return Number(Atomics.load(this.#options.committed, 0));
  }

  /** Between runs one slice every few milliseconds; a thread with nothing else to do takes a turn's time for it. */
  #passivateLargest(msMax: number): void {
    const bytesMax = this.#options.settings.entitiesBytesMax;
    const now = performance.now();
    if (msMax === 0 && now - this.#relievedAt < RELIEVE_EVERY_MS) return;
    this.#relievedAt = now;
    this.#isCrowded = false;
    while (this.#domain.bytes > bytesMax) {
      this.#isCrowded = this.#domain.passivateLargest({ bytesMax, stepsMax: RELIEVE_STEPS_MAX }) === 0;
      if (this.#isCrowded || performance.now() - now >= msMax) return;
    }
  }

  #passivate(): void {
    const { settings } = this.#options;
    const isCrowded = this.#domain.entitiesCount > settings.entitiesMax;
    this.#domain.passivate({
      idleSince: isCrowded ? Number.POSITIVE_INFINITY : Date.now() - settings.entitiesIdleMs,
      stepsMax: PASSIVATE_STEPS_MAX,
    });
  }

  // Waiting ------------------------------------------------------------------------------------------------------------------------

  #until(isDone: () => boolean): Promise<void> {
    if (this.#isClosed) return Promise.reject(new Error(OVER));
    if (isDone()) return Promise.resolve();
    return new Promise((resolve, reject) => {
      this.#waiting.push({ isDone, resolve, reject });
    });
  }

  #wake(): void {
    const waiting = this.#waiting;
    this.#waiting = [];
    for (const wait of waiting) {
      if (wait.isDone()) wait.resolve();
      else this.#waiting.push(wait);
    }
  }
}

const OVER = "the shard thread has dropped everything; its successor recovers";

/** Finished entities that are handed to the store together, apart from a checkpoint: few enough to die young, enough to share index pages. */
const RETIRED_ROWS_MIN = 4_000;
const RETIRED_ROWS_MAX = 10_000;
/** Rows encoded in one run: about 1 ms. */
const ENCODE_ROWS_MAX = 250;
const CHECKPOINT_BACKOFF_MS_MIN = 100;
const CHECKPOINT_BACKOFF_MS_MAX = 5_000;
/** What Node's timers can hold; they are looked at again then. */
const TIMER_MS_MAX = 2 ** 31 - 1;
const PASSIVATE_EVERY_MS = 1_000;
const PASSIVATE_STEPS_MAX = 20_000;
const RELIEVE_EVERY_MS = 10;
const RELIEVE_STEPS_MAX = 2_000;
