/**
 * A part of the system with a lifecycle that is no behavior actor: a thread, a listener, a connection. `start` is called once an incarnation
 * and makes a new running part each time; when it rejects, or its `signal` is aborted, it has cleaned up after itself.
 */
export interface Component {
  /** For people: `shard-thread`, `http-listener`. */
  readonly type: string;
  start(context: ComponentContext): Promise<RunningComponent>;
}
export interface ComponentContext {
  readonly address: string;
  /** 1 at the first start. */
  readonly incarnation: number;
  /** Aborted when the start should be given up. */
  readonly signal: AbortSignal;
}

/**
 * What a start made. `stop` ends it in any case, by force if need be, and resolves when nothing of it is left. `ended` resolves when nothing
 * of it is left, whoever ended it: with null when it ended as it should, else with the cause (as a rejection does). A thread resolves it at
 * its exit, not at its error: its successor must not run beside it.
 */
export interface RunningComponent {
  stop(): Promise<void>;
  readonly ended: Promise<unknown>;
  /** Age of the oldest work it has accepted and not finished, for inspection. Called often: no side effects, no waiting. */
  oldestMessageMs?(): number;
}

export interface ComponentLimits {
  readonly startMsMax: number;
  readonly stopMsMax: number;
}
export const DEFAULT_COMPONENT_LIMITS: ComponentLimits = { startMsMax: 60_000, stopMsMax: 10_000 };
