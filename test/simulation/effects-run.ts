/**
 * One seed of effects that leave: couriers whose parcels go to an upstream that fails, through the real domains and the real performer, while threads,
 * the process and the performer die at the boundaries of an effect's life, and whatever else a simulation brings. In the end every effect is
 * over, each entity has had one answer for each, and the upstream has seen no key that the journal does not know.
 */
import {
  DEFAULT_BREAKER,
  type Entry,
  type FromPerformer,
  type LostAttempt,
  type OpenedEffect,
  type PerformEffect,
  Performer,
  type PortDefinition,
} from "../../src/runtime/index.ts";
import {
  type ClientCommand,
  type Operation,
  type Random,
  runSimulation,
  type Scenario,
  type SimulatedBug,
  type SimulatedPerformer,
  type Simulation,
  type SimulationResult,
  type SimulationStage,
} from "../../src/runtime/testing/index.ts";
import { courier, type Heard } from "../support/effects-module.ts";
import { type ParcelMode, SimulatedUpstream } from "./simulated-upstream.ts";

/** Where in the life of an effect something dies. */
export const BOUNDARIES = [
  "before its opening commits",
  "after its opening committed",
  "before the call",
  "during the call",
  "after the result",
  "before its outcome commits",
  "after its outcome committed",
] as const;
export type Boundary = (typeof BOUNDARIES)[number];

/** Rules that a run breaks on purpose, to prove that it notices; the last two are broken by the performer of the run itself. */
export const EFFECTS_BUGS = ["perform-before-commit", "fence-ignored", "key-by-attempt", "outcome-forgotten"] as const;
export type EffectsBug = (typeof EFFECTS_BUGS)[number];

export interface EffectsRunOptions {
  readonly seed: number;
  /** Commands of clients; most of them open an effect. */
  readonly operationsCount: number;
  readonly bug: EffectsBug | null;
}
export interface EffectsRunResult extends SimulationResult {
  readonly effects: number;
  readonly calls: number;
  /** Calls of a key beyond its first. */
  readonly repeats: number;
  readonly deadLetters: number;
  readonly replays: number;
  /** Deaths by boundary. */
  readonly deaths: Readonly<Record<Boundary, number>>;
}

const PORTS = ["parcels", "notices", "sums"] as const;
const STORE = "store";

export function runEffects({ seed, operationsCount, bug }: EffectsRunOptions): EffectsRunResult {
  const scenarios: EffectsScenario[] = [];
  const result = runSimulation({
    seed,
    operationsCount,
    definitions: [courier as never],
    scenario: (stage) => {
      const scenario = new EffectsScenario({ stage, operationsCount, bug });
      scenarios.push(scenario);
      return scenario;
    },
    performer: {
      ports: new Set(PORTS),
      start: (simulation) => {
        const [scenario] = scenarios;
        if (scenario === undefined) throw new Error("the performer starts before the scenario");
        return scenario.startPerformer(simulation);
      },
    },
    bug: bug === "key-by-attempt" || bug === "outcome-forgotten" ? null : (bug satisfies SimulatedBug | null),
  });
  const [scenario] = scenarios;
  if (scenario === undefined) throw new Error("the run had no scenario");
  return { ...result, ...scenario.figures() };
}

interface Death {
  readonly boundary: Boundary;
  /** It comes when the boundary was reached so often. */
  readonly at: number;
  readonly who: "shard" | "process" | "performer";
}

class EffectsScenario implements Scenario {
  readonly #stage: SimulationStage;
  readonly #random: Random;
  readonly #operationsCount: number;
  readonly #bug: EffectsBug | null;
  readonly #upstream: SimulatedUpstream;
  readonly #ports: readonly PortDefinition[];
  readonly #deathsDue: Death[];
  readonly #reached = new Map<Boundary, number>();
  readonly #deaths = Object.fromEntries(BOUNDARIES.map((boundary) => [boundary, 0])) as Record<Boundary, number>;
  /** Effects that leave, from the entry that opened them on. */
  readonly #opened = new Map<string, { readonly name: string; readonly mode: ParcelMode; readonly isAnswered: boolean }>();
  readonly #over = new Set<string>();
  /** Ended by the entity or by a person. */
  readonly #given = new Set<string>();
  readonly #forgotten = new Set<string>();
  #deadLetters = 0;
  #replays = 0;
  #simulation: Simulation | null = null;
  /** By id: attempts that have begun and are not settled. */
  readonly #underWay = new Map<string, number>();
  #lost: readonly LostAttempt[] = [];
  #told = 0;
  #count = 0;

  constructor(options: { readonly stage: SimulationStage; readonly operationsCount: number; readonly bug: EffectsBug | null }) {
    this.#stage = options.stage;
    this.#random = options.stage.random;
    this.#operationsCount = options.operationsCount;
    this.#bug = options.bug;
    this.#upstream = new SimulatedUpstream(this.#random.fork());
    this.#ports = portsOf(this.#random);
    this.#deathsDue = deathsOf(this.#random);
  }

