import { lockingConnection, sqliteCodeOf } from "./connection.ts";

/**
 * Takes an exclusive lock that the operating system releases when the process ends, however it ends, and that excludes a second holder
 * atomically, in this process too. Null when somebody else has it.
 *
 * It is SQLite's own lock on an empty database, because Node.js offers none. Nobody may open the file in any other way: closing any
 * descriptor of it in this process would give the lock away.
 */
export function tryLock(path: string): Disposable | null {
  const db = lockingConnection(path);
  try {
    db.exec("BEGIN EXCLUSIVE");
  } catch (cause) {
    db.close();
    if (sqliteCodeOf(cause)?.startsWith("SQLITE_BUSY")) return null;
    throw cause;
  }
  return { [Symbol.dispose]: () => void db.close() };
}
