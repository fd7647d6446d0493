import { AsyncLocalStorage } from "node:async_hooks";
import { DeadLetters } from "../mailbox/dead-letters.ts";
import { Deadlines } from "../supervision/deadlines.ts";
import type { PlantedDefect } from "../supervision/planted-defect.ts";
import type { SupervisionPorts } from "../supervision/supervision-ports.ts";
import type { Turn } from "./caller-chain.ts";
import { Scheduler } from "./scheduler.ts";

/** What all actors of one system share. */
export class ActorCore {
  readonly ports: SupervisionPorts;
  readonly scheduler: Scheduler;
  readonly deadlines: Deadlines;
  readonly deadLetters: DeadLetters;
  readonly askMsDefault: number;
  readonly #plantedDefect: PlantedDefect | null;
  /** Whose turn the running code belongs to, also behind an await: so an ask knows who waits without being told. */
  readonly #turns = new AsyncLocalStorage<Turn | null>();
  isStopping = false;
  messagesHandled = 0;
  messagesRefused = 0;
  messagesExpired = 0;

  constructor(options: {
    readonly ports: SupervisionPorts;
    readonly deadLettersMax: number;
    readonly askMsDefault: number;
    readonly plantedDefect: PlantedDefect | null;
  }) {
    const { ports } = options;
    this.ports = {
      nowMs: () => ports.nowMs(),
      random: () => ports.random(),
      crashed: (report) => ports.crashed(report),
      gaveUp: (what) => ports.gaveUp(what),
      after: (delayMs, run) => ports.after(delayMs, () => this.outside(run)),
      soon: (run) => ports.soon(() => this.outside(run)),
    };
    this.scheduler = new Scheduler(this.ports);
    this.deadlines = new Deadlines(this.ports);
    this.deadLetters = new DeadLetters(options.deadLettersMax);
    this.askMsDefault = options.askMsDefault;
    this.#plantedDefect = options.plantedDefect;
  }

  /** The turn that is running this code, unless it is over. A turn that was given up stays: nothing of it may leave. */
  get turn(): Turn | null {
    const turn = this.#turns.getStore() ?? null;
    return turn === null || (turn.isOver && !turn.isGivenUp) ? null : turn;
  }

  within<Value>(turn: Turn, run: () => Value): Value {
    return this.#turns.run(turn, run);
  }

  /** Runs what is not part of the turn that happens to have caused it. */
  outside<Value>(run: () => Value): Value {
    return this.#turns.run(null, run);
  }

  planted(defect: PlantedDefect): boolean {
    return this.#plantedDefect === defect;
  }
}
