import { Ring } from "../mailbox/ring.ts";

/** Something that handles messages in turns. */
export interface Runnable {
  /** It stands in the ready queue; kept by the scheduler. */
  isQueued: boolean;
  /** It would do something if it were run now. */
  readonly isReady: boolean;
  /** Handles at most so many messages; returns how many. */
  run(messagesMax: number): number;
}

/**
 * One ready queue. Each ready actor gets a bounded turn, and after a budget of messages or time the event loop gets its own, so that
 * neither a busy actor starves the others nor all of them the I/O. Who is not ready is not in the queue: waiting burns nothing (TRAPS 20).
 */
export class Scheduler {
  readonly #ports: { soon(run: () => void): void; nowMs(): number };
  readonly #ready = new Ring<Runnable>(64);
  #isScheduled = false;
  #turns = 0;

  constructor(ports: { soon(run: () => void): void; nowMs(): number }) {
    this.#ports = ports;
  }

  /** Turns given so far: a figure that must stand still when nothing happens. */
  get turns(): number {
    return this.#turns;
  }

  enqueue(actor: Runnable): void {
    if (actor.isQueued) return;
    actor.isQueued = true;
    this.#ready.push(actor);
    this.#schedule();
  }

  #schedule(): void {
    if (this.#isScheduled) return;
    this.#isScheduled = true;
    this.#ports.soon(() => this.#run());
  }

  #run(): void {
    this.#isScheduled = false;
    const endMs = this.#ports.nowMs() + BUDGET_MS;
    for (let handled = 0; handled < BUDGET_MESSAGES && this.#ports.nowMs() < endMs; ) {
      const actor = this.#ready.shift();
      if (actor === undefined) return;
      actor.isQueued = false;
      this.#turns++;
      handled += Math.max(1, actor.run(TURN_MESSAGES));
      if (actor.isReady) this.enqueue(actor);
    }
    if (this.#ready.count > 0) this.#schedule();
  }
}

const BUDGET_MESSAGES = 1_000;
const BUDGET_MS = 5;
const TURN_MESSAGES = 50;
