/** Tells a watcher that something has ended for good. `cause` is null when it was stopped or ended as it wanted. */
export interface Terminated {
  readonly address: string;
  readonly cause: unknown;
}
export interface Watcher {
  terminated(watch: DeathWatch, signal: Terminated): void;
}

/** Who wants to hear of one child's end. Each watcher hears once; one that comes too late hears at once. A restart is no end. */
export class DeathWatch {
  readonly #address: string;
  #watchers: Set<Watcher> | null = null;
  #signal: Terminated | null = null;

  constructor(address: string) {
    this.#address = address;
  }

  get isGone(): boolean {
    return this.#signal !== null;
  }

  add(watcher: Watcher): void {
    if (this.#signal !== null) watcher.terminated(this, this.#signal);
    else {
      this.#watchers ??= new Set();
      this.#watchers.add(watcher);
    }
  }

  remove(watcher: Watcher): void {
    this.#watchers?.delete(watcher);
  }

  gone(cause: unknown): void {
    if (this.#signal !== null) return;
    this.#signal = { address: this.#address, cause };
    for (const watcher of this.#watchers ?? []) watcher.terminated(this, this.#signal);
    this.#watchers = null;
  }
}
