import type { Slot } from "./slot.ts";

/** An entity in memory as `troupe actors` shows it: looked at, never woken (TRAPS 26). */
export interface EntityLook {
  readonly address: string;
  readonly type: string;
  readonly status: Slot["status"];
  /** Messages in its mailbox. */
  readonly waiting: number;
  /** Sequence in the shard of its last entry, and events so far. */
  readonly seq: number;
  readonly version: number;
  /** Milliseconds since its last turn. */
  readonly idleMs: number;
}

export function lookOfEntity({ address, definition, status, mailbox, seq, version, touchedAt }: Slot, now: number): EntityLook {
  return { address, type: definition.type, status, waiting: mailbox.count, seq, version, idleMs: Math.max(now - touchedAt, 0) };
}
