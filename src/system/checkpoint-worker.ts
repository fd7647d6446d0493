/** Composition root of the checkpoint thread: the only one that writes `state.db`; it also moves pages out of the journal's log. */
import { type MessagePort, parentPort, workerData } from "node:worker_threads";
import { type FromCheckpoint, type PackedSnapshots, type Snapshot, type ToCheckpoint, unpackSnapshots } from "../runtime/index.ts";
import { LogMover } from "./sqlite/log-mover.ts";
import { SqliteSnapshots, type SqliteSnapshotsOptions } from "./sqlite/snapshot-store.ts";
import { exposeControl } from "./threads/control.ts";

export interface CheckpointWorkerData {
  readonly store: SqliteSnapshotsOptions;
  /** Snapshots in one transaction. */
  readonly batchRows: number;
  /** This thread also moves pages out of the journal's log: it has the time that the journal thread lacks. */
  readonly journalPath: string;
}
const MOVE_EVERY_MS = 100;

export type CheckpointControl = ReturnType<typeof controlOfCheckpoint>;

if (parentPort === null) throw new Error("checkpoint-worker.ts runs as a worker thread");
exposeControl(parentPort, controlOfCheckpoint(workerData as CheckpointWorkerData));

function controlOfCheckpoint({ store, batchRows, journalPath }: CheckpointWorkerData) {
  const snapshots = new SqliteSnapshots(store);
  const mover = new LogMover({ path: journalPath, busyTimeoutMs: store.busyTimeoutMs });
  const moving = setInterval(() => {
    try {
      mover.move();
    } catch {
      // The journal thread meets the same disk and says so; the pages stay where they are.
    }
  }, MOVE_EVERY_MS);
  const ports = new Map<number, MessagePort>();
  return {
    /** Answers when the store is open: a thread that could not open it has ended instead. */
    ready: (): true => true,
    /** Takes the checkpoints of a domain from the port; a port of an older incarnation is closed. */
    register(domain: number, dataPort: MessagePort): void {
      ports.get(domain)?.close();
      ports.set(domain, dataPort);
      let rows: Snapshot[] = [];
      let failure: string | null = null;
      const attempt = (write: () => void): void => {
        if (failure !== null) return; // The domain writes all of it again.
        try {
          write();
        } catch (cause) {
          failure = String(cause);
        }
      };
      const writeRows = (): void => {
        const batch = rows;
        rows = [];
        attempt(() => snapshots.write(batch));
      };
      dataPort.on("message", (message: ToCheckpoint<PackedSnapshots>) => {
        if (message.kind === "rows") {
          for (const row of unpackSnapshots(message.rows)) rows.push(row);
          // As they come: snapshots may be ahead of the positions, and holding all of a checkpoint here would cost its size in memory.
          if (rows.length >= batchRows) writeRows();
          return;
        }
        const { end } = message;
        if (rows.length > 0) writeRows();
        if (end !== null) attempt(() => snapshots.end(end));
        const answer: FromCheckpoint = failure === null ? { kind: "ended" } : { kind: "failed", reason: failure };
        failure = null;
        dataPort.postMessage(answer);
      });
    },
    close(): void {
      clearInterval(moving);
      mover.close();
      for (const dataPort of ports.values()) dataPort.close();
      snapshots.fsync();
      snapshots.close();
    },
  };
}
