import { whyNotId } from "../kernel/address.ts";
import type { Answer, Refusal } from "../kernel/decision.ts";
import { Fault } from "../kernel/fault.ts";
import type { DeadLetterReason } from "../mailbox/dead-letters.ts";
import { Ring } from "../mailbox/ring.ts";
import type { Child, ChildLook, Overseer } from "../supervision/child.ts";
import { DeathWatch, type Terminated, type Watcher } from "../supervision/death-watch.ts";
import type { Escalation } from "../supervision/escalation.ts";
import { DEFAULT_SUPERVISION } from "../supervision/supervision.ts";
import { Supervisor } from "../supervision/supervisor.ts";
import { ActorContext, type ContextOwner } from "./actor-context.ts";
import type { ActorCore } from "./actor-core.ts";
import { ActorRef, type Addressee } from "./actor-ref.ts";
import {
  type ActorLimits,
  type AnyBehavior,
  type AnyHandler,
  type AnyRef,
  type AskWait,
  DEFAULT_ACTOR_LIMITS,
  type SpawnOptions,
  type Stashed,
} from "./behavior.ts";
import { cycleOf, type Waiter } from "./caller-chain.ts";
import type { Envelope } from "./envelope.ts";
import { Inbox } from "./inbox.ts";
import { PendingAsk, refusal } from "./pending-ask.ts";
import { ReceiveTimeout } from "./receive-timeout.ts";
import type { Runnable } from "./scheduler.ts";
import { type ActorTurn, type Outcome, Turns } from "./turns.ts";

export interface CellOptions {
  readonly core: ActorCore;
  readonly overseer: Overseer;
  readonly parent: AnyRef;
  readonly behavior: AnyBehavior;
  readonly name: string;
  readonly args: unknown;
  readonly limits: Partial<ActorLimits>;
}
type Signal =
  | { readonly kind: "terminated"; readonly watch: DeathWatch; readonly signal: Terminated }
  | { readonly kind: "receive-timeout" };
type CellState = "starting" | "running" | "crashed" | "stopping" | "stopped";
/**
 * One behavior actor: its mailbox, its incarnation, and the message at hand.
 *
 * B1. One message at a time: while a handler awaits, its mailbox waits. Signals (the control lane) go ahead of messages.
 * B2. Whoever asked gets exactly one answer, whatever becomes of the actor. Nothing is dropped without a count.
 * B3. Mailbox and stash outlive a restart, the message at hand does not: it is what the actor crashed on.
 * B4. A turn that was given up is over: its answer, its tells and asks, and its context do nothing any more (TRAPS 18).
 * B5. An actor that has nothing to do, or may not do it, is not in the ready queue (TRAPS 20).
 */
export class Cell implements Child, Runnable, Addressee, Waiter, Watcher, ContextOwner {
  readonly name: string;
  readonly address: string;
  readonly deaths: DeathWatch;
  readonly self: ActorRef = new ActorRef(this);
  isQueued = false;
  incarnation = 0;
  readonly #options: CellOptions;
  readonly #core: ActorCore;
  readonly #limits: ActorLimits;
  readonly #inbox: Inbox;
  /** The control lane. Bounded: one for each watch, and one receive timeout. */
  readonly #signals = new Ring<Signal>(1);
  #state: CellState = "starting";
  #context: ActorContext | null = null;
  /** What `started` made; null when this incarnation has not started. */
  #behaving: { readonly state: unknown } | null = null;
  #handlers: Readonly<Record<string, AnyHandler>>;
  readonly #turns: Turns;
  #failStart: ((cause: unknown) => void) | null = null;
  #children: Supervisor | null = null;
  #watching: Set<DeathWatch> | null = null;
  #receiveTimeout: ReceiveTimeout | null = null;
  #abort: AbortController | null = null;
  #isEnding = false;
  #refused = 0;

  constructor(options: CellOptions) {
    const { core, behavior, name, parent } = options;
    const why = whyNotId(name);
    if (why !== null) throw new Error(`"${name}" is no name of an actor: ${why.replace("an id", "a name")}.`);
    this.name = name;
    this.address = parent.address === "/" ? `/${name}` : `${parent.address}/${name}`;
    this.deaths = new DeathWatch(this.address);
    this.#options = options;
    this.#core = core;
    this.#limits = { ...DEFAULT_ACTOR_LIMITS, ...options.limits };
    this.#inbox = new Inbox(this.#limits);
    this.#turns = new Turns(this, core);
    this.#handlers = behavior.receive;
  }

