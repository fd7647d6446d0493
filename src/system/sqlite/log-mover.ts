import { checkpointWal, openConnection } from "./connection.ts";

export interface LogMoverOptions {
  /** The journal's file. */
  readonly path: string;
  readonly busyTimeoutMs: number;
}

/**
 * Moves pages of the journal's write-ahead log to its main file, beside the thread that commits: moving 160 MB on that thread stopped every commit
 * for 0.6 s. It never writes a page of its own and waits for nobody; a move that fails loses nothing and is tried again.
 */
export class LogMover {
  readonly #move: () => void;
  readonly #close: () => void;

  constructor({ path, busyTimeoutMs }: LogMoverOptions) {
    const db = openConnection({ path, busyTimeoutMs, synchronous: "full", cacheKiB: 256, walAutocheckpointPages: 0 });
    this.#close = () => void db.close();
    const figures = db.prepare<[], { readonly log: number; readonly checkpointed: number }>("PRAGMA wal_checkpoint(noop)");
    this.#move = () => {
      const row = figures.get();
      if (row !== undefined && row.log - row.checkpointed >= MOVE_PAGES_MIN) checkpointWal(db, "passive");
    };
  }

  /** One look. Takes about 2 ms a MB when there is something to move. @throws SqliteError when the disk does not take it. */
  move(): void {
    this.#move();
  }

  close(): void {
    this.#close();
  }
}

/** Fewer are left to the journal thread, which moves them when it has nothing else to do. */
const MOVE_PAGES_MIN = 250;