  // The clients --------------------------------------------------------------------------------------------------------------------

  next(operations: readonly Operation[]): ClientCommand {
    const random = this.#random;
    const id = `command-${++this.#count}`;
    if (operations.length > 10 && random.chance(0.1)) {
      const { to, body } = random.pick(operations).command;
      const { name } = body as { readonly name: string };
      this.#forgotten.add(name);
      return { to, command: "forget", body: { name }, id };
    }
    const mode = random.pick<ParcelMode>(["ok", "ok", "ok", "ok", "ok", "ok", "poison", "refuse"]);
    const command = random.pick(["send", "send", "notice", "compute"]);
    return { to: `courier/${random.between(1, 20)}`, command, body: { name: `parcel-${this.#count}`, mode }, id };
  }

  readonly look = () => ({ command: "get", body: {} });

  /** When all have been told, the upstream is well, and what is left must end. */
  told(): void {
    if (++this.#told === this.#operationsCount) this.#upstream.isHealed = true;
  }

  // The journal --------------------------------------------------------------------------------------------------------------------

  submitted(entries: readonly Entry[]): void {
    this.#look(entries, "before its opening commits", "before its outcome commits");
  }

  committed(entries: readonly Entry[]): void {
    for (const { opens = [], deadEffects = [], replays = [] } of entries) {
      this.#deadLetters += deadEffects.length;
      this.#replays += replays.length;
      for (const effect of opens) if (isOutside(effect)) this.#openedBy(effect);
    }
    for (const { closes = [] } of entries) for (const id of closes) if (this.#opened.has(id)) this.#over.add(id);
    this.#look(entries, "after its opening committed", "after its outcome committed");
  }

  #openedBy({ id, body, answerTo }: OpenedEffect): void {
    const { name, mode } = body as { readonly name: string; readonly mode: ParcelMode };
    this.#opened.set(id, { name, mode, isAnswered: answerTo !== undefined });
  }

  #look(entries: readonly Entry[], opening: Boundary, outcome: Boundary): void {
    for (const { shard, opens = [], closes = [], attempts = [], deadEffects = [] } of entries) {
      if (opens.some(isOutside)) this.#reach(opening, shard);
      if (attempts.length + deadEffects.length > 0 || closes.some((id) => this.#opened.has(id))) this.#reach(outcome, shard);
    }
  }

  #reach(boundary: Boundary, shard: number): void {
    const count = (this.#reached.get(boundary) ?? 0) + 1;
    this.#reached.set(boundary, count);
    const at = this.#deathsDue.findIndex((death) => death.boundary === boundary && death.at <= count);
    const [death] = at < 0 ? [] : this.#deathsDue.splice(at, 1);
    if (death === undefined || this.#simulation === null) return;
    this.#deaths[boundary]++;
    if (death.who === "shard") this.#simulation.inject({ kind: "crash-now", thread: shard });
    else this.#simulation.inject({ kind: death.who === "process" ? "process-crash" : "performer-crash" });
  }

  // The performer, the upstream and the operator -----------------------------------------------------------------------------------

  startPerformer(simulation: Simulation): SimulatedPerformer {
    if (this.#simulation === null) {
      simulation.clock.after(OPERATOR_MS, () => this.#operate(simulation));
      // A thread with as many open effects as it may have takes no commands: with small limits nobody would ever be told.
      simulation.clock.after(HEALED_MS, () => {
        this.#upstream.isHealed = true;
      });
    }
    this.#simulation = simulation;
    const performer = new Performer({
      lost: this.#lost,
      storeId: STORE,
      definitions: this.#ports,
      ports: {
        monotonicMs: () => simulation.clock.nowMs,
        wallMs: () => simulation.clock.wallMs(),
        random: () => this.#random.next(),
        timer: (delayMs, run) => simulation.clock.timer(delayMs, run),
        begin: (_port, request, settle) => {
          const { id, attempt } = request;
          const settled: typeof settle = (result) => {
            this.#underWay.delete(id);
            settle(result);
          };
          const shard = Number(id.slice(0, id.indexOf(".")));
          this.#checkCall(id);
          this.#underWay.set(id, attempt);
          const key = this.#bug === "key-by-attempt" ? `${request.key}.${attempt}` : request.key;
          const abort = this.#upstream.call(
            simulation,
            { ...request, key },
            { settle: settled, during: () => this.#reach("during the call", shard), told: () => this.#reach("after the result", shard) },
          );
          // Not from inside: a performer that dies has begun the attempt.
          simulation.clock.after(0, () => this.#reach("before the call", shard));
          return () => {
            this.#underWay.delete(id);
            abort();
          };
        },
        unknownPort: (name) => this.#stage.tell(`an effect was handed out for the port ${name}, which there never was`),
      },
    });
    return {
      perform: (effect: PerformEffect, tell: (outcome: FromPerformer) => void) =>
        performer.perform(effect, (outcome) => {
          const isForgotten = this.#bug === "outcome-forgotten" && outcome.outcome.kind === "done" && this.#random.chance(0.1);
          if (!isForgotten) tell(outcome);
        }),
      cancel: (ids) => performer.cancel(ids),
      credit: (credits) => performer.credit(credits),
      close: () => {
        // P4: its successor is told what was under way, or nothing when all of the process ended.
        const lost = this.#random.chance(0.7) ? [...this.#underWay] : [];
        this.#lost = lost.map(([id, attempt]) => ({ id, attempt, error: "its thread ended", isPoison: this.#random.chance(0.1) }));
        performer.close();
      },
    };
  }

  #checkCall(id: string): void {
    const effect = this.#opened.get(id);
    if (effect === undefined) return this.#stage.tell(`${id} was called before its opening was in the journal (L2)`);
    // What an entity or a person ended may have been on its way.
    if (this.#over.has(id) && !this.#given.has(id) && !this.#forgotten.has(effect.name)) {
      this.#stage.tell(`${id} was called after its outcome was in the journal`);
    }
  }

  /** A person who now and then looks at the dead letters, and drops some; when the upstream is well, all are replayed. */
  #operate(simulation: Simulation): void {
    for (const shard of simulation.process?.shards ?? []) {
      const dead = shard.isGone ? [] : (shard.domain?.effectLooks({ after: null, limit: 100, state: "dead" }) ?? []);
      for (const { id } of dead) {
        if (this.#upstream.isHealed || this.#random.chance(0.1)) shard.resolve(id, "replay");
        else if (this.#random.chance(0.02)) {
          this.#given.add(id);
          shard.resolve(id, "drop");
        }
      }
    }
    simulation.clock.after(OPERATOR_MS, () => this.#operate(simulation));
  }

  // The end ------------------------------------------------------------------------------------------------------------------------

  ended(): void {
    const answers = new Map<string, Heard>();
    for (const [, { effects }] of this.#stage.journal.states(courier)) {
      for (const [id, heard] of Object.entries(effects)) answers.set(id, heard);
    }
    for (const [id, { name, mode, isAnswered }] of this.#opened) {
      const isDone = this.#upstream.done.has(`${STORE}.${id}`);
      const isGiven = this.#given.has(id) || this.#forgotten.has(name);
      const { answers: count = 0, last = "" } = answers.get(id) ?? {};
      if (!this.#over.has(id)) this.#stage.tell(`${id} (${name}) is not over`);
      if (mode === "refuse" && isDone) this.#stage.tell(`${id} (${name}) was refused and carried out`);
      if (isAnswered && !isGiven && count !== 1) this.#stage.tell(`${name} was answered ${count} times`);
      if (isAnswered && count > 1) this.#stage.tell(`${name} was answered ${count} times`);
      if (isAnswered && last === "ok" && !isDone) this.#stage.tell(`${name} was told to be done and was not (${id})`);
      if (!isAnswered && mode !== "refuse" && !isGiven && !isDone) this.#stage.tell(`${id} (${name}) is over and was not carried out`);
    }
    for (const key of this.#upstream.calls.keys()) {
      if (!this.#opened.has(key.slice(STORE.length + 1)))
        this.#stage.tell(`the upstream was called with ${key}, which the journal does not know`);
    }
  }

  figures(): Omit<EffectsRunResult, keyof SimulationResult> {
    const calls = [...this.#upstream.calls.values()].reduce((sum, count) => sum + count, 0);
    return {
      effects: this.#opened.size,
      calls,
      repeats: calls - this.#upstream.calls.size,
      deadLetters: this.#deadLetters,
      replays: this.#replays,
      deaths: this.#deaths,
    };
  }
}

const OPERATOR_MS = 100;
const HEALED_MS = 3_000;
const isOutside = ({ kind }: OpenedEffect): boolean => kind === "call" || kind === "compute" || kind === "publish";

/** Ports that are narrow, wide, impatient or without a breaker; notices soon become dead letters. */
function portsOf(random: Random): readonly PortDefinition[] {
  return PORTS.map((name) => ({
    name,
    kind: name === "sums" ? "compute" : "call",
    perform: () => null,
    policy: {
      attemptMsMax: random.pick([40, 80, 1_000]),
      attemptsMax: name === "notices" ? 2 : random.pick([4, 20]),
      deadlineMs: random.pick([null, null, 20_000]),
      backoffMsMin: random.pick([1, 20]),
      backoffMsMax: random.pick([100, 1_000]),
      concurrencyMax: random.pick([1, 2, 20]),
      queueMax: random.pick([0, 3, 100]),
      breaker: random.pick([null, { ...DEFAULT_BREAKER, openMs: random.pick([20, 300]) }]),
    },
  }));
}

/** One death at each boundary, sooner or later. */
function deathsOf(random: Random): Death[] {
  return BOUNDARIES.map((boundary) => ({
    boundary,
    at: random.between(1, 25),
    who: random.pick(["shard", "process", "performer"] as const),
  }));
}
