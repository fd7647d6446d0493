import type { Code } from "./fault.ts";
import type { Json } from "./json.ts";

/**
 * What an entity answers, as it travels and as the journal keeps it. A refusal is a value with a code of the one table. `isRepeat` is put on
 * by the runtime when it gives the kept answer of a recorded command again; the journal never has it.
 */
export type Answer<Reply = Json> = { readonly ok: true; readonly value: Reply; readonly isRepeat?: true } | Refusal;
export interface Refusal {
  readonly ok: false;
  readonly code: Code;
  readonly detail: string;
  readonly isRepeat?: true;
}

/**
 * Work for after the commit, recorded with the events (L4). `tell` is a durable command to another entity, handled once, in order
 * per pair of entities. `ask` is read-only: its handler may only reply, nothing is recorded at the receiver, and it is asked again after
 * a crash. `call`, `compute` and `publish` leave the runtime. The answer comes back to the handler in `answers` that `answerTo` names;
 * an effect without `answerTo` wants none.
 */
export type Effect = TellEffect | AskEffect | OutsideEffect | ScheduleEffect;
export interface TellEffect {
  readonly kind: "tell";
  /** Address `type/id`. */
  readonly to: string;
  readonly command: string;
  readonly body: Json;
  readonly answerTo?: string;
}
export interface AskEffect {
  readonly kind: "ask";
  readonly to: string;
  readonly command: string;
  readonly body: Json;
  readonly answerTo: string;
}
/**
 * What something outside does: a named external port (`call`), a task of the worker pool (`compute`), the broker (`publish`). At least once:
 * every attempt carries the same id, by which the outside can tell repeats. After the last attempt it is a dead letter and the entity gets a refusal
 * (unless `keepsDead`).
 */
export interface OutsideEffect {
  readonly kind: OutsideKind;
  /** Name of the port. */
  readonly to: string;
  readonly command: string;
  readonly body: Json;
  readonly answerTo?: string;
  /** Not begun before earlier ordered effects of this entity to the same port are over. */
  readonly isOrdered?: boolean;
  /** A name by which the entity can cancel it (`cancels`); of two open ones with one name the younger has it. */
  readonly label?: string;
  /**
   * The handler in `progress` that hears, in order, what the port tells while an attempt is under way. Only ports of the effects thread tell
   * (`call`, `publish`). Not durable until handled: after a crash a new attempt, of a higher number, tells from the beginning.
   */
  readonly progressTo?: string;
  /**
   * A dead letter of it stays open although it wants an answer, and so does what the port refuses: the entity is answered when a replay
   * ends it, or with a refusal when a person drops it.
   */
  readonly keepsDead?: true;
}
/**
 * A durable timer: at `at` (milliseconds since 1970; make it from `info.at`) the entity gets the command, with an id of the timer's own. An
 * entity has one timer of a label (at most 200 characters): another replaces it, `cancels` ends it. What a late one does is `catchUp`: it runs at once (`run`, the default, and
 * the only choice where money waits for it), within some seconds (`spread`), or not at all (`skip`).
 */
export interface ScheduleEffect {
  readonly kind: "schedule";
  readonly label: string;
  readonly at: number;
  readonly command: string;
  readonly body: Json;
  readonly catchUp?: "run" | "spread" | "skip";
}
export type OutsideKind = "call" | "compute" | "publish";

/**
 * The decision of a handler. `accept` records events (evolve applies them), an optional reply to who sent the command, effects, and
 * `settles` and `settle`: the answers for those who wait for this entity. A command accepted with `isAnsweredLater` waits for one of them; a repeat
 * of it that is accepted so again, without events, waits beside it. So many may wait for one entity as its mailbox holds.
 * `reply` and a refusal of a command that no record of its id needs write nothing. `ignore` answers nothing but "handled".
 */
export type Decision<Event = EventBase, Reply = Json> = Accept<Event, Reply> | Reject | ReplyOnly<Reply> | Ignore;
export interface EventBase {
  readonly kind: string;
}
export interface Accept<Event, Reply> {
  readonly kind: "accept";
  readonly events: readonly Event[];
  readonly reply?: Reply;
  readonly isAnsweredLater?: boolean;
  /** Answers everybody whose command had this `info.id`, if anybody waits. */
  readonly settles?: readonly Settled[];
  /** Answers everybody else who waits. */
  readonly settle?: Json;
  readonly effects?: readonly Effect[];
  /** Labels of this entity's timers and open outside effects that are over now: none fires or begins any more, and no outcome comes back. */
  readonly cancels?: readonly string[];
}
/** The answer for those whose command had the id; "" = none. */
export interface Settled {
  readonly id: string;
  readonly value: Json;
}
export interface Reject {
  readonly kind: "reject";
  readonly code: Code;
  readonly detail: string;
}
export interface ReplyOnly<Reply> {
  readonly kind: "reply";
  readonly value: Reply;
}
export interface Ignore {
  readonly kind: "ignore";
}

/** `Kind` keeps the literal of an event's kind: `accept([{ kind: "added", by }])` is no event of the kind `string`. */
export function accept<Event extends { readonly kind: Kind }, Reply = never, Kind extends string = string>(
  events: readonly Event[],
  more: Omit<Accept<Event, Reply>, "kind" | "events"> = {},
): Accept<Event, Reply> {
  return { ...more, kind: "accept", events }; // In this order, because V8 copies what a literal begins with by its shape, and all else name by name.
}
export const reject = (code: Code, detail: string): Reject => ({ kind: "reject", code, detail });
export const reply = <Reply>(value: Reply): ReplyOnly<Reply> => ({ kind: "reply", value });
export const ignore: Ignore = { kind: "ignore" };
