/** Composition root of the checkpoint thread: the only one that writes `state.db`. */
import { type MessagePort, parentPort, workerData } from "node:worker_threads";
import { type FromCheckpoint, type PackedSnapshots, type Snapshot, type ToCheckpoint, unpackSnapshots } from "../runtime/index.ts";
import { SqliteSnapshots, type SqliteSnapshotsOptions } from "./sqlite/snapshot-store.ts";
import { exposeControl } from "./threads/control.ts";

export interface CheckpointWorkerData {
  readonly store: SqliteSnapshotsOptions;
  /** Snapshots in one transaction. */
  readonly batchRows: number;
}
export type CheckpointControl = ReturnType<typeof controlOfCheckpoint>;

if (parentPort === null) throw new Error("checkpoint-worker.ts runs as a worker thread");
exposeControl(parentPort, controlOfCheckpoint(workerData as CheckpointWorkerData));

function controlOfCheckpoint({ store, batchRows }: CheckpointWorkerData) {
  const snapshots = new SqliteSnapshots(store);
  const ports = new Map<number, MessagePort>();
  return {
    /** Takes the checkpoints of a domain from the port; a port of an older incarnation is closed. */
    register(domain: number, dataPort: MessagePort): void {
      ports.get(domain)?.close();
      ports.set(domain, dataPort);
      let rows: Snapshot[] = [];
      dataPort.on("message", (message: ToCheckpoint<PackedSnapshots>) => {
        if (message.kind === "rows") {
          for (const row of unpackSnapshots(message.rows)) rows.push(row);
          return;
        }
        let answer: FromCheckpoint = { kind: "ended" };
        try {
          for (let at = 0; at < rows.length; at += batchRows) snapshots.write(rows.slice(at, at + batchRows));
          if (message.end !== null) snapshots.end(message.end);
        } catch (cause) {
          answer = { kind: "failed", reason: String(cause) };
        }
        rows = [];
        dataPort.postMessage(answer);
      });
    },
    close(): void {
      for (const dataPort of ports.values()) dataPort.close();
      snapshots.fsync();
      snapshots.close();
    },
  };
}
