import { MessageChannel } from "node:worker_threads";
import { type Component, type ComponentContext, type RunningComponent, unreachable } from "../../runtime/index.ts";
import type { CheckpointControl } from "../checkpoint-worker.ts";
import type { EffectsControl } from "../effects-worker.ts";
import type { JournalControl } from "../journal-worker.ts";
import type { ShardControl, ShardReport, ShardWorkerData } from "../shard-worker.ts";
import { readWork, workMemory } from "./at-work.ts";
import type { CommandRouter } from "./command-router.ts";
import { handOver, handOverAll } from "./control.ts";
import type { HeartbeatWatch } from "./heartbeat-watch.ts";
import { moduleUrl } from "./module-url.ts";
import { Poison } from "./poison.ts";
import { SpareThreads } from "./spare-threads.ts";
import type { ThreadComponent } from "./thread-component.ts";
import { WorkerThread } from "./worker-thread.ts";

export interface ShardThreadsOptions {
  readonly threadCount: number;
  readonly workerData: Omit<ShardWorkerData, "threadCount" | "committed" | "work">;
  readonly committed: SharedArrayBuffer;
  readonly heapMiBMax: number;
  readonly codeCacheDir: string;
  readonly journal: Pick<ThreadComponent<JournalControl>, "running" | "untilRunning">;
  readonly checkpoint: Pick<ThreadComponent<CheckpointControl>, "running">;
  /** Null when nothing performs effects. */
  readonly effects: Pick<ThreadComponent<EffectsControl>, "running"> | null;
  readonly router: CommandRouter;
  readonly heartbeats: HeartbeatWatch;
  /** Hears how many records of the journal a thread has read that recovers, of how many. */
  readonly onRecovering: (thread: number, records: number, of: number) => void;
  readonly log: { readonly warn: (fields: object, text: string) => void; readonly error: (fields: object, text: string) => void };
}

type ShardWorker = WorkerThread<ShardControl>;

/** A shard thread's part ended only because the journal thread did: no failure of its own. */
export class JournalThreadEnded extends Error {
  constructor() {
    super("the journal thread ended, and with it what was handed to it");
    this.name = "JournalThreadEnded";
  }
}

/** What a thread is at the moment. */
interface Part {
  readonly thread: number;
  readonly unwatch: () => void;
  readonly over: (cause: Error) => void;
  /** Why we end it; null as long as we do not. When we do, its work is not to blame. */
  endedFor: Error | null;
  /** It has a port of the journal thread. */
  isRegistered: boolean;
}

/** To drop everything is to close ports and timers. */
const DROP_MS_MAX = 500;

/**
 * The shard threads as parts of the tree: when one is started and when it is given up is its supervisor's; how, is here.
 *
 * S1. A start has the steps of DESIGN 4.3, the first one and that of a successor alike: (1) the old thread has ended, or dropped all it had, (2) a new incarnation is
 *     registered with the journal, which refuses the old one from then on, (3) every thread that runs drops the old one's unhandled messages and
 *     answers when all it has handled is committed, (4) only then it reads the journal.
 * S2. Two threads are linked by whichever of them runs later, in the moment in which it does; each then sends the other what is open. The
 *     same with the checkpoint thread, whose end ends nothing here.
 * S3. A shard thread's part does not outlive the journal thread at which it is registered: what it has handed over may be committed or not, so it
 *     drops everything, and who takes its part reads what is there. No new journal thread opens the file before all of them have. The same
 *     after a refused group. The thread itself is well, and becomes a spare.
 * S4. What is at work when a thread ends by itself, or because it made no progress, is counted; a successor is told what was too often (`Poison`).
 */
export class ShardThreads {
  readonly #options: ShardThreadsOptions;
  readonly #running: Array<ShardWorker | null>;
  readonly #spares: SpareThreads<ShardControl>;
  readonly #checkpointFailures = new Map<number, string>();
  /** What each thread has at work. */
  readonly #works = new WeakMap<ShardWorker, SharedArrayBuffer>();
  readonly #poison = new Poison();
  /** The parts that threads have, with those that are starting. */
  readonly #parts = new Map<ShardWorker, Part>();

  constructor(options: ShardThreadsOptions) {
    this.#options = options;
    this.#running = new Array(options.threadCount).fill(null);
    this.#spares = new SpareThreads({ name: "shard-spare", create: (name) => this.#create(name) });
  }

