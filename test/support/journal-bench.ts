/** A journal in a directory of its own for tests, with groups whose numbers are right. */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type Group, packEntries } from "../../src/runtime/index.ts";
import { SqliteJournal, type SqliteJournalOptions } from "../../src/system/sqlite/journal-store.ts";

export const JOURNAL_SHARDS = 4;

/** A directory that is gone after the test. */
export function folder(): Disposable & { readonly path: string } {
  const path = mkdtempSync(join(tmpdir(), "troupe-store-"));
  return { path, [Symbol.dispose]: () => rmSync(path, { recursive: true, force: true }) };
}

export const openJournal = (dir: string, more: Partial<SqliteJournalOptions> = {}): SqliteJournal =>
  new SqliteJournal({
    path: join(dir, "journal.db"),
    shardCount: JOURNAL_SHARDS,
    synchronous: "full",
    busyTimeoutMs: 200,
    cacheKiB: 1024,
    walPagesMax: 100,
    diskFreeBytesMin: 0,
    ...more,
  });

/** The n-th group of domain 0, incarnation 1: one entry of shard 0. */
export function groupOf(number: number, text = `event ${number}`): Group {
  const entry = { shard: 0, seq: number, entity: "a/1", version: number, at: number, events: [{ kind: "said", text }] };
  return { domain: 0, incarnation: 1, number, time: number, count: 1, body: packEntries([entry]) };
}

/** The text of a body, however it travels. */
export const textOf = (body: string | Uint8Array): string => (typeof body === "string" ? body : new TextDecoder().decode(body));

/** Appends groups `from` to `to`, each in a transaction of its own. */
export function appendEach(journal: SqliteJournal, from: number, to: number): void {
  for (let number = from; number <= to; number++) journal.append([groupOf(number)], 1);
}
