import { AsyncLocalStorage } from "node:async_hooks";
import { readWork, WorkNote, workMemory } from "../threads/at-work.ts";

/** An attempt that is under way in the effects thread. */
export interface NotedAttempt {
  readonly port: string;
  readonly id: string;
  readonly attempt: number;
}

/** Attempts that are noted at once; more are performed without a note, so their loss with the thread is not counted. */
export const NOTED_ATTEMPTS_MAX = 512;

/** Memory for one effects thread, which outlives it: what it has at work at this moment, and every attempt that is under way. */
export interface AttemptMemory {
  readonly atWork: SharedArrayBuffer;
  readonly attempts: readonly SharedArrayBuffer[];
}
export const attemptMemory = (): AttemptMemory => ({
  atWork: workMemory(),
  attempts: Array.from({ length: NOTED_ATTEMPTS_MAX }, workMemory),
});

/** Main's end: `culprit` is the attempt in whose code the thread ended, null when that cannot be told (an endless loop after an await, its heap). */
export function readAttempts({ atWork, attempts }: AttemptMemory): {
  readonly culprit: NotedAttempt | null;
  readonly underWay: readonly NotedAttempt[];
} {
  return { culprit: attemptIn(atWork), underWay: attempts.map(attemptIn).filter((noted) => noted !== null) };
}

/**
 * The thread's end: notes each attempt of a port from before it begins until its outcome was posted, and in whose code the thread is when it
 * ends by a throw or an exit, also long after the port was called: what a port starts carries the attempt along.
 */
export class AttemptNotes {
  readonly #culprit = new AsyncLocalStorage<NotedAttempt>();
  readonly #atWork: WorkNote;
  readonly #free: WorkNote[];

  constructor({ atWork, attempts }: AttemptMemory) {
    this.#atWork = new WorkNote(atWork);
    this.#free = attempts.map((memory) => new WorkNote(memory));
  }

  /** From now on the thread's end is blamed on whose code it is in. */
  watchEnd(): void {
    const blame = (): void => {
      const culprit = this.#culprit.getStore();
      if (culprit !== undefined) this.#atWork.write(JSON.stringify(culprit));
    };
    process.on("uncaughtExceptionMonitor", blame);
    process.on("exit", blame);
  }

  /** Calls the port. The first answer is what it answered, the second is to be called when the attempt is over. */
  begin<Result>(attempt: NotedAttempt, call: () => Result): readonly [result: Result, over: () => void] {
    const note = this.#free.pop();
    const text = JSON.stringify(attempt);
    note?.write(text);
    this.#atWork.write(text);
    const result = this.#culprit.run(attempt, call);
    this.#atWork.write(null);
    let isOver = false;
    const over = (): void => {
      if (isOver || note === undefined) return;
      isOver = true;
      // Behind the turn in which its outcome is posted: until then it would be lost with the thread.
      setImmediate(() => {
        note.write(null);
        this.#free.push(note);
      });
    };
    return [result, over];
  }
}

function attemptIn(memory: SharedArrayBuffer): NotedAttempt | null {
  const text = readWork(memory);
  return typeof text === "string" ? (JSON.parse(text) as NotedAttempt) : null;
}
