import { Fault } from "../../runtime/records.ts";

const NODE_API_MIN = 10;
const SQLITE_MIN = "3.51.3";

/**
 * Refuses a Node.js whose Node-API is too old for the SQLite library. It must be called before that library is imported: loaded into an
 * older Node it ends the process with no message at all.
 * @throws Fault `PLATFORM_UNSUPPORTED` with a sentence for the person at the terminal.
 */
export function assertNodeApi(versions: { readonly node: string; readonly napi?: string | undefined }): void {
  if (Number(versions.napi ?? 0) >= NODE_API_MIN) return;
  throw new Fault(
    "PLATFORM_UNSUPPORTED",
    `Node.js ${versions.node} is too old: Troupe's store needs Node-API ${NODE_API_MIN}, which Node.js 22.14 and newer have.`,
  );
}

/**
 * Refuses a SQLite that can corrupt a database when two connections reset its write-ahead log (3.7.0 to 3.51.2).
 * @throws Fault `PLATFORM_UNSUPPORTED`.
 */
export function assertSqlite(version: string): void {
  if (compared(version, SQLITE_MIN) >= 0) return;
  throw new Fault("PLATFORM_UNSUPPORTED", `SQLite ${version} can corrupt a write-ahead log: Troupe needs ${SQLITE_MIN} or newer.`);
}

function compared(left: string, right: string): number {
  const theirs = right.split(".").map(Number);
  for (const [index, part] of left.split(".").map(Number).entries()) {
    const difference = part - (theirs[index] ?? 0);
    if (difference !== 0) return difference;
  }
  return 0;
}
