import { rebuildWork } from "./at-work.ts";
import { OUTCOME } from "./domain-meter.ts";
import type { Work } from "./effect-table.ts";
import { POISON_DEATHS } from "./refusal.ts";

/** The turn of the message at work: its time, whom to blame if it ends the thread, and how it ends. One of a domain; whoever handles a part of the message has it. */
export class Turn {
  /** Milliseconds since 1970, read once a run. */
  nowMs: number;
  /** Time of the gathering group: all its entries carry it, and handlers see it. Never goes back. */
  at: number;
  /** How the message at work ends, as far as it is known: a number of `OUTCOME`. */
  outcome: number = OUTCOME.dropped;
  readonly #note: ((work: Work) => void) | null;
  readonly #poison: ReadonlySet<string>;
  #work: Work = null;

  /** `note` keeps what is at work where it outlives the thread; null when nobody counts deaths. `poison`: see S9. */
  constructor(options: {
    readonly nowMs: number;
    readonly at: number;
    readonly note: ((work: Work) => void) | null;
    readonly poison: ReadonlySet<string>;
  }) {
    this.nowMs = options.nowMs;
    this.at = options.at;
    this.#note = options.note;
    this.#poison = options.poison;
  }

  /** A run begins. The gathering group keeps the time of its first entry. */
  begin(nowMs: number, isGathering: boolean): void {
    this.nowMs = nowMs;
    if (!isGathering) this.at = Math.max(this.at, nowMs);
  }

  /** What is to blame now. */
  get work(): Work {
    return this.#work;
  }

  /** Notes what is to blame from now on. Most messages in a row are of one work. */
  takeUp(work: Work): void {
    if (work === this.#work || this.#note === null) return;
    this.#work = work;
    this.#note(work);
  }

  /** @throws Error when rebuilding it ended the thread too often (S9). */
  takeUpRebuild(address: string): void {
    if (this.#note === null) return;
    const work = rebuildWork(address);
    if (this.#poison.has(work)) throw new Error(`Rebuilding it ended its thread ${POISON_DEATHS} times.`);
    this.takeUp(work);
  }

  /** Asked first where the words of a work would have to be made. */
  get knowsPoison(): boolean {
    return this.#poison.size > 0;
  }
  isPoison(work: string): boolean {
    return this.#poison.has(work);
  }
}