  get type(): string {
    return this.#options.behavior.type;
  }
  get kinds(): readonly string[] {
    return Object.keys(this.#options.behavior.receive);
  }
  get parent(): AnyRef {
    return this.#options.parent;
  }
  /** The running code may still act as this actor: it has not been stopped, and this turn of it has not been given up. */
  get isLiving(): boolean {
    if (this.#core.turn?.isGivenUp === true) return false;
    return this.#state === "starting" || this.#state === "running" || this.#turns.current !== null;
  }
  get signal(): AbortSignal {
    return this.#aborter.signal;
  }
  /** Made when somebody looks: most actors never do. */
  get #aborter(): AbortController {
    this.#abort ??= new AbortController();
    return this.#abort;
  }
  nowMs(): number {
    return this.#core.ports.nowMs();
  }

  // Messages

  tell(kind: string, body: unknown): boolean {
    if (this.#core.turn?.isGivenUp === true && !this.#core.planted("old-incarnation-speaks")) {
      this.#deadLetter(kind, "sender-given-up");
      return false;
    }
    const refused = this.#offer({ kind, body, atMs: this.nowMs(), ask: null });
    if (refused?.code === "MAILBOX_FULL" && this.#core.planted("overflow-throws")) throw new Error(refused.detail);
    return refused === null;
  }

  ask(kind: string, body: unknown, { timeoutMs = this.#core.askMsDefault }: AskWait): Promise<Answer<unknown>> {
    if (!(timeoutMs > 0 && timeoutMs <= ASK_MS_MAX)) {
      return Promise.reject(new RangeError(`timeoutMs is ${timeoutMs}; an ask waits more than 0 and at most ${ASK_MS_MAX} ms.`));
    }
    const caller = this.#core.turn;
    if (caller?.isGivenUp === true) return Promise.resolve(refusal("SHUTTING_DOWN", "The caller has ended; nothing was done."));
    const cycle = caller === null || this.#core.planted("cycle-unseen") ? null : cycleOf(caller.owner, this);
    if (cycle !== null) {
      return Promise.resolve(
        refusal("INTERNAL_ERROR", `This ask would wait for itself: ${cycle.join(" > ")}. Nothing was done; use a tell for one of these.`),
      );
    }
    const ask = new PendingAsk({ target: this, caller, deadlines: this.#core.deadlines });
    const atMs = this.nowMs();
    if (!this.#core.planted("ask-without-deadline")) this.#core.deadlines.add(ask, atMs + timeoutMs);
    const refused = this.#offer({ kind, body, atMs, ask });
    if (refused !== null) ask.answer(refused);
    return ask.promise;
  }

  #offer(envelope: Envelope): Refusal | null {
    if (this.deaths.isGone) {
      // Who asks hears it; a tell that nobody will handle must be seen by somebody.
      if (envelope.ask === null) this.#deadLetter(envelope.kind, "gone");
      return this.#goneRefusal();
    }
    if (!this.#inbox.offer(envelope)) {
      this.#refused++;
      this.#core.messagesRefused++;
      return refusal("MAILBOX_FULL", `${this.#limits.mailboxMax} messages wait for ${this.address}, as many as may; nothing was done.`);
    }
    this.#wake();
    return null;
  }

  #goneRefusal(): Refusal {
    return this.#core.isStopping
      ? refusal("SHUTTING_DOWN", `${this.address} has stopped with its system; nothing was done.`)
      : refusal("not_found", `${this.address} has ended; nothing was done.`);
  }

  // Scheduling

  get isReady(): boolean {
    if (!this.#hasWork) return false;
    if (this.#state === "stopping") return this.#core.planted("stopping-actor-spins");
    if (this.#turns.current !== null) return this.#core.planted("busy-actor-spins");
    return this.#state === "running" && !this.#isEnding;
  }

  get #hasWork(): boolean {
    return this.#signals.count > 0 || this.#inbox.hasNext;
  }

  #wake(): void {
    if (this.isReady) this.#core.scheduler.enqueue(this);
  }

  run(messagesMax: number): number {
    let handled = 0;
    while (handled < messagesMax && this.#state === "running" && this.#turns.current === null && !this.#isEnding) {
      const signal = this.#signals.shift();
      if (signal !== undefined) this.#signal(signal);
      else {
        const envelope = this.#inbox.take();
        if (envelope === undefined) break;
        this.#handle(envelope);
      }
      handled++;
    }
    this.#inbox.release();
    return handled;
  }

  // Turns

  #signal(signal: Signal): void {
    const { terminated, receiveTimeout } = this.#options.behavior;
    if (signal.kind === "receive-timeout") {
      this.#begin("(receiveTimeout)", null, () => receiveTimeout?.(this.#context as never, this.#behaving?.state as never));
    } else if (this.#watching?.delete(signal.watch) === true) {
      this.#begin("(terminated)", null, () => terminated?.(this.#context as never, this.#behaving?.state as never, signal.signal));
    }
  }

  #handle(envelope: Envelope): void {
    const { kind, body, ask } = envelope;
    if (ask?.isDropped === true) {
      this.#core.messagesExpired++;
      return;
    }
    this.#receiveTimeout?.heard();
    const handler = Object.hasOwn(this.#handlers, kind) ? this.#handlers[kind] : undefined;
    if (handler === undefined) return this.#unhandled(envelope);
    this.#core.messagesHandled++;
    ask?.begin();
    this.#begin(kind, envelope, () => handler(this.#context as never, this.#behaving?.state as never, body as never));
  }

  #unhandled({ kind, ask }: Envelope): void {
    if (ask === null) this.#deadLetter(kind, "unhandled");
    ask?.answer(refusal("illegal_transition", `${this.address} does not take "${kind}" now; nothing was done.`));
  }

  #begin(kind: string, envelope: Envelope | null, run: () => unknown): void {
    const msMax = this.#limits.handleMsMax;
    const late = (): void => this.#crash(kind, new Error(`the handler had not ended after ${msMax} ms`), false);
    const over = (outcome: Outcome, { isStashed }: ActorTurn): void => {
      if ("cause" in outcome) {
        envelope?.ask?.answer(refusal("INTERNAL_ERROR", `${this.address} crashed on this; its log names the cause.`));
        this.#crash(kind, outcome.cause, true);
      } else {
        if (!isStashed) envelope?.ask?.answer(answerOf(outcome.value));
        if (this.#isEnding && this.#state === "running") this.#options.overseer.ended(this, this.incarnation);
      }
      this.#wake();
    };
    this.#turns.run({ kind, envelope, msMax, run, over, late });
  }

  #crash(doing: string, cause: unknown, canResume: boolean): void {
    if (this.#failStart !== null) return this.#failStart(cause);
    const directive = this.#options.overseer.crashed(this, this.incarnation, { address: this.address, doing, cause }, canResume);
    if (directive !== "resume" && this.#state === "running") this.#state = "crashed";
  }

  // Lifecycle: called by the supervisor

  async start(incarnation: number): Promise<void> {
    const { behavior, args } = this.#options;
    this.incarnation = incarnation;
    this.#state = "starting";
    this.#isEnding = false;
    this.#abort = null;
    const signal = (): AbortSignal => this.#signalOf(incarnation);
    this.#context = new ActorContext(this, signal);
    const state = await this.#hook("(started)", this.#limits.startMsMax, () => behavior.started(this.#context as never, args as never));
    this.#behaving = { state };
    this.#state = "running";
    if (this.#isEnding) this.#options.overseer.ended(this, incarnation);
    this.#wake();
  }

  /** The signal of an incarnation that has ended is aborted for ever. */
  #signalOf(incarnation: number): AbortSignal {
    return incarnation === this.incarnation ? this.signal : AbortSignal.abort();
  }

  #hook(kind: string, msMax: number, run: () => unknown): Promise<unknown> {
    return new Promise((resolve, reject) => {
      const fail = (cause: unknown): void => {
        this.#failStart = null;
        this.#turns.giveUp();
        reject(cause);
      };
      this.#failStart = kind === "(started)" ? fail : null;
      const late = (): void => fail(new Error(`${kind} had not ended in time (${msMax} ms when it began)`));
      const over = (outcome: Outcome): void => {
        this.#failStart = null;
        if ("cause" in outcome) reject(outcome.cause);
        else resolve(outcome.value);
      };
      this.#turns.run({ kind, envelope: null, msMax, run, over, late });
    });
  }

  cancelStart(byMs: number): void {
    this.#aborter.abort();
    this.#turns.hasten(Math.min(byMs, this.nowMs() + this.#limits.stopMsMax));
  }

  async stop(byMs: number): Promise<boolean> {
    this.#state = "stopping";
    this.#aborter.abort();
    this.#receiveTimeout?.set(null);
    await this.#turns.ended(Math.min(byMs, this.nowMs() + this.#limits.stopMsMax));
    await this.#children?.stopAll(byMs);
    await this.#runStopped(byMs);
    this.#forgetIncarnation();
    this.#state = "stopped";
    return true; // A turn that did not end was cut off (B4).
  }

  async #runStopped(byMs: number): Promise<void> {
    const { behavior, overseer } = this.#options;
    const behaving = this.#behaving;
    this.#behaving = null;
    if (behaving === null || behavior.stopped === undefined) return;
    const msMax = Math.min(this.#limits.stopMsMax, Math.max(0, byMs - this.nowMs()));
    try {
      await this.#hook("(stopped)", msMax, () => behavior.stopped?.(this.#context as never, behaving.state as never));
    } catch (cause) {
      overseer.crashed(this, this.incarnation, { address: this.address, doing: "(stopped)", cause }, false);
    }
  }

  #forgetIncarnation(): void {
    for (const watch of this.#watching ?? []) watch.remove(this);
    this.#watching = null;
    while (this.#signals.shift() !== undefined);
    this.#inbox.unstashAll(); // B3: what was put aside waits for the next incarnation.
    this.#handlers = this.#options.behavior.receive;
    this.#children = null;
    this.#context = null;
    this.#receiveTimeout = null;
  }

  gone(cause: unknown): void {
    this.deaths.gone(cause);
    for (const { kind, ask } of this.#inbox.drain()) {
      if (ask === null) this.#deadLetter(kind, "stopped");
      ask?.answer(this.#goneRefusal());
    }
  }

  look(nowMs: number): ChildLook {
    return {
      mailbox: this.#inbox.count,
      refused: this.#refused,
      oldestMessageMs: this.#core.planted("stuck-looks-healthy") ? 0 : nowMs - this.#oldestMs(nowMs),
      doing: this.#turns.current?.kind ?? null,
      children: this.#children?.tree(nowMs) ?? [],
    };
  }

  #oldestMs(nowMs: number): number {
    const atHandMs = this.#turns.current?.envelope?.atMs ?? this.#turns.current?.beganMs ?? nowMs;
    return Math.min(nowMs, atHandMs, this.#inbox.oldestMs ?? nowMs);
  }

  // What the context offers

  async spawn(behavior: AnyBehavior, name: string, args: unknown, options: SpawnOptions): Promise<AnyRef> {
    const { mode = "transient", ...limits } = options;
    if (this.#state === "stopping") throw new Fault("SHUTTING_DOWN", `${name} is not started: its parent ${this.address} is stopping.`);
    this.#children ??= this.#newSupervisor();
    const children = this.#children;
    const child = new Cell({ core: this.#core, overseer: children, parent: this.self, behavior, name, args, limits });
    await this.#waiting(child, () => children.add(child, mode));
    return child.self;
  }

  /** Who waits for a child's start or stop cannot answer it meanwhile: the caller chain must know (TRAPS 14). */
  async #waiting(target: Waiter, run: () => Promise<void>): Promise<void> {
    const { turn } = this.#core;
    const wait = { target };
    if (turn !== null) {
      turn.waits ??= new Set();
      turn.waits.add(wait);
    }
    try {
      await this.#core.outside(run);
    } finally {
      turn?.waits?.delete(wait);
    }
  }

  #newSupervisor(): Supervisor {
    const incarnation = this.incarnation;
    const supervision = this.#options.behavior.supervision ?? DEFAULT_SUPERVISION;
    const escalated = (escalation: Escalation): void => {
      if (incarnation === this.incarnation) this.#crash("(escalated)", escalation, false);
    };
    return new Supervisor({ supervision, ports: this.#core.ports, escalated, planted: (defect) => this.#core.planted(defect) });
  }

  async stopChild(ref: AnyRef): Promise<void> {
    const child = ActorRef.addresseeOf(ref);
    if (child.deaths.isGone) return;
    const children = this.#children;
    if (!(child instanceof Cell) || children === null || child.#options.overseer !== children) {
      throw new Error(`${this.address} cannot stop ${ref.address}, which is no child of it. Tell that actor, or its parent, instead.`);
    }
    await this.#waiting(child, () => children.stopChild(child));
  }

  stopSelf(): void {
    this.#isEnding = true;
    if (this.#turns.current === null && this.#state === "running") this.#options.overseer.ended(this, this.incarnation);
  }

  watch(ref: AnyRef): void {
    if (this.#options.behavior.terminated === undefined) {
      throw new Error(`${this.address} watches ${ref.address}, but its behavior has no \`terminated\` to hear of its end. Add one.`);
    }
    const { deaths } = ActorRef.addresseeOf(ref);
    this.#watching ??= new Set();
    if (this.#watching.has(deaths)) return;
    this.#watching.add(deaths);
    deaths.add(this);
  }

  unwatch(ref: AnyRef): void {
    const { deaths } = ActorRef.addresseeOf(ref);
    this.#watching?.delete(deaths);
    deaths.remove(this);
  }

  terminated(watch: DeathWatch, signal: Terminated): void {
    this.#signals.push({ kind: "terminated", watch, signal });
    this.#wake();
  }

  setReceiveTimeout(ms: number | null): void {
    if (this.#options.behavior.receiveTimeout === undefined) {
      throw new Error(`${this.address} sets a receive timeout, but its behavior has no \`receiveTimeout\` to hear of it. Add one.`);
    }
    this.#receiveTimeout ??= new ReceiveTimeout(this.#core.ports, () => this.#receiveTimedOut());
    this.#receiveTimeout.set(ms);
  }

  /** Not while a message is at hand or waits: then the actor is slow, not idle. */
  #receiveTimedOut(): void {
    if (this.#turns.current !== null || this.#hasWork || this.#state !== "running") return;
    this.#signals.push({ kind: "receive-timeout" });
    this.#wake();
  }

  become(handlers: Readonly<Record<string, AnyHandler>> | null): void {
    this.#handlers = handlers ?? this.#options.behavior.receive;
  }

  stash(): Stashed {
    const turn = this.#turns.current;
    if (turn?.envelope == null || this.#core.turn !== turn) throw new Error(`${this.address} has no message at hand that it could stash.`);
    if (!turn.isStashed && !this.#inbox.stash(turn.envelope)) this.#stashFull(turn.envelope);
    turn.isStashed = true;
    return STASHED;
  }

  #stashFull({ kind, ask }: Envelope): void {
    if (ask === null) this.#deadLetter(kind, "stash-full");
    ask?.answer(
      refusal("MAILBOX_FULL", `${this.address} has put ${this.#limits.stashMax} messages aside, as many as may; nothing was done.`),
    );
  }

  unstashAll(): void {
    this.#inbox.unstashAll();
    this.#wake();
  }

  *waitsFor(): Iterable<Waiter> {
    for (const { target } of this.#turns.current?.waits ?? []) yield target;
  }

  #deadLetter(kind: string, reason: DeadLetterReason): void {
    this.#core.deadLetters.add({ to: this.address, kind, reason, atMs: this.nowMs() });
  }
}

const STASHED: Stashed = { kind: "stashed" };
/** The longest delay that Node's timers know. */
const ASK_MS_MAX = 2 ** 31 - 1;

/** A handler's answer as it travels; its types were checked where it was written. */
function answerOf(handled: unknown): Answer<unknown> {
  if (typeof handled !== "object" || handled === null || !("kind" in handled)) return { ok: true, value: undefined };
  const made = handled as { kind: string; value?: unknown; code?: Refusal["code"]; detail?: string };
  if (made.kind === "reject" && made.code !== undefined) return refusal(made.code, made.detail ?? "");
  return { ok: true, value: made.value };
}
