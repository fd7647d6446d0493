import type { PendingAsk } from "./pending-ask.ts";

/** A message to a behavior actor, with who waits for its answer. */
export interface Envelope {
  readonly kind: string;
  readonly body: unknown;
  /** When it arrived, on the clock of the ports. */
  readonly atMs: number;
  readonly ask: PendingAsk | null;
}
