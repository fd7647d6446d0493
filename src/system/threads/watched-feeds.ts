import type { MessagePort } from "node:worker_threads";

/**
 * The views thread's side of watching: which conversations somebody watches, and the word that their feeds grew. One word is under way at most; what grows
 * meanwhile is told with the next one, each conversation once, so that a main thread that is busy costs no memory beyond the list itself.
 */
export class WatchedFeeds {
  readonly #port: MessagePort;
  readonly #watched = new Set<string>();
  readonly #grown = new Set<string>();
  #isTelling = false;

  /** The port takes lists of names and answers each with any message. */
  constructor(port: MessagePort) {
    this.#port = port;
    port.on("message", () => {
      this.#isTelling = false;
      this.#tell();
    });
  }

  get isWatched(): boolean {
    return this.#watched.size > 0;
  }

  watch(conversations: readonly string[]): void {
    for (const name of conversations) this.#watched.add(name);
  }

  unwatch(conversations: readonly string[]): void {
    for (const name of conversations) this.#watched.delete(name);
  }

  /** These have rows that can be read from now on. */
  grew(conversations: Iterable<string>): void {
    if (!this.isWatched) return;
    for (const name of conversations) if (this.#watched.has(name)) this.#grown.add(name);
    this.#tell();
  }

  close(): void {
    this.#port.close();
  }

  #tell(): void {
    if (this.#isTelling || this.#grown.size === 0) return;
    this.#isTelling = true;
    this.#port.postMessage([...this.#grown]);
    this.#grown.clear();
  }
}
