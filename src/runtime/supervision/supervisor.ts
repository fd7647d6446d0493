import { Fault } from "../kernel/fault.ts";
import type { Child, ChildState, Overseer, TreeNode } from "./child.ts";
import { Escalation } from "./escalation.ts";
import { Lane } from "./lane.ts";
import type { PlantedDefect } from "./planted-defect.ts";
import { RestartWindow } from "./restart-window.ts";
import { affectedBy, assertSupervision, type Crash, type Directive, type RestartMode, type Supervision } from "./supervision.ts";
import type { Cancel, SupervisionPorts } from "./supervision-ports.ts";

export interface SupervisorOptions {
  readonly supervision: Supervision;
  readonly ports: SupervisionPorts;
  /** Crashes the owner. Called once the child has been stopped. */
  readonly escalated: (escalation: Escalation) => void;
  readonly planted: (defect: PlantedDefect) => boolean;
}

interface Entry {
  readonly child: Child;
  readonly mode: RestartMode;
  readonly window: RestartWindow;
  readonly lane: Lane;
  /** Resolves at the first start that succeeds, through back-offs if need be; rejects when the child is given up before. */
  readonly started: PromiseWithResolvers<void>;
  state: ChildState;
  incarnation: number;
  restarts: number;
  backoff: Backoff | null;
}
/** Children that wait together for one restart. */
interface Backoff {
  readonly dueMs: number;
  readonly members: Set<Entry>;
  cancel: Cancel;
}
interface Verdict {
  readonly directive: Directive;
  readonly delayMs: number | null;
  readonly why: string;
}

/**
 * The children of one parent, in the order of their start.
 *
 * V1. A crash is judged and reported at once and exactly once; what follows from it is done in order.
 * V2. Each child has a restart window and a back-off of its own. Under one-for-one it has a lane of its own too: a sibling that starts
 *     or stops slowly delays nobody (TRAPS 22).
 * V3. Those that a restart hits are stopped in reverse order, wait for the longest of their back-offs, and are started in order.
 * V4. An old incarnation is stopped before its successor starts. If it cannot be ended nor cut off, there is no successor: it escalates.
 * V5. After `stopAll` nothing starts any more, and no timer is left.
 */
export class Supervisor implements Overseer {
  readonly #options: SupervisorOptions;
  readonly #entries = new Map<string, Entry>();
  readonly #lane = new Lane();
  readonly #sharedWindow: RestartWindow;
  #isStopping = false;

  /** @throws RangeError for a policy that cannot be meant. */
  constructor(options: SupervisorOptions) {
    assertSupervision(options.supervision);
    this.#options = options;
    this.#sharedWindow = new RestartWindow(options.supervision.restart);
  }

  get count(): number {
    return this.#entries.size;
  }

