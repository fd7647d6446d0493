/** Composition root of the effects thread: performs the effects that leave the runtime, for all shard threads. */
import { type MessagePort, parentPort, threadId, workerData } from "node:worker_threads";
import {
  type BreakerState,
  type BulkheadFigures,
  type FromPerformer,
  Performer,
  type PortDefinition,
  type PortTold,
  policyOf,
  type ToPerformer,
  unreachable,
} from "../runtime/index.ts";
import { attempt } from "./effects/attempt.ts";
import { type AttemptMemory, AttemptNotes } from "./effects/attempt-notes.ts";
import { ConversationPorts, type ConversationPortsOptions } from "./effects/conversation-ports.ts";
import type { LossesBefore } from "./effects/lost-attempts.ts";
import { OutcomePort } from "./effects/outcome-port.ts";
import { loadModules } from "./loaded-modules.ts";
import { EffectLog, lateLog } from "./observe/effect-log.ts";
import { type HopLog, openHopLog } from "./observe/hop-log.ts";
import type { LogLevel } from "./observe/log.ts";
import { LoopLag } from "./observe/loop-lag.ts";
import { type Measure, measure, type TakenMeasures } from "./observe/measure.ts";
import type { PoolTask, PoolWorkerData } from "./pool-task.ts";
import { TaskPool } from "./pools/task-pool.ts";
import { exposeControl } from "./threads/control.ts";
import { Heartbeat } from "./threads/heartbeat.ts";
import { moduleUrl } from "./threads/module-url.ts";

export interface EffectsWorkerData {
  /** URLs of modules whose `ports` there are. */
  readonly modules: readonly string[];
  readonly pool: { readonly threads: number; readonly queueMax: number; readonly taskMsMax: number; readonly heapMiBMax: number };
  readonly conversations: ConversationPortsOptions;
  /** Gets `EffectsReport`s. */
  readonly reportPort: MessagePort;
  /** Of this thread alone: see `AttemptNotes`. */
  readonly attempts: AttemptMemory;
  readonly before: LossesBefore;
  readonly logLevel: LogLevel;
}

/** `unknown`: an open effect is for a port that no module defines. `changed`: how a port gets on. */
export type EffectsReport =
  | { readonly kind: "unknown"; readonly port: string }
  | { readonly kind: "changed"; readonly port: string; readonly told: PortTold };

export type EffectsControl = ReturnType<typeof controlOfEffects>;

if (parentPort === null) throw new Error("effects-worker.ts runs as a worker thread");
exposeControl(parentPort, controlOfEffects(workerData as EffectsWorkerData));

