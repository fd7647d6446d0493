/**
 * One seed of effects that tell while they go on: stories told piece by piece through the real domains and the real performer, while threads, the process
 * and the performer die in the middle of them, clients stop them, and a person replays and drops dead letters. What an entity heard of an attempt
 * comes from one run of it, from the first piece on and without a gap; the end comes from the run whose pieces came last, and nothing after it.
 */
import {
  accept,
  DEFAULT_BREAKER,
  defineEntity,
  type Entry,
  type FromPerformer,
  type Json,
  type PerformEffect,
  Performer,
  type PortDefinition,
  type PortRequest,
  type ProgressLine,
  reply,
} from "../../src/runtime/index.ts";
import {
  type ClientCommand,
  commandOf,
  type Operation,
  type Random,
  runSimulation,
  type Scenario,
  type SimulatedPerformer,
  type Simulation,
  type SimulationResult,
  type SimulationStage,
} from "../../src/runtime/testing/index.ts";
import { any } from "../runtime/shard/domain-bench.ts";

interface Piece {
  readonly run: number;
  readonly index: number;
}
type StoryEvent =
  | { readonly kind: "begun"; readonly by: string }
  | ({ readonly kind: "heard"; readonly attempt: number } & Piece)
  | { readonly kind: "ended"; readonly text: string; readonly run: number | null };
interface StoryState {
  readonly by: string;
  readonly heard: number;
  readonly end: string | null;
}

const story = defineEntity({
  type: "story",
  version: 1,
  commands: {
    read: { body: any<{ readonly count: number; readonly isKept: boolean }>(), reply: any<string>() },
    stop: { body: any<object>(), reply: any<null>(), repeats: "recorded" },
    get: { body: any<object>(), reply: any<StoryState>() },
  },
  events: {
    begun: any<{ readonly kind: "begun"; readonly by: string }>(),
    heard: any<{ readonly kind: "heard"; readonly attempt: number } & Piece>(),
    ended: any<{ readonly kind: "ended"; readonly text: string; readonly run: number | null }>(),
  },
  initial: (): StoryState => ({ by: "", heard: 0, end: null }),
  decide: {
    read: (state, { count, isKept }, { id }) => {
      if (state.end !== null) return reply(state.end);
      if (state.by !== "") return accept<StoryEvent, string>([], { isAnsweredLater: true });
      const effect = { kind: "call", to: "stories", command: "tell", body: { count }, label: "story", answerTo: "ended" } as const;
      return accept<StoryEvent, string>([{ kind: "begun", by: id }], {
        isAnsweredLater: true,
        effects: [{ ...effect, progressTo: "piece", ...(isKept ? { keepsDead: true as const } : {}) }],
      });
    },
    stop: ({ by, end }) =>
      end !== null || by === ""
        ? reply(null)
        : accept<StoryEvent, null>([{ kind: "ended", text: "stopped", run: null }], {
            reply: null,
            cancels: ["story"],
            settles: [{ id: by, value: "stopped" }],
          }),
    get: (state) => reply(state),
  },
  progress: {
    piece: (_state, value, { attempt = 0 }) => accept<StoryEvent>([{ kind: "heard", attempt, ...(value as unknown as Piece) }]),
  },
  answers: {
    ended: ({ by }, answer) => {
      const text = answer.ok ? "the end" : answer.code;
      const run = answer.ok ? Number(answer.value) : null;
      return accept<StoryEvent>([{ kind: "ended", text, run }], { settles: [{ id: by, value: text }] });
    },
  },
  evolve: {
    begun: (state, { by }) => ({ ...state, by }),
    heard: (state) => ({ ...state, heard: state.heard + 1 }),
    ended: (state, { text }) => ({ ...state, end: text }),
  },
  snapshot: { encode: (state) => state as unknown as Json, decode: (json) => json as unknown as StoryState },
});

/** Rules that the run's own performer breaks, to prove that the run notices. */
export const PROGRESS_BUGS = ["progress-forgotten", "run-continued"] as const;
export type ProgressBug = (typeof PROGRESS_BUGS)[number];

export interface ProgressRunResult extends SimulationResult {
  readonly pieces: number;
  readonly runs: number;
  /** Runs of which something was heard and whose story was then told from the beginning. */
  readonly begunAnew: number;
  readonly replays: number;
}

export function runProgress(options: {
  readonly seed: number;
  readonly operationsCount: number;
  readonly bug: ProgressBug | null;
}): ProgressRunResult {
  const { seed, operationsCount, bug } = options;
  const scenarios: ProgressScenario[] = [];
  const result = runSimulation({
    seed,
    operationsCount,
    definitions: [story as never],
    scenario: (stage) => {
      const scenario = new ProgressScenario({ stage, operationsCount, bug });
      scenarios.push(scenario);
      return scenario;
    },
    performer: {
      ports: new Set(["stories"]),
      start: (simulation) => {
        const [scenario] = scenarios;
        if (scenario === undefined) throw new Error("the performer starts before the scenario");
        return scenario.startPerformer(simulation);
      },
    },
  });
  return { ...result, ...(scenarios[0]?.figures ?? { pieces: 0, runs: 0, begunAnew: 0, replays: 0 }) };
}

