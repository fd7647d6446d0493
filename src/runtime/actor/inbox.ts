import { Mailbox } from "../mailbox/mailbox.ts";
import type { Envelope } from "./envelope.ts";

/** The messages of one actor: its mailbox, and its stash, whose messages come back ahead of the mailbox. Both are bounded. Never throws. */
export class Inbox {
  readonly #mailbox: Mailbox<Envelope>;
  readonly #stashMax: number;
  #stashed: Envelope[] = NONE;
  #unstashed: Envelope[] = NONE;

  constructor(limits: { readonly mailboxMax: number; readonly stashMax: number }) {
    this.#mailbox = new Mailbox(limits.mailboxMax);
    this.#stashMax = limits.stashMax;
  }

  /** Messages that wait, those put aside included. */
  get count(): number {
    return this.#mailbox.count + this.#stashed.length + this.#unstashed.length;
  }

  /** Something could be taken now. */
  get hasNext(): boolean {
    return this.#unstashed.length > 0 || this.#mailbox.count > 0;
  }

  /** When the oldest message that waits arrived; null when none does. */
  get oldestMs(): number | null {
    const [first] = this.#mailbox;
    const waiting = [first, this.#unstashed[0], this.#stashed[0]].filter((envelope) => envelope !== undefined);
    return waiting.length === 0 ? null : Math.min(...waiting.map(({ atMs }) => atMs));
  }

  /** False: the mailbox is full. */
  offer(envelope: Envelope): boolean {
    return this.#mailbox.offer(envelope);
  }

  take(): Envelope | undefined {
    return this.#unstashed.shift() ?? this.#mailbox.take();
  }

  /** False: the stash is full, and nothing was kept. */
  stash(envelope: Envelope): boolean {
    if (this.#stashed.length >= this.#stashMax) return false;
    this.#stashed = [...this.#stashed, envelope];
    return true;
  }

  unstashAll(): void {
    if (this.#stashed.length === 0) return;
    this.#unstashed = [...this.#stashed, ...this.#unstashed];
    this.#stashed = NONE;
  }

  /** Gives the memory of an empty mailbox back. */
  release(): void {
    this.#mailbox.release();
  }

  /** Takes everything, in the order in which it would have come. */
  drain(): readonly Envelope[] {
    const left = [...this.#stashed, ...this.#unstashed, ...this.#mailbox];
    while (this.#mailbox.take() !== undefined);
    this.#stashed = NONE;
    this.#unstashed = NONE;
    this.#mailbox.release();
    return left;
  }
}

/** Shared by all who have put nothing aside; never written to. */
const NONE: Envelope[] = [];
