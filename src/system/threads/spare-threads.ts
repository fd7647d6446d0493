import type { WorkerThread } from "./worker-thread.ts";

type Warm = Readonly<Record<string, (...args: never[]) => unknown>>;

/**
 * Threads that are started, have loaded their modules and wait for a part: who needs one does not pay for its start. One is kept; besides, those
 * that were given back wait here until they are needed again, which is soon. One that ended is not replaced before it is needed, so a module that
 * cannot be loaded does not start threads for ever.
 */
export class SpareThreads<Api extends Warm> {
  readonly #create: (name: string) => WorkerThread<Api>;
  readonly #name: string;
  #spares: Array<WorkerThread<Api>> = [];
  #refillTimer: NodeJS.Timeout | null = null;
  #isClosed = false;

  constructor(options: { readonly name: string; readonly create: (name: string) => WorkerThread<Api> }) {
    this.#name = options.name;
    this.#create = options.create;
  }

  /** A spare, or a new thread when there is none. It belongs to the caller. */
  take(name: string): WorkerThread<Api> {
    this.#refillNoMore();
    const spare = this.#living.shift();
    this.#spares = this.#spares.filter((other) => other !== spare);
    if (spare === undefined) return this.#create(name);
    spare.name = name;
    return spare;
  }

  /** The thread has no part any more, and keeps nothing of the one it had. Ends it when no spares are wanted. */
  async giveBack(thread: WorkerThread<Api>): Promise<void> {
    if (this.#isClosed) return await thread.terminate();
    thread.name = this.#name;
    this.#spares.push(thread);
  }

  /** Starts one soon, when there is none by then. Not at once: whatever starts beside it wants the same cores. */
  refillLater(): void {
    if (this.#isClosed || this.#refillTimer !== null) return;
    this.#refillTimer = setTimeout(() => {
      this.#refillTimer = null;
      if (this.#living.length === 0) this.#spares = [this.#create(this.#name)];
    }, SPARE_AFTER_MS);
    this.#refillTimer.unref();
  }

  async close(): Promise<void> {
    this.#isClosed = true;
    this.#refillNoMore();
    await Promise.all(this.#spares.splice(0).map((spare) => spare.terminate()));
  }

  /** Whoever takes one asks for the next when it runs. */
  #refillNoMore(): void {
    if (this.#refillTimer !== null) clearTimeout(this.#refillTimer);
    this.#refillTimer = null;
  }

  get #living(): Array<WorkerThread<Api>> {
    return this.#spares.filter(({ isGone }) => !isGone);
  }
}

/** From when a part runs to the start of its spare. */
export const SPARE_AFTER_MS = 1_000;
