/**
 * Effects to one port, performed as a node performs them: the runtime's performer, real attempts over HTTP, and after each failure the rest that it
 * told, in virtual time or in real time.
 */
import { type EffectOutcome, type Json, Performer, type PerformerPorts, type PortDefinition } from "../../src/runtime/index.ts";
import { Random, VirtualClock } from "../../src/runtime/testing/index.ts";
import { attempt } from "../../src/system/effects/attempt.ts";

export interface Told {
  readonly outcome: EffectOutcome;
  readonly attempt: number;
  /** When it was told, by the clock. */
  readonly atMs: number;
}

type Clock = Pick<PerformerPorts, "monotonicMs" | "wallMs" | "timer">;

export class AiAttempts {
  /** Null when time is real. */
  readonly clock: VirtualClock | null;
  readonly performer: Performer;
  readonly #port: PortDefinition;
  readonly #time: Clock;
  /** Attempts of which the outcome is still to come: until then virtual time stands still. */
  #running = 0;
  #count = 0;

  /** `random`: what jitter is drawn from; of the seed 1 when absent. */
  constructor(port: PortDefinition, options: { readonly isVirtual: boolean; readonly random?: () => number }) {
    const source = new Random(1);
    this.clock = options.isVirtual ? new VirtualClock(Date.UTC(2026, 0, 1)) : null;
    this.#port = port;
    this.#time = this.clock === null ? realTime : virtualTime(this.clock);
    this.performer = new Performer({
      storeId: "store",
      definitions: [port],
      ports: {
        ...this.#time,
        random: options.random ?? (() => source.next()),
        begin: (definition, request, settle, line) => {
          const controller = new AbortController();
          this.#running++;
          void attempt(definition, request, controller, line).then((result) => {
            this.#running--;
            settle(result);
          });
          return (why) => controller.abort(why);
        },
        unknownPort: () => undefined,
      },
    });
  }

  /** One effect to its end: every outcome, the last one being done, refused or dead. */
  async run(body: Json): Promise<readonly Told[]> {
    const id = `0.0.${this.#count++}.0`;
    const openedAt = this.#time.wallMs();
    const told: Told[] = [];
    for (let number = 1; ; ) {
      const outcome = await new Promise<EffectOutcome>((resolve) => {
        const effect = {
          id,
          kind: "call",
          to: this.#port.name,
          command: "reply",
          body,
          from: "conversation/c",
          attempt: number,
          openedAt,
        } as const;
        this.performer.perform(effect, ({ outcome: end }) => {
          if (end.kind !== "progress") resolve(end);
        });
      });
      told.push({ outcome, attempt: number, atMs: this.#time.monotonicMs() });
      if (outcome.kind !== "failed" && outcome.kind !== "postponed") return told;
      if (outcome.kind === "failed") number++;
      await new Promise<void>((resolve) => void this.#time.timer(outcome.afterMs, resolve));
    }
  }

  /** Lets virtual time pass from one timer to the next while nothing is under way in real time, until the work is done. */
  async through<Value>(work: Promise<Value>): Promise<Value> {
    let isDone = false;
    const end = work.finally(() => {
      isDone = true;
    });
    while (!isDone) {
      await new Promise((resolve) => setImmediate(resolve));
      if (this.#running === 0 && !isDone) this.#pass();
    }
    return await end;
  }

  /** Everything of the next instant, so that what is due together begins together. */
  #pass(): void {
    this.clock?.step();
    while (this.clock !== null && this.clock.nextAtMs === this.clock.nowMs) this.clock.step();
  }
}

const virtualTime = (clock: VirtualClock): Clock => ({
  monotonicMs: () => clock.nowMs,
  wallMs: () => clock.wallMs(),
  timer: (delayMs, run) => clock.timer(delayMs, run),
});
const realTime: Clock = {
  monotonicMs: () => performance.now(),
  wallMs: Date.now,
  timer: (delayMs, run) => {
    const timer = setTimeout(run, delayMs);
    return () => clearTimeout(timer);
  },
};