  /** Threads that do not run at the moment. */
  get recovering(): readonly number[] {
    return [...this.#running.keys()].filter((thread) => this.#running[thread] === null);
  }

  /** Threads whose last checkpoint failed, and why. */
  get checkpointFailures(): ReadonlyMap<number, string> {
    return this.#checkpointFailures;
  }

  /** The thread of this number that runs; null while it is being replaced. */
  running(thread: number): ShardWorker | null {
    const worker = this.#running[thread];
    return worker === undefined || worker === null || worker.isGone ? null : worker;
  }

  get living(): readonly ShardWorker[] {
    return this.#running.filter((worker): worker is ShardWorker => worker !== null && !worker.isGone);
  }

  component(thread: number): Component {
    return { type: "shard-thread", start: (context) => this.#start(thread, context) };
  }

  /** Ends a thread as a crash would: for checks. */
  async kill(thread: number): Promise<void> {
    await this.#running[thread]?.terminate();
  }

  /** S3. Resolves when nothing is left of the threads that were registered. */
  async dropAll(): Promise<void> {
    const cause = new JournalThreadEnded();
    await Promise.all(Array.from(this.#parts, ([worker, part]) => (part.isRegistered ? this.#drop(worker, part, cause) : null)));
  }

  /** S2: the checkpoint thread runs. */
  checkpointRuns(): void {
    for (const [thread, worker] of this.#running.entries()) if (worker !== null) this.#linkToCheckpoint(thread, worker);
  }

  /** S2: the effects thread runs. */
  performerRuns(): void {
    for (const [thread, worker] of this.#running.entries()) if (worker !== null) this.#linkToPerformer(thread, worker);
  }

  /** Ends the spare; the others are ended by the tree. */
  async close(): Promise<void> {
    await this.#spares.close();
  }

  #create(name: string): ShardWorker {
    const { workerData, threadCount, committed, heapMiBMax, codeCacheDir, heartbeats } = this.#options;
    const work = workMemory();
    const worker: ShardWorker = new WorkerThread({
      name,
      url: moduleUrl("../shard-worker", import.meta.url),
      heapMiBMax,
      codeCacheDir,
      heartbeatEveryMs: heartbeats.everyMs,
      data: { ...workerData, threadCount, committed, work } satisfies ShardWorkerData,
    });
    this.#works.set(worker, work);
    return worker;
  }

  async #start(thread: number, { signal }: ComponentContext): Promise<RunningComponent> {
    const { journal, heartbeats } = this.#options;
    const worker = this.#spares.take(`shard-${thread}`);
    const { promise: ended, resolve } = Promise.withResolvers<Error>();
    const part: Part = { thread, unwatch: heartbeats.watch(worker), over: resolve, endedFor: null, isRegistered: false };
    this.#parts.set(worker, part);
    void worker.exited.then((reason) => this.#over(worker, part, reason));
    const stop = async (): Promise<void> => {
      if (this.#parts.get(worker) !== part) return; // It is a spare by now, or has another part: not this one's to end.
      part.endedFor ??= new Error("it was stopped");
      await worker.terminate();
    };
    const abort = (): void => void stop();
    signal.addEventListener("abort", abort, { once: true });
    let writer: WorkerThread<JournalControl> | null = null;
    try {
      writer = await journal.untilRunning(signal);
      part.isRegistered = true;
      const ingress = await this.#recover(part, worker, writer);
      if (this.#parts.get(worker) !== part) throw await ended;
      if (journal.running !== writer) throw new JournalThreadEnded();
      this.#runs(thread, worker);
      this.#options.router.attach(thread, ingress);
    } catch (cause) {
      // Whatever it fails at then, that is why: a call to the journal thread, or its own thread, which was ended because it was just starting.
      const hasLostJournal =
        part.endedFor instanceof JournalThreadEnded || (writer !== null && (writer.isGone || journal.running !== writer));
      await stop();
      throw hasLostJournal ? new JournalThreadEnded() : cause;
    } finally {
      signal.removeEventListener("abort", abort);
    }
    // What it had is in the journal, or was answered by a drain: there is nothing to close.
    return { ended, stop };
  }

  /** S3. A thread that does not do it at once, or is just starting, is ended. */
  async #drop(worker: ShardWorker, part: Part, cause: Error): Promise<void> {
    part.endedFor ??= cause;
    if (!(this.#running[part.thread] === worker && (await this.#hasDropped(worker)))) {
      worker.end(cause.message);
      await worker.exited;
    } else if (this.#over(worker, part, cause.message)) await this.#spares.giveBack(worker);
  }

  async #hasDropped(worker: ShardWorker): Promise<boolean> {
    let timer: NodeJS.Timeout | null = null;
    const late = new Promise<boolean>((resolve) => {
      timer = setTimeout(() => resolve(false), DROP_MS_MAX);
    });
    const dropped = worker.call.drop().then(
      () => true,
      () => false,
    );
    const hasDropped = await Promise.race([dropped, late]);
    if (timer !== null) clearTimeout(timer);
    return hasDropped;
  }

  /** The thread has ended, or dropped the part. False when that was so already. */
  #over(worker: ShardWorker, part: Part, reason: string): boolean {
    if (this.#parts.get(worker) !== part) return false;
    this.#parts.delete(worker);
    part.unwatch();
    if (part.endedFor === null) this.#blame(part.thread, worker);
    this.#ended(part.thread, worker);
    part.over(part.endedFor ?? new Error(reason));
    return true;
  }

  /** S1, from (2). @returns main's end of the port for commands. */
  async #recover(part: Part, worker: ShardWorker, journal: WorkerThread<JournalControl>) {
    const { committed } = this.#options;
    const { thread } = part;
    const [ingress, toJournal, report] = [new MessageChannel(), new MessageChannel(), new MessageChannel()];
    report.port1.on("message", (message: ShardReport) => this.#hear(part, worker, message));
    report.port1.unref();
    const { incarnation, isDown } = await journal.call.register(thread, handOver(toJournal.port1));
    // A peer that ends meanwhile needs no barrier: what it had uncommitted is gone.
    await Promise.allSettled(this.living.map((peer) => peer.call.peerGone(thread)));
    // Read after the registration and the barrier: whatever was handled before is below it.
    const position = Number(Atomics.load(new BigInt64Array(committed), 0));
    const ports = { ingress: ingress.port2, journal: toJournal.port2, report: report.port2 };
    await worker.call.start(
      handOverAll({ thread, incarnation, position, isJournalDown: isDown, poison: this.#poison.works, ports }, Object.values(ports)),
    );
    return ingress.port1;
  }

  /** S2. */
  #runs(thread: number, worker: ShardWorker): void {
    this.#running[thread] = worker;
    this.#linkToCheckpoint(thread, worker);
    this.#linkToPerformer(thread, worker);
    for (const [other, peer] of this.#running.entries()) if (peer !== null && peer !== worker) this.#link(thread, worker, other, peer);
    if (this.recovering.length === 0) this.#spares.refillLater();
  }

  #link(thread: number, worker: ShardWorker, other: number, peer: ShardWorker): void {
    const { port1, port2 } = new MessageChannel();
    this.#settle([worker.call.peerBack(other, handOver(port1)), peer.call.peerBack(thread, handOver(port2))]);
  }

  #linkToCheckpoint(thread: number, worker: ShardWorker): void {
    const checkpoint = this.#options.checkpoint.running;
    if (checkpoint === null) return;
    const { port1, port2 } = new MessageChannel();
    this.#settle([checkpoint.call.register(thread, handOver(port1)), worker.call.checkpointBack(handOver(port2))]);
  }

  #linkToPerformer(thread: number, worker: ShardWorker): void {
    const effects = this.#options.effects?.running ?? null;
    if (effects === null) return;
    const { port1, port2 } = new MessageChannel();
    this.#settle([effects.call.register(thread, handOver(port1)), worker.call.performerBack(handOver(port2))]);
  }

  /** Either end may have ended by now; then its successor makes the link anew. Whoever did not end and refuses is told of. */
  #settle(calls: ReadonlyArray<Promise<unknown>>): void {
    for (const call of calls) {
      call.catch((cause) => this.#options.log.warn({ cause: String(cause) }, "two threads could not be linked"));
    }
  }

  #ended(thread: number, worker: ShardWorker): void {
    if (this.#running[thread] !== worker) return;
    this.#running[thread] = null;
    this.#checkpointFailures.delete(thread);
    this.#options.router.detach(thread);
  }

  /** S4. Before the callers hear of it: afterwards nobody knows any more whose command it was. */
  #blame(thread: number, worker: ShardWorker): void {
    const memory = this.#works.get(worker);
    if (memory === undefined) return;
    const work = readWork(memory);
    const name = typeof work === "number" ? this.#options.router.workOf(work) : work;
    if (name === null || !this.#poison.died(name)) return;
    this.#options.log.error({ thread, work: name }, "this was at work in too many deaths of its thread; it is not done again");
  }

  /** What a part reported before it was over may arrive when its thread has another one, which it is not about. */
  #hear(part: Part, worker: ShardWorker, message: ShardReport): void {
    if (this.#parts.get(worker) !== part) return;
    const { log, onRecovering } = this.#options;
    const { thread } = part;
    switch (message.kind) {
      case "crashed":
        log.error({ thread, ...message }, "an entity crashed");
        break;
      case "recovering":
        onRecovering(thread, message.records, message.of);
        break;
      case "checkpointed":
        this.#checkpointFailures.delete(thread);
        break;
      case "checkpoint-failed":
        this.#checkpointFailures.set(thread, message.reason);
        log.error({ thread, reason: message.reason }, "a checkpoint could not be stored; it is tried again");
        break;
      case "refused": // It has answered what it could.
        void this.#drop(worker, part, new Error("a commit group was refused"));
        break;
      default:
        unreachable(message);
    }
  }
}
