import { isType } from "../kernel/address.ts";
import type { Answer, Reject, ReplyOnly } from "../kernel/decision.ts";
import type { Terminated } from "../supervision/death-watch.ts";
import type { Supervision } from "../supervision/supervision.ts";

/**
 * What an actor takes, as an interface of functions from body to reply: `interface Counter { add(body: { by: number }): number }`. A kind that
 * only is told returns void. Because it is an interface, two actors can name each other and keep their types.
 */
export type Protocol<P> = { readonly [Kind in keyof P]: (body: never) => unknown };
export type BodyOf<Message> = Message extends (...args: infer Args) => unknown
  ? Args extends [infer Body, ...unknown[]]
    ? Body
    : undefined
  : never;
export type ReplyOf<Message> = Message extends (...args: never) => infer Reply ? Reply : never;

/** Something with an address that can be watched. */
export interface AnyRef {
  readonly address: string;
}

/**
 * Where to send to: valid as long as its actor lives, restarts included, and harmless afterwards.
 *
 * `tell` answers whether the message is in the mailbox. False: the mailbox is full, or nobody lives there (then it is a dead letter); never
 * throws. True is no promise that it is handled: the actor may stop or crash before.
 *
 * `ask` answers a value: the reply, or a refusal. `MAILBOX_FULL`, `not_found` (nobody lives there, or it stopped before handling),
 * `DEADLINE_EXCEEDED` (dropped before its handling), `SHUTTING_DOWN` and a cycle among waiting actors mean that it did not run; `OUTCOME_UNKNOWN`
 * that it was being handled at its deadline or its actor's end; `INTERNAL_ERROR` that the handler crashed. It rejects for a programmer's
 * error only, such as a timeout that is no number.
 */
export interface Ref<P> extends AnyRef {
  readonly tell: { readonly [Kind in keyof P]: (...body: BodyArgs<P[Kind]>) => boolean };
  readonly ask: {
    readonly [Kind in keyof P]: (...args: [...body: BodyArgs<P[Kind]>, wait?: AskWait]) => Promise<Answer<ReplyOf<P[Kind]>>>;
  };
}
/** A kind without a body is sent without one. */
type BodyArgs<Message> = [BodyOf<Message>] extends [undefined] ? [body?: undefined] : [body: BodyOf<Message>];
export interface AskWait {
  /** Milliseconds that the caller waits; may be late by 20 ms. */
  readonly timeoutMs?: number;
}

/** Marks the message at hand as put aside. Made by `context.stash()` only. */
export interface Stashed {
  readonly kind: "stashed";
}

/** What a handler answers: `reply(value)`, `reject(code, detail)`, `context.stash()`; nothing when its kind has no reply. */
// biome-ignore lint/suspicious/noConfusingVoidType: a handler of a kind without a reply may end in the call of a function that returns nothing.
export type Handled<Reply> = ReplyOnly<Reply> | Reject | Stashed | (undefined extends Reply ? void : never);

/** May await: the mailbox waits meanwhile. What it throws is a crash. */
export type Handler<P, State, Kind extends keyof P> = (
  context: Context<P, State>,
  state: State,
  body: BodyOf<P[Kind]>,
) => Handled<ReplyOf<P[Kind]>> | Promise<Handled<ReplyOf<P[Kind]>>>;
export type Handlers<P, State> = { readonly [Kind in keyof P]: Handler<P, State, Kind> };

/**
 * An actor in memory as plain data. `started` makes the state, an object that only this actor touches; each incarnation has its own. `stopped` is
 * called once for each incarnation that started, before a restart too, when its children have stopped. A throw in any of them is a crash.
 */
export interface Behavior<P, State, Args> {
  /** As the type of an entity: a-z, 0-9 and `-`, at most 64 characters. */
  readonly type: string;
  readonly started: (context: StartContext<P>, args: Args) => State | Promise<State>;
  readonly receive: Handlers<P, State>;
  readonly stopped?: (context: StartContext<P>, state: State) => void | Promise<void>;
  /** Needed by who watches: once for each watch whose actor has ended. */
  readonly terminated?: (context: Context<P, State>, state: State, signal: Terminated) => void | Promise<void>;
  /** Needed by who sets a receive timeout: no message came for that long. Again after each such time. */
  readonly receiveTimeout?: (context: Context<P, State>, state: State) => void | Promise<void>;
  /** The policy for its children. */
  readonly supervision?: Supervision;
}

