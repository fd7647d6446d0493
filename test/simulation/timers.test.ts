/** Durable timers on the simulated runtime: threads, the process, the journal and checkpoints fail, and each timer fires once, after its time. */
import { describe, expect, it } from "vitest";
import { type AnyDefinition, accept, defineEntity, type Entry, type Json, reply } from "../../src/runtime/index.ts";
import { runSimulation, type Scenario, type SimulationStage } from "../../src/runtime/testing/index.ts";
import { any } from "../runtime/shard/domain-bench.ts";

interface Rang {
  readonly kind: "rang";
  readonly label: string;
  readonly dueAt: number;
  readonly at: number;
}
type AlarmEvent =
  | Rang
  | { readonly kind: "wasSet"; readonly label: string; readonly dueAt: number }
  | { readonly kind: "unset"; readonly label: string };

const alarm = defineEntity({
  type: "alarm",
  version: 1,
  commands: {
    set: { body: any<{ readonly label: string; readonly afterMs: number }>(), reply: any<null>(), repeats: "recorded" },
    unset: { body: any<{ readonly label: string }>(), reply: any<null>(), repeats: "recorded" },
    ring: { body: any<{ readonly label: string; readonly dueAt: number }>(), reply: any<null>() },
    get: { body: any<object>(), reply: any<Json>() },
  },
  events: {
    rang: any<Rang>(),
    wasSet: any<{ readonly kind: "wasSet"; readonly label: string; readonly dueAt: number }>(),
    unset: any<{ readonly kind: "unset"; readonly label: string }>(),
  },
  initial: (): readonly string[] => [],
  decide: {
    set: (_state, { label, afterMs }, { at }) =>
      accept<AlarmEvent, null>([{ kind: "wasSet", label, dueAt: at + afterMs }], {
        reply: null,
        effects: [{ kind: "schedule", label, at: at + afterMs, command: "ring", body: { label, dueAt: at + afterMs } }],
      }),
    unset: (_state, { label }) => accept<AlarmEvent, null>([{ kind: "unset", label }], { reply: null, cancels: [label] }),
    ring: (_state, { label, dueAt }, { at }) => accept<AlarmEvent>([{ kind: "rang", label, dueAt, at }]),
    get: (state) => reply(state as unknown as Json),
  },
  evolve: {
    rang: (state, { label, dueAt }) => [...state, `${label} ${dueAt}`],
    wasSet: (state) => state,
    unset: (state) => state,
  },
  snapshot: { encode: (state) => [...state], decode: (json) => json as readonly string[] },
}) as unknown as AnyDefinition;

/** How late a timer may be at the end of a run: restarts and a slow disk included. */
const LATE_MS_MAX = 10_000;

/** What the journal says of timers, entry by entry. No look at the end: a timer may fire between a look at memory and one at a recovery. */
class TimerCheck implements Scenario {
  readonly #stage: SimulationStage;
  readonly #open = new Map<string, number>();
  #at = 0;
  fired = 0;
  #count = 0;

  constructor(stage: SimulationStage) {
    this.#stage = stage;
  }

  next() {
    const { random } = this.#stage;
    const to = `alarm/${random.between(1, 12)}`;
    const label = random.pick(["a", "b", "c"]);
    const id = `command-${++this.#count}`;
    if (random.next() < 0.2) return { to, command: "unset", body: { label }, id };
    // Some at once, most within the run, some beyond the window that memory holds.
    const afterMs = random.pick([0, 5, 50, 500, 2_000, 100_000_000]);
    return { to, command: "set", body: { label, afterMs }, id };
  }

  /** The events of an entry stand in their order: what rings must be the timer that was set last. */
  committed(entries: readonly Entry[]): void {
    for (const { entity, at, events = [], timers = [], timersOver = [] } of entries) {
      this.#at = Math.max(this.#at, at);
      for (const event of events as unknown as readonly AlarmEvent[]) {
        const key = `${entity} ${event.label}`;
        if (event.kind === "wasSet") this.#open.set(key, event.dueAt);
        else if (event.kind === "unset") this.#open.delete(key);
        else this.#rang(key, event);
      }
      for (const label of timersOver)
        if (this.#open.has(`${entity} ${label}`)) this.#stage.tell(`${entity} ${label} is over and did not ring`);
      for (const { label, at: dueAt } of timers) {
        if (this.#open.get(`${entity} ${label}`) !== dueAt)
          this.#stage.tell(`${entity} ${label} stands for ${dueAt}, which was not set last`);
      }
    }
  }

  #rang(key: string, { dueAt, at }: Rang): void {
    this.fired++;
    if (at < dueAt) this.#stage.tell(`${key} rang at ${at}, before its time ${dueAt}`);
    if (this.#open.get(key) !== dueAt) this.#stage.tell(`${key} rang for ${dueAt}; set is ${this.#open.get(key)}`);
    this.#open.delete(key);
  }

  ended(): void {
    for (const [key, dueAt] of this.#open) {
      if (dueAt + LATE_MS_MAX < this.#at) this.#stage.tell(`${key} was due at ${dueAt} and has not rung by ${this.#at}`);
    }
  }
}

describe("durable timers under faults", () => {
  it.each(Array.from({ length: 40 }, (_, i) => i + 1))("R-SYS-3, TRAPS 24: seed %i", (seed) => {
    let check: TimerCheck | null = null;
    const result = runSimulation({
      seed,
      operationsCount: 200,
      definitions: [alarm],
      scenario: (stage) => {
        check = new TimerCheck(stage);
        return check;
      },
    });
    expect(result.violations).toEqual([]);
    expect(check).not.toBeNull();
    expect((check as unknown as TimerCheck).fired).toBeGreaterThan(5);
  });
});
