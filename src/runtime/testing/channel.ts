import type { Random } from "./random.ts";
import type { VirtualClock } from "./virtual-clock.ts";

export interface ChannelOptions<Message> {
  readonly clock: VirtualClock;
  readonly random: Random;
  readonly delayMsMax: number;
  readonly deliver: (message: Message) => void;
}

/**
 * One direction of a MessagePort: random delays, but first in, first out. What is sent is copied at once, as posting does. Nothing is
 * delivered before `listen`, and nothing after `close`.
 */
export class Channel<Message> {
  readonly #options: ChannelOptions<Message>;
  #waiting: Message[] | null = [];
  #lastMs = 0;
  #isClosed = false;
  #isCut = false;
  /** Messages that still arrive after the sender's crash. */
  #left = Number.POSITIVE_INFINITY;
  #inFlight = 0;

  constructor(options: ChannelOptions<Message>) {
    this.#options = options;
  }

  send(message: Message): void {
    if (this.#isClosed || this.#isCut) return;
    const { clock, random, delayMsMax } = this.#options;
    const copy = structuredClone(message);
    this.#lastMs = Math.max(this.#lastMs, clock.nowMs + random.next() * delayMsMax);
    this.#inFlight++;
    clock.at(this.#lastMs, () => {
      this.#inFlight--;
      if (this.#isClosed || this.#left-- <= 0) return;
      if (this.#waiting !== null) this.#waiting.push(copy);
      else this.#options.deliver(copy);
    });
  }

  /** The receiver is there: what came before is delivered now. */
  listen(): void {
    const waiting = this.#waiting ?? [];
    this.#waiting = null;
    for (const message of waiting) if (!this.#isClosed) this.#options.deliver(message);
  }

  /** The sender died: of what is under way, some first part arrives. */
  cut(): void {
    this.#isCut = true;
    this.#left = this.#options.random.between(0, this.#inFlight);
  }

  /** The receiver wants no more. */
  close(): void {
    this.#isClosed = true;
    this.#waiting = [];
  }
}