/** What is known of a story from the journal. */
interface Told {
  readonly count: number;
  attempt: number;
  run: number;
  index: number;
  isOver: boolean;
}

class ProgressScenario implements Scenario {
  readonly figures = { pieces: 0, runs: 0, begunAnew: 0, replays: 0 };
  readonly #stage: SimulationStage;
  readonly #random: Random;
  readonly #bug: ProgressBug | null;
  readonly #operationsCount: number;
  readonly #told = new Map<string, Told>();
  /** Runs under way, by effect. */
  readonly #running = new Map<string, number>();
  readonly #port: PortDefinition;
  #isHealed = false;
  #isOperating = false;
  #deathsLeft = DEATHS_MAX;
  #toldCount = 0;
  #count = 0;

  constructor(options: { readonly stage: SimulationStage; readonly operationsCount: number; readonly bug: ProgressBug | null }) {
    this.#stage = options.stage;
    this.#random = options.stage.random;
    this.#operationsCount = options.operationsCount;
    this.#bug = options.bug;
    this.#port = portOf(this.#random);
  }

  next(operations: readonly Operation[]): ClientCommand {
    const random = this.#random;
    const id = `command-${++this.#count}`;
    if (operations.length > 5 && random.chance(0.15)) {
      return commandOf(story, { to: random.pick(operations).command.to.slice("story/".length), command: "stop", body: {}, id });
    }
    return commandOf(story, { to: id, command: "read", body: { count: random.between(0, 6), isKept: random.chance(0.5) }, id });
  }

  readonly look = () => ({ command: "get", body: {} });

  told(): void {
    if (++this.#toldCount === this.#operationsCount) this.#isHealed = true;
  }

  // The journal --------------------------------------------------------------------------------------------------------------------

  committed(entries: readonly Entry[]): void {
    for (const { entity, events = [], opens = [], closes = [], replays = [] } of entries) {
      for (const { body } of opens) {
        this.#told.set(entity, { count: (body as { readonly count: number }).count, attempt: 0, run: 0, index: -1, isOver: false });
      }
      for (const event of events as unknown as readonly StoryEvent[]) this.#event(entity, event);
      const told = this.#told.get(entity);
      if (told === undefined) continue;
      if (closes.length > 0) told.isOver = true;
      if (replays.length > 0) {
        this.figures.replays++;
        Object.assign(told, { attempt: 0, run: 0, index: -1 });
      }
    }
  }

  #event(entity: string, event: StoryEvent): void {
    const told = this.#told.get(entity);
    // Opened and over in one group: nothing was ever told (E2).
    if (told === undefined) return event.kind === "heard" ? this.#stage.tell(`${entity} heard of what nobody opened`) : undefined;
    if (event.kind === "heard") this.#heard(entity, told, event);
    else if (event.kind === "ended") {
      const isWhole = told.count === 0 || (told.run === event.run && told.index === told.count - 1);
      if (event.run !== null && !isWhole) {
        this.#stage.tell(`${entity} ended by run ${event.run} after piece ${told.index} of run ${told.run}, of ${told.count}`);
      }
      told.isOver = true;
    }
  }

