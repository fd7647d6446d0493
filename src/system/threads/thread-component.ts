import { type Component, type ComponentContext, Fault, type RunningComponent } from "../../runtime/index.ts";
import type { Control } from "./control.ts";
import type { HeartbeatWatch } from "./heartbeat-watch.ts";
import { SPARE_AFTER_MS } from "./spare-threads.ts";
import type { WorkerThread } from "./worker-thread.ts";

type Closable = Readonly<Record<string, (...args: never[]) => unknown>> & { close(): unknown };

export interface ThreadComponentOptions<Api extends Closable> {
  /** For people: `journal-thread`. */
  readonly type: string;
  /** Makes a thread that has not begun its work and holds nothing that only one may hold. */
  readonly create: () => WorkerThread<Api>;
  /** A successor is made beforehand, and waits with its modules loaded: that takes 100 to 200 ms under load, in which callers wait. */
  readonly keepsSpare?: boolean;
  /** Resolves when the thread can do its work; rejects when it never will. */
  readonly open: (thread: WorkerThread<Api>) => Promise<unknown>;
  readonly heartbeats: HeartbeatWatch;
  /** Resolves when a new one may open what the last one had open. */
  readonly mayStart?: () => Promise<void>;
  /** It can be called from now on. */
  readonly onRunning?: (thread: WorkerThread<Api>) => void;
  /** One that ran has ended, whoever ended it, for this reason. */
  readonly onEnded?: (reason: string) => void;
}

/** A thread that the node has one of, as a part of its tree: a new one at each start, and always the same place to call it. */
export class ThreadComponent<Api extends Closable> implements Component {
  readonly type: string;
  readonly #options: ThreadComponentOptions<Api>;
  readonly #absent: Control<Api>;
  #running: WorkerThread<Api> | null = null;
  #spare: WorkerThread<Api> | null = null;
  #spareTimer: NodeJS.Timeout | null = null;
  #whenRunning: Array<(thread: WorkerThread<Api>) => void> = [];

  constructor(options: ThreadComponentOptions<Api>) {
    this.type = options.type;
    this.#options = options;
    const why = `the ${options.type} is being replaced`;
    this.#absent = new Proxy({} as Control<Api>, {
      get: () => () => Promise.reject(new Fault("INTERNAL_ERROR", why, { isRetryable: true })),
    });
  }

  /** The thread that runs now; null while it is being replaced. */
  get running(): WorkerThread<Api> | null {
    return this.#running;
  }

  /** Control calls to whoever runs. @throws Fault when nobody does, or when it ends before it has answered. */
  get call(): Control<Api> {
    return this.#running?.call ?? this.#absent;
  }

  /** Waits for one that runs, however long that takes. @throws what the signal was aborted with. */
  untilRunning(signal: AbortSignal): Promise<WorkerThread<Api>> {
    if (this.#running !== null) return Promise.resolve(this.#running);
    return new Promise((resolve, reject) => {
      const aborted = (): void => {
        this.#whenRunning = this.#whenRunning.filter((waiting) => waiting !== runs);
        reject(signal.reason);
      };
      const runs = (thread: WorkerThread<Api>): void => {
        signal.removeEventListener("abort", aborted);
        resolve(thread);
      };
      if (signal.aborted) return reject(signal.reason);
      signal.addEventListener("abort", aborted, { once: true });
      this.#whenRunning.push(runs);
    });
  }

  async start({ signal }: ComponentContext): Promise<RunningComponent> {
    const { open, heartbeats, mayStart } = this.#options;
    await mayStart?.();
    const thread = this.#take();
    const unwatch = heartbeats.watch(thread);
    const ended = thread.exited.then((reason) => {
      unwatch();
      this.#ended(thread, reason);
      return new Error(reason);
    });
    const end = (): void => thread.end("its start was given up");
    signal.addEventListener("abort", end, { once: true });
    try {
      if (signal.aborted) end();
      await open(thread);
      if (thread.isGone) throw await ended;
    } catch (cause) {
      await thread.terminate();
      throw cause;
    } finally {
      signal.removeEventListener("abort", end);
    }
    this.#runs(thread);
    return { ended, stop: () => closed(thread) };
  }

  /** The spare, or a new thread when there is none. */
  #take(): WorkerThread<Api> {
    const spare = this.#spare;
    this.#dropSpareTimer();
    this.#spare = null;
    return spare === null || spare.isGone ? this.#options.create() : spare;
  }

  /** Not at once: whatever starts beside this one wants the same cores. A spare that ends is not replaced before it is needed. */
  #spareLater(): void {
    this.#spareTimer = setTimeout(() => {
      this.#spare = this.#options.create();
    }, SPARE_AFTER_MS);
    this.#spareTimer.unref();
  }

  #dropSpareTimer(): void {
    if (this.#spareTimer !== null) clearTimeout(this.#spareTimer);
    this.#spareTimer = null;
  }

  /** Ends the spare, if there is one. Called when nothing will start this part again. */
  async close(): Promise<void> {
    this.#dropSpareTimer();
    const spare = this.#spare;
    this.#spare = null;
    if (spare !== null) await closed(spare);
  }

  #runs(thread: WorkerThread<Api>): void {
    this.#running = thread;
    for (const tell of this.#whenRunning.splice(0)) tell(thread);
    this.#options.onRunning?.(thread);
    if (this.#options.keepsSpare === true) this.#spareLater();
  }

  #ended(thread: WorkerThread<Api>, reason: string): void {
    if (this.#running !== thread) return;
    this.#running = null;
    this.#options.onEnded?.(reason);
  }
}

/** Lets the thread close its file; one that does not in time is ended as it is, which its file survives. */
async function closed<Api extends Closable>(thread: WorkerThread<Api>): Promise<void> {
  let timer: NodeJS.Timeout | null = null;
  const late = new Promise<void>((resolve) => {
    timer = setTimeout(resolve, CLOSE_MS_MAX);
  });
  const close = thread.call.close as () => Promise<unknown>;
  await Promise.race([close().catch(() => undefined), late]);
  if (timer !== null) clearTimeout(timer);
  await thread.terminate();
}

const CLOSE_MS_MAX = 5_000;
