import type { Answer } from "../kernel/decision.ts";
import type { Child, ChildLook, Overseer } from "../supervision/child.ts";
import type { Component, ComponentContext, ComponentLimits, RunningComponent } from "../supervision/component.ts";
import type { Deadlines, Expirable } from "../supervision/deadlines.ts";
import { DeathWatch } from "../supervision/death-watch.ts";
import type { SupervisionPorts } from "../supervision/supervision-ports.ts";
import type { Addressee } from "./actor-ref.ts";
import { refusal } from "./pending-ask.ts";

/** A component as a child of a supervisor: bounds its start and stop, and tells of its end. */
export class ComponentChild implements Child, Addressee {
  readonly name: string;
  readonly address: string;
  readonly deaths: DeathWatch;
  /** It takes no messages, but can be watched like any other. */
  readonly kinds: readonly string[] = [];
  readonly #options: ComponentChildOptions;
  #running: RunningComponent | null = null;
  #incarnation = 0;
  #abort = new AbortController();
  #isStopping = false;
  #startDeadline: Expirable | null = null;
  /** A start that was given up and may still bring something into being; it is then stopped at once. */
  #late: Promise<unknown> | null = null;

  constructor(options: ComponentChildOptions) {
    this.#options = options;
    this.name = options.name;
    this.address = options.address;
    this.deaths = new DeathWatch(options.address);
  }

  get type(): string {
    return this.#options.component.type;
  }

  async start(incarnation: number): Promise<void> {
    const { component, limits, ports } = this.#options;
    this.#incarnation = incarnation;
    this.#abort = new AbortController();
    this.#isStopping = false;
    const starting = startOf(component, { address: this.address, incarnation, signal: this.#abort.signal });
    const late = Symbol("late");
    const beganMs = ports.nowMs();
    const running = await this.#orLate(starting, limits.startMsMax, late, (deadline) => {
      this.#startDeadline = deadline;
    });
    this.#startDeadline = null;
    if (running === late) {
      this.#abort.abort();
      this.#late = starting.then((made) => made.stop()).catch(() => undefined);
      throw new Error(`${this.address} had not started after ${ports.nowMs() - beganMs} ms`);
    }
    this.#running = running;
    running.ended.then(
      (cause) => this.#ended(running, cause),
      (cause) => this.#ended(running, cause),
    );
  }

  cancelStart(byMs: number): void {
    const { limits, deadlines, ports } = this.#options;
    this.#abort.abort();
    if (this.#startDeadline !== null) deadlines.add(this.#startDeadline, Math.min(byMs, ports.nowMs() + limits.stopMsMax));
  }

  async stop(byMs: number): Promise<boolean> {
    const { limits, ports, overseer } = this.#options;
    this.#isStopping = true;
    const limitMs = Math.min(limits.stopMsMax, Math.max(0, byMs - ports.nowMs()));
    const late = Symbol("late");
    const stopping = this.#late ?? this.#running?.stop() ?? Promise.resolve();
    this.#running = null;
    try {
      if ((await this.#orLate(stopping, limitMs, late)) !== late) {
        this.#late = null;
        return true;
      }
    } catch (cause) {
      // What could not be stopped may still be there.
      overseer.crashed(this, this.#incarnation, { address: this.address, doing: "(stopped)", cause }, false);
      return false;
    }
    ports.gaveUp({ address: this.address, doing: "(stopped)", waitedMs: limitMs });
    return false;
  }

  gone(cause: unknown): void {
    this.deaths.gone(cause);
  }

  look(): ChildLook {
    return { mailbox: 0, refused: 0, oldestMessageMs: this.#running?.oldestMessageMs?.() ?? 0, doing: null, children: [] };
  }

  tell(): boolean {
    return false;
  }
  async ask(): Promise<Answer<unknown>> {
    return refusal("not_found", `${this.address} is a component, which takes no messages.`);
  }

  #ended(running: RunningComponent, cause: unknown): void {
    if (this.#running !== running || this.#isStopping) return; // Its stop is under way: this is the end that was asked for.
    this.#running = null;
    const { overseer } = this.#options;
    if (cause === null || cause === undefined) overseer.ended(this, this.#incarnation);
    else overseer.crashed(this, this.#incarnation, { address: this.address, doing: "(running)", cause }, false);
  }

  #orLate<Value, Late>(
    promise: Promise<Value>,
    msMax: number,
    late: Late,
    withDeadline?: (deadline: Expirable) => void,
  ): Promise<Value | Late> {
    const { deadlines, ports } = this.#options;
    return new Promise((resolve, reject) => {
      const deadline: Expirable = { bucket: null, expired: () => resolve(late) };
      deadlines.add(deadline, ports.nowMs() + msMax);
      withDeadline?.(deadline);
      promise.then(resolve, reject).finally(() => deadlines.remove(deadline));
    });
  }
}

export interface ComponentChildOptions {
  readonly name: string;
  readonly address: string;
  readonly component: Component;
  readonly limits: ComponentLimits;
  readonly overseer: Overseer;
  readonly deadlines: Deadlines;
  readonly ports: SupervisionPorts;
}

/** A start that throws at once is a start that rejects. */
const startOf = async (component: Component, context: ComponentContext): Promise<RunningComponent> => component.start(context);