function controlOfEffects({ modules, pool: limits, conversations, reportPort, attempts, before, logLevel }: EffectsWorkerData) {
  const loaded = loadModules(modules);
  loaded.catch(() => undefined); // `start` tells of it.
  Heartbeat.ofThisThread(loaded);
  const shards = new Map<number, OutcomePort>();
  const pool = new TaskPool({
    url: moduleUrl("./pool-task", import.meta.url),
    name: "perform",
    workerData: { modules } satisfies PoolWorkerData,
    ...limits,
  });
  const builtIn = new ConversationPorts(conversations);
  const notes = new AttemptNotes(attempts);
  const lag = new LoopLag();
  const trouble = new EffectLog(lateLog(logLevel));
  let hops: HopLog | null = null;
  let started: Performer | null = null;
  const performer = (): Performer => {
    if (started === null) throw new Error("the effects thread has not started");
    return started;
  };
  const take = (message: ToPerformer, tell: (outcome: FromPerformer) => void): void => {
    switch (message.kind) {
      case "perform":
        for (const effect of message.effects) {
          hops?.performing(effect);
          performer().perform(effect, (told) => {
            tell(told);
            trouble.told(effect, told.outcome);
          });
        }
        return;
      case "cancel":
        return performer().cancel(message.ids);
      case "credit":
        return performer().credit(message.credits);
      default:
        return unreachable(message);
    }
  };
  return {
    /** Loads the modules. @throws Fault `CONFIG_INVALID` that names the one that cannot be used. */
    async start(): Promise<void> {
      const { ports } = await loaded;
      hops = await openHopLog(logLevel, "effects");
      notes.watchEnd();
      started = new Performer({
        ...before,
        storeId: conversations.meta.storeId,
        definitions: [...ports.values(), ...builtIn.definitions()].map((port) => bounded(port, limits.taskMsMax)),
        ports: {
          monotonicMs: () => performance.now(),
          wallMs: Date.now,
          random: Math.random,
          timer: (delayMs, run) => {
            const timer = setTimeout(run, delayMs);
            return () => clearTimeout(timer);
          },
          begin: (port, request, settle, progress) => {
            if (port.kind === "compute") return pool.run({ port: port.name, request } satisfies PoolTask, settle);
            const controller = new AbortController();
            const noted = { port: port.name, id: request.id, attempt: request.attempt };
            const [result, over] = notes.begin(noted, () => attempt(port, request, controller, progress));
            void result.then(settle).finally(over);
            return (why) => {
              controller.abort(why);
              over();
            };
          },
          unknownPort: (port) => reportPort.postMessage({ kind: "unknown", port } satisfies EffectsReport),
          portChanged: (port, told) => reportPort.postMessage({ kind: "changed", port, told } satisfies EffectsReport),
        },
      });
      lag.begin();
    },
    /** Takes the effects of a shard thread from the port; a port of an older incarnation is closed. */
    register(thread: number, port: MessagePort): void {
      shards.get(thread)?.close();
      const outcomes = new OutcomePort(port, take);
      shards.set(thread, outcomes);
    },
    /** Attempts under way, tasks of the pool, and what every port has done. */
    figures: () => ({ running: performer().runningCount, pool: pool.figures, ports: performer().figures(), loopLagMs: lag.recentMsMax }),
    measures: (): TakenMeasures => ({
      life: threadId,
      measures: [
        measure("pool_queue_depth", pool.figures.queued, { pool: "tasks" }),
        measure("pool_task_seconds", pool.times, { pool: "tasks" }),
        ...builtIn.measures(),
        ...breakerMeasures(started?.figures() ?? {}),
        measure("eventloop_lag_seconds", lag.lags, { thread: "effects" }),
      ],
    }),
    /** Gives the conversation a key unless it has, or had, one. Durable when it answers. @throws Fault `JOURNAL_UNAVAILABLE`. */
    makeKey: (conversation: string): Promise<void> => builtIn.makeKey(conversation),
    /** Destroys the key of a conversation whose deletion is durable; its effect does the same. @throws Fault `JOURNAL_UNAVAILABLE`: to be called again. */
    destroyKey: (conversation: string): void => builtIn.destroyKey(conversation),
    /** No attempt begins any more; answers when those under way have ended and were told. */
    async leave(): Promise<void> {
      performer().leave();
      while (performer().runningCount > 0) await new Promise((resolve) => setTimeout(resolve, LEAVE_LOOK_MS));
      for (const outcomes of shards.values()) outcomes.flush();
    },
    async close(): Promise<void> {
      started?.close();
      for (const outcomes of shards.values()) outcomes.close();
      reportPort.close();
      await pool.close();
      await builtIn.close();
    },
  };
}

/** A task that holds a thread of the pool for longer is ended, whatever its port says. */
function bounded(port: PortDefinition, taskMsMax: number): PortDefinition {
  if (port.kind !== "compute") return port;
  return { ...port, policy: { ...port.policy, attemptMsMax: Math.min(policyOf(port).attemptMsMax, taskMsMax) } };
}

/** One series for each state of each breaker, so that a rule can name the state. */
const breakerMeasures = (ports: Readonly<Record<string, BulkheadFigures>>): readonly Measure[] =>
  Object.entries(ports).flatMap(([port, { breaker }]) =>
    breaker === null ? [] : STATES.map((state) => measure("port_breaker_state", breaker === state ? 1 : 0, { port, state })),
  );
const STATES = ["closed", "open", "half-open"] as const satisfies readonly BreakerState[];

const LEAVE_LOOK_MS = 10;
