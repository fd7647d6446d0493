import { Histogram, type HistogramLook, SECONDS_BOUNDS } from "../kernel/histogram.ts";
import { HotEntities } from "./hot-entities.ts";

/**
 * How a message ended: the decision of its handler, or why no handler decided. `crashed`: it threw. `repeated`: its first answer was given
 * again. `recorded`: the runtime wrote down how an attempt at an effect went, or what a person decided about it. `expired`: its deadline passed
 * before. `refused`: a limit, or a journal that takes no writes. `failed`: the entity cannot be rebuilt. `dead-letter`: its chain of causes was
 * too long. `parked`: it waits for the journal and is counted again. `dropped`: it was over already, or its client
 * had gone away.
 */
export const OUTCOME = {
  accepted: 0,
  rejected: 1,
  replied: 2,
  ignored: 3,
  crashed: 4,
  repeated: 5,
  recorded: 6,
  expired: 7,
  refused: 8,
  failed: 9,
  "dead-letter": 10,
  parked: 11,
  dropped: 12,
} as const;
export type Outcome = keyof typeof OUTCOME;
export type OutcomeCounts = Readonly<Record<Outcome, number>>;
/** By number. On the path of messages an outcome is its number: counting is one increment in an array. */
export const OUTCOMES = Object.keys(OUTCOME) as readonly Outcome[];

/** How an attempt at an effect outside the runtime ended. */
export interface AttemptCount {
  readonly kind: string;
  readonly outcome: string;
  readonly count: number;
}

export interface DomainMeterLook {
  readonly messages: ReadonlyArray<readonly [type: string, counts: OutcomeCounts]>;
  readonly attempts: readonly AttemptCount[];
  /** Sampled, in seconds. */
  readonly waits: HistogramLook;
  readonly handles: HistogramLook;
}

/**
 * What a domain counts while it works. Counts are exact. Times and hot entities are of a sample: one message at a time is followed from its mailbox to the
 * end of its turn, and the next one is the `SAMPLE_EVERY`-th to be queued after that. It costs 5 to 9 ns a message (a command that only reads takes 58).
 * Owned by one domain; never throws.
 */
export class DomainMeter {
  readonly hot = new HotEntities(HOT_ENTITIES_MAX);
  messagesHandled = 0;
  passivations = 0;
  deadLetters = 0;
  /** Dropped before they began, because their clients had gone away. */
  commandsCancelled = 0;
  readonly #nowMs: () => number;
  readonly #byType = new Map<string, Float64Array>();
  readonly #attempts = new Map<string, { readonly kind: string; readonly outcome: string; count: number }>();
  readonly #waits = new Histogram(SECONDS_BOUNDS);
  readonly #handles = new Histogram(SECONDS_BOUNDS);
  /** The one message that is followed at the moment. */
  #sampled: object | null = null;
  #queuedMs = 0;
  #begunMs = 0;
  #untilSample = 1;

  /** `nowMs` ascends, with fractions of milliseconds. */
  constructor(nowMs: () => number) {
    this.#nowMs = nowMs;
  }

  /** How often the messages of the type ended so, by place in `OUTCOMES`; to be counted up. */
  countsOf(type: string): Float64Array {
    let counts = this.#byType.get(type);
    if (counts === undefined) {
      counts = new Float64Array(OUTCOMES.length);
      this.#byType.set(type, counts);
    }
    return counts;
  }

  /** The message was put into a mailbox. */
  queued(message: object): void {
    if (--this.#untilSample > 0 || (this.#sampled !== null && this.#untilSample > -LOST_AFTER)) return;
    this.#untilSample = 0;
    this.#sampled = message;
    this.#queuedMs = this.#nowMs();
  }

  /** Asked before each message is handled: whether `began` and `ended` are to be called around it. */
  isSampled(message: object): boolean {
    return message === this.#sampled;
  }

  /** The sampled message is handled now. */
  began(): void {
    this.#begunMs = this.#nowMs();
    this.#waits.observe((this.#begunMs - this.#queuedMs) / 1000);
  }

  ended(address: string): void {
    this.#handles.observe((this.#nowMs() - this.#begunMs) / 1000);
    this.hot.add(address);
    this.#sampled = null;
    // Counted from here: the next one to be queued is often this one's effect, which would be sampled whenever its cause was.
    this.#untilSample = SAMPLE_EVERY;
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
    const messages = Array.from(this.#byType, ([type, counts]) => [type, countedBy(counts)] as const);
    return { messages, attempts, waits: this.#waits.look(), handles: this.#handles.look() };
  }
}

/** A message that was not handled while so many others were queued is gone with its mailbox: another one is followed. */
const LOST_AFTER = 100_000;
/** A prime: the messages of a transfer repeat in a pattern of 8 to 11, of which every one must have its turn. */
export const SAMPLE_EVERY = 61;
const HOT_ENTITIES_MAX = 256;

const countedBy = (counts: Float64Array): OutcomeCounts =>
  Object.fromEntries(OUTCOMES.map((outcome, i) => [outcome, counts[i] ?? 0])) as Record<Outcome, number>;
