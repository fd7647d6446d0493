import { MessageChannel, type MessagePort } from "node:worker_threads";
import type { CheckpointControl } from "../checkpoint-worker.ts";
import type { JournalControl } from "../journal-worker.ts";
import type { ShardControl, ShardReport, ShardWorkerData } from "../shard-worker.ts";
import type { CommandRouter } from "./command-router.ts";
import { handOver } from "./control.ts";
import { moduleUrl } from "./module-url.ts";
import { WorkerThread } from "./worker-thread.ts";

export interface ShardThreadsOptions {
  readonly threadCount: number;
  readonly workerData: Omit<ShardWorkerData, "thread" | "threadCount" | "ports" | "committed">;
  readonly committed: SharedArrayBuffer;
  readonly heapMiBMax: number;
  readonly journal: WorkerThread<JournalControl>;
  readonly checkpoint: WorkerThread<CheckpointControl>;
  readonly router: CommandRouter;
  /** A thread has started: it, or the successor of one that ended. */
  readonly onStarted: (thread: number, worker: WorkerThread<ShardControl>) => Promise<void>;
  /** Hears how many records of the journal a thread has read that recovers, of how many. */
  readonly onRecovering: (thread: number, records: number, of: number) => void;
  readonly log: { readonly warn: (fields: object, text: string) => void; readonly error: (fields: object, text: string) => void };
}

type ShardWorker = WorkerThread<ShardControl>;

/**
 * Starts the shard threads and replaces one that ends, by the steps of DESIGN 4.3: (1) wait for the old thread's exit, (2) register a new
 * incarnation with the journal, which refuses the old one from then on, (3) every living thread drops the old one's unhandled
 * messages and answers when all it has handled is committed, (4) only then the successor reads the journal and what is open is sent again.
 */
export class ShardThreads {
  readonly #options: ShardThreadsOptions;
  readonly #workers: Array<ShardWorker | null>;
  readonly #deathsAt: number[] = [];
  #recoveries: Promise<void> = Promise.resolve();
  #recovering = new Set<number>();
  readonly #checkpointFailures = new Map<number, string>();
  #isClosing = false;
  #restarts = 0;

  constructor(options: ShardThreadsOptions) {
    this.#options = options;
    this.#workers = new Array(options.threadCount).fill(null);
  }

