import { type TransferListItem, Worker } from "node:worker_threads";
import { Fault } from "../../runtime/index.ts";
import { type Control, controlOf } from "./control.ts";
import { type HeartbeatData, heartbeatMemory, lookAtHeartbeat } from "./heartbeat.ts";

/**
 * One worker thread with its control calls. `exited` resolves when it has ended, with the reason; a call to a thread that ends
 * is refused instead of waiting for ever.
 */
export class WorkerThread<Api extends Readonly<Record<string, (...args: never[]) => unknown>>> {
  /** For people; a spare has no part yet, and is called by it from then on. */
  name: string;
  /** Memory in which the thread shows that it makes progress. */
  readonly heartbeat = heartbeatMemory();
  readonly exited: Promise<string>;
  readonly call: Control<Api>;
  readonly #worker: Worker;
  readonly #waiting = new Set<(why: Fault) => void>();
  #reason = "";
  #isGone = false;

  constructor(options: {
    readonly name: string;
    readonly url: URL;
    readonly data: object | null;
    readonly transfer?: readonly TransferListItem[];
    readonly heapMiBMax: number;
    /** Of what is new in the heap. */
    readonly youngMiBMax?: number;
    readonly heartbeatEveryMs?: number;
    /** Folder in which compiled code is kept: threads start three times faster with it. */
    readonly codeCacheDir?: string;
  }) {
    this.name = options.name;
    this.#worker = new Worker(options.url, {
      name: options.name,
      workerData: {
        ...options.data,
        heartbeat: this.heartbeat,
        heartbeatEveryMs: options.heartbeatEveryMs ?? HEARTBEAT_EVERY_MS,
      } satisfies HeartbeatData,
      transferList: [...(options.transfer ?? [])],
      ...(options.codeCacheDir === undefined ? {} : { env: { ...process.env, NODE_COMPILE_CACHE: options.codeCacheDir } }),
      resourceLimits: { maxYoungGenerationSizeMb: options.youngMiBMax ?? YOUNG_GENERATION_MIB, maxOldGenerationSizeMb: options.heapMiBMax },
    });
    this.#worker.on("error", (error) => {
      this.#reason = error instanceof Error ? (error.stack ?? error.message) : String(error);
    });
    this.#worker.on("messageerror", (error) => this.end(`a message could not be read: ${String(error)}`));
    this.exited = new Promise((resolve) => {
      this.#worker.on("exit", (code) => {
        this.#isGone = true;
        const why = this.#reason === "" ? `exit with code ${code}` : this.#reason;
        for (const reject of this.#waiting) reject(this.#gone(why));
        this.#waiting.clear();
        resolve(why);
      });
    });
    const remote = controlOf<Api>(this.#worker);
    this.call = new Proxy({} as Control<Api>, {
      get: (_, name) => {
        if (name === "then") return undefined;
        return (...args: never[]) => {
          if (this.#isGone) return Promise.reject(this.#gone("it has ended"));
          const answer = (remote as unknown as Record<PropertyKey, (...args: never[]) => Promise<unknown>>)[name]?.(...args);
          return this.#orGone(answer ?? Promise.resolve());
        };
      },
    });
  }

  /**
   * The answer, or the thread's end, whichever comes first. Not a race with `exited`: every call would leave a reaction, and with it its
   * answer, on a promise that lives as long as the thread.
   */
  #orGone<Value>(answer: Promise<Value>): Promise<Value> {
    return new Promise((resolve, reject) => {
      this.#waiting.add(reject);
      const done = (): void => void this.#waiting.delete(reject);
      answer.then(resolve, reject).finally(done);
    });
  }

  get isGone(): boolean {
    return this.#isGone;
  }

  /** The number that Node.js gave it, -1 when it has ended. */
  get threadId(): number {
    return this.#worker.threadId;
  }

  /** Ends the thread wherever it is; `exited` tells this reason. */
  end(reason: string): void {
    this.#reason = reason;
    void this.terminate();
  }

  /** Ends the thread wherever it is and waits until it has ended. */
  async terminate(): Promise<void> {
    await this.#hasLoaded();
    await this.#worker.terminate();
    await this.exited;
  }

  /**
   * Node.js 24.21 aborts the whole process when a thread is ended while it loads SQLite's native part, while it imports modules, or in the moment in
   * which modules with a top-level await are done (about one of 500 threads ended within their first 0.4 s). A thread says when it is past that;
   * from then on none of 1,200 did it.
   */
  async #hasLoaded(): Promise<void> {
    const until = performance.now() + LOAD_MS_MAX;
    while (!this.#isGone && !lookAtHeartbeat(this.heartbeat).isLoaded && performance.now() < until) {
      await new Promise((resolve) => setTimeout(resolve, LOAD_LOOK_MS));
    }
  }

  #gone(why: string): Fault {
    return new Fault("INTERNAL_ERROR", `the ${this.name} thread did not answer: ${why}`);
  }
}

/**
 * V8's default (48 MiB in three parts a thread) multiplies with the threads; batches here are short-lived and small. A limit of the old
 * generation also keeps V8 from letting garbage stand: without one a shard thread's heap grew to
 * 230 MB under load, with 512 MiB to 60 MB, which took three times the time in collections.
 */
const YOUNG_GENERATION_MIB = 32;
/** A thread that has not loaded its modules by then hangs. */
const LOAD_MS_MAX = 10_000;
const LOAD_LOOK_MS = 2;
/** For threads that nobody watches. */
const HEARTBEAT_EVERY_MS = 1_000;