  #heard(entity: string, told: Told, { attempt, run, index }: { readonly attempt: number } & Piece): void {
    this.figures.pieces++;
    const what = `${entity} heard piece ${index} of run ${run}, attempt ${attempt},`;
    if (told.isOver) this.#stage.tell(`${what} after the end (L7)`);
    if (attempt === told.attempt) {
      if (run !== told.run || index !== told.index + 1) this.#stage.tell(`${what} after piece ${told.index} of run ${told.run} (X4)`);
    } else {
      if (attempt < told.attempt || index !== 0) this.#stage.tell(`${what} after attempt ${told.attempt} (X4)`);
      if (told.attempt > 0) this.figures.begunAnew++;
    }
    Object.assign(told, { attempt, run, index });
  }

  // The performer, the port and the operator ---------------------------------------------------------------------------------------

  startPerformer(simulation: Simulation): SimulatedPerformer {
    if (!this.#isOperating) {
      this.#isOperating = true;
      simulation.clock.after(HEALED_MS, () => {
        this.#isHealed = true;
      });
      simulation.clock.after(OPERATOR_MS, () => this.#operate(simulation));
    }
    const performer = new Performer({
      storeId: "store",
      definitions: [this.#port],
      ports: {
        monotonicMs: () => simulation.clock.nowMs,
        wallMs: () => simulation.clock.wallMs(),
        random: () => this.#random.next(),
        timer: (delayMs, run) => simulation.clock.timer(delayMs, run),
        begin: (_port, request, settle, line) => this.#run(simulation, request, { line, end: (run) => settle(resultOf(run)) }),
        unknownPort: (name) => this.#stage.tell(`an effect was handed out for the port ${name}, which there never was`),
      },
    });
    const latest = new Map<string, (outcome: FromPerformer) => void>();
    return {
      perform: (effect: PerformEffect, tell) => {
        const isContinued = this.#bug === "run-continued" && this.#running.has(effect.id) && latest.has(effect.id);
        latest.set(effect.id, tell);
        if (isContinued) return;
        performer.perform(effect, (outcome) => {
          const isForgotten = this.#bug === "progress-forgotten" && outcome.outcome.kind === "progress" && this.#random.chance(0.1);
          if (!isForgotten) (this.#bug === "run-continued" ? latest.get(effect.id) : tell)?.(outcome);
        });
      },
      cancel: (ids) => performer.cancel(ids),
      credit: (credits) => performer.credit(credits),
      close: () => performer.close(),
    };
  }

  /** Tells its pieces one after the other; some runs fail or hang on the way. The result calls it off. */
  #run(
    simulation: Simulation,
    { id, body, from }: PortRequest,
    { line, end }: { readonly line: ProgressLine | null; readonly end: (run: number | null) => void },
  ): () => void {
    const random = this.#random;
    const run = ++this.figures.runs;
    if (!this.#told.has(from)) this.#stage.tell(`${id} is performed before its opening is in the journal (L2)`);
    if (this.#running.has(id)) this.#stage.tell(`${id} has two runs at a time (P1)`);
    this.#running.set(id, run);
    const { count } = body as { readonly count: number };
    const way = this.#isHealed ? "ends" : random.pick(["ends", "ends", "ends", "fails", "hangs"]);
    const pieces = way === "ends" ? count : random.between(0, count);
    const stepMs = random.next() * 15;
    const stops = Array.from({ length: pieces }, (_, index) =>
      simulation.clock.timer(stepMs * (index + 1), () => {
        void line?.offer({ run, index });
        if (random.chance(0.03)) this.#die(simulation, Number(id.slice(0, id.indexOf("."))));
      }),
    );
    const isOver = (): void => {
      if (this.#running.get(id) === run) this.#running.delete(id);
    };
    if (way !== "hangs") {
      const ended = (): void => {
        isOver();
        end(way === "ends" ? run : null);
      };
      stops.push(simulation.clock.timer(stepMs * (pieces + 1), ended));
    }
    return () => {
      isOver();
      for (const stop of stops) stop();
    };
  }

  /** Not from inside the port. */
  #die(simulation: Simulation, thread: number): void {
    if (this.#isHealed || this.#deathsLeft-- <= 0) return;
    const fault = this.#random.pick([
      { kind: "crash-now", thread },
      { kind: "crash-now", thread },
      { kind: "performer-crash" },
      { kind: "process-crash" },
    ] as const);
    simulation.clock.after(this.#random.next() * 5, () => simulation.inject(fault));
  }

  #operate(simulation: Simulation): void {
    for (const shard of simulation.process?.shards ?? []) {
      const dead = shard.isGone ? [] : (shard.domain?.effectLooks({ after: null, limit: 100, state: "dead" }) ?? []);
      for (const { id } of dead) {
        if (this.#isHealed || this.#random.chance(0.3)) shard.resolve(id, "replay");
        else if (this.#random.chance(0.05)) shard.resolve(id, "drop");
      }
    }
    simulation.clock.after(OPERATOR_MS, () => this.#operate(simulation));
  }

  ended(): void {
    for (const [entity, { isOver }] of this.#told) if (!isOver) this.#stage.tell(`${entity} is not over`);
  }
}

const resultOf = (run: number | null) =>
  run === null
    ? ({
        kind: "failed",
        failure: { error: "it broke off", status: 500, isRetryable: true, retryAfterMs: null, code: "UPSTREAM_BAD_RESPONSE" },
      } as const)
    : ({ kind: "done", value: run } as const);

const portOf = (random: Random): PortDefinition => ({
  name: "stories",
  kind: "call",
  perform: () => null,
  policy: {
    attemptMsMax: random.pick([60, 200]),
    attemptsMax: random.pick([2, 4]),
    deadlineMs: null,
    backoffMsMin: random.pick([1, 20]),
    backoffMsMax: random.pick([100, 500]),
    concurrencyMax: random.pick([1, 4, 20]),
    queueMax: random.pick([0, 3, 100]),
    breaker: random.pick([null, { ...DEFAULT_BREAKER, openMs: random.pick([20, 300]) }]),
  },
});

const DEATHS_MAX = 8;
const OPERATOR_MS = 100;
const HEALED_MS = 3_000;
