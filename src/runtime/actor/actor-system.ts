import { Fault } from "../kernel/fault.ts";
import type { DeadLetter } from "../mailbox/dead-letters.ts";
import type { Overseer, TreeNode } from "../supervision/child.ts";
import type { Terminated } from "../supervision/death-watch.ts";
import { Escalation } from "../supervision/escalation.ts";
import type { PlantedDefect } from "../supervision/planted-defect.ts";
import { type Crash, DEFAULT_SUPERVISION, type Directive, type Supervision } from "../supervision/supervision.ts";
import type { SupervisionPorts } from "../supervision/supervision-ports.ts";
import { ActorCore } from "./actor-core.ts";
import { ActorRef } from "./actor-ref.ts";
import type { AnyBehavior, AnyRef, Behavior, Ref, SpawnOptions } from "./behavior.ts";
import type { ChildSpec } from "./child-spec.ts";
import { SupervisorChild } from "./supervisor-child.ts";

export interface ActorSystemOptions {
  readonly ports: SupervisionPorts;
  /** Children of the root `/`, started in order. */
  readonly children?: readonly ChildSpec[];
  /** The root's policy for them. */
  readonly supervision?: Supervision;
  /** For asks without a timeout of their own; 5 s when absent. */
  readonly askMsDefault?: number;
  /** Dead letters kept for inspection; all are counted. 1,000 when absent. */
  readonly deadLettersMax?: number;
  readonly plantedDefect?: PlantedDefect | null;
}

/** Counts since the start, for metrics. */
export interface ActorFigures {
  readonly messagesHandled: number;
  /** Refused because a mailbox was full. */
  readonly messagesRefused: number;
  /** Dropped because nobody waited any more before they were begun. */
  readonly messagesExpired: number;
  readonly deadLetters: number;
  readonly crashes: number;
  /** Turns of the scheduler: when nothing happens they stand still. */
  readonly turns: number;
}

/**
 * A tree of behavior actors, components and supervisors under the root `/`. When something escalates to the root the system stops, and `failed`
 * tells why. It must be closed; then it leaves no timer behind.
 */
export class ActorSystem implements AsyncDisposable {
  /** Resolves when a crash has escalated to the root, with what says who and why; never for an ordinary stop. */
  readonly failed: Promise<Escalation>;
  readonly #core: ActorCore;
  readonly #root: SupervisorChild;
  readonly #fail: (escalation: Escalation) => void;
  #crashes = 0;
  #stopping: Promise<void> | null = null;

