import { Performer } from "../effects/performer.ts";
import type { AttemptResult } from "../effects/performer-ports.ts";
import type { PortDefinition, PortRequest } from "../effects/port-definition.ts";
import { failureOf, type PortFailure } from "../effects/port-failure.ts";
import type { ProgressLine } from "../effects/progress-line.ts";
import type { Json } from "../kernel/json.ts";
import type { SimulatedPerformer } from "./simulated-shard.ts";
import type { Simulation } from "./simulation.ts";

/** A port of the test's own. The real performer treats it as its policy says; an attempt is not awaited: how it will go is said when it begins. */
export interface KitPort extends Pick<PortDefinition, "name" | "kind" | "policy"> {
  readonly attempt: (request: PortRequest) => KitAnswer;
}

/** It takes so many milliseconds, tells what it tells evenly within them (a port that does not wait for room is refused), and ends with the answer or failure. */
export interface KitAnswer {
  readonly ms: number;
  readonly tells?: readonly Json[];
  readonly end: { readonly answer: Json } | { readonly failure: PortFailure };
}

/** Who performs outside effects in a kit with these ports. */
export const kitPerformer = (ports: readonly KitPort[]) => ({
  ports: new Set(ports.map(({ name }) => name)),
  start: (simulation: Simulation): SimulatedPerformer => startPerformer(ports, simulation),
});

function startPerformer(ports: readonly KitPort[], simulation: Simulation): SimulatedPerformer {
  const { clock, violations } = simulation;
  const attempts = new Map(ports.map(({ name, attempt }) => [name, attempt]));
  const random = simulation.random.fork();
  return new Performer({
    storeId: "kit",
    definitions: ports.map((port) => ({ ...port, perform: notCalled })),
    ports: {
      monotonicMs: () => clock.nowMs,
      wallMs: () => clock.wallMs(),
      random: () => random.next(),
      timer: (delayMs, run) => clock.timer(delayMs, run),
      begin: ({ name }, request, settle, progress) => {
        const attempt = attempts.get(name)?.(request);
        if (attempt === undefined) throw new Error(`the kit has no port ${name}`);
        const stops = tellMeanwhile(attempt, progress, simulation);
        stops.push(clock.timer(attempt.ms, () => settle(resultOf(attempt, clock.wallMs()))));
        return () => {
          for (const stop of stops) stop();
        };
      },
      unknownPort: (name) => violations.push(`an effect is for the port ${name}, which the kit does not have`),
    },
  });
}

/** Returns what calls each of them off. */
function tellMeanwhile({ ms, tells = [] }: KitAnswer, progress: ProgressLine | null, { clock, violations }: Simulation): Array<() => void> {
  if (progress === null) return [];
  return tells.map((value, at) =>
    clock.timer((ms * (at + 1)) / (tells.length + 1), () => {
      if (progress.offer(value) === null) violations.push("a port of the kit tells more than may wait for its entity");
    }),
  );
}

const resultOf = ({ end }: KitAnswer, nowMs: number): AttemptResult =>
  "answer" in end ? { kind: "done", value: end.answer } : { kind: "failed", failure: failureOf(end.failure, nowMs) };

const notCalled = (): never => {
  throw new Error("a port of the kit is not performed");
};
