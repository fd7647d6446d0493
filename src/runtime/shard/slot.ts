import type { Entry } from "../journal/record.ts";
import type { AnyDefinition } from "../kernel/definition.ts";
import { Mailbox } from "../mailbox/mailbox.ts";
import type { KeyTable } from "./key-table.ts";
import type { Message } from "./message.ts";
import type { PendingEntry } from "./pending-entry.ts";

/**
 * A client that waits for the entity to settle. `id` is its command's as the handler saw it: "" when it has none. `group` is the commit group in which the command was accepted; 0 = it wrote
 * nothing, so it may be the repeat of one that did.
 */
export interface Waiter {
  readonly caller: number;
  readonly id: string;
  readonly group: number;
}

/** One entity in memory. Owned by its domain; a plain record of mutable fields, because a million of them must be small. */
export class Slot {
  readonly address: string;
  readonly key: string;
  readonly shard: number;
  readonly definition: AnyDefinition;
  readonly mailbox: Mailbox<Message>;
  status: "loading" | "ready" | "failed" = "loading";
  state: unknown = undefined;
  /** Events so far. */
  version = 0;
  /** Sequence in the shard of the last entry that this state holds. */
  seq = 0;
  /** The same, of the snapshot in the store: 0 = there is none, -1 = there may be one. Equal to `seq` = the entity may leave memory. */
  snapshotSeq = 0;
  /** Commit group of this incarnation in which the entity changed last; 0 = not yet. */
  changedIn = 0;
  /** Its place among the slots with changes (`DirtySlots`); -1 = it is not there. */
  dirtyAt = -1;
  touchedAt = 0;
  /** Length of its last snapshot; 0 = not known. */
  snapshotChars = 0;
  /** What it is counted with in the domain's footprint. */
  bytes = 0;
  isQueued = false;
  /** It is the one in memory of its address: whoever holds it need not look for it. */
  isPresent = false;
  waiters: Waiter[] | null = null;
  keys: KeyTable | null = null;
  /** Entries after the checkpoint, to be applied on top of the snapshot when it is loaded. */
  tail: readonly Entry[] | null = null;
  /** Its entry in the group that gathers; null when it has none there. */
  entry: PendingEntry<Slot> | null = null;
  /** Why it is `failed`. */
  failure = "";

  constructor(options: {
    readonly address: string;
    readonly shard: number;
    readonly definition: AnyDefinition;
    readonly mailboxMax: number;
  }) {
    this.address = options.address;
    this.key = options.address.slice(options.definition.type.length + 1);
    this.shard = options.shard;
    this.definition = options.definition;
    this.mailbox = new Mailbox(options.mailboxMax);
  }
}
