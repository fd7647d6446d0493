import type { EventMessage } from "./event-message.ts";

/** "refused": the broker takes others and will never take this one. "failed": it may have it or not, and may take it when it is sent again. */
export type Sent =
  | { readonly kind: "acknowledged" }
  | { readonly kind: "refused"; readonly why: string }
  | { readonly kind: "failed"; readonly why: string };

/** Where events go. */
export interface EventPort {
  /** Whether it can be tried at all. */
  readonly isUp: boolean;
  /** What is wrong with it, one sentence; null when nothing is. */
  readonly whyDown: string | null;
  /** Resolves when the broker has the event for good, or says no, or says nothing for too long. Never rejects. */
  send(message: EventMessage): Promise<Sent>;
}
