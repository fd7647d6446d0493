/** Composition root of the outbox thread: events leave over NATS. The only one that writes `outbox.db`. */
import { type MessagePort, parentPort, threadId, workerData } from "node:worker_threads";
import { Fault } from "../runtime/index.ts";
import { connectionOptionsOf } from "./nats/connection-options.ts";
import { EventPublisher } from "./nats/event-publisher.ts";
import type { NatsConfig } from "./nats/nats-secrets.ts";
import { LoopLag } from "./observe/loop-lag.ts";
import { measure, type TakenMeasures } from "./observe/measure.ts";
import type { HeldEntity } from "./outbox/event-place.ts";
import { Outbox, type OutboxFigures } from "./outbox/outbox.ts";
import { type JournalReader, openJournalReader } from "./sqlite/journal-file.ts";
import { storePaths } from "./sqlite/open-stores.ts";
import { SqliteOutbox } from "./sqlite/outbox-store.ts";
import { exposeControl } from "./threads/control.ts";
import { giveWay } from "./threads/give-way.ts";
import { Heartbeat } from "./threads/heartbeat.ts";

export interface OutboxWorkerData {
  readonly dir: string;
  readonly busyTimeoutMs: number;
  readonly committed: SharedArrayBuffer;
  readonly nats: NatsConfig;
  /** Gets what belongs into the log: see `OutboxReport`. */
  readonly reportPort: MessagePort;
}
/** A line for the log, at level warn. */
export interface OutboxReport {
  readonly fields: object;
  readonly text: string;
}
export type OutboxControl = ReturnType<typeof controlOfOutbox>;

if (parentPort === null) throw new Error("outbox-worker.ts runs as a worker thread");
exposeControl(parentPort, controlOfOutbox(workerData as OutboxWorkerData));

function controlOfOutbox(data: OutboxWorkerData) {
  const { during } = Heartbeat.ofThisThread();
  const lag = new LoopLag();
  let open: OpenOutbox | null = null;
  const running = (): OpenOutbox => {
    if (open === null) throw new Error("the outbox is not open");
    return open;
  };
  return {
    /** Opens the files and sends from now on. @throws Fault `CONFIG_INVALID` and what kept the files from opening. */
    open(): true {
      open = openOutbox(data, during);
      open.outbox.start();
      lag.begin();
      giveWay();
      return true;
    },
    figures: (): OutboxFigures & { readonly remadeBecause: string | null; readonly loopLagMs: number } => ({
      ...running().outbox.figures,
      /** Why the file was made anew at opening; null when it was whole. */
      remadeBecause: running().store.remadeBecause,
      loopLagMs: lag.recentMsMax,
    }),
    held: (after: string, limit: number): readonly HeldEntity[] => running().outbox.heldPage(after, limit),
    skip: (entity: string): HeldEntity => running().outbox.skip(entity),
    replayFrom: (record: number) => running().outbox.replay(record),
    /** The first record that was written at or after the time (milliseconds since 1970). @throws Fault `validation_failed` when none was. */
    async replaySince(time: number) {
      const { journal, outbox } = running();
      const first = during(() => journal.firstSince(time));
      if (first === null) throw new Fault("validation_failed", `the journal has no record since ${new Date(time).toISOString()}`);
      return await outbox.replay(first);
    },
    measures(): TakenMeasures {
      const { figures } = running().outbox;
      return {
        life: threadId,
        measures: [
          measure("outbox_lag_records", figures.lagRecords),
          measure("outbox_lag_seconds", figures.lagMs / 1_000),
          measure("outbox_waiting", figures.waiting),
          measure("outbox_held", figures.held),
          ...Object.entries(figures.counts).map(([outcome, count]) => measure("outbox_events_total", count, { outcome })),
          measure("eventloop_lag_seconds", lag.lags, { thread: "outbox" }),
        ],
      };
    },
    /** What is committed leaves before, when the broker takes it. */
    async close(): Promise<void> {
      const closing = open;
      if (closing === null) return;
      await closing.outbox.close(FLUSH_MS_MAX);
      open = null;
      await closing.port.close();
      closing.store.close();
      closing.journal.close();
    },
  };
}

interface OpenOutbox {
  readonly journal: JournalReader;
  readonly store: SqliteOutbox;
  readonly port: EventPublisher;
  readonly outbox: Outbox;
}

function openOutbox({ dir, nats, committed, reportPort, busyTimeoutMs }: OutboxWorkerData, during: Heartbeat["during"]): OpenOutbox {
  const connection = { ...connectionOptionsOf(nats, process.env), name: `${nats.name}-events` };
  const paths = storePaths(dir);
  const files = { busyTimeoutMs, cacheKiB: CACHE_KIB };
  const report = (fields: object, text: string): void => reportPort.postMessage({ fields, text } satisfies OutboxReport);
  const journal = during(() => openJournalReader({ path: paths.journal, synchronous: "normal", ...files }));
  const store = during(() => new SqliteOutbox({ path: paths.outbox, meta: journal.meta, ...files }));
  if (store.remadeBecause !== null)
    report(
      { why: store.remadeBecause },
      "outbox.db could not be used and is made anew: all events of the journal are sent again, with the same ids",
    );
  const port = new EventPublisher({
    connection,
    backoffMsMin: nats.reconnectMsMin,
    backoffMsMax: nats.reconnectMsMax,
    ackMs: nats.eventsAckMs,
    replicas: nats.replicas,
    storeId: journal.meta.storeId,
    onUp: () => outbox.portIsUp(),
    onDown: (why) => report({ servers: nats.servers, why }, "there is no connection to NATS for events, which wait in the journal"),
  });
  const outbox: Outbox = new Outbox({
    journal,
    store,
    port,
    committed: new BigInt64Array(committed),
    eventsMax: nats.eventsMax,
    onTrouble: report,
    during,
  });
  return { journal, store, port, outbox };
}

/** The journal is read once, from front to back, and the own file is small. */
const CACHE_KIB = 2_048;
/** Of the time that a thread gets to close. */
const FLUSH_MS_MAX = 1_000;