  /**
   * Starts a child as the last one. Resolves when it runs, also when that took restarts. @throws Error for a name that a living sibling has;
   * Fault `SHUTTING_DOWN`; whatever made the supervisor give the child up.
   */
  async add(child: Child, mode: RestartMode): Promise<void> {
    if (this.#isStopping) throw new Fault("SHUTTING_DOWN", `${child.address} is not started: its parent is stopping.`);
    if (this.#entries.has(child.name)) {
      throw new Error(`${child.address} is not started: a living child has this name. Choose another, or stop that one first.`);
    }
    const started = Promise.withResolvers<void>();
    started.promise.catch(() => undefined); // The caller may have gone; the crash is reported in any case.
    const window = this.#planted("budget-per-parent") ? this.#sharedWindow : new RestartWindow(this.#options.supervision.restart);
    const isAlone = this.#options.supervision.strategy === "one-for-one" && !this.#planted("backoff-blocks-siblings");
    const lane = isAlone ? new Lane() : this.#lane;
    const entry: Entry = { child, mode, window, lane, started, state: "starting", incarnation: 0, restarts: 0, backoff: null };
    this.#entries.set(child.name, entry);
    this.#do(entry, () => this.#start([entry], null));
    await started.promise;
  }

  crashed(child: Child, incarnation: number, crash: Crash, canResume: boolean): Directive {
    const entry = this.#entries.get(child.name);
    const isCurrent = entry?.child === child && entry.incarnation === incarnation;
    if (isCurrent && (entry.state === "running" || entry.state === "starting")) return this.#failed(entry, crash, canResume);
    this.#report(crash, incarnation, { directive: "stop", delayMs: null, why: "it was ending already" });
    return "stop";
  }

  ended(child: Child, incarnation: number): void {
    const entry = this.#entries.get(child.name);
    if (entry?.child !== child || entry.incarnation !== incarnation) return;
    if (entry.state !== "running" && entry.state !== "starting") return;
    if (entry.mode === "permanent") {
      const cause = new Error("it ended by itself, and it is permanent");
      this.#failed(entry, { address: child.address, doing: "(ended)", cause }, false);
    } else {
      entry.state = "stopping";
      this.#do(entry, () => this.#end(entry, null, Number.POSITIVE_INFINITY));
    }
  }

  /** Ends a child for good. Resolves when it has stopped; at once when it is none of the living. */
  async stopChild(child: Child): Promise<void> {
    const entry = this.#entries.get(child.name);
    if (entry?.child !== child) return;
    this.#prepareStop(entry, Number.POSITIVE_INFINITY);
    await entry.lane.run(() => this.#end(entry, null, Number.POSITIVE_INFINITY));
  }

  /** Ends all children, the last first, at the latest at `byMs` on the clock of the ports. Nothing can be added afterwards. */
  async stopAll(byMs: number): Promise<void> {
    this.#isStopping = true;
    for (const entry of this.#entries.values()) this.#prepareStop(entry, byMs);
    for (const entry of [...this.#entries.values()].reverse()) await entry.lane.run(() => this.#end(entry, null, byMs));
  }

  tree(nowMs: number): readonly TreeNode[] {
    return [...this.#entries.values()].map(({ child, state, restarts }) => {
      const { address, type } = child;
      return { address, type, state, restarts, ...child.look(nowMs) };
    });
  }

  #prepareStop(entry: Entry, byMs: number): void {
    leaveBackoff(entry);
    if (entry.state === "starting") entry.child.cancelStart(byMs);
  }

  /** Starts those that still wait in this back-off, in order, until one fails. */
  async #start(entries: readonly Entry[], backoff: Backoff | null): Promise<void> {
    for (const entry of entries) {
      if (this.#isStopping) return;
      if (this.#entries.get(entry.child.name) !== entry || entry.backoff !== backoff) continue;
      entry.backoff = null;
      entry.state = "starting";
      entry.incarnation++;
      try {
        await entry.child.start(entry.incarnation);
      } catch (cause) {
        if (!this.#planted("zombie-start")) {
          this.#failed(entry, { address: entry.child.address, doing: "(started)", cause }, false);
          return; // The strategy hits those that are left as well.
        }
      }
      if (entry.incarnation > 1) entry.restarts++;
      if (entry.state === "starting") entry.state = "running"; // It may have crashed before we heard that it runs.
      entry.started.resolve();
    }
  }

  #failed(entry: Entry, crash: Crash, canResume: boolean): Directive {
    const verdict = this.#judge(entry, crash, canResume);
    this.#report(crash, entry.incarnation, verdict);
    if (verdict.directive === "resume") return "resume";
    entry.state = "crashed";
    const dueMs = this.#options.ports.nowMs() + (verdict.delayMs ?? 0);
    if (verdict.directive === "restart") this.#do(entry, () => this.#restart(entry, dueMs, crash.cause));
    else if (verdict.directive === "stop") this.#do(entry, () => this.#stop(entry, crash.cause));
    else this.#do(entry, () => this.#escalate(entry, verdict.why, crash.cause));
    return verdict.directive;
  }

  #judge(entry: Entry, crash: Crash, canResume: boolean): Verdict {
    const { supervision, ports } = this.#options;
    let directive: Directive;
    let counts: boolean;
    try {
      directive = supervision.decide?.(crash) ?? "restart";
      counts = supervision.counts?.(crash) ?? true;
    } catch (cause) {
      return { directive: "escalate", delayMs: null, why: `its supervisor could not decide (${String(cause)})` };
    }
    if (this.#isStopping) directive = "stop";
    if (directive === "resume" && !canResume) directive = "restart";
    if (directive === "restart" && entry.mode === "temporary") directive = "stop";
    if (directive !== "restart") return { directive, delayMs: null, why: "its supervisor decided so" };
    const random = ports.random();
    const delayMs = counts ? entry.window.crashed(ports.nowMs(), random) : entry.window.uncounted(random);
    if (delayMs !== null) return { directive, delayMs: this.#planted("respawn-without-backoff") ? 0 : delayMs, why: "" };
    if (this.#planted("respawn-without-cap")) return { directive, delayMs: supervision.restart.backoffMsMax, why: "" };
    const { restartsMax, windowMs } = supervision.restart;
    return { directive: "escalate", delayMs: null, why: `it crashed more than ${restartsMax} times within ${windowMs} ms` };
  }

  async #restart(crashed: Entry, crashDueMs: number, cause: unknown): Promise<void> {
    let dueMs = crashDueMs;
    const group = this.#group(crashed);
    for (const entry of [...group].reverse()) {
      // A sibling that waits already keeps its back-off: the crash of another is no reason to come back sooner.
      if (entry.backoff !== null) dueMs = Math.max(dueMs, entry.backoff.dueMs);
      leaveBackoff(entry);
      if (!(await this.#halt(entry, Number.POSITIVE_INFINITY))) {
        return this.#escalate(entry, "it did not end, and a second one must not run beside it", cause);
      }
    }
    if (this.#isStopping || group.length === 0) return;
    const delayMs = Math.max(0, dueMs - this.#options.ports.nowMs());
    if (this.#planted("backoff-blocks-siblings")) {
      await new Promise<void>((resolve) => this.#options.ports.after(delayMs, resolve));
      return this.#start(group, null);
    }
    const backoff: Backoff = { dueMs, members: new Set(group), cancel: () => undefined };
    for (const entry of group) entry.backoff = backoff;
    backoff.cancel = this.#options.ports.after(delayMs, () => this.#do(crashed, () => this.#start(group, backoff)));
  }

  async #stop(crashed: Entry, cause: unknown): Promise<void> {
    for (const entry of [...this.#group(crashed)].reverse()) await this.#end(entry, cause, Number.POSITIVE_INFINITY);
  }

  async #escalate(entry: Entry, why: string, cause: unknown): Promise<void> {
    const escalation = new Escalation(entry.child.address, why, cause);
    await this.#end(entry, escalation, Number.POSITIVE_INFINITY);
    if (!this.#isStopping) this.#options.escalated(escalation);
  }

  /** The living that a directive for this child hits; none when it has gone meanwhile. */
  #group(crashed: Entry): readonly Entry[] {
    if (this.#entries.get(crashed.child.name) !== crashed) return [];
    return affectedBy(this.#options.supervision.strategy, [...this.#entries.values()], crashed);
  }

  /** Ends the incarnation; the child may come back. */
  async #halt(entry: Entry, byMs: number): Promise<boolean> {
    if (entry.state === "waiting") return true;
    entry.state = "stopping";
    const hasEnded = await entry.child.stop(byMs);
    entry.state = "waiting";
    return hasEnded;
  }

  /** Ends the child for good. */
  async #end(entry: Entry, cause: unknown, byMs: number): Promise<void> {
    if (this.#entries.get(entry.child.name) !== entry) return;
    this.#prepareStop(entry, byMs);
    await this.#halt(entry, byMs);
    if (this.#planted("dead-child-counted")) return;
    this.#entries.delete(entry.child.name);
    entry.child.gone(cause);
    entry.started.reject(cause ?? new Fault("SHUTTING_DOWN", `${entry.child.address} was stopped before it had started.`));
  }

  #do(entry: Entry, operation: () => Promise<void>): void {
    // Nothing in an operation throws but a defect of ours, which must not be lost.
    entry.lane
      .run(operation)
      .catch((cause) => this.#options.escalated(new Escalation(entry.child.address, "its supervisor failed", cause)));
  }

  #report(crash: Crash, incarnation: number, { directive, delayMs }: Verdict): void {
    if (!this.#planted("crash-unlogged")) this.#options.ports.crashed({ ...crash, incarnation, directive, delayMs });
  }

  #planted(defect: PlantedDefect): boolean {
    return this.#options.planted(defect);
  }
}

/** The back-off goes on for the others; with nobody left its timer would only keep the process alive. */
function leaveBackoff(entry: Entry): void {
  const { backoff } = entry;
  if (backoff === null) return;
  entry.backoff = null;
  backoff.members.delete(entry);
  if (backoff.members.size === 0) backoff.cancel();
}
