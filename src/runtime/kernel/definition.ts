import type { Answer, Decision, EventBase } from "./decision.ts";
import type { Json } from "./json.ts";
import type { Infer, Schema } from "./schema.ts";

/** What a handler knows besides state and body: values only (L4). */
export interface Info {
  /** Id of the command, or of the effect that caused it. */
  readonly id: string;
  /** The entity's own id, without its type. */
  readonly key: string;
  readonly shard: number;
  /** How many shards the store was made with. */
  readonly shardCount: number;
  /** Milliseconds since 1970; never goes back within a shard. */
  readonly at: number;
  /** For progress of an effect outside the runtime, and for its outcome: of which attempt, from 1. A replay of a dead letter counts anew. */
  readonly attempt?: number;
}

/**
 * A command: the schemas of its body and of its reply. With `repeats: "recorded"` the runtime keeps, in the entity, the id and the first
 * answer of each such command for 24 h (at most 1,000; full = `keys_exhausted`) and answers a repeat itself; the same id with another
 * body is `key_reused`. With `"decided"` (the default) the handler recognizes a repeat from its state: an entity made by the command does.
 */
export interface CommandSpec<Body = unknown, Reply = unknown> {
  readonly body: Schema<Body>;
  readonly reply: Schema<Reply>;
  readonly repeats?: "decided" | "recorded";
}

/**
 * A command that every entity has: gives again what its command of this id was answered, of those with `repeats: "recorded"`, else refuses with
 * `not_found`. Runs no handler and writes nothing.
 */
export const RECORDED_ANSWER = "recorded-answer";

/**
 * A durable keyed actor as plain data and pure functions. `decide` and `answers` never throw for bad luck, touch no clock, and never await;
 * `evolve` applies an event and must accept every event ever written (old versions pass `upcast` first). States are immutable values.
 *
 * `snapshot.encode` must give JSON that `decode` turns back into an equal state. `version` counts the format of the state in snapshots;
 * `upcast.state[n]` turns version n into n+1. An event carries `v` when its version is above 1; `upcast.events.kind[n]` likewise.
 * `isFinished` says that the entity expects nothing more: it leaves memory as soon as a snapshot holds it.
 */
export interface EntityDefinition<
  State,
  Commands extends Record<string, CommandSpec>,
  Events extends Record<string, Schema>,
  Answers extends string = string,
> {
  readonly type: string;
  readonly version: number;
  readonly commands: Commands;
  readonly events: Events;
  readonly initial: (key: string) => State;
  readonly decide: {
    readonly [Name in keyof Commands]: (
      state: State,
      body: Infer<Commands[Name]["body"]>,
      info: Info,
    ) => Decision<EventOf<Events>, Infer<Commands[Name]["reply"]>>;
  };
  /** Handlers of the answers to this entity's own effects, by the name in `answerTo`. Their reply goes nowhere; `settle` does. */
  readonly answers?: { readonly [Name in Answers]: (state: State, answer: Answer<Json>, info: Info) => Decision<EventOf<Events>, never> };
  /**
   * Handlers of what ports tell while they perform this entity's effects, by the name in `progressTo`. Their reply goes nowhere; `settle` does. What an
   * attempt tells comes in order and before its outcome; `info.attempt` above that of the value before says that it was begun again.
   */
  readonly progress?: Readonly<Record<string, (state: State, value: Json, info: Info) => Decision<EventOf<Events>, never>>>;
  readonly evolve: { readonly [Kind in keyof Events]: (state: State, event: Extract<EventOf<Events>, { kind: Kind }>) => State };
  readonly snapshot: { readonly encode: (state: State) => Json; readonly decode: (json: Json) => State };
  readonly upcast?: {
    readonly state?: { readonly [version: number]: (old: Json) => Json };
    readonly events?: { readonly [kind: string]: { readonly [version: number]: (old: Json) => Json } };
  };
  readonly isFinished?: (state: State) => boolean;
}

export type EventOf<Events extends Record<string, Schema>> = {
  [Kind in keyof Events]: Infer<Events[Kind]> & { readonly kind: Kind };
}[keyof Events];

/** A definition whose types are not known here: what a shard, which hosts any of them, works with. */
export interface AnyDefinition {
  readonly type: string;
  readonly version: number;
  readonly commands: Readonly<Record<string, CommandSpec>>;
  readonly events: Readonly<Record<string, Schema>>;
  readonly initial: (key: string) => unknown;
  readonly decide: Readonly<Record<string, (state: never, body: never, info: Info) => Decision<EventBase, Json>>>;
  readonly answers?: Readonly<Record<string, (state: never, answer: Answer<Json>, info: Info) => Decision<EventBase, never>>>;
  readonly progress?: Readonly<Record<string, (state: never, value: Json, info: Info) => Decision<EventBase, never>>>;
  readonly evolve: Readonly<Record<string, (state: never, event: never) => unknown>>;
  readonly snapshot: { readonly encode: (state: never) => Json; readonly decode: (json: Json) => unknown };
  readonly upcast?: EntityDefinition<unknown, Record<string, CommandSpec>, Record<string, Schema>>["upcast"];
  readonly isFinished?: (state: never) => boolean;
}

/** Gives a definition its types; checks nothing at run time. The state's type comes from `initial`, all others from the schemas. */
export function defineEntity<
  State,
  const Commands extends Record<string, CommandSpec>,
  const Events extends Record<string, Schema>,
  Answers extends string = never,
>(definition: EntityDefinition<State, Commands, Events, Answers>): EntityDefinition<State, Commands, Events, Answers> {
  return definition;
}

/** What `system.entity(definition, id).ask` offers: one function a command, typed by its schemas. */
export type AskOf<Definition> =
  Definition extends EntityDefinition<infer _State, infer Commands, infer _Events, infer _Answers>
    ? {
        readonly [Name in keyof Commands]: (
          body: Infer<Commands[Name]["body"]>,
          options?: AskOptions,
        ) => Promise<Answer<Infer<Commands[Name]["reply"]>>>;
      }
    : never;
export interface AskOptions {
  /** Command id; without one the call cannot be repeated safely. */
  readonly id?: string;
  /** Milliseconds until the caller stops waiting. */
  readonly timeoutMs?: number;
  /** W3C traceparent. */
  readonly trace?: string;
  /**
   * Aborted when the caller went away: a command that has not begun by then is dropped and answered `DEADLINE_EXCEEDED` (surely not run), one that has
   * begun goes on. Best effort: the command may begin while the word is under way.
   */
  readonly signal?: AskSignal;
  /** The answer waits for something outside the node, a model for example: that it takes long is no sign of a node that is stuck. */
  readonly waitsOutside?: boolean;
}

/** What an ask needs of an AbortSignal, which is one. It has one listener, for "abort". */
export interface AskSignal {
  readonly aborted: boolean;
  addEventListener(type: "abort", listener: () => void): void;
  removeEventListener(type: "abort", listener: () => void): void;
}
