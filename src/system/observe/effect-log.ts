/**
 * What goes wrong with effects, a line each, for the thread that performs them: a dead letter at level error, what its port refused for good at level warn,
 * an attempt that failed and is made again at level debug. Fields are an allow-list: of a body only `subjectOf` (TRAPS 46). `error` is what the port said of it, in its words.
 */
import type { FromPerformer, PerformEffect } from "../../runtime/index.ts";
import { subjectOf } from "./effect-subject.ts";
import { idsOf } from "./hop-log.ts";
import type { Log, LogLevel } from "./log.ts";

type Failing = Pick<Log, "debug" | "warn" | "error">;

export class EffectLog {
  readonly #log: Failing;

  constructor(log: Failing) {
    this.#log = log;
  }

  /** Takes everything that is told of an effect. `attempts` counts those that were made. */
  told(effect: PerformEffect, outcome: FromPerformer["outcome"]): void {
    switch (outcome.kind) {
      case "dead": {
        const { attempts, code, error } = outcome;
        return this.#log.error({ ...shown(effect), attempts, code, error }, DEAD);
      }
      case "refused": {
        const { code, detail: error } = outcome;
        const fields = { ...shown(effect), attempts: effect.attempt, code, error };
        if (effect.keepsDead === true) return this.#log.error(fields, DEAD);
        return this.#log.warn(fields, "an effect was refused for good by its port");
      }
      case "failed": {
        const { error, afterMs } = outcome;
        return this.#log.debug({ ...shown(effect), attempts: effect.attempt, error, afterMs }, "an attempt failed and is made again");
      }
      default: // It goes well, or waits.
    }
  }
}

/**
 * The log of a thread that seldom writes a line: the logger is loaded by the first one, because that takes 50 ms or more of every start. What is written while
 * it loads comes after it, in order; a thread that ends in that moment leaves no line, and the journal has the dead letter all the same.
 */
export function lateLog(level: LogLevel): Failing {
  let opening: Promise<Log> | null = null;
  const line =
    (name: keyof Failing) =>
    (fields: object, text: string): void => {
      opening ??= import("./log.ts").then(({ openLog }) => openLog(level));
      void opening.then((log) => log[name](fields, text));
    };
  const isDebugged = level === "debug" || level === "trace";
  return { debug: isDebugged ? line("debug") : () => undefined, warn: line("warn"), error: line("error") };
}

const DEAD = "an effect is a dead letter";

/** The trace, whether it is sampled or not: a line of trouble is no client's choice. */
const shown = (effect: PerformEffect): object => {
  const { id, kind, to, command, from, trace } = effect;
  return {
    effect: id,
    kind,
    port: to,
    doing: command,
    actor: from,
    ...subjectOf(effect),
    ...(trace === undefined ? {} : idsOf(trace)),
  };
};
