import { randomBytes } from "node:crypto";
import { closeSync, existsSync, openSync } from "node:fs";
import { Fault } from "../../runtime/index.ts";
import { type Connection, checkpointWal, openConnection, sqliteCodeOf } from "../sqlite/connection.ts";
import { assertSameStore, createFile, type FileFormat, isBlank, namingCorruption, readMeta, type StoreMeta } from "../sqlite/store-meta.ts";
import { KEY_BYTES, openText, sealText, secretOf } from "./sealed-text.ts";

/**
 * The keys of personal text, beside the journal and never in it: destroying one makes every copy of its text unreadable, in the journal, in
 * backups and in archives, and the journal's chain stays as it is.
 *
 * K1. A key is durable before `make` returns: nothing is ever sealed under a key that a power cut could take.
 * K2. After `destroy` returned, no file of the ring holds a byte of the key, and no ring on the file opens or seals with it.
 * K3. A destroyed key stays destroyed: its conversation's id never gets another one.
 *
 * K2 rests on how rows lie: they are only ever appended and keep their length, so SQLite never moves one to another page, which would leave
 * a copy behind; a destroyed key is overwritten where it stands. `secure_delete` is the second net.
 */
const KEY_FILE: FileFormat = {
  name: "keys",
  format: 1,
  schema: "CREATE TABLE keys(id INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE, key BLOB NOT NULL) STRICT;",
};

const DESTROYED = Buffer.alloc(KEY_BYTES);
const OWNER_ONLY = 0o600;
/** A commit moves the log to the file after so many pages: it is read by few, and small. */
const WAL_PAGES = 100;
/** Point reads by name: the upper pages of the index are at hand. */
const CACHE_KIB = 4_096;
/** SQLite does not wait when two connections turn a new file to its write-ahead log at once; one of them does it at the next attempt. */
const OPEN_ATTEMPTS_MAX = 50;
const OPEN_REST_MS = 10;

export interface KeyRingOptions {
  readonly path: string;
  /** The journal's: keys of another store are refused. */
  readonly meta: StoreMeta;
  readonly busyTimeoutMs: number;
}

/**
 * The keys of conversations and what is done with them. Each thread that seals or opens holds one of its own on the same file, which the first
 * one makes. No key is kept at hand: one that another thread destroyed must not open anything any more (K2), and to find that out costs as much
 * as reading the key: 2.5 us, about what opening a text takes; who opens many at once takes a `reader`.
 */
export class KeyRing implements Disposable {
  readonly #db: Connection;
  readonly #sql: ReturnType<typeof prepared>;

  /** @throws Fault `CONFIG_INVALID` for keys of another store, `FORMAT_UNSUPPORTED`, `JOURNAL_CORRUPT`. A ring is never made anew. */
  constructor({ path, meta, busyTimeoutMs }: KeyRingOptions) {
    this.#db = namingCorruption(path, () => open(path, busyTimeoutMs));
    try {
      this.#sql = namingCorruption(path, () => {
        makeOnce(this.#db, meta);
        assertSameStore(path, readMeta(this.#db, KEY_FILE).storeId, meta.storeId);
        return prepared(this.#db);
      });
    } catch (cause) {
      this.#db.close();
      throw cause;
    }
  }

  /**
   * Gives each conversation a key that has none; one whose key was destroyed gets none. Durable on return, which costs one sync of the disk.
   * @throws Fault `JOURNAL_UNAVAILABLE` when the disk fails.
   */
  make(ids: Iterable<string>): void {
    this.#change(() => {
      for (const id of ids) this.#sql.add.run(id, randomBytes(KEY_BYTES));
    });
  }

  /** Whether the conversation has a key. Costs no sync. @throws Fault `not_found` when it was destroyed. */
  has(id: string): boolean {
    return this.#find(id) !== null && this.#keyOf(id) !== null;
  }

