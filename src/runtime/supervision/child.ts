import type { Crash, Directive } from "./supervision.ts";

/** Where a child is: `waiting` is the back-off before a restart, `crashed` the moment before its supervisor acts. */
export type ChildState = "starting" | "running" | "crashed" | "waiting" | "stopping";

/** One line of `troupe tree`: looked up, never asked for, so that looking disturbs nothing (TRAPS 26). */
export interface TreeNode extends ChildLook {
  readonly address: string;
  readonly type: string;
  readonly state: ChildState;
  readonly restarts: number;
}
export interface ChildLook {
  /** Messages that wait, the stash included. */
  readonly mailbox: number;
  /** Messages refused because the mailbox was full. */
  readonly refused: number;
  /** Age of the oldest message that is waiting or being handled; 0 when there is none. What is stuck shows here (TRAPS 23). */
  readonly oldestMessageMs: number;
  /** Kind of the message, or the hook, that is being handled. */
  readonly doing: string | null;
  readonly children: readonly TreeNode[];
}

/** What a supervisor starts, stops and hears of: a behavior actor, a component, or a supervisor below it. */
export interface Child {
  readonly name: string;
  readonly address: string;
  readonly type: string;
  /** Starts one incarnation. Resolves when it runs; rejects with the cause. In any case `stop` is called before the next start. */
  start(incarnation: number): Promise<void>;
  /** A stop is wanted while `start` is under way: it has until `byMs` at most. */
  cancelStart(byMs: number): void;
  /**
   * Ends the incarnation: resolves at the latest at `byMs` (clock of the ports) or at the child's own limit, whichever is earlier. False: what
   * did not end cannot be cut off, so no successor may run beside it (TRAPS 18). Never rejects.
   */
  stop(byMs: number): Promise<boolean>;
  /** It will not come back: told once, after the last `stop`. */
  gone(cause: unknown): void;
  look(nowMs: number): ChildLook;
}

/** Whom a child tells about its end. */
export interface Overseer {
  /** Decides at once; all but `resume` end the incarnation soon after. */
  crashed(child: Child, incarnation: number, crash: Crash, canResume: boolean): Directive;
  /** It ended by itself, as it wanted. */
  ended(child: Child, incarnation: number): void;
}
