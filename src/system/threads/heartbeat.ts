import { flushCompileCache } from "node:module";
import { workerData } from "node:worker_threads";

/** What `WorkerThread` gives to each thread besides its own data. */
export interface HeartbeatData {
  /** Three Int32: beats, whether the thread is in a call that nothing can cut short, and the beats from which on all its modules are there (0 = they are not). */
  readonly heartbeat: SharedArrayBuffer;
  readonly heartbeatEveryMs: number;
}

const BEATS = 0;
const IN_CALL = 1;
const LOADED = 2;
const BYTES = 12;

/** Memory for one thread's heartbeat. */
export const heartbeatMemory = (): SharedArrayBuffer => new SharedArrayBuffer(BYTES);

/** What the memory says. `isInCall`: it is in a call to the disk, which can neither beat nor be ended before it is over. */
export interface HeartbeatLook {
  readonly beats: number;
  readonly isInCall: boolean;
  readonly isLoaded: boolean;
  /** It has beaten since they were loaded. */
  readonly isUp: boolean;
}
export function lookAtHeartbeat(memory: SharedArrayBuffer): HeartbeatLook {
  const words = new Int32Array(memory);
  const [beats, loadedAt] = [Atomics.load(words, BEATS), Atomics.load(words, LOADED)];
  return { beats, isInCall: Atomics.load(words, IN_CALL) > 0, isLoaded: loadedAt > 0, isUp: loadedAt > 0 && beats >= loadedAt };
}

/**
 * The sign of life of the thread in which it is made. It beats from the event loop, so a loop without end stops it; what works for long
 * without giving the event loop its turn beats by itself, at each step.
 */
export class Heartbeat {
  readonly #words: Int32Array;
  readonly #timer: NodeJS.Timeout;

  constructor({ heartbeat, heartbeatEveryMs }: HeartbeatData, loading: Promise<unknown> | null = null) {
    const words = new Int32Array(heartbeat);
    this.#words = words;
    // In a turn of its own: then the loader has returned, also from modules with a top-level await.
    const loaded = (): void =>
      void setImmediate(() => {
        Atomics.store(words, LOADED, Atomics.load(words, BEATS) + 1);
        flushCompileCache(); // At its end would be too late: it may live as long as the process.
        this.beat();
      });
    if (loading === null) loaded();
    else loading.then(loaded, loaded);
    this.#timer = setInterval(() => this.beat(), heartbeatEveryMs);
    this.#timer.unref(); // A thread that has nothing left to do may end.
    this.beat();
  }

  /** Of the thread that calls; `loading`: modules that it still imports. @throws TypeError when it was not started by a `WorkerThread`. */
  static ofThisThread(loading: Promise<unknown> | null = null): Heartbeat {
    return new Heartbeat(workerData as HeartbeatData, loading);
  }

  /** A step was made. Costs a few nanoseconds. */
  readonly beat = (): void => {
    Atomics.add(this.#words, BEATS, 1);
  };

  /**
   * Runs a call to the disk, as long as it takes: a disk that stalls for seconds is no fault of the thread, and to end the thread would have
   * to wait for the same call. Not for loops of our own.
   */
  readonly during = <Value>(call: () => Value): Value => {
    Atomics.add(this.#words, IN_CALL, 1);
    try {
      return call();
    } finally {
      Atomics.sub(this.#words, IN_CALL, 1);
      this.beat();
    }
  };

  close(): void {
    clearInterval(this.#timer);
  }
}
