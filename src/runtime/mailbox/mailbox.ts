import { Ring } from "./ring.ts";

/**
 * Messages of one entity in arrival order (L1). `offer` refuses a client's command when `capacity` messages wait (`MAILBOX_FULL`);
 * `force` takes what is durable and may only be delayed (tells, answers): their number is bounded by the open effects of accepted
 * commands (L6). Never throws.
 *
 * B1. A message waits behind the oldest one only, so a mailbox of one message, as nearly all are, has no queue. Memory for more is taken with the second
 *     and given back when the last one left.
 */
export class Mailbox<Message extends object> {
  readonly capacity: number; // messages
  #oldest: Message | undefined = undefined;
  /** Those behind the oldest. */
  #others: Ring<Message> | null = null;

  constructor(capacity: number) {
    this.capacity = capacity;
  }

  get count(): number {
    if (this.#oldest === undefined) return 0;
    return this.#others === null ? 1 : this.#others.count + 1;
  }

  offer(message: Message): boolean {
    if (this.count >= this.capacity) return false;
    this.force(message);
    return true;
  }

  force(message: Message): void {
    if (this.#oldest === undefined) {
      this.#oldest = message;
      return;
    }
    this.#others ??= new Ring(2);
    this.#others.push(message);
  }

  take(): Message | undefined {
    const oldest = this.#oldest;
    this.#oldest = this.#others === null ? undefined : this.#others.shift();
    return oldest;
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
    if (this.#oldest === undefined) this.#others = null;
  }

  *[Symbol.iterator](): IterableIterator<Message> {
    if (this.#oldest === undefined) return;
    yield this.#oldest;
    yield* this.#others ?? [];
  }
}
