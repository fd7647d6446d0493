import type { WorkerThread } from "./worker-thread.ts";

type Warm = Readonly<Record<string, (...args: never[]) => unknown>> & { ready(): unknown };

/**
 * One thread that is started, has loaded its modules and waits for its part: who needs one does not pay for its start. At most one at a
 * time; one that ended is not replaced before the next is needed, so a module that cannot be loaded does not start threads for ever.
 */
export class SpareThread<Api extends Warm> {
  readonly #create: (name: string) => WorkerThread<Api>;
  #spare: WorkerThread<Api> | null = null;
  #isClosed = false;

  constructor(create: (name: string) => WorkerThread<Api>) {
    this.#create = create;
  }

  /** The spare, or a new thread when there is none. It belongs to the caller. */
  take(name: string): WorkerThread<Api> {
    const spare = this.#spare;
    this.#spare = null;
    if (spare === null || spare.isGone) return this.#create(name);
    spare.name = name;
    return spare;
  }

  /** Starts one when there is none: when the part that took the last one runs, because both would want the same cores. */
  refill(): void {
    if (this.#isClosed || (this.#spare !== null && !this.#spare.isGone)) return;
    this.#spare = this.#create("shard-spare");
  }

  /** Its thread's number, -1 when there is none; for checks. */
  get threadId(): number {
    return this.#spare?.threadId ?? -1;
  }

  async close(): Promise<void> {
    this.#isClosed = true;
    await this.#spare?.terminate();
    this.#spare = null;
  }
}