  private constructor(options: ActorSystemOptions) {
    const { promise, resolve } = Promise.withResolvers<Escalation>();
    this.failed = promise;
    this.#fail = resolve;
    const { ports, children = [], supervision = DEFAULT_SUPERVISION } = options;
    const crashed: SupervisionPorts["crashed"] = (report) => {
      this.#crashes++;
      ports.crashed(report);
    };
    this.#core = new ActorCore({
      ports: { ...portsOf(ports), crashed },
      deadLettersMax: options.deadLettersMax ?? 1_000,
      askMsDefault: options.askMsDefault ?? 5_000,
      plantedDefect: options.plantedDefect ?? null,
    });
    const overseer: Overseer = { crashed: (_, incarnation, crash) => this.#rootCrashed(incarnation, crash), ended: () => undefined };
    const spec = { kind: "supervisor", name: "/", supervision, children } as const;
    this.#root = new SupervisorChild(this.#core, spec, { address: "/", overseer });
  }

  /** Starts all children. @throws what made the first of them fail; those before it have then been stopped. */
  static async start(options: ActorSystemOptions): Promise<ActorSystem> {
    const system = new ActorSystem(options);
    try {
      await system.#core.outside(() => system.#root.start(1));
    } catch (cause) {
      await system.stop();
      throw cause;
    }
    return system;
  }

  /** Starts an actor as the last child of the root. As `context.spawn`. */
  async spawn<P, State, Args>(behavior: Behavior<P, State, Args>, name: string, args: Args, options: SpawnOptions = {}): Promise<Ref<P>> {
    const { mode = "transient", ...limits } = options;
    if (this.#stopping !== null) throw new Fault("SHUTTING_DOWN", `/${name} is not started: the system is stopping.`);
    const spec = { kind: "behavior", name, mode, behavior: behavior as unknown as AnyBehavior, args, limits } as const;
    const child = await this.#core.outside(() => this.#root.add(spec));
    return new ActorRef(child) as unknown as Ref<P>;
  }

  /** Starts a child of the root as the last one: it is the first to be stopped. @throws what made it fail, when it was given up. */
  async add(spec: ChildSpec): Promise<void> {
    if (this.#stopping !== null) throw new Fault("SHUTTING_DOWN", `/${spec.name} is not started: the system is stopping.`);
    await this.#core.outside(() => this.#root.add(spec));
  }

  /** Resolves when it has ended for good; at once if it has. */
  async watch(ref: AnyRef): Promise<Terminated> {
    const { deaths } = ActorRef.addresseeOf(ref);
    return await new Promise((resolve) => deaths.add({ terminated: (_, signal) => resolve(signal) }));
  }

  /** What there is, as it is at this moment. Disturbs nobody; costs time in proportion to the tree. */
  tree(): TreeNode {
    const state = this.#stopping === null ? "running" : "stopping";
    return { address: "/", type: "supervisor", state, restarts: 0, ...this.#root.look(this.#core.ports.nowMs()) };
  }

  /**
   * What a readiness check should name, one sentence each, empty when all is well: whoever has had a message for longer than `ageMsMax`,
   * however alive it looks (TRAPS 23), and whoever is not running.
   */
  unhealthy(ageMsMax: number): readonly string[] {
    return unhealthyIn(this.tree(), ageMsMax);
  }

  get deadLetters(): readonly DeadLetter[] {
    return this.#core.deadLetters.newest;
  }

  figures(): ActorFigures {
    const { messagesHandled, messagesRefused, messagesExpired, deadLetters, scheduler } = this.#core;
    return {
      messagesHandled,
      messagesRefused,
      messagesExpired,
      deadLetters: deadLetters.count,
      crashes: this.#crashes,
      turns: scheduler.turns,
    };
  }

  /** Stops everything in reverse order of its start. What has not ended after `msMax` is given up and named (`gaveUp`). */
  async stop(msMax: number = Number.POSITIVE_INFINITY): Promise<void> {
    this.#core.isStopping = true;
    this.#stopping ??= this.#core.outside(() => this.#root.stop(this.#core.ports.nowMs() + msMax)).then(() => this.#root.gone(null));
    await this.#stopping;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.stop();
  }

  #rootCrashed(incarnation: number, crash: Crash): Directive {
    this.#core.ports.crashed({ ...crash, incarnation, directive: "stop", delayMs: null });
    const { cause } = crash;
    this.#fail(cause instanceof Escalation ? cause : new Escalation("/", "it crashed", cause));
    void this.stop();
    return "stop";
  }
}

const portsOf = (ports: SupervisionPorts): SupervisionPorts => ({
  nowMs: () => ports.nowMs(),
  after: (delayMs, run) => ports.after(delayMs, run),
  soon: (run) => ports.soon(run),
  random: () => ports.random(),
  crashed: (report) => ports.crashed(report),
  gaveUp: (what) => ports.gaveUp(what),
});

function unhealthyIn(node: TreeNode, ageMsMax: number): readonly string[] {
  const { address, type, state, restarts, oldestMessageMs, doing, mailbox, children } = node;
  const below = children.flatMap((child) => unhealthyIn(child, ageMsMax));
  const found: string[] = [];
  if (state !== "running") found.push(`${address} (${type}) is ${state}, after ${restarts} restarts.`);
  if (oldestMessageMs > ageMsMax) {
    const at = doing === null ? "handling nothing" : `handling ${doing}`;
    found.push(`${address} (${type}) has had a message for ${Math.round(oldestMessageMs)} ms; it is ${at}, ${mailbox} wait.`);
  }
  return [...found, ...below];
}
