import type { AnyBehavior, AnyHandler, AnyRef, SpawnOptions, Stashed } from "./behavior.ts";

/** What a context does is done by its actor. */
export interface ContextOwner {
  readonly address: string;
  readonly self: AnyRef;
  readonly parent: AnyRef;
  readonly incarnation: number;
  readonly isLiving: boolean;
  readonly signal: AbortSignal;
  nowMs(): number;
  spawn(behavior: AnyBehavior, name: string, args: unknown, options: SpawnOptions): Promise<AnyRef>;
  stopChild(child: AnyRef): Promise<void>;
  stopSelf(): void;
  watch(ref: AnyRef): void;
  unwatch(ref: AnyRef): void;
  setReceiveTimeout(ms: number | null): void;
  become(handlers: Readonly<Record<string, AnyHandler>> | null): void;
  stash(): Stashed;
  unstashAll(): void;
}

/**
 * One incarnation's hold on its actor; `Context` gives it its types. A handler that was given up keeps its context, which then refuses: the
 * old incarnation must not act beside the new one (TRAPS 18).
 */
export class ActorContext {
  readonly incarnation: number;
  /** Taken now: the next incarnation has a signal of its own. */
  readonly #signal: () => AbortSignal;
  readonly #owner: ContextOwner;

  constructor(owner: ContextOwner, signal: () => AbortSignal) {
    this.#owner = owner;
    this.#signal = signal;
    this.incarnation = owner.incarnation;
  }

  get self(): AnyRef {
    return this.#owner.self;
  }
  get parent(): AnyRef {
    return this.#owner.parent;
  }
  get signal(): AbortSignal {
    return this.#signal();
  }
  nowMs(): number {
    return this.#owner.nowMs();
  }
  async spawn(behavior: AnyBehavior, name: string, args: unknown, options: SpawnOptions = {}): Promise<AnyRef> {
    return await this.#living().spawn(behavior, name, args, options);
  }
  async stop(child: AnyRef): Promise<void> {
    await this.#living().stopChild(child);
  }
  stopSelf(): void {
    this.#living().stopSelf();
  }
  watch(ref: AnyRef): void {
    this.#living().watch(ref);
  }
  unwatch(ref: AnyRef): void {
    this.#living().unwatch(ref);
  }
  setReceiveTimeout(ms: number | null): void {
    this.#living().setReceiveTimeout(ms);
  }
  become(handlers: Readonly<Record<string, AnyHandler>>): void {
    this.#living().become(handlers);
  }
  unbecome(): void {
    this.#living().become(null);
  }
  stash(): Stashed {
    return this.#living().stash();
  }
  unstashAll(): void {
    this.#living().unstashAll();
  }

  #living(): ContextOwner {
    if (this.#owner.incarnation === this.incarnation && this.#owner.isLiving) return this.#owner;
    throw new Error(
      `This context belongs to incarnation ${this.incarnation} of ${this.#owner.address}, which has ended: it can do nothing more.`,
    );
  }
}
