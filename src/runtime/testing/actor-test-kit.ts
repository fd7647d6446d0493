import { ActorSystem, type ActorSystemOptions } from "../actor/actor-system.ts";
import type { AnyHandler, Behavior, BodyOf, Protocol, Ref, ReplyOf } from "../actor/behavior.ts";
import { reply } from "../kernel/decision.ts";
import type { CrashReport, GivenUp, SupervisionPorts } from "../supervision/supervision-ports.ts";
import { Random } from "./random.ts";
import { VirtualClock } from "./virtual-clock.ts";

/** Rounds without rest after which something must be spinning, and steps of time after which a promise will not settle. */
const ROUNDS_MAX = 2_000;
const STEPS_MAX = 100_000;

/**
 * An actor system in virtual time: time stands still until the test moves it, turns are given in order, random numbers come from a seed. The
 * same test gives the same run. Handlers may await asks, timers of the system and resolved promises; not disks and sockets, which the
 * kit cannot wait for.
 */
export class ActorTestKit implements AsyncDisposable {
  readonly clock = new VirtualClock(0);
  /** Every crash that was reported, in order. */
  readonly crashes: CrashReport[] = [];
  readonly givenUp: GivenUp[] = [];
  readonly ports: SupervisionPorts;
  readonly #soon: Array<() => void> = [];
  #system: ActorSystem | null = null;

  constructor(seed = 1) {
    const random = new Random(seed);
    this.ports = {
      nowMs: () => this.clock.nowMs,
      after: (delayMs, run) => this.clock.timer(delayMs, run),
      soon: (run) => void this.#soon.push(run),
      random: () => random.next(),
      crashed: (report) => void this.crashes.push(report),
      gaveUp: (what) => void this.givenUp.push(what),
    };
  }

  /** A kit whose system has started. @throws as `ActorSystem.start`. */
  static async start(options: Omit<ActorSystemOptions, "ports"> & { readonly seed?: number } = {}): Promise<ActorTestKit> {
    const kit = new ActorTestKit(options.seed);
    kit.#system = await kit.run(ActorSystem.start({ ...options, ports: kit.ports }));
    return kit;
  }

  /** @throws Error before the start. */
  get system(): ActorSystem {
    if (this.#system === null) throw new Error("This kit has no system; make it by ActorTestKit.start().");
    return this.#system;
  }

  /** Lets everything happen that can happen at this instant. @throws Error when it does not come to rest: something spins. */
  async settle(): Promise<void> {
    for (let rounds = 0; rounds < ROUNDS_MAX; rounds++) {
      await microtasks();
      const due = this.#soon.splice(0);
      if (due.length === 0) return;
      for (const run of due) run();
    }
    throw new Error(`The actors did not come to rest in ${ROUNDS_MAX} rounds of one instant: something spins.`);
  }

  /** Lets time pass, with everything that happens meanwhile. */
  async advance(ms: number): Promise<void> {
    const endMs = this.clock.nowMs + ms;
    await this.settle();
    for (let nextMs = this.clock.nextAtMs; nextMs !== null && nextMs <= endMs; nextMs = this.clock.nextAtMs) {
      this.clock.step();
      await this.settle();
    }
    this.clock.passTo(endMs);
  }

  /** Lets time pass until the promise has settled. @throws what it rejects with; Error when nothing that is left can settle it. */
  async run<Value>(promise: Promise<Value>): Promise<Value> {
    let isSettled = false;
    promise.then(
      () => {
        isSettled = true;
      },
      () => {
        isSettled = true;
      },
    );
    await this.settle();
    for (let steps = 0; !isSettled; steps++) {
      if (steps >= STEPS_MAX || !this.clock.step()) throw new Error("Nothing is left that could settle this: it waits without a deadline.");
      await this.settle();
    }
    return await promise;
  }

  /** An actor that keeps what it gets. `answers` makes the replies, from the body; without one the reply is undefined. */
  async probe<P extends Protocol<P>>(name: string, answers: ProbeAnswers<P>): Promise<Probe<P>> {
    const received: Array<Received<P>> = [];
    const receive: Record<string, AnyHandler> = {};
    for (const [kind, answer] of Object.entries(answers) as Array<[keyof P & string, (body: never) => unknown]>) {
      receive[kind] = (_context: never, _state: never, body: never) => {
        received.push({ kind, body } as Received<P>);
        return reply(answer(body));
      };
    }
    const behavior = { type: "probe", started: () => null, receive } as unknown as Behavior<P, null, undefined>;
    const ref = await this.run(this.system.spawn(behavior, name, undefined));
    return { ref, received };
  }

  /** Stops the system; @throws Error when a timer is left: it would keep a process alive. */
  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#system === null) return;
    await this.run(this.#system.stop(1_000));
    if (this.clock.nextAtMs !== null) throw new Error(`The system has stopped and left a timer for ${this.clock.nextAtMs} ms.`);
  }
}

/** How a probe answers each kind it takes: `{ ping: () => undefined, get: () => 42 }`. */
export type ProbeAnswers<P> = { readonly [Kind in keyof P]: (body: BodyOf<P[Kind]>) => ReplyOf<P[Kind]> | undefined };
export type Received<P> = { readonly [Kind in keyof P]: { readonly kind: Kind; readonly body: BodyOf<P[Kind]> } }[keyof P];
export interface Probe<P> {
  readonly ref: Ref<P>;
  /** In the order of handling. */
  readonly received: ReadonlyArray<Received<P>>;
}

/** All microtasks that are waiting, and those that they make, run before the next turn of the event loop. */
const microtasks = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));
