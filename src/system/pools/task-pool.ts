import { Piscina } from "piscina";
import { type AttemptResult, Histogram, type HistogramLook, SECONDS_BOUNDS } from "../../runtime/index.ts";

export interface TaskPoolOptions {
  /** Module that exports `name`. */
  readonly url: URL;
  readonly name: string;
  readonly workerData: unknown;
  readonly threads: number;
  /** Tasks that wait for a thread; beyond, `run` answers `busy`. */
  readonly queueMax: number;
  readonly heapMiBMax: number;
  /** Longest time for one task from its start; then its thread is ended and the task has failed. Without it whoever runs the task watches the time. */
  readonly runMsMax?: number;
}

/** A task that waits, or runs. */
interface Task {
  readonly body: unknown;
  /** Leaves this thread with the task instead of being copied, when a thread is free for it. */
  readonly transfer: readonly ArrayBuffer[];
  readonly settle: (result: AttemptResult) => void;
  readonly controller: AbortController;
  /** It ran for longer than it may. */
  isLate: boolean;
}

/**
 * The worker pool: CPU-heavy tasks, one a thread. It keeps the queue itself and gives piscina only what a thread is free for: a task that piscina
 * queues behind one that is aborted waits until some later task brings a new thread.
 */
export class TaskPool {
  readonly #options: TaskPoolOptions;
  readonly #pool: Piscina<unknown, AttemptResult>;
  readonly #queue = new Set<Task>();
  readonly #times = new Histogram(SECONDS_BOUNDS);
  #running = 0;

  constructor(options: TaskPoolOptions) {
    this.#options = options;
    this.#pool = new Piscina({
      filename: options.url.href,
      name: options.name,
      workerData: options.workerData,
      minThreads: 0, // A program without tasks has no threads for them.
      maxThreads: options.threads,
      idleTimeout: IDLE_MS,
      resourceLimits: { maxOldGenerationSizeMb: options.heapMiBMax },
    });
    // Of a thread that ended without a task: the next task gets a new one.
    this.#pool.on("error", () => undefined);
  }

  get figures(): { readonly running: number; readonly queued: number } {
    return { running: this.#running, queued: this.#queue.size };
  }

  /** Seconds of each task from its start to its end or abort, without its wait in the queue. */
  get times(): HistogramLook {
    return this.#times.look();
  }

  /** `settle` is called once, never from inside; not after an abort. The result aborts the task: one that runs is ended with its thread. */
  run(body: unknown, settle: (result: AttemptResult) => void, transfer: readonly ArrayBuffer[] = []): () => void {
    const task: Task = { body, transfer, settle, controller: new AbortController(), isLate: false };
    if (this.#running < this.#options.threads) this.#start(task);
    else if (this.#queue.size < this.#options.queueMax) this.#queue.add(task);
    else {
      const reason = `${this.#queue.size} tasks wait for ${this.#options.threads} threads of the pool`;
      queueMicrotask(() => settle({ kind: "busy", reason }));
    }
    return () => {
      task.isLate = false;
      if (!this.#queue.delete(task)) task.controller.abort();
    };
  }

  async close(): Promise<void> {
    this.#queue.clear();
    await this.#pool.destroy();
  }

  #start(task: Task): void {
    const { controller, settle } = task;
    this.#running++;
    const startedMs = performance.now();
    const stopWatch = this.#watch(task);
    void this.#pool
      .run(task.body, { signal: controller.signal, transferList: [...task.transfer] })
      .catch((cause: unknown): AttemptResult => crashed(cause))
      .then((result) => {
        stopWatch();
        this.#running--;
        this.#times.observe((performance.now() - startedMs) / 1000);
        const [next] = this.#queue;
        if (next !== undefined && this.#queue.delete(next)) this.#start(next);
        if (task.isLate) settle(late(this.#options.runMsMax));
        else if (!controller.signal.aborted) settle(result);
      });
  }

  #watch(task: Task): () => void {
    const { runMsMax } = this.#options;
    if (runMsMax === undefined) return () => undefined;
    const timer = setTimeout(() => {
      if (task.controller.signal.aborted) return;
      task.isLate = true;
      task.controller.abort();
    }, runMsMax);
    return () => clearTimeout(timer);
  }
}

/** A thread that ended under its task, by its memory or by itself, is a failed attempt: another thread may carry it out. */
function crashed(cause: unknown): AttemptResult {
  const error = `the task's thread ended: ${cause instanceof Error ? cause.message : String(cause)}`;
  return { kind: "failed", failure: { error, status: 0, isRetryable: true, retryAfterMs: null, code: "INTERNAL_ERROR" } };
}

const late = (runMsMax = 0): AttemptResult => ({
  kind: "failed",
  failure: {
    error: `the task ran for longer than ${runMsMax} ms, and its thread was ended`,
    status: 0,
    isRetryable: true,
    retryAfterMs: null,
    code: "UPSTREAM_TIMEOUT",
  },
});

/** A thread costs some 10 MB and 100 ms to start. */
const IDLE_MS = 10_000;
