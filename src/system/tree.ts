/**
 * The service as a tree of parts, as data (DESIGN 4.6): who is started beside whom, stopped in which order, and brought back how often.
 * `docs/architecture.md` shows it; `troupe tree` looks at the one that runs.
 *
 * P1. Every part comes back by itself. The parts of one node are independent, or wait for each other in their start (`ShardThreads`).
 * P2. A part that ends more often than its policy allows ends the node: what outlives so many restarts is not transient.
 * P3. A node that is being started is refused at once by a part that does not start: whoever started it must hear why, not wait for retries.
 */
import type { ChildSpec, Component, Crash, Directive, RestartPolicy, Supervision, SupervisorSpec } from "../runtime/index.ts";
import { Escalation } from "../runtime/index.ts";
import { JournalThreadEnded } from "./threads/shard-threads.ts";

export interface TreeParts {
  readonly journal: Component;
  readonly checkpoint: Component;
  readonly views: Component;
  /** Null when no events leave. */
  readonly outbox: Component | null;
  /** Null when nothing performs effects. */
  readonly effects: Component | null;
  /** By thread number. */
  readonly shards: readonly Component[];
}

/** A part did not start while its node was being started (P3). */
export class StartRefused extends Error {
  constructor(cause: unknown) {
    super(`the start was refused: ${String(cause)}`, { cause });
    this.name = "StartRefused";
  }
}

/** 10 restarts a minute: a thread that ends in an endless loop at each start reaches that, although each takes `threads.heartbeatMs` to be noticed. */
export const SYSTEM_RESTART: RestartPolicy = { restartsMax: 10, windowMs: 60_000, backoffMsMin: 5, backoffMsMax: 2_000, jitterRatio: 0.2 };
/** Commands wait for a shard thread: it comes back sooner, and its deaths count for half the time. */
export const SHARD_RESTART: RestartPolicy = { restartsMax: 10, windowMs: 30_000, backoffMsMin: 10, backoffMsMax: 1_000, jitterRatio: 0.2 };
/** What is served does not need it: with these rests it never comes to so many, so it never ends the node. */
export const OUTBOX_RESTART: RestartPolicy = {
  restartsMax: 1_000,
  windowMs: 600_000,
  backoffMsMin: 100,
  backoffMsMax: 30_000,
  jitterRatio: 0.2,
};

/** What escalated below has had its restarts there (P2); a refused start is nobody's to repeat (P3). */
const decide = ({ cause }: Crash): Directive => (cause instanceof Escalation || cause instanceof StartRefused ? "escalate" : "restart");
const oneForOne = (restart: RestartPolicy): Supervision => ({ strategy: "one-for-one", restart, decide });

/** The journal thread's death ends all shard threads, and is counted there; each of them would rest longer for every one of these deaths. */
const SHARD_SUPERVISION: Supervision = { ...oneForOne(SHARD_RESTART), counts: ({ cause }) => !(cause instanceof JournalThreadEnded) };

export const ROOT_SUPERVISION = oneForOne(SYSTEM_RESTART);

/** The threads of a node. Stopped in reverse: effects, shard threads, outbox, views, checkpoint, journal. */
export function systemSpec({ journal, checkpoint, views, outbox, shards, effects }: TreeParts): SupervisorSpec {
  const children: readonly ChildSpec[] = [
    threadSpec("journal", journal),
    threadSpec("checkpoint", checkpoint),
    threadSpec("views", views),
    ...(outbox === null ? [] : [outboxSpec(outbox)]), // Stopped after the shard threads: their last events leave too.
    {
      kind: "supervisor",
      name: "shards",
      supervision: SHARD_SUPERVISION,
      startsTogether: true,
      children: shards.map((shard, thread) => threadSpec(String(thread), shard)),
    },
    ...(effects === null ? [] : [threadSpec("effects", effects)]),
  ];
  return { kind: "supervisor", name: "system", supervision: oneForOne(SYSTEM_RESTART), startsTogether: true, children };
}

const outboxSpec = (outbox: Component): SupervisorSpec => ({
  kind: "supervisor",
  name: "outbox",
  supervision: oneForOne(OUTBOX_RESTART),
  children: [threadSpec("thread", outbox)],
});

/** The doors: started when the node runs, stopped before it. */
export function ingressSpec(http: Component, nats: Component | null): SupervisorSpec {
  const limits = { startMsMax: LISTEN_MS_MAX, stopMsMax: LISTENER_STOP_MS_MAX };
  const door = (name: string, component: Component): ChildSpec => ({ kind: "component", name, component, limits });
  const children = [door("http", http), ...(nats === null ? [] : [door("nats", nats)])];
  return { kind: "supervisor", name: "ingress", supervision: oneForOne(SYSTEM_RESTART), children };
}

/** The same component, whose failure to start is a refusal as long as `isRefusing` says so (P3). */
export function refusingStart(component: Component, isRefusing: () => boolean): Component {
  return {
    type: component.type,
    start: async (context) => {
      try {
        return await component.start(context);
      } catch (cause) {
        throw isRefusing() ? new StartRefused(cause) : cause;
      }
    },
  };
}

/** What a refused start or an escalation was about in the end. */
export function firstCause(cause: unknown): unknown {
  let first = cause;
  while (first instanceof Escalation || first instanceof StartRefused) first = first.cause;
  return first;
}

/** A thread that recovers may take its time, as long as its heartbeat shows that it gets on. */
const threadSpec = (name: string, component: Component): ChildSpec => ({
  kind: "component",
  name,
  component,
  limits: { startMsMax: Number.POSITIVE_INFINITY, stopMsMax: THREAD_STOP_MS_MAX },
});

/** More than a thread gets to close its file before it is ended. */
const THREAD_STOP_MS_MAX = 10_000;
const LISTEN_MS_MAX = 10_000;
const LISTENER_STOP_MS_MAX = 5_000;