  /** Threads that are being replaced at the moment. */
  get recovering(): readonly number[] {
    return [...this.#recovering];
  }

  /** Threads that ended and have a successor. */
  get restarts(): number {
    return this.#restarts;
  }

  /** Threads whose last checkpoint failed, and why. */
  get checkpointFailures(): ReadonlyMap<number, string> {
    return this.#checkpointFailures;
  }

  /** The thread of this number that runs; null while it is being replaced. */
  running(thread: number): ShardWorker | null {
    const worker = this.#workers[thread];
    return worker === undefined || worker === null || worker.isGone || this.#recovering.has(thread) ? null : worker;
  }

  get living(): readonly ShardWorker[] {
    return this.#workers.filter((worker): worker is ShardWorker => worker !== null && !worker.isGone);
  }

  /** Starts all threads; when one fails to start, none is left running. @throws Fault. */
  async start(): Promise<void> {
    const { threadCount } = this.#options;
    const peers = Array.from({ length: threadCount }, (): Array<[number, MessagePort]> => []);
    for (let a = 0; a < threadCount; a++) {
      for (let b = a + 1; b < threadCount; b++) {
        const { port1, port2 } = new MessageChannel();
        peers[a]?.push([b, port1]);
        peers[b]?.push([a, port2]);
      }
    }
    // All are waited for also when one has failed: to end a thread while it imports modules can end the process.
    const spawned = await Promise.allSettled(peers.map((ports, thread) => this.#spawn(thread, ports)));
    const failed = spawned.find((spawn) => spawn.status === "rejected");
    if (failed !== undefined) {
      await this.close(0);
      throw failed.reason;
    }
    for (const [thread, worker] of this.#workers.entries()) if (worker !== null) this.#watch(thread, worker);
  }

  /** Ends a thread as a crash would: for checks. */
  async kill(thread: number): Promise<void> {
    await this.#workers[thread]?.terminate();
  }

  /** Checkpoints what is left and ends the threads. What a thread that does not answer had is in the journal. */
  async close(msMax: number): Promise<void> {
    this.#isClosing = true;
    const late = new Promise<void>((resolve) => {
      setTimeout(resolve, msMax).unref();
    });
    // A recovery may wait for a journal that does not come back; its thread is ended like the others.
    await Promise.race([this.#recoveries, late]);
    const workers = this.#workers.filter((worker) => worker !== null);
    await Promise.allSettled(
      workers.map(async (worker) => {
        if (!worker.isGone) await Promise.race([worker.call.close().catch(() => undefined), late]);
        await worker.terminate();
      }),
    );
  }

  async #spawn(thread: number, peers: ReadonlyArray<readonly [number, MessagePort]>, barrier?: () => Promise<unknown>): Promise<void> {
    const { threadCount, workerData, committed, journal, checkpoint, router } = this.#options;
    const [ingress, toJournal, toCheckpoint, report] = [
      new MessageChannel(),
      new MessageChannel(),
      new MessageChannel(),
      new MessageChannel(),
    ];
    const ports = { ingress: ingress.port2, journal: toJournal.port2, checkpoint: toCheckpoint.port2, report: report.port2, peers };
    const worker: ShardWorker = new WorkerThread({
      name: `shard-${thread}`,
      url: moduleUrl("../shard-worker", import.meta.url),
      heapMiBMax: this.#options.heapMiBMax,
      data: { ...workerData, thread, threadCount, committed, ports } satisfies ShardWorkerData,
      transfer: [ports.ingress, ports.journal, ports.checkpoint, ports.report, ...peers.map(([, port]) => port)],
    });
    this.#workers[thread] = worker;
    report.port1.on("message", (message: ShardReport) => {
      if (message.kind === "crashed") this.#options.log.error({ thread, ...message }, "an entity crashed");
      else if (message.kind === "recovering") this.#options.onRecovering(thread, message.records, message.of);
      else if (message.kind === "checkpointed") this.#checkpointFailures.delete(thread);
      else if (message.kind === "checkpoint-failed") {
        this.#checkpointFailures.set(thread, message.reason);
        this.#options.log.error({ thread, reason: message.reason }, "a checkpoint could not be stored; it is tried again");
      } else void worker.terminate(); // Its successor recovers; it has answered what it could.
    });
    report.port1.unref();
    const [{ incarnation, isDown }] = await Promise.all([
      journal.call.register(thread, handOver(toJournal.port1)),
      checkpoint.call.register(thread, handOver(toCheckpoint.port1)),
    ]);
    await barrier?.();
    // Read after the registration and the barrier: whatever was handled before is below it.
    const position = Number(Atomics.load(new BigInt64Array(committed), 0));
    await worker.call.start({ incarnation, position, isJournalDown: isDown });
    await this.#options.onStarted(thread, worker);
    router.attach(thread, ingress.port1);
  }

  #watch(thread: number, worker: ShardWorker): void {
    void worker.exited.then((reason) => {
      if (this.#isClosing) return;
      this.#recovering.add(thread);
      this.#options.log.error({ thread, reason }, "a shard thread ended; its successor recovers");
      this.#options.router.detach(thread);
      this.#recoveries = this.#recoveries.then(() => this.#recover(thread));
    });
  }

  async #recover(thread: number): Promise<void> {
    for (let tries = 0; !this.#isClosing; tries++) {
      await new Promise((resolve) => setTimeout(resolve, this.#backoffMs()));
      try {
        const living = [...this.#workers.entries()].filter(([other, worker]) => other !== thread && worker !== null && !worker.isGone);
        const channels = living.map(([other, worker]) => ({ other, worker, channel: new MessageChannel() }));
        await this.#spawn(
          thread,
          channels.map(({ other, channel }) => [other, channel.port1]),
          // A peer that ends meanwhile is recovered itself after this and needs no barrier: what it had uncommitted is gone.
          () => Promise.allSettled(living.map(([, worker]) => worker?.call.peerGone(thread))),
        );
        await Promise.allSettled(channels.map(({ worker, channel }) => worker?.call.peerBack(thread, handOver(channel.port2))));
        const successor = this.#workers[thread];
        if (successor !== null && successor !== undefined) this.#watch(thread, successor);
        this.#recovering.delete(thread);
        this.#restarts++;
        return;
      } catch (cause) {
        this.#options.log.error({ thread, tries, cause: String(cause) }, "the successor of a shard thread did not start");
        await this.#workers[thread]?.terminate();
      }
    }
  }

  /** 0 after the first death within a minute, then doubling to 5 s: a fault that comes back must not burn the cores. */
  #backoffMs(): number {
    const now = performance.now();
    while (this.#deathsAt.length > 0 && now - (this.#deathsAt[0] ?? 0) > DEATHS_WINDOW_MS) this.#deathsAt.shift();
    this.#deathsAt.push(now);
    const recent = this.#deathsAt.length - 1;
    return recent < DEATHS_FREE ? 0 : Math.min(BACKOFF_MS_MIN * 2 ** (recent - DEATHS_FREE), BACKOFF_MS_MAX);
  }
}

const DEATHS_WINDOW_MS = 60_000;
/** Checks and chaos runs kill threads on purpose: a few deaths a minute are replaced at once. */
const DEATHS_FREE = 20;
const BACKOFF_MS_MIN = 100;
const BACKOFF_MS_MAX = 5_000;
