/** What a node says of itself in the `metadata` of its answers to `$SRV` (ADR-32: texts only), so that others know whose commands it takes. */

export type Stand =
  /** It takes them. */
  | "taken"
  /** It will, when no other store does. */
  | "claimed"
  /** It does not, and stands in nobody's way. */
  | "left";

export interface Presence {
  /** Empty when it names none. */
  readonly store: string;
  readonly commands: Stand;
  /** Since when it claims or takes them, ISO 8601 by its clock. */
  readonly since: string;
}

/** Of an answer to `$SRV.PING`. One that says nothing of this, an earlier version of Troupe for example, is a store without a name that takes commands. Never throws. */
export function presenceIn(answer: Uint8Array): Presence & { readonly instance: string } {
  const { id, metadata } = fieldsOf(parsed(answer));
  const { store, commands, since } = fieldsOf(metadata);
  const stand = commands === "claimed" || commands === "left" ? commands : "taken";
  return { instance: textOf(id), store: textOf(store), commands: stand, since: textOf(since) };
}

/**
 * Which of two stores stays: one that takes commands before one that claims them, then the earlier, then the smaller id. Both compare what both said, so
 * clocks that differ decide which of them stays, and never that both do.
 */
export function isStronger(one: Presence, other: Presence): boolean {
  if (one.commands !== other.commands) return RANK[one.commands] > RANK[other.commands];
  if (one.since !== other.since) return one.since < other.since;
  return one.store < other.store;
}
const RANK: Readonly<Record<Stand, number>> = { taken: 2, claimed: 1, left: 0 };

function parsed(answer: Uint8Array): unknown {
  try {
    return JSON.parse(Buffer.from(answer).toString());
  } catch {
    return null;
  }
}

const fieldsOf = (value: unknown): Readonly<Record<string, unknown>> =>
  typeof value === "object" && value !== null ? (value as Readonly<Record<string, unknown>>) : {};
/** It is compared and shown, so it is short. */
const textOf = (value: unknown): string => (typeof value === "string" ? value.slice(0, CHARS_MAX) : "");
const CHARS_MAX = 100;