  /**
   * The text as it may be stored. The same text in the same context gives the same bytes. `context` says which text it is, like the id of its message.
   * @throws Fault `not_found` when the key was destroyed or never made.
   */
  seal(id: string, context: string, text: string): string {
    return sealText({ id, key: secretOf(this.#keyOf(id)) }, context, text);
  }

  /** Null when the key was destroyed or never made. @throws Fault `INTERNAL_ERROR` when the text was damaged or is another conversation's. */
  open(id: string, sealed: string): string | null {
    return this.reader(id)?.(sealed) ?? null;
  }

  /**
   * Opens many texts with the key as it stands now: to be used at once and dropped, because it holds the key (K2). Null when the key was destroyed or never
   * made. What it returns @throws Fault as `open`.
   */
  reader(id: string): ((sealed: string) => string) | null {
    const bytes = this.#find(id);
    if (bytes === null || bytes.equals(DESTROYED)) return null;
    const key = secretOf(bytes);
    return (sealed) => openText({ id, key }, sealed);
  }

  /**
   * Durable on return, also for an id that never had a key (K3). What the file system did with blocks that the files no longer use is beyond it.
   * @throws Fault `JOURNAL_UNAVAILABLE` when another connection kept the log from being emptied: to be called again.
   */
  destroy(id: string): void {
    this.#change(() => void this.#sql.destroy.run(id, DESTROYED));
    // Also when it was destroyed before: that call may have ended between the two.
    if (namingCorruption(this.#db.name, () => checkpointWal(this.#db, "truncate")) !== null) return;
    throw new Fault(
      "JOURNAL_UNAVAILABLE",
      `${this.#db.name} is being read: the key is destroyed, but its log is not emptied yet. Try again.`,
      {
        isRetryable: true,
      },
    );
  }

  /**
   * Destroys keys that were lost, in one commit: only for conversations of which the file holds none. One that has a key, or was destroyed, stays as it is.
   * @returns how many were not there. @throws Fault `JOURNAL_UNAVAILABLE`.
   */
  giveUp(ids: Iterable<string>): number {
    let count = 0;
    this.#change(() => {
      for (const id of ids) count += this.#sql.add.run(id, DESTROYED).changes;
    });
    return count;
  }

  close(): void {
    this.#db.close();
  }

  [Symbol.dispose](): void {
    this.close();
  }

  #keyOf(id: string): Buffer {
    const key = this.#find(id);
    if (key === null) throw new Fault("not_found", `Conversation ${id} has no key: it was never opened.`);
    if (key.equals(DESTROYED)) throw new Fault("not_found", `Conversation ${id} was deleted: its key was destroyed.`);
    return key;
  }

  #find(id: string): Buffer | null {
    return namingCorruption(this.#db.name, () => this.#sql.key.get(id) ?? null);
  }

  #change(write: () => void): void {
    try {
      namingCorruption(this.#db.name, () => this.#db.transaction(write).immediate());
    } catch (cause) {
      const code = sqliteCodeOf(cause);
      if (code === null) throw cause;
      throw new Fault("JOURNAL_UNAVAILABLE", `${this.#db.name} takes no writes: ${code}. Try again.`, { isRetryable: true, cause });
    }
  }
}

function open(path: string, busyTimeoutMs: number): Connection {
  // By the mode of the file SQLite makes its log and its index of that: nobody else may read a key, whatever the umask and the folder allow.
  if (!existsSync(path)) closeSync(openSync(path, "a", OWNER_ONLY));
  for (let attempt = 1; ; attempt++) {
    try {
      const db = openConnection({ path, busyTimeoutMs, synchronous: "full", cacheKiB: CACHE_KIB, walAutocheckpointPages: WAL_PAGES });
      const isSecure = db.pragma("secure_delete = ON", { simple: true }) === 1;
      if (isSecure) return db;
      db.close();
      throw new Fault("PLATFORM_UNSUPPORTED", `SQLite did not take secure_delete=ON for ${path}.`);
    } catch (cause) {
      if (!sqliteCodeOf(cause)?.startsWith("SQLITE_BUSY") || attempt === OPEN_ATTEMPTS_MAX) throw cause;
      Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, OPEN_REST_MS);
    }
  }
}

function makeOnce(db: Connection, meta: StoreMeta): void {
  if (!isBlank(db)) return;
  const make = db.transaction(() => {
    if (isBlank(db)) createFile(db, KEY_FILE, meta); // Asked again: another thread may have made it meanwhile.
  });
  make.immediate();
}

const prepared = (db: Connection) => ({
  key: db.prepare<[string], Buffer>("SELECT key FROM keys WHERE name = ?").pluck(),
  add: db.prepare<[string, Buffer]>("INSERT INTO keys(name, key) VALUES (?, ?) ON CONFLICT(name) DO NOTHING"),
  destroy: db.prepare<[string, Buffer]>("INSERT INTO keys(name, key) VALUES (?, ?) ON CONFLICT(name) DO UPDATE SET key = excluded.key"),
});
