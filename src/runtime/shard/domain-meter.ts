import { Histogram, type HistogramLook, SECONDS_BOUNDS } from "../kernel/histogram.ts";
import { HotEntities } from "./hot-entities.ts";

/**
 * How a message ended: the decision of its handler, or why no handler decided. `crashed`: it threw. `repeated`: its first answer was given
 * again. `recorded`: the runtime wrote down how an attempt at an effect went, or what a person decided about it. `expired`: its deadline passed before. `refused`: a limit, or a journal that takes no writes. `failed`: the entity cannot be rebuilt.
 * `dead-letter`: its chain of causes was too long. `parked`: it waits for the journal and is counted again. `dropped`: it was over already, or its client had gone away.
 */
export type Outcome =
  | "accepted"
  | "rejected"
  | "replied"
  | "ignored"
  | "crashed"
  | "repeated"
  | "recorded"
  | "expired"
  | "refused"
  | "failed"
  | "dead-letter"
  | "parked"
  | "dropped";
export type OutcomeCounts = Record<Outcome, number>;

/** How an attempt at an effect outside the runtime ended. */
export interface AttemptCount {
  readonly kind: string;
  readonly outcome: string;
  readonly count: number;
}

export interface DomainMeterLook {
  readonly messages: ReadonlyArray<readonly [type: string, counts: Readonly<OutcomeCounts>]>;
  readonly attempts: readonly AttemptCount[];
  /** Sampled, in seconds. */
  readonly waits: HistogramLook;
  readonly handles: HistogramLook;
}

/**
 * What a domain counts while it works. Counts are exact; times and hot entities are of one message in `SAMPLE_EVERY`, because four
 * clock reads and two buckets for every message would be felt. Owned by one domain; never throws.
 */
export class DomainMeter {
  readonly hot = new HotEntities(HOT_ENTITIES_MAX);
  readonly #nowMs: () => number;
  readonly #byType = new Map<string, OutcomeCounts>();
  readonly #attempts = new Map<string, { readonly kind: string; readonly outcome: string; count: number }>();
  readonly #waits = new Histogram(SECONDS_BOUNDS);
  readonly #handles = new Histogram(SECONDS_BOUNDS);
  /** The one message whose wait is being measured. */
  #waiting: object | null = null;
  #waitingSinceMs = 0;
  #untilWait = 1;
  #untilHandle = 1;

  /** `nowMs` ascends, with fractions of milliseconds. */
  constructor(nowMs: () => number) {
    this.#nowMs = nowMs;
  }

  countsOf(type: string): OutcomeCounts {
    let counts = this.#byType.get(type);
    if (counts === undefined) {
      counts = { ...NOTHING };
      this.#byType.set(type, counts);
    }
    return counts;
  }

  /** The message was put into a mailbox. */
  queued(message: object): void {
    if (--this.#untilWait > 0 || this.#waiting !== null) return;
    this.#untilWait = SAMPLE_EVERY;
    this.#waiting = message;
    this.#waitingSinceMs = this.#nowMs();
  }

  /** The message is handled now. Answers what `ended` is to be given; null when its time is not taken. */
  began(message: object): number | null {
    if (message === this.#waiting) {
      this.#waiting = null;
      this.#waits.observe((this.#nowMs() - this.#waitingSinceMs) / 1000);
    }
    if (--this.#untilHandle > 0) return null;
    this.#untilHandle = SAMPLE_EVERY;
    return this.#nowMs();
  }

  ended(begunMs: number, address: string): void {
    this.#handles.observe((this.#nowMs() - begunMs) / 1000);
    this.hot.add(address);
  }

  /** An attempt at an outside effect ended. Kinds and outcomes are words of the code, so there are few pairs. */
  attempted(kind: string, outcome: string): void {
    const key = `${kind} ${outcome}`;
    const attempts = this.#attempts.get(key) ?? { kind, outcome, count: 0 };
    attempts.count++;
    this.#attempts.set(key, attempts);
  }

  look(): DomainMeterLook {
    const attempts = Array.from(this.#attempts.values(), (each) => ({ ...each }));
    return { messages: [...this.#byType], attempts, waits: this.#waits.look(), handles: this.#handles.look() };
  }
}

/** A prime: the messages of a transfer repeat in a pattern of 8 to 11, of which every one must have its turn. */
export const SAMPLE_EVERY = 61;
const HOT_ENTITIES_MAX = 256;
const NOTHING: Readonly<OutcomeCounts> = {
  accepted: 0,
  rejected: 0,
  replied: 0,
  ignored: 0,
  crashed: 0,
  repeated: 0,
  recorded: 0,
  expired: 0,
  refused: 0,
  failed: 0,
  "dead-letter": 0,
  parked: 0,
  dropped: 0,
};
