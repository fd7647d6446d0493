import { MessageChannel, type MessagePort } from "node:worker_threads";
import { Fault } from "../runtime/index.ts";

export type FeedListener = () => void;

/** The thread that follows the journal: told whom to look for. A word that it does not get is made good by `tellAll`. */
export interface FeedFollower {
  watch(conversations: readonly string[]): void;
  unwatch(conversations: readonly string[]): void;
}

/**
 * The main thread's side of watching: who listens to which conversation. Nothing is kept for a listener but that it is there: it pulls what it has
 * not seen, so one that is slow costs nothing.
 */
export class FeedListeners {
  readonly #follower: FeedFollower;
  readonly #onDefect: (cause: unknown) => void;
  readonly #listeners = new Map<string, Set<FeedListener>>();
  #count = 0;

  /** `onDefect` hears of a listener that threw; the others are called all the same. */
  constructor({ follower, onDefect }: { readonly follower: FeedFollower; readonly onDefect: (cause: unknown) => void }) {
    this.#follower = follower;
    this.#onDefect = onDefect;
  }

  /** @throws Fault `OVERLOADED` when there are `LISTENERS_MAX`. @returns what takes the listener away again; calling it twice does no harm. */
  add(conversation: string, listener: FeedListener): () => void {
    if (this.#count >= LISTENERS_MAX) {
      throw new Fault("OVERLOADED", `${LISTENERS_MAX} listeners follow conversations. Try again later.`, { isRetryable: true });
    }
    const own: FeedListener = () => listener(); // One function may listen twice, and goes away once for each.
    const listeners = this.#listeners.get(conversation) ?? new Set();
    if (listeners.size === 0) {
      this.#listeners.set(conversation, listeners);
      this.#follower.watch([conversation]);
    }
    listeners.add(own);
    this.#count++;
    return () => this.#remove(conversation, own);
  }

  /** The end of a channel for a new views thread, which tells by it whose feeds grew. */
  connect(): MessagePort {
    const { port1, port2 } = new MessageChannel();
    port1.on("message", (conversations: readonly string[]) => {
      port1.postMessage(null);
      for (const conversation of conversations) this.#wake(conversation);
    });
    port1.unref(); // Listening keeps no process alive.
    return port2;
  }

  /**
   * A new views thread runs: it gets the list, and everybody is woken once, because what grew between the two was told to nobody. In slices: all of
   * them pull.
   */
  tellAll(): void {
    const all = [...this.#listeners.keys()];
    for (let at = 0; at < all.length; at += TOLD_MAX) this.#follower.watch(all.slice(at, at + TOLD_MAX));
    this.#wakeFrom(all, 0);
  }

  #wakeFrom(all: readonly string[], at: number): void {
    for (const conversation of all.slice(at, at + WOKEN_MAX)) this.#wake(conversation);
    if (at + WOKEN_MAX < all.length) setTimeout(() => this.#wakeFrom(all, at + WOKEN_MAX), WAKE_EVERY_MS).unref();
  }

  #wake(conversation: string): void {
    for (const listener of [...(this.#listeners.get(conversation) ?? [])]) {
      try {
        listener();
      } catch (cause) {
        this.#onDefect(cause);
      }
    }
  }

  #remove(conversation: string, listener: FeedListener): void {
    const listeners = this.#listeners.get(conversation);
    if (listeners?.delete(listener) !== true) return;
    this.#count--;
    if (listeners.size > 0) return;
    this.#listeners.delete(conversation);
    this.#follower.unwatch([conversation]);
  }
}

const LISTENERS_MAX = 100_000;
/** Names in one control call. */
const TOLD_MAX = 5_000;
/** Conversations woken at once after a views thread was replaced: their pulls must fit in the reads that are let through at once. */
const WOKEN_MAX = 200;
const WAKE_EVERY_MS = 20;
