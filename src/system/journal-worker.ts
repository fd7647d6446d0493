/** Composition root of the journal thread: the only one that writes `journal.db`. */
import { type MessagePort, parentPort, threadId, workerData } from "node:worker_threads";
import type { JournalStore } from "../runtime/records.ts";
import { openHopLog } from "./observe/hop-log.ts";
import type { LogLevel } from "./observe/log.ts";
import { LoopLag } from "./observe/loop-lag.ts";
import { measure, type TakenMeasures } from "./observe/measure.ts";
import type { SqliteJournalOptions } from "./sqlite/journal-store.ts";
import { SqliteJournal } from "./sqlite/journal-store.ts";
import { exposeControl } from "./threads/control.ts";
import { Heartbeat } from "./threads/heartbeat.ts";
import { JournalThread } from "./threads/journal-thread.ts";

export interface JournalWorkerData {
  readonly store: SqliteJournalOptions;
  /** Of Int64: the sequence of the last committed record. */
  readonly committed: SharedArrayBuffer;
  /** Gets `{state, reason}` when the disk stops or begins again to take writes. */
  readonly statePort: MessagePort;
  readonly logLevel: LogLevel;
}

export type JournalControl = ReturnType<typeof controlOfJournal>;

if (parentPort === null) throw new Error("journal-worker.ts runs as a worker thread");
exposeControl(parentPort, controlOfJournal(workerData as JournalWorkerData));

function controlOfJournal({ store, committed, statePort, logLevel }: JournalWorkerData) {
  const { during } = Heartbeat.ofThisThread();
  const lag = new LoopLag();
  let open: { readonly journal: SqliteJournal; readonly thread: JournalThread } | null = null;
  let idleTimer: NodeJS.Timeout | null = null;
  let lookAt = 0;
  const running = () => {
    if (open === null) throw new Error("the journal is not open");
    return open;
  };
  const rest = (): void => {
    if (open === null) return;
    if (idleTimer === null) idleTimer = setTimeout(whenQuiet, QUIET_MS);
    else idleTimer.refresh();
    if (performance.now() < lookAt) return;
    lookAt = performance.now() + LOOK_EVERY_MS;
    // The checkpoint thread moves the pages meanwhile. When few are left this thread moves those, in a few milliseconds, and the log starts
    // over; without that it would grow as long as commits follow each other. And when nobody moves them, it does so itself.
    const { pages, moved } = open.journal.log;
    const isNearlyMoved = pages > store.walPagesMax && pages - moved < CATCH_UP_PAGES;
    if (isNearlyMoved || pages - moved > store.walPagesMax * FAR_BEHIND_FACTOR) move(open.journal, 0);
  };
  const whenQuiet = (): void => {
    idleTimer = null;
    if (open !== null && open.thread.downReason === null) move(open.journal, Math.min(QUIET_PAGES_MAX, store.walPagesMax));
  };
  const move = (journal: SqliteJournal, pagesMin: number): void => void during(() => journal.walCheckpoint(pagesMin));
  return {
    /** @throws Fault as SqliteJournal says. */
    async open() {
      const hops = await openHopLog(logLevel, "journal");
      const journal = during(() => new SqliteJournal(store));
      const thread = new JournalThread({
        store: waitedFor(journal, during),
        committed: new BigInt64Array(committed),
        probeMsMax: 1_000,
        whenIdle: rest,
        onState: (state, reason) => statePort.postMessage({ state, reason }),
        onTraced: hops === null ? null : (traces, seq) => hops.committed(traces, seq),
      });
      open = { journal, thread };
      lag.begin();
      return { meta: journal.meta, position: journal.lastSeq, synchronous: journal.synchronous };
    },
    register(domain: number, dataPort: MessagePort) {
      return running().thread.register(domain, dataPort);
    },
    figures() {
      const { journal } = running();
      return {
        synchronous: journal.synchronous,
        position: journal.lastSeq,
        ...journal.counters,
        ...running().thread.progress(),
        loopLagMs: lag.recentMsMax,
        heapBytes: process.memoryUsage().heapTotal,
      };
    },
    measures(): TakenMeasures {
      const { commits, batches } = running().thread.look();
      const measures = [
        measure("journal_commit_seconds", commits),
        measure("journal_batch_size", batches),
        measure("eventloop_lag_seconds", lag.lags, { thread: "journal" }),
      ];
      return { life: threadId, measures };
    },
    close(): void {
      if (idleTimer !== null) clearTimeout(idleTimer);
      open?.journal.close();
      open = null;
      statePort.close();
    },
  };
}

/** The disk may take its time: that is not a thread without a heartbeat. */
const waitedFor = (journal: SqliteJournal, during: Heartbeat["during"]): JournalStore => ({
  get lastSeq() {
    return journal.lastSeq;
  },
  get incarnationHigh() {
    return journal.incarnationHigh;
  },
  append: (groups, incarnationHigh) => during(() => journal.append(groups, incarnationHigh)),
  reopen: () => during(() => journal.reopen()),
  probe: () => during(() => journal.probe()),
  read: (after, recordsMax) => during(() => journal.read(after, recordsMax)),
  close: () => during(() => journal.close()),
});

const QUIET_MS = 100;
/** So few may stay in the log of a quiet node. */
const QUIET_PAGES_MAX = 250;
/** A look at the log takes as long as to write ten deposits. */
const LOOK_EVERY_MS = 10;
const CATCH_UP_PAGES = 250;
const FAR_BEHIND_FACTOR = 16;
