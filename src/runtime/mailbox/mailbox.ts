import { Ring } from "./ring.ts";

/**
 * Messages of one entity in arrival order (L1). `offer` refuses a client's command when `capacity` messages wait (`MAILBOX_FULL`);
 * `force` takes what is durable and may only be delayed (tells, answers): their number is bounded by the open effects of accepted
 * commands (L6). Memory is taken with the first message and given back when the last one left. Never throws.
 */
export class Mailbox<Message extends object> {
  readonly capacity: number; // messages
  #ring: Ring<Message> | null = null;

  constructor(capacity: number) {
    this.capacity = capacity;
  }

  get count(): number {
    return this.#ring === null ? 0 : this.#ring.count;
  }

  offer(message: Message): boolean {
    if (this.count >= this.capacity) return false;
    this.force(message);
    return true;
  }

  force(message: Message): void {
    if (this.#ring === null) this.#ring = new Ring(2);
    this.#ring.push(message);
  }

  take(): Message | undefined {
    return this.#ring?.shift();
  }

  /** Takes out the messages that `isMeant` names, in order; the others keep theirs. Costs a look at each. */
  remove(isMeant: (message: Message) => boolean): readonly Message[] {
    const removed: Message[] = [];
    for (let left = this.count; left > 0; left--) {
      const message = this.take();
      if (message === undefined) break;
      if (isMeant(message)) removed.push(message);
      else this.force(message);
    }
    return removed;
  }

  /** Gives the memory of an empty mailbox back; an entity that waits in memory then costs no queue. */
  release(): void {
    if (this.#ring !== null && this.#ring.count === 0) this.#ring = null;
  }

  [Symbol.iterator](): IterableIterator<Message> {
    return (this.#ring ?? new Ring<Message>(2))[Symbol.iterator]();
  }
}
