import type { LostAttempt } from "../../runtime/index.ts";
import { Poison } from "../threads/poison.ts";
import { type AttemptMemory, attemptMemory, type NotedAttempt, readAttempts } from "./attempt-notes.ts";

/** What an effects thread is told of the ends of those before it. */
export interface LossesBefore {
  readonly lost: readonly LostAttempt[];
  /** Milliseconds, by port. */
  readonly rests: ReadonlyMap<string, number>;
}

/**
 * What was under way in effects threads that ended by themselves, so that their successors count it (P4): as an effect is durable, one that ends its
 * thread would otherwise do so at every start, until the node has no restarts left.
 *
 * Blamed are the attempts of the port in whose code the thread ended; those of other ports go on. Where that cannot be told, all that were under
 * way are. A `compute` effect has a thread of its own and is never among them. A port that was blamed rests before its next attempt, twice as long with
 * each end of the last ten minutes, from the second one on: so that new effects for a broken port do not use up the restarts either.
 */
export class LostAttempts {
  readonly #nowMs: () => number;
  readonly #poison = new Poison();
  #memory: AttemptMemory | null = null;
  #lost: readonly LostAttempt[] = [];
  #ports: readonly string[] = [];
  #endedMs: number[] = [];

  constructor(nowMs: () => number = () => performance.now()) {
    this.#nowMs = nowMs;
  }

  /** For a thread that is about to start. */
  next(): { readonly attempts: AttemptMemory; readonly before: LossesBefore } {
    this.#memory = attemptMemory();
    const restMs = this.#restMs();
    const rests = new Map(restMs === 0 ? [] : this.#ports.map((port) => [port, restMs]));
    return { attempts: this.#memory, before: { lost: this.#lost, rests } };
  }

  /** The thread that ran has ended. Answers the ports that are blamed. */
  ended(reason: string): readonly string[] {
    if (this.#memory === null) return [];
    const { culprit, underWay } = readAttempts(this.#memory);
    const blamed = culprit === null ? underWay : underWay.filter(({ port }) => port === culprit.port);
    this.#ports = [...new Set([...(culprit === null ? [] : [culprit]), ...blamed].map(({ port }) => port))];
    if (this.#ports.length > 0) this.#count();
    const [line = ""] = reason.split("\n");
    const error = `the thread that performed it ended: ${line.slice(0, REASON_CHARS_MAX)}`;
    this.#lost = blamed.map(({ id, attempt }) => ({ id, attempt, error, isPoison: isSame(culprit, id) && this.#poison.died(id) }));
    return this.#ports;
  }

  #count(): void {
    const nowMs = this.#nowMs();
    this.#endedMs = [...this.#endedMs.filter((endedMs) => nowMs - endedMs < COUNTED_MS), nowMs].slice(-ENDS_MAX);
  }

  #restMs(): number {
    const ends = this.#endedMs.length;
    return ends < 2 ? 0 : Math.min(REST_MS_MIN * 2 ** (ends - 2), REST_MS_MAX);
  }
}

const isSame = (culprit: NotedAttempt | null, id: string): boolean => culprit?.id === id;
const REASON_CHARS_MAX = 300;
const COUNTED_MS = 600_000;
const ENDS_MAX = 20;
const REST_MS_MIN = 2_000;
const REST_MS_MAX = 60_000;
