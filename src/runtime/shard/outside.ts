import type { DeadEffect } from "../journal/record.ts";
import type { OutsideProgress } from "../journal/snapshots.ts";

/** Where an effect that leaves the runtime stands. The journal knows all of it but `isPerforming`. */
export class Outside {
  /** When it was opened, or replayed: from here its deadline counts. */
  openedAt: number;
  /** Attempts that failed so far. */
  attempts: number;
  /** Not before this time; 0 = at once. */
  nextAt: number;
  lastError: string | null;
  dead: DeadEffect | null;
  /** Handed out; its outcome is waited for. */
  isPerforming = false;
  /** Its outcome came and is being handled. */
  isJudged = false;

  constructor(progress: OutsideProgress) {
    this.openedAt = progress.openedAt;
    this.attempts = progress.attempts;
    this.nextAt = progress.nextAt;
    this.lastError = progress.lastError;
    this.dead = progress.dead;
  }

  /** A dead letter begins anew, attempts and deadline too, or it would be dead at once again. */
  replay(at: number): void {
    this.openedAt = at;
    this.dead = null;
    this.attempts = 0;
    this.nextAt = 0;
  }

  toJson(): OutsideProgress {
    const { openedAt, attempts, nextAt, lastError, dead } = this;
    return { openedAt, attempts, nextAt, lastError, dead };
  }
}
