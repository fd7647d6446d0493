import type { OutsideKind } from "../kernel/decision.ts";
import type { PerformEffect } from "../kernel/effect-protocol.ts";
import { DueQueue } from "./due-queue.ts";
import type { LiveEffect } from "./effect-table.ts";
import type { Outside } from "./outside.ts";

export type OutsideLive = LiveEffect & { readonly outside: Outside };

/**
 * The effects of one domain that leave the runtime: who may begin, and when.
 *
 * X1. An effect is handed out when the entry that opened it, and that of its last attempt, are committed: never before (L2).
 * X2. Of ordered effects of one entity to one port only the oldest open one is handed out. A dead letter at the head holds up its own entity's
 *     line and no other (TRAPS 7).
 * X3. It is handed out once at a time in this domain; again after an attempt failed, after it was postponed, and after its performer was lost.
 * X4. What the entity hears of an attempt comes from one run of it: an attempt of which it heard something and no outcome is lost with its performer,
 *     or with this domain, and the next one has a higher number.
 */
export class OutsideEffects {
  readonly #due = new DueQueue<OutsideLive>();
  readonly #lines = new Map<string, OutsideLive[]>();
  /** Oldest first: the youngest has the label, and an older one has it again when that is over, as after a recovery. */
  readonly #byLabel = new Map<string, OutsideLive[]>();
  #count = 0;

  /** Open effects that leave the runtime. */
  get count(): number {
    return this.#count;
  }

  /** When something is to be handed out again; null = nothing waits for a time. */
  get nextAt(): number | null {
    return this.#due.nextAt;
  }

  open(live: OutsideLive): void {
    this.#count++;
    const { opened } = live;
    if (opened.label !== undefined) append(this.#byLabel, labelKey(opened.from, opened.label), live);
    if (opened.isOrdered === true) append(this.#lines, lineKey(live), live);
  }

  /** It is over. Answers the one that stood behind it, which may begin now. */
  close(live: OutsideLive): OutsideLive | null {
    this.#count--;
    const { opened } = live;
    if (opened.label !== undefined) remove(this.#byLabel, labelKey(opened.from, opened.label), live);
    if (opened.isOrdered !== true) return null;
    const key = lineKey(live);
    const wasHead = this.#lines.get(key)?.[0] === live;
    remove(this.#lines, key, live);
    return wasHead ? (this.#lines.get(key)?.[0] ?? null) : null;
  }

  find(from: string, label: string): OutsideLive | undefined {
    return this.#byLabel.get(labelKey(from, label))?.at(-1);
  }

  /** The attempt to hand out now; null when it must not begin: over, dead, under way, not its turn, or not yet. */
  begin(live: OutsideLive, now: number): PerformEffect | null {
    const { opened, outside } = live;
    if (!live.isOpen || outside.dead !== null || outside.isPerforming || outside.isJudged) return null;
    if (opened.isOrdered === true && this.#lines.get(lineKey(live))?.[0] !== live) return null;
    if (outside.nextAt > now) {
      this.rest(live, outside.nextAt);
      return null;
    }
    const attempt = outside.begin();
    const { id, kind, to, command, body, from, trace } = opened;
    return {
      id,
      kind: kind as OutsideKind,
      to,
      command,
      body,
      from,
      attempt,
      openedAt: outside.openedAt,
      ...(trace === undefined ? {} : { trace }),
      ...(opened.progressTo === undefined ? {} : { wantsProgress: true }),
      ...(opened.keepsDead === true ? { keepsDead: true } : {}),
    };
  }

  /** It is looked at again at this time. */
  rest(live: OutsideLive, at: number): void {
    live.outside.nextAt = at;
    this.#due.add(at, live);
  }

  /** The next one whose rest is over; undefined when there is none. It may be over or dead: `begin` judges. */
  takeDue(now: number): OutsideLive | undefined {
    return this.#due.take(now);
  }
}

export const isOutside = (live: LiveEffect): live is OutsideLive => live.outside !== null;

const lineKey = ({ opened }: LiveEffect): string => `${opened.from}\n${opened.to}`;
const labelKey = (from: string, label: string): string => `${from}\n${label}`;

function append(lists: Map<string, OutsideLive[]>, key: string, live: OutsideLive): void {
  const list = lists.get(key);
  if (list === undefined) lists.set(key, [live]);
  else list.push(live);
}
function remove(lists: Map<string, OutsideLive[]>, key: string, live: OutsideLive): void {
  const list = lists.get(key) ?? [];
  const at = list.indexOf(live);
  if (at >= 0) list.splice(at, 1);
  if (list.length === 0) lists.delete(key);
}