/** What an actor may do. It belongs to one incarnation: used later, it throws, and spawns nothing. */
export interface StartContext<P> {
  readonly self: Ref<P>;
  readonly parent: AnyRef;
  /** 1 at the first start. */
  readonly incarnation: number;
  /** Aborted when this incarnation should stop; a handler that waits for long passes it on. */
  readonly signal: AbortSignal;
  /** Milliseconds from any start; never goes back. */
  nowMs(): number;
  /**
   * Starts a child. Resolves when it has started, restarts by this actor's `supervision` included. @throws what made it be given up; Error for a
   * name that is none (1-200 bytes, no `/`) or that a living child has.
   */
  spawn<Q, S, A>(behavior: Behavior<Q, S, A>, name: string, args: A, options?: SpawnOptions): Promise<Ref<Q>>;
  /** Stops a child for good; resolves when it has stopped. @throws Error when it is no child of this actor. */
  stop(child: AnyRef): Promise<void>;
  /** Ends this actor after the message at hand. */
  stopSelf(): void;
  /** Asks for one `terminated` when it ends for good; at once if it has. Watching twice is watching once. A restart ends the watch. */
  watch(ref: AnyRef): void;
  unwatch(ref: AnyRef): void;
  /** After this long without a message `receiveTimeout` is called; null: never. At most 2^31-1. */
  setReceiveTimeout(ms: number | null): void;
}
export interface Context<P, State> extends StartContext<P> {
  /** Takes the next messages with these handlers; kinds not among them are unhandled. Replaces earlier ones. */
  become(handlers: Partial<Handlers<P, State>>): void;
  /** Back to the handlers of the definition. */
  unbecome(): void;
  /** Puts the message at hand aside: `return context.stash()`. A full stash refuses it, as a full mailbox does. */
  stash(): Stashed;
  /** All that was put aside comes next, in its order, before what waits in the mailbox. */
  unstashAll(): void;
}

/** Limits of one actor; every wait has one (TRAPS 22). */
export interface ActorLimits {
  /** Messages that wait. */
  readonly mailboxMax: number;
  readonly stashMax: number;
  /** For `started`. */
  readonly startMsMax: number;
  /** For the message at hand, and again for `stopped`. What takes longer is given up and named. */
  readonly stopMsMax: number;
  /** For a handler that awaits; longer is a crash. Infinity: no limit. */
  readonly handleMsMax: number;
}
export const DEFAULT_ACTOR_LIMITS: ActorLimits = {
  mailboxMax: 1_000,
  stashMax: 100,
  startMsMax: 10_000,
  stopMsMax: 5_000,
  handleMsMax: 60_000,
};
export interface SpawnOptions extends Partial<ActorLimits> {
  /** `transient` when absent. */
  readonly mode?: "permanent" | "transient" | "temporary";
}

/** A behavior whose types are not known here: what a cell works with. */
export interface AnyBehavior {
  readonly type: string;
  readonly started: (context: never, args: never) => unknown;
  readonly receive: Readonly<Record<string, AnyHandler>>;
  readonly stopped?: (context: never, state: never) => unknown;
  readonly terminated?: (context: never, state: never, signal: Terminated) => unknown;
  readonly receiveTimeout?: (context: never, state: never) => unknown;
  readonly supervision?: Supervision;
}
export type AnyHandler = (context: never, state: never, body: never) => unknown;

/**
 * Gives a behavior its types: `defineBehavior<Counter>()({ type: "counter", started: () => ({ sum: 0 }), receive: { ... } })`. Called twice
 * because the protocol is named and the types of state and arguments are inferred; `started` stands before the handlers.
 * @throws Error for a type that is none.
 */
export const defineBehavior =
  <P extends Protocol<P>>() =>
  <State, Args = undefined>(behavior: Behavior<P, State, Args>): Behavior<P, State, Args> => {
    if (!isType(behavior.type)) throw new Error(`"${behavior.type}" is no type of an actor: a-z, 0-9 and -, at most 64 characters.`);
    return behavior;
  };
