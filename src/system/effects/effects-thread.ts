import { MessageChannel } from "node:worker_threads";
import { Fault, RestartWindow } from "../../runtime/index.ts";
import type { EffectsControl, EffectsWorkerData } from "../effects-worker.ts";
import type { ShardControl } from "../shard-worker.ts";
import { handOver } from "../threads/control.ts";
import { moduleUrl } from "../threads/module-url.ts";
import { WorkerThread } from "../threads/worker-thread.ts";

export interface EffectsThreadOptions {
  readonly storeId: string;
  readonly modules: readonly string[];
  readonly pool: EffectsWorkerData["pool"];
  readonly heapMiBMax: number;
  readonly log: { readonly warn: (fields: object, text: string) => void; readonly error: (fields: object, text: string) => void };
  /** It ended more often than it may: nothing is performed any more. */
  readonly onGivenUp: (reason: string) => void;
}

type ShardWorker = WorkerThread<ShardControl>;

/**
 * The effects thread of a node, and its successors. It holds nothing that must not be lost: whatever a thread had when it ended is handed out
 * again to the next one by the shard threads, with the same ids and attempts.
 */
export class EffectsThread {
  readonly #options: EffectsThreadOptions;
  readonly #shards = new Map<number, ShardWorker>();
  readonly #deaths = new RestartWindow(RESTART);
  #worker: WorkerThread<EffectsControl> | null = null;
  #isClosing = false;

  constructor(options: EffectsThreadOptions) {
    this.#options = options;
  }

  /** @throws Fault `CONFIG_INVALID` that names the module which cannot be used. */
  async start(): Promise<void> {
    const { storeId, modules, pool, heapMiBMax, log } = this.#options;
    const report = new MessageChannel();
    report.port1.on("message", (port: string) => log.warn({ port }, "no module defines the port of an open effect; it is kept"));
    report.port1.unref();
    const worker = new WorkerThread<EffectsControl>({
      name: "effects",
      url: moduleUrl("../effects-worker", import.meta.url),
      heapMiBMax,
      data: { storeId, modules, pool, reportPort: report.port2 } satisfies EffectsWorkerData,
      transfer: [report.port2],
    });
    this.#worker = worker;
    try {
      await worker.call.start();
    } catch (cause) {
      await worker.terminate();
      throw cause;
    }
    void worker.exited.then((reason) => this.#ended(reason));
    await Promise.all([...this.#shards].map(([thread, shard]) => this.#connect(worker, thread, shard)));
  }

  /** A shard thread, or its successor, hands out effects from now on. */
  async attach(thread: number, shard: ShardWorker): Promise<void> {
    this.#shards.set(thread, shard);
    if (this.#worker !== null && !this.#worker.isGone) await this.#connect(this.#worker, thread, shard);
  }

  /** @throws Fault when the thread is being replaced. */
  figures(): Promise<Awaited<ReturnType<EffectsControl["figures"]>>> {
    if (this.#worker === null) throw new Fault("INTERNAL_ERROR", "the effects thread is being replaced", { isRetryable: true });
    return this.#worker.call.figures();
  }

  /** No attempt begins any more. Resolves when those under way have ended, or the thread has. */
  async leave(): Promise<void> {
    await this.#worker?.call.leave().catch(() => undefined);
  }

  /** Ends a thread as a crash would: for checks. */
  async kill(): Promise<void> {
    await this.#worker?.terminate();
  }

  /** Aborts what is under way; it is performed again at the next start. */
  async close(msMax: number): Promise<void> {
    this.#isClosing = true;
    const worker = this.#worker;
    if (worker === null || worker.isGone) return;
    const late = new Promise((resolve) => setTimeout(resolve, msMax).unref());
    await Promise.race([worker.call.close().catch(() => undefined), late]);
    await worker.terminate();
  }

  /** A shard thread that ends meanwhile is connected when its successor is attached. */
  async #connect(worker: WorkerThread<EffectsControl>, thread: number, shard: ShardWorker): Promise<void> {
    const { port1, port2 } = new MessageChannel();
    try {
      await worker.call.register(thread, handOver(port1));
      await shard.call.performerBack(handOver(port2));
    } catch {
      if (!shard.isGone && !worker.isGone)
        throw new Fault("INTERNAL_ERROR", `shard thread ${thread} could not be connected with the effects`);
    }
  }

  #ended(reason: string): void {
    if (this.#isClosing) return;
    const { log, onGivenUp } = this.#options;
    const delayMs = this.#deaths.crashed(performance.now(), Math.random());
    if (delayMs === null) return onGivenUp(reason);
    log.error({ reason, delayMs: Math.round(delayMs) }, "the effects thread ended; its successor performs what was under way");
    setTimeout(() => {
      if (this.#isClosing) return;
      this.start().catch((cause) => this.#ended(String(cause)));
    }, delayMs);
  }
}

const RESTART = { restartsMax: 10, windowMs: 60_000, backoffMsMin: 20, backoffMsMax: 5_000, jitterRatio: 0.2 };
