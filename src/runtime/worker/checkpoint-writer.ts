import { joinPointers, type RecordPointers } from "../journal/record-pointers.ts";
import type { Snapshot, SnapshotStore } from "../journal/snapshots.ts";
import { unreachable } from "../kernel/json.ts";
import type { FromCheckpoint, ToCheckpoint } from "./protocol.ts";

/**
 * The checkpoint thread's end of one domain's port: writes what comes and says how it went. Never throws: what the store refuses is told to the
 * domain, which gives all of it again.
 *
 * W1. Rows are written as they come, at most about `batchRows` in one transaction: snapshots may be ahead of the positions, and holding all
 *     of a checkpoint here would cost its size in memory.
 * W2. After a refused transaction nothing more of that checkpoint is written, and its `end` is answered `failed`.
 */
export class CheckpointWriter {
  readonly #store: Pick<SnapshotStore, "write" | "end">;
  readonly #batchRows: number;
  #rows: Snapshot[] = [];
  #pointers: RecordPointers[] = [];
  #count = 0;
  #failure: string | null = null;

  constructor(options: { readonly store: Pick<SnapshotStore, "write" | "end">; readonly batchRows: number }) {
    this.#store = options.store;
    this.#batchRows = options.batchRows;
  }

  /** What is to be answered; null while more is to come. */
  take(message: ToCheckpoint): FromCheckpoint | null {
    switch (message.kind) {
      case "rows":
        for (const row of message.rows) this.#rows.push(row);
        if (message.pointers.length > 0) this.#pointers.push(message.pointers);
        this.#count += message.rows.length + message.pointers.length / 2;
        if (this.#count >= this.#batchRows) this.#writeRows();
        return null;
      case "apart":
        return this.#storeApart(message.rows, message.pointers);
      case "end": {
        this.#writeRows();
        const { end } = message;
        if (end !== null) this.#attempt(() => this.#store.end(end));
        const failure = this.#failure;
        this.#failure = null;
        return failure === null ? { kind: "ended" } : { kind: "failed", reason: failure };
      }
      default:
        return unreachable(message);
    }
  }

  #storeApart(rows: readonly Snapshot[], pointers: RecordPointers): FromCheckpoint {
    try {
      this.#store.write(rows, pointers);
      return { kind: "storedApart" };
    } catch (cause) {
      return { kind: "failedApart", reason: String(cause) };
    }
  }

  #writeRows(): void {
    const [rows, pointers, count] = [this.#rows, joinPointers(this.#pointers), this.#count];
    this.#rows = [];
    this.#pointers = [];
    this.#count = 0;
    if (count > 0) this.#attempt(() => this.#store.write(rows, pointers));
  }

  #attempt(write: () => void): void {
    if (this.#failure !== null) return;
    try {
      write();
    } catch (cause) {
      this.#failure = String(cause);
    }
  }
}
