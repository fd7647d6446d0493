/**
 * A store whose `keys.db` is gone: not restored with the journal, or removed. Nobody can make a key again, so it is told before a new file takes the place
 * of the old one and every conversation looks as if it had been deleted.
 */
import { closeSync, existsSync, fsyncSync, openSync, renameSync, rmSync } from "node:fs";
import { dirname } from "node:path";
import { entriesOfTypes, Fault } from "../../runtime/index.ts";
import { openConnection } from "../sqlite/connection.ts";
import { openJournalReader } from "../sqlite/journal-file.ts";
import { storePaths } from "../sqlite/open-stores.ts";
import { isBlank, namingCorruption, type StoreMeta } from "../sqlite/store-meta.ts";
import { viewedConversations } from "../sqlite/view-store.ts";
import { KeyRing } from "./key-ring.ts";

export interface LostKeysOptions {
  readonly dir: string;
  readonly busyTimeoutMs: number;
}

/**
 * Costs an opening of `keys.db`. Without one the read model says whether there ever was a conversation, and the journal of the records that the read model
 * has not: all of them when that is missing too, once, because the start then makes the file.
 * @throws Fault `JOURNAL_CORRUPT` when there was one.
 */
export function assertKeysNotLost(options: LostKeysOptions & { readonly meta: StoreMeta }): void {
  const paths = storePaths(options.dir);
  if (hasKeys(options)) return;
  const files = { ...options, cacheKiB: CACHE_KIB };
  const viewed = existsSync(paths.views) ? viewedConversations({ ...files, path: paths.views }) : { position: 0, isAny: false };
  if (!viewed.isAny && !isAnyInJournal(options, viewed.position)) return;
  throw new Fault(
    "JOURNAL_CORRUPT",
    `${paths.keys} is missing or empty, but the store has conversations: their texts are sealed with its keys, and nobody can read one without them. ` +
      "Nothing was changed. Restore keys.db, with keys.db-wal if there is one, from a backup of this store. If there is none, " +
      "`troupe keys give-up` makes a new file: the texts stay unreadable for ever, as if every conversation had been deleted; all else is as it was.",
  );
}

/**
 * Makes a ring in which every conversation of the journal is destroyed, so that none gets another key (K3 of `KeyRing`). Whoever calls it holds
 * the data directory. All or nothing: a crash leaves the store without `keys.db`. Reads the whole journal.
 * @returns how many conversations were given up; null when there is a ring already: then nothing was changed.
 * @throws Fault `FORMAT_UNSUPPORTED`, `JOURNAL_CORRUPT`; SqliteError when there is no journal.
 */
export function giveKeysUp(options: LostKeysOptions): number | null {
  if (hasKeys(options)) return null;
  const { keys } = storePaths(options.dir);
  const making = `${keys}.new`;
  remove(making);
  const count = makeDestroyed(options, making);
  remove(keys); // A log that was left without its file would be taken for the new one's.
  renameSync(making, keys);
  const folder = openSync(dirname(keys), "r");
  fsyncSync(folder);
  closeSync(folder);
  return count;
}

function hasKeys({ dir, busyTimeoutMs }: LostKeysOptions): boolean {
  const path = storePaths(dir).keys;
  if (!existsSync(path)) return false;
  return namingCorruption(path, () => {
    const db = openConnection({ ...READING, path, busyTimeoutMs });
    try {
      return !isBlank(db);
    } finally {
      db.close();
    }
  });
}

function isAnyInJournal({ dir, busyTimeoutMs }: LostKeysOptions, after: number): boolean {
  using reader = openJournalReader({ ...READING, path: storePaths(dir).journal, busyTimeoutMs });
  return reader.hasEntity("conversation", after);
}

function makeDestroyed({ dir, busyTimeoutMs }: LostKeysOptions, path: string): number {
  using reader = openJournalReader({ ...READING, path: storePaths(dir).journal, busyTimeoutMs });
  using ring = new KeyRing({ path, meta: reader.meta, busyTimeoutMs });
  let count = 0;
  let seq = 0;
  for (let page = reader.read(seq, RECORDS_MAX, CHARS_MAX); page.length > 0; page = reader.read(seq, RECORDS_MAX, CHARS_MAX)) {
    const opened = new Set<string>();
    for (const record of page)
      for (const { entity } of entriesOfTypes(record, CONVERSATIONS)) opened.add(entity.slice("conversation/".length));
    count += ring.giveUp(opened);
    seq += page.length;
  }
  return count;
}

function remove(path: string): void {
  for (const suffix of ["", "-wal", "-shm"]) rmSync(path + suffix, { force: true });
}

const CACHE_KIB = 4_096;
const READING = { synchronous: "full", cacheKiB: CACHE_KIB, walAutocheckpointPages: 0, isReadOnly: true } as const;
const CONVERSATIONS: ReadonlySet<string> = new Set(["conversation"]);
/** Records of the journal that are read at once. */
const RECORDS_MAX = 1_000;
const CHARS_MAX = 8 * 1024 * 1024;
