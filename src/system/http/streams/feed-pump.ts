/**
 * Carries the events of one conversation to one client.
 *
 * E1. Each event once, in the order of the feed, from the place where the client is.
 * E2. Nothing is kept for a client: while it is full nothing is pulled, and what was pulled and not taken is dropped and pulled again later.
 * E3. The watch begins before the first pull, so no event is missed between the two.
 */
import type { ConversationReads, FeedEvent, FeedPlace } from "../../conversation-reads.ts";

/** `full`: it was taken, and no further one until `resume`. `over`: it was taken, and no further one at all. */
export type Taken = "more" | "full" | "over";

export interface FeedPumpOptions {
  readonly reads: Pick<ConversationReads, "feedAfter" | "watch">;
  readonly conversation: string;
  readonly from: FeedPlace;
  readonly take: (event: FeedEvent) => Taken;
  /** There is nothing any more and nothing will come. The pump is closed by then. */
  readonly onDeleted: () => void;
  /** `take` threw, or the system did. The pump is closed by then. */
  readonly onDefect: (cause: unknown) => void;
}

/**
 * Events of one pull: few at first, and one after the client was full, because what it does not take was read for nothing; twice as many after each pull that
 * it took all of.
 */
const PAGE_EVENTS_FIRST = 4;
const PAGE_EVENTS_MAX = 32;
const BACKOFF_MS_MIN = 20;
const BACKOFF_MS_MAX = 1_000;

export class FeedPump {
  readonly #options: FeedPumpOptions;
  readonly #unwatch: () => void;
  #place: FeedPlace;
  #pageEvents = PAGE_EVENTS_FIRST;
  #isFull = false;
  #isClosed = false;
  #isRunning = false;
  /** The feed may have grown since the last pull began. */
  #isWoken = false;
  #waiting: Array<() => void> = [];

  /** Watches at once and pulls after `start`. @throws Fault `OVERLOADED` as `ConversationReads.watch`. */
  constructor(options: FeedPumpOptions) {
    this.#options = options;
    this.#place = options.from;
    this.#unwatch = options.reads.watch(options.conversation, () => this.#wake());
  }

  /** The event that was taken last, or where it began. */
  get place(): FeedPlace {
    return this.#place;
  }

  start(): void {
    this.#wake();
  }

  /** The client takes again. */
  resume(): void {
    this.#isFull = false;
    this.#wake();
  }

  /** Goes on from another place: to look for something older. */
  moveTo(place: FeedPlace): void {
    this.#place = place;
    this.#wake();
  }

  /** Resolves when everything that was committed before the call has been taken, or the pump is closed. */
  async caughtUp(): Promise<void> {
    if (this.#isClosed) return;
    const reached = new Promise<void>((resolve) => this.#waiting.push(resolve));
    this.#wake();
    await reached;
  }

  close(): void {
    if (this.#isClosed) return;
    this.#isClosed = true;
    this.#unwatch();
    this.#reached(this.#waiting);
  }

  #wake(): void {
    this.#isWoken = true;
    if (this.#isRunning || this.#isFull || this.#isClosed) return;
    this.#isRunning = true;
    this.#run().catch((cause: unknown) => {
      this.close();
      this.#options.onDefect(cause);
    });
  }

  async #run(): Promise<void> {
    let backoffMs = BACKOFF_MS_MIN;
    try {
      while (this.#isWoken && !this.#isFull && !this.#isClosed) {
        if (await this.#pull()) {
          backoffMs = BACKOFF_MS_MIN;
          continue;
        }
        await rest(backoffMs);
        backoffMs = Math.min(backoffMs * 2, BACKOFF_MS_MAX);
      }
    } finally {
      this.#isRunning = false; // In the same step as the last look: a word that came between the two would be lost.
    }
  }

  /** False: it was refused, because the views are behind or being replaced, and is to be tried again. */
  async #pull(): Promise<boolean> {
    const { reads, conversation, onDeleted } = this.#options;
    this.#isWoken = false;
    const asked = [...this.#waiting];
    const place = this.#place;
    const page = await reads.feedAfter(conversation, place, this.#pageEvents);
    if (this.#isClosed || place !== this.#place) return true; // Who moved it has woken it.
    if (!page.ok) {
      this.#isWoken = true;
      return false;
    }
    const { events, hasMore, isDeleted } = page.value;
    this.#takeAll(events);
    this.#pageEvents = this.#isFull ? 1 : Math.min(this.#pageEvents * 2, PAGE_EVENTS_MAX);
    if (this.#isClosed) return true;
    if (isDeleted) {
      this.close();
      onDeleted();
    } else if (hasMore || this.#isFull) this.#isWoken = true;
    else this.#reached(asked);
    return true;
  }

  #takeAll(events: readonly FeedEvent[]): void {
    for (const event of events) {
      this.#place = { seq: event.seq, idx: event.idx };
      const taken = this.#options.take(event);
      if (taken === "over") this.close();
      if (taken === "full") this.#isFull = true;
      if (taken !== "more" || this.#isClosed) return;
    }
  }

  #reached(asked: readonly (() => void)[]): void {
    this.#waiting = this.#waiting.filter((resolve) => !asked.includes(resolve));
    for (const resolve of asked) resolve();
  }
}

const rest = (ms: number): Promise<void> =>
  new Promise((resolve) => {
    setTimeout(resolve, ms).unref();
  });
