import type { OutsideKind } from "./decision.ts";
import type { Code } from "./fault.ts";
import type { Json } from "./json.ts";

/** An attempt at an effect that leaves the runtime. `id` is the same for every attempt: whoever performs it can tell repeats by it. */
export interface PerformEffect {
  readonly id: string;
  readonly kind: OutsideKind;
  /** Name of the port. */
  readonly to: string;
  readonly command: string;
  readonly body: Json;
  /** Address of the entity that opened it. */
  readonly from: string;
  /** Counts from 1. */
  readonly attempt: number;
  /** When it was opened, milliseconds since 1970: the overall deadline counts from here. */
  readonly openedAt: number;
  readonly trace?: string;
  /** What the port tells meanwhile is handed on. */
  readonly wantsProgress?: true;
  /** A refusal makes a dead letter of it, as the end of its attempts does. */
  readonly keepsDead?: true;
}

/**
 * How an attempt went. The port judges it, from the upstream's own status, before anything is mapped (TRAPS 1).
 * - `done`: the effect is over and the entity gets the value.
 * - `refused`: so is it, and the entity gets a refusal; another attempt would be refused too.
 * - `failed`: the attempt counts; the next one is due after `afterMs`. The journal keeps it.
 * - `postponed`: nothing was attempted (breaker open, bulkhead full, performer restarting); it is offered again after `afterMs`.
 * - `dead`: the last attempt failed, or the overall deadline passed: a dead letter after so many attempts, which may be 0.
 */
export type EffectOutcome =
  | { readonly kind: "done"; readonly value: Json }
  | { readonly kind: "refused"; readonly code: Code; readonly detail: string }
  | { readonly kind: "failed"; readonly error: string; readonly afterMs: number }
  | { readonly kind: "postponed"; readonly reason: string; readonly afterMs: number }
  | { readonly kind: "dead"; readonly code: Code; readonly error: string; readonly attempts: number };

/** An attempt that was under way when the thread that performed it ended by itself: it has failed, and its performer's successor says so. */
export interface LostAttempt {
  readonly id: string;
  readonly attempt: number;
  /** How the thread ended, for people. */
  readonly error: string;
  /** It ended its thread so often that it is not done again. */
  readonly isPoison: boolean;
}

/** What a port tells while an attempt goes on. */
export interface EffectProgress {
  readonly kind: "progress";
  readonly value: Json;
}

/**
 * A shard thread to whoever performs effects. `cancel`: they are over; work on them may stop, and their outcome is not waited for. `credit`: what was told
 * while they were attempted has been handled, and there is room for as much.
 */
export type ToPerformer =
  | { readonly kind: "perform"; readonly effects: readonly PerformEffect[] }
  | { readonly kind: "cancel"; readonly ids: readonly string[] }
  | { readonly kind: "credit"; readonly credits: readonly ProgressCredit[] };
export interface ProgressCredit {
  readonly id: string;
  readonly attempt: number;
  /** Values. */
  readonly count: number;
}
/** And back: of one attempt its progress, in order, and then its outcome. What is of an attempt that is not the one waited for changes nothing. */
export interface FromPerformer {
  readonly id: string;
  readonly attempt: number;
  readonly outcome: EffectOutcome | EffectProgress;
}

/** An open effect, a dead letter among them, as `troupe effects` and `troupe deadletters` show it. */
export interface EffectLook {
  readonly id: string;
  readonly kind: "tell" | "ask" | OutsideKind;
  readonly from: string;
  readonly to: string;
  readonly command: string;
  readonly openedAt: number | null;
  /** That are over and did not succeed, since it was opened or replayed. */
  readonly attempts: number;
  /** Milliseconds since 1970; null when it is being attempted, or is not going to be. */
  readonly nextAt: number | null;
  readonly lastError: string | null;
  readonly state: "open" | "resting" | "dead";
}
