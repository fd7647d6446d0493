import { existsSync, statSync } from "node:fs";
import { join } from "node:path";
import { type CheckpointHead, Fault } from "../../runtime/records.ts";
import type { Synchronous } from "./connection.ts";
import { SqliteJournal } from "./journal-store.ts";
import { outboxPositionOf } from "./outbox-store.ts";
import { snapshotClaimOf } from "./snapshot-file.ts";
import { SqliteSnapshots } from "./snapshot-store.ts";
import { assertSameStore, type StoreMeta } from "./store-meta.ts";
import { assertNotTruncated } from "./verify.ts";
import { viewPositionOf } from "./view-store.ts";

/** The files of a data directory; each is opened for writing by one thread only, but for `keys`: see `KeyRing`. */
export const storePaths = (dir: string) => ({
  journal: join(dir, "journal.db"),
  state: join(dir, "state.db"),
  views: join(dir, "views.db"),
  /** Of compiled code, where it cannot be kept beside the packages. */
  codeCache: join(dir, "code-cache"),
  keys: join(dir, "keys.db"),
  outbox: join(dir, "outbox.db"),
});

export interface OpenStoresOptions {
  readonly dir: string;
  readonly shardCount: number;
  readonly synchronous: Synchronous;
  readonly busyTimeoutMs: number;
  readonly cacheKiB: number;
  readonly walPagesMax: number;
  readonly diskFreeBytesMin: number;
  /** Hears how many records of the tail are checked. */
  readonly onChecked?: (records: number, of: number) => void;
}

/** What the stores hold when they were checked. */
export interface StoresFound {
  readonly meta: StoreMeta;
  readonly lastSeq: number;
  readonly incarnationHigh: number;
  readonly head: CheckpointHead;
}

/**
 * Makes the journal and the checkpoint file of a directory, or checks that they are whole and belong together, and closes them again: the main
 * thread calls it before it starts those that hold them. It adds up the chain of the records after the checkpoint, which are
 * the ones that recovery reads; all of it is `verifyJournal`'s work, because start-up must not take longer the more history there is.
 * @throws Fault `JOURNAL_TRUNCATED`, `JOURNAL_CORRUPT`, `FORMAT_UNSUPPORTED`, `CONFIG_INVALID`, `JOURNAL_UNAVAILABLE`.
 */
export function openStores(options: OpenStoresOptions): StoresFound {
  const paths = storePaths(options.dir);
  const files = { busyTimeoutMs: options.busyTimeoutMs, cacheKiB: options.cacheKiB };
  const claim = existsSync(paths.state) ? snapshotClaimOf({ ...files, path: paths.state }) : null;
  // The journal is always made first, so a checkpoint file without it means that the journal was lost.
  if (claim !== null && isMissing(paths.journal)) throw lost(paths.journal, paths.state);
  const journal = new SqliteJournal({ ...options, path: paths.journal });
  try {
    if (claim !== null) assertSameStore(paths.state, claim.meta.storeId, journal.meta.storeId);
    if (claim !== null) assertNotTruncated(journal.lastSeq, claim.highestPosition);
    const viewed = existsSync(paths.views) ? viewPositionOf({ ...files, path: paths.views, meta: journal.meta }) : null;
    if (viewed !== null) assertNotTruncated(journal.lastSeq, viewed, paths.views);
    const sent = existsSync(paths.outbox) ? outboxPositionOf({ ...files, path: paths.outbox, meta: journal.meta }) : null;
    if (sent !== null) assertNotTruncated(journal.lastSeq, sent, paths.outbox);
    const snapshots = new SqliteSnapshots({ ...files, path: paths.state, meta: journal.meta });
    try {
      const head = snapshots.head();
      const after = Math.min(...head.positions.map(({ position }) => position), journal.lastSeq);
      journal.checkTail(after, (seq) => options.onChecked?.(seq - after, journal.lastSeq - after));
      return { meta: journal.meta, lastSeq: journal.lastSeq, incarnationHigh: journal.incarnationHigh, head };
    } finally {
      snapshots.close();
    }
  } finally {
    journal.close();
  }
}

const isMissing = (path: string): boolean => !existsSync(path) || statSync(path).size === 0;

const lost = (journal: string, state: string): Fault =>
  new Fault(
    "JOURNAL_TRUNCATED",
    `${journal} is missing or empty, but ${state} is there. Nothing was changed; restore the journal from a backup.`,
  );
