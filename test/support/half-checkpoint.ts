/** Tells whether a server was killed while it wrote a checkpoint, from a copy of what it left behind. */
import { copyFileSync, existsSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import Database from "better-sqlite3";

/**
 * Snapshots in `state.db` that are newer than the position of their shard. A checkpoint writes its snapshots in several transactions and moves
 * the positions in the last one, so there are such rows exactly when it was cut off in between. Looks at a copy: the next server must be the
 * first to open what the dead one left.
 * @returns one text for each such row. A row that was there before a life of the server says nothing about that life.
 */
export function snapshotsBeyondCheckpoint(dataDir: string): ReadonlySet<string> {
  const folder = mkdtempSync(join(tmpdir(), "troupe-state-"));
  try {
    for (const name of ["state.db", "state.db-wal"])
      if (existsSync(join(dataDir, name))) copyFileSync(join(dataDir, name), join(folder, name));
    const db = new Database(join(folder, "state.db"));
    try {
      const beyond = db.prepare<[], string>(
        "SELECT entity || ' ' || snapshots.seq FROM snapshots JOIN positions ON positions.shard = snapshots.shard WHERE snapshots.seq > positions.seq",
      );
      return new Set(beyond.pluck().all());
    } finally {
      db.close();
    }
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}
