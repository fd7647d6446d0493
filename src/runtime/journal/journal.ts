import type { Group, StoredRecord } from "./record.ts";

/**
 * The append-only journal, as the thread that writes it sees it. Synchronous: the caller is that thread alone. The fence (incarnation
 * and group number) stands before it, in `CommitFence`; the store itself takes what it is given, all groups or none.
 */
export interface JournalStore {
  /** Sequence of the last committed record, 0 when there is none. */
  readonly lastSeq: number;
  /** Highest incarnation that any committed record's transaction knew, 0 when there is none. */
  readonly incarnationHigh: number;
  /**
   * Commits the groups in one transaction, in order, and returns the sequence of the first; durable when it returns.
   * `incarnationHigh` is stored beside them, so that tokens never repeat after a restart. A body of bytes is the store's until it returns,
   * or the outcome of a failed commit is known, and no longer: the caller may let go of its memory.
   * @throws CommitError; after `isOpen` (the outcome is unknown) only `reopen` may be called.
   */
  append(groups: readonly Group[], incarnationHigh: number): number;
  /** Opens the file anew after a CommitError and tells what it really holds. @throws while the disk does not let it. */
  reopen(): void;
  /** Writes and syncs a little something that is no record: proof that the disk takes writes again. @throws when it does not. */
  probe(): void;
  /** Records with a sequence above `after`, in order, at most `recordsMax`. */
  read(after: number, recordsMax: number): readonly StoredRecord[];
  close(): void;
}

/** A commit that failed. `isOutcomeOpen`: the error came at the commit itself, so it may or may not be on the disk. */
export class CommitError extends Error {
  readonly isOutcomeOpen: boolean;
  constructor(message: string, options: { readonly isOutcomeOpen: boolean; readonly cause: unknown }) {
    super(message, { cause: options.cause });
    this.name = "CommitError";
    this.isOutcomeOpen = options.isOutcomeOpen;
  }
}
