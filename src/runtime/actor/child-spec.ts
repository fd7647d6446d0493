import type { Component, ComponentLimits } from "../supervision/component.ts";
import type { RestartMode, Supervision } from "../supervision/supervision.ts";
import type { ActorLimits, AnyBehavior, Behavior } from "./behavior.ts";

/** A part of the tree as data: what `troupe tree` shows and the documents list is what was written here. `permanent` when no mode is given. */
export type ChildSpec = BehaviorSpec | ComponentSpec | SupervisorSpec;
export interface BehaviorSpec {
  readonly kind: "behavior";
  readonly name: string;
  readonly mode?: RestartMode;
  readonly behavior: AnyBehavior;
  readonly args: unknown;
  readonly limits?: Partial<ActorLimits>;
}
export interface ComponentSpec {
  readonly kind: "component";
  readonly name: string;
  readonly mode?: RestartMode;
  readonly component: Component;
  readonly limits?: Partial<ComponentLimits>;
}
/**
 * A supervisor starts its children in order and stops them in reverse. A child that cannot be started makes its own start fail. `startsTogether`,
 * for one-for-one: a child is started without waiting for those before it; who needs another waits for it itself.
 */
export interface SupervisorSpec {
  readonly kind: "supervisor";
  readonly name: string;
  readonly mode?: RestartMode;
  readonly supervision: Supervision;
  readonly startsTogether?: boolean;
  readonly children: readonly ChildSpec[];
}

/** A behavior with its arguments as a child; checks that they fit. */
export function behaviorSpec<P, State, Args>(
  behavior: Behavior<P, State, Args>,
  spec: { readonly name: string; readonly args: Args; readonly mode?: RestartMode; readonly limits?: Partial<ActorLimits> },
): BehaviorSpec {
  return { kind: "behavior", behavior: behavior as unknown as AnyBehavior, ...spec };
}
