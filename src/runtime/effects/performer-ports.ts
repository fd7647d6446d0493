import type { FromPerformer } from "../kernel/effect-protocol.ts";
import type { Json } from "../kernel/json.ts";
import type { BreakerState } from "./circuit-breaker.ts";
import type { PortDefinition, PortRequest } from "./port-definition.ts";
import type { AttemptFailure } from "./port-failure.ts";
import type { ProgressLine } from "./progress-line.ts";

/** How an attempt ended at the port. `busy`: it was not begun, because what would carry it out has no room. */
export type AttemptResult =
  | { readonly kind: "done"; readonly value: Json }
  | { readonly kind: "failed"; readonly failure: AttemptFailure }
  | { readonly kind: "busy"; readonly reason: string };

/** How a port gets on with what is behind it, when that changed. */
export interface PortTold {
  readonly breaker: BreakerState;
  /** For how long its breaker lets nothing in; null when it would. */
  readonly refusesMs: number | null;
  /** The attempt that ended last failed, and may be made again. */
  readonly isFailing: boolean;
}

/** What performing needs of its surroundings (L9). */
export interface PerformerPorts {
  /** Milliseconds of a clock that never goes back: breakers, durations. */
  monotonicMs(): number;
  /** Milliseconds since 1970: deadlines, which count from a time in the journal. */
  wallMs(): number;
  /** From 0, below 1. */
  random(): number;
  /** Runs once after so long; the result calls it off. */
  timer(delayMs: number, run: () => void): () => void;
  /**
   * Begins an attempt; `settle` is called once, never from inside. The result aborts it: what it settles then is not heard. `progress` takes what
   * the port tells meanwhile; null = nobody wants it.
   */
  begin(
    port: PortDefinition,
    request: PortRequest,
    settle: (result: AttemptResult) => void,
    progress: ProgressLine | null,
  ): (why: Error) => void;
  /** An effect is for a port that is not there. Called once a name. */
  unknownPort(name: string): void;
  /** A port that has a breaker gets on otherwise than it was told last; at first all are closed and none fails. */
  portChanged?(name: string, told: PortTold): void;
}

/** Tells the shard thread that handed the effect out last. */
export type Tell = (outcome: FromPerformer) => void;
