import { type Backoff, nextDelayMs } from "../../runtime/index.ts";

/**
 * Whether the node takes commands. Closed by a refusal that concerns all of them (its journal takes no writes, it has too much to do), it opens by
 * itself after a rest, which doubles until a command was answered. Nothing is pulled meanwhile, and what was pulled waits here.
 */
export class PullGate {
  readonly #backoff: Backoff;
  #closings = 0;
  #rest: { readonly over: Promise<void>; readonly end: () => void } | null = null;
  #isReleased = false;

  constructor(backoff: Backoff) {
    this.#backoff = backoff;
  }

  get isClosed(): boolean {
    return this.#rest !== null;
  }

  /** Of several refusals at once the first one counts. */
  close(): void {
    if (this.#rest !== null || this.#isReleased) return;
    const { promise, resolve } = Promise.withResolvers<void>();
    const end = (): void => {
      clearTimeout(timer);
      this.#rest = null;
      resolve();
    };
    const timer = setTimeout(end, nextDelayMs(this.#backoff, ++this.#closings, Math.random())).unref();
    this.#rest = { over: promise, end };
  }

  /** A command was answered. */
  passed(): void {
    this.#closings = 0;
  }

  async opened(): Promise<void> {
    await this.#rest?.over;
  }

  /** Lets everybody go, and is never closed again. */
  release(): void {
    this.#isReleased = true;
    this.#rest?.end();
  }
}
