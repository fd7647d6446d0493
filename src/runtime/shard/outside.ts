import type { DeadEffect } from "../journal/record.ts";
import type { OutsideProgress } from "../journal/snapshots.ts";

/** Where an effect that leaves the runtime stands. The journal knows all of it but what is under way. */
export class Outside {
  /** When it was opened, or replayed: from here its deadline counts. */
  openedAt: number;
  /** The last attempt that failed, from 1; 0 = none has. */
  attempts: number;
  /** Not before this time; 0 = at once. */
  nextAt: number;
  lastError: string | null;
  dead: DeadEffect | null;
  /** Handed out; its outcome is waited for. */
  isPerforming = false;
  /** Its outcome came and is being handled. */
  isJudged = false;
  /** The youngest attempt of which the journal says that the entity handled progress; 0 = none. */
  progressed: number;
  /** The same, of which progress arrived. */
  #heard: number;
  /** The last attempt that was given up without an outcome. */
  #lost = 0;

  constructor(progress: OutsideProgress) {
    this.openedAt = progress.openedAt;
    this.attempts = progress.attempts;
    this.nextAt = progress.nextAt;
    this.lastError = progress.lastError;
    this.dead = progress.dead;
    this.progressed = progress.progressed ?? 0;
    this.#heard = this.progressed;
  }

  /** The attempt that is under way, or comes next. */
  get attempt(): number {
    return Math.max(this.attempts, this.#lost) + 1;
  }

  /** An attempt is handed out. One of which something was heard is not made again by its number: the entity could not tell the two apart (X4). */
  begin(): number {
    this.isPerforming = true;
    if (this.#heard >= this.attempt) this.#lost = this.#heard;
    return this.attempt;
  }

  /** Progress of the attempt under way has arrived. */
  hear(): void {
    this.#heard = this.attempt;
  }

  /** A dead letter begins anew, attempts and deadline too, or it would be dead at once again. */
  replay(at: number): void {
    this.openedAt = at;
    this.dead = null;
    this.attempts = 0;
    this.nextAt = 0;
    this.progressed = 0;
    this.#heard = 0;
    this.#lost = 0;
  }

  toJson(): OutsideProgress {
    const { openedAt, attempts, nextAt, lastError, dead, progressed } = this;
    return { openedAt, attempts, nextAt, lastError, dead, ...(progressed === 0 ? {} : { progressed }) };
  }
}
