import { lookAtHeartbeat } from "./heartbeat.ts";

/** A thread as its watcher sees it. */
export interface WatchedThread {
  readonly name: string;
  readonly heartbeat: SharedArrayBuffer;
  /** Ends it wherever it is, for this reason. */
  end(reason: string): void;
}

interface Watched {
  readonly thread: WatchedThread;
  beats: number;
  /** It has loaded its modules, and has beaten after that. */
  isUp: boolean;
  /** When it was last seen to have made progress. */
  seenMs: number;
}

export interface HeartbeatWatchOptions {
  readonly heartbeatMs: number;
  /** Monotonic. */
  readonly nowMs?: () => number;
}

/**
 * Notices threads that make no progress (DESIGN 4.3): looks at every heartbeat four times within `heartbeatMs`, and ends the thread whose has
 * stood still for that long. Its successor recovers as after any death.
 *
 * K1. A thread is starting until it has loaded its modules and has beaten once after that: between two of its beats it has `START_MS_MAX`. It beats
 *     before it loads them, and a module that is being compiled on a machine that does other things lets nothing else run.
 * K2. A thread in a call to the disk is waited for.
 * K3. Who was not there cannot judge: after the main thread itself was late by more than a look (a process that was stopped, a laptop that
 *     slept, a starved core) every thread gets its full time again.
 */
export class HeartbeatWatch {
  readonly everyMs: number;
  readonly #heartbeatMs: number;
  readonly #nowMs: () => number;
  readonly #watched = new Set<Watched>();
  readonly #timer: NodeJS.Timeout;
  #lookedMs: number;

  constructor({ heartbeatMs, nowMs = () => performance.now() }: HeartbeatWatchOptions) {
    this.#heartbeatMs = heartbeatMs;
    this.#nowMs = nowMs;
    this.everyMs = heartbeatMs / LOOKS_PER_HEARTBEAT;
    this.#lookedMs = nowMs();
    this.#timer = setInterval(() => this.look(), this.everyMs);
    this.#timer.unref();
  }

  /** Begins to watch; the answer ends it. */
  watch(thread: WatchedThread): () => void {
    const watched = { thread, beats: 0, isUp: false, seenMs: this.#nowMs() };
    this.#watched.add(watched);
    return () => void this.#watched.delete(watched);
  }

  /** Threads that have stood still for half of the time after which they are ended. */
  get late(): ReadonlyArray<{ readonly name: string; readonly forMs: number }> {
    const nowMs = this.#nowMs();
    return [...this.#watched]
      .filter(
        (watched) => watched.isUp && nowMs - watched.seenMs > this.#heartbeatMs / 2 && !lookAtHeartbeat(watched.thread.heartbeat).isInCall,
      )
      .map(({ thread, seenMs }) => ({ name: thread.name, forMs: nowMs - seenMs }));
  }

  /** One look at all threads; the watch's own timer calls it. */
  look(): void {
    const nowMs = this.#nowMs();
    const wasAway = nowMs - this.#lookedMs > 2 * this.everyMs;
    this.#lookedMs = nowMs;
    for (const watched of this.#watched) {
      const { beats, isInCall, isUp } = lookAtHeartbeat(watched.thread.heartbeat);
      watched.isUp ||= isUp;
      if (beats !== watched.beats || isInCall || wasAway) {
        watched.beats = beats;
        watched.seenMs = nowMs;
      } else this.#judge(watched, nowMs - watched.seenMs);
    }
  }

  #judge(watched: Watched, forMs: number): void {
    const msMax = watched.isUp ? this.#heartbeatMs : START_MS_MAX;
    if (forMs < msMax) return;
    this.#watched.delete(watched);
    const what = watched.isUp ? "no heartbeat" : "it did not get on with its start";
    watched.thread.end(`${what} for ${Math.round(forMs)} ms (threads.heartbeatMs is ${this.#heartbeatMs})`);
  }

  close(): void {
    clearInterval(this.#timer);
  }
}

const LOOKS_PER_HEARTBEAT = 4;
/** To start a thread and load its modules takes 0.1 s, on a machine that does other things a few seconds. */
const START_MS_MAX = 60_000;
