import { type Group, packEntries } from "../journal/record.ts";
import type { Answer } from "../kernel/decision.ts";
import type { Json } from "../kernel/json.ts";
import { isSampledTrace } from "../kernel/trace.ts";
import type { DomainMessage } from "./message.ts";
import type { OutsideLive } from "./outside-effects.ts";
import type { PendingEntry } from "./pending-entry.ts";
import type { Slot } from "./slot.ts";

/** Something that may leave the domain only after a commit. `isFinal` on an answer: with the group all is lost that the command did. */
export type Output =
  | { readonly kind: "answer"; readonly caller: number; readonly answer: Answer<Json>; readonly isFinal: boolean }
  | { readonly kind: "send"; readonly shard: number; readonly message: DomainMessage }
  | { readonly kind: "perform"; readonly live: OutsideLive }
  | { readonly kind: "cancel"; readonly id: string }
  | { readonly kind: "credit"; readonly id: string; readonly attempt: number };

interface HeldGroup {
  readonly number: number;
  readonly outputs: Output[];
}

/**
 * The output gate of one commit domain (L2): gathers entries into groups and holds whatever depends on them.
 *
 * G1. Groups are numbered 1, 2, 3 ... and handed out in that order.
 * G2. An output is held with the last group in which the entity it speaks of changed, and leaves when that group is committed.
 * G3. Outputs leave in the order of their groups; of one group, in the order in which they were held.
 */
export class CommitGate {
  readonly #domain: number;
  readonly #incarnation: number;
  readonly #inFlight: HeldGroup[] = [];
  #entries: PendingEntry<Slot>[] = [];
  #weight = 0;
  #outputs: Output[] = [];
  #number = 1;
  #committed = 0;
  #isDropped = false;
  /** The journal takes no writes at the moment: nothing may be added. */
  isJournalDown = false;

  constructor(options: { readonly domain: number; readonly incarnation: number }) {
    this.#domain = options.domain;
    this.#incarnation = options.incarnation;
  }

  /** The number of the group that gathers now. */
  get gathering(): number {
    return this.#number;
  }
  get entries(): readonly PendingEntry<Slot>[] {
    return this.#entries;
  }
  get entriesCount(): number {
    return this.#entries.length;
  }
  /** Handled messages that the gathering group holds: an entry may hold many. */
  get weight(): number {
    return this.#weight;
  }
  get inFlightCount(): number {
    return this.#inFlight.length;
  }
  /** The last group that was handed out; 0 = none yet. */
  get cutLast(): number {
    return this.#number - 1;
  }
  /** The last group that holds, or will hold, something handled so far. */
  get lastGroup(): number {
    return this.#entries.length > 0 ? this.#number : this.cutLast;
  }
  get committedLast(): number {
    return this.#committed;
  }

  /** A group was refused: nothing leaves any more (S5). */
  get isDropped(): boolean {
    return this.#isDropped;
  }

  add(entry: PendingEntry<Slot>): void {
    this.#entries.push(entry);
  }

  /** One more message is in the gathering group. */
  grow(): void {
    this.#weight++;
  }

  /** Holds the output until the group is committed; `false` when it is already, and the caller lets it go at once. */
  hold(group: number, output: Output): boolean {
    if (group <= this.#committed) return false;
    if (group === this.#number) this.#outputs.push(output);
    else this.#inFlight[group - this.#committed - 1]?.outputs.push(output);
    return true;
  }

  /** Closes the gathering group and gives it to the journal; null when it has no entry. */
  cut(timeMs: number): Group | null {
    if (this.#entries.length === 0) return null;
    const entries = this.#entries.map((pending) => pending.toEntry());
    const traces = sampledTraces(this.#entries);
    for (const { slot } of this.#entries) slot.entry = null;
    const whole = {
      domain: this.#domain,
      incarnation: this.#incarnation,
      number: this.#number,
      time: timeMs,
      count: entries.length,
      body: packEntries(entries),
    };
    const group: Group = traces === null ? whole : { ...whole, traces };
    this.#inFlight.push({ number: this.#number, outputs: this.#outputs });
    this.#number++;
    this.#weight = 0;
    this.#entries = [];
    this.#outputs = [];
    return group;
  }

  /** The oldest group in flight is durable: what it held may leave. @throws Error when the journal answers out of order. */
  commit(number: number): readonly Output[] {
    const held = this.#inFlight.shift();
    if (held === undefined || held.number !== number) throw new Error(`group ${number} was committed, ${held?.number ?? "none"} was next`);
    this.#committed = number;
    return held.outputs;
  }

  /** Everything that will never be committed by this incarnation. */
  drop(): readonly Output[] {
    this.#isDropped = true;
    const outputs = [...this.#inFlight.flatMap((held) => held.outputs), ...this.#outputs];
    this.#inFlight.length = 0;
    this.#outputs = [];
    this.#entries = [];
    return outputs;
  }
}

/** The sampled traces of the entries, each once and at most `TRACES_MAX`; null when there is none, as nearly always. */
function sampledTraces(entries: readonly PendingEntry<Slot>[]): readonly string[] | null {
  let found: Set<string> | null = null;
  for (const { traces } of entries) {
    if (traces === null) continue;
    for (const trace of traces) {
      if (!isSampledTrace(trace)) continue;
      found ??= new Set();
      if (found.size < TRACES_MAX) found.add(trace);
    }
  }
  return found === null ? null : [...found];
}
/** Of one group: beyond, a trace misses its line about the commit and nothing else. */
const TRACES_MAX = 1_000;
