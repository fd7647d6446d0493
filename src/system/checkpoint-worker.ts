/** Composition root of the checkpoint thread: the only one that writes `state.db`; it also moves pages out of the journal's log. */
import { type MessagePort, parentPort, threadId, workerData } from "node:worker_threads";
import {
  CheckpointWriter,
  Histogram,
  type PackedSnapshots,
  SECONDS_BOUNDS,
  type ToCheckpoint,
  unpackSnapshots,
} from "../runtime/records.ts";
import { LoopLag } from "./observe/loop-lag.ts";
import { measure, type TakenMeasures } from "./observe/measure.ts";
import { LogMover } from "./sqlite/log-mover.ts";
import { SqliteSnapshots, type SqliteSnapshotsOptions } from "./sqlite/snapshot-store.ts";
import { exposeControl } from "./threads/control.ts";
import { giveWay } from "./threads/give-way.ts";
import { Heartbeat } from "./threads/heartbeat.ts";

export interface CheckpointWorkerData {
  readonly store: SqliteSnapshotsOptions;
  /** Snapshots in one transaction. */
  readonly batchRows: number;
  /** This thread also moves pages out of the journal's log: it has the time that the journal thread lacks. */
  readonly journalPath: string;
}
const MOVE_EVERY_MS = 100;
/** Until all hashes are known a new entity just costs a read, so they take 1.6 ms of 10: half a million rows a second. */
const HASHES_EVERY_MS = 10;
/** A start has other things to do, and memory that is touched for the first time costs more than the rows. A small file is done at once: two kinds of rows, and of each the look that finds no more. */
const HASHES_FIRST_MS = 2_000;
const HASHES_FIRST_SLICES = 4;
const HASHES_FIRST_AT_ONCE = 100;
const HASHES_AT_ONCE = 5_000;
const HASHES_FAILED_MS = 1_000;

export type CheckpointControl = ReturnType<typeof controlOfCheckpoint>;

if (parentPort === null) throw new Error("checkpoint-worker.ts runs as a worker thread");
exposeControl(parentPort, controlOfCheckpoint(workerData as CheckpointWorkerData));

function controlOfCheckpoint({ store, batchRows, journalPath }: CheckpointWorkerData) {
  const { during } = Heartbeat.ofThisThread();
  const snapshots = during(() => new SqliteSnapshots(store));
  const mover = during(() => new LogMover({ path: journalPath, busyTimeoutMs: store.busyTimeoutMs }));
  const moving = setInterval(() => {
    try {
      during(() => mover.move());
    } catch {
      // The journal thread meets the same disk and says so; the pages stay where they are.
    }
  }, MOVE_EVERY_MS);
  let adding: NodeJS.Timeout | undefined;
  let slices = 0;
  const addHashes = (): void => {
    let rest = ++slices === HASHES_FIRST_SLICES ? HASHES_FIRST_MS : HASHES_EVERY_MS;
    try {
      if (!during(() => snapshots.addStoredHashes(slices > HASHES_FIRST_SLICES ? HASHES_AT_ONCE : HASHES_FIRST_AT_ONCE))) return;
      if (slices < HASHES_FIRST_SLICES) return addHashes();
    } catch {
      rest = HASHES_FAILED_MS; // New entities go on to cost a read. A file that cannot be read is named by those who need its rows.
    }
    adding = setTimeout(addHashes, rest);
  };
  addHashes();
  const lag = new LoopLag();
  const writes = new Histogram(SECONDS_BOUNDS);
  const timed = (write: () => void): void => {
    const begunMs = performance.now();
    during(write);
    writes.observe((performance.now() - begunMs) / 1000);
  };
  const timedStore: Pick<SqliteSnapshots, "write" | "end"> = {
    write: (rows, pointers) => timed(() => snapshots.write(rows, pointers)),
    end: (end) => timed(() => snapshots.end(end)),
  };
  const ports = new Map<number, MessagePort>();
  return {
    /** Answers when the store is open: a thread that could not open it has ended instead. */
    ready(): true {
      lag.begin();
      giveWay();
      return true;
    },
    /** Takes the checkpoints of a domain from the port; a port of an older incarnation is closed. */
    register(domain: number, dataPort: MessagePort): void {
      ports.get(domain)?.close();
      ports.set(domain, dataPort);
      const writer = new CheckpointWriter({ store: timedStore, batchRows });
      dataPort.on("message", (message: ToCheckpoint<PackedSnapshots>) => {
        const answer = writer.take(message.kind === "end" ? message : { ...message, rows: unpackSnapshots(message.rows) });
        if (answer !== null) dataPort.postMessage(answer);
      });
    },
    measures: (): TakenMeasures => ({
      life: threadId,
      measures: [
        measure("snapshot_write_seconds", writes.look()),
        measure("snapshot_hashes_known", snapshots.knowsAllHashes ? 1 : 0),
        measure("eventloop_lag_seconds", lag.lags, { thread: "checkpoint" }),
      ],
    }),
    figures: () => ({ loopLagMs: lag.recentMsMax }),
    close(): void {
      clearInterval(moving);
      clearTimeout(adding);
      mover.close();
      for (const dataPort of ports.values()) dataPort.close();
      snapshots.fsync();
      snapshots.close();
    },
  };
}
