/** Composition root of the read-model thread: the only one that writes `views.db`. */
import { type MessagePort, parentPort, threadId, workerData } from "node:worker_threads";
import { Fault } from "../runtime/records.ts";
import type { FeedPlace, TurnRange } from "./conversation-reads.ts";
import { LoopLag } from "./observe/loop-lag.ts";
import { measure, type TakenMeasures } from "./observe/measure.ts";
import { type JournalReader, openJournalReader } from "./sqlite/journal-file.ts";
import { storePaths } from "./sqlite/open-stores.ts";
import { SqliteViews } from "./sqlite/view-store.ts";
import { exposeControl } from "./threads/control.ts";
import { giveWay } from "./threads/give-way.ts";
import { Heartbeat } from "./threads/heartbeat.ts";
import { ViewsThread } from "./threads/views-thread.ts";
import { WatchedFeeds } from "./threads/watched-feeds.ts";

export interface ViewsWorkerData {
  readonly dir: string;
  readonly shardCount: number;
  readonly busyTimeoutMs: number;
  readonly cacheKiB: number;
  readonly recordsMax: number;
  readonly waitMsMax: number;
  readonly committed: SharedArrayBuffer;
  /** Of Int64: the sequence that a reader of the file beside this thread waits for. */
  readonly wanted: SharedArrayBuffer;
  /** Gets the names of watched conversations whose feeds grew; see `FeedListeners.connect`. */
  readonly feedPort: MessagePort;
}
export type ViewsControl = ReturnType<typeof controlOfViews>;

if (parentPort === null) throw new Error("views-worker.ts runs as a worker thread");
exposeControl(parentPort, controlOfViews(workerData as ViewsWorkerData));

function controlOfViews(data: ViewsWorkerData) {
  const { during } = Heartbeat.ofThisThread();
  const feeds = new WatchedFeeds(data.feedPort);
  const lag = new LoopLag();
  let open: OpenViews | null = null;
  const running = (): OpenViews => {
    if (open === null) throw new Error("the read models are not open");
    return open;
  };
  /** `seq`: the journal's sequence when the reader came. */
  const read = <Value>(seq: number, query: (views: SqliteViews) => Value) => {
    const { thread, views } = running();
    return thread.read(seq, data.waitMsMax, () => query(views));
  };
  return {
    /** Opens the files and follows the journal from now on. @throws what kept them from opening. */
    open(): true {
      open = openViews(data, feeds, during);
      open.thread.start();
      lag.begin();
      return true;
    },
    statement: (seq: number, accountId: string, after: number, limit: number) =>
      read(seq, (views) => views.statement(accountId, { after, limit })),
    trialBalance: (seq: number) => read(seq, (views) => views.trialBalance()),
    messages: (seq: number, conversation: string, after: number, limit: number) =>
      read(seq, (views) => views.messages(conversation, { after, limit })),
    message: (seq: number, conversation: string, turn: number, messageId: string) =>
      read(seq, (views) => views.message(conversation, turn, messageId)),
    turnTexts: (seq: number, conversation: string, turns: TurnRange) => read(seq, (views) => views.turnTexts(conversation, turns)),
    feedAfter: (seq: number, conversation: string, after: FeedPlace, limit: number) =>
      read(seq, (views) => views.feedAfter(conversation, after, limit)),
    watch(conversations: readonly string[]): void {
      feeds.watch(conversations);
      void running().thread.followPromptly();
    },
    unwatch: (conversations: readonly string[]): void => feeds.unwatch(conversations),
    figures() {
      const { thread, views } = running();
      return {
        position: views.position,
        findings: views.findings(),
        failure: thread.failure,
        /** Why the view was made anew, at opening or since; null when it was whole. */
        rebuiltBecause: views.rebuiltBecause,
        loopLagMs: lag.recentMsMax,
        heapBytes: process.memoryUsage().heapTotal,
      };
    },
    measures: (): TakenMeasures => ({
      life: threadId,
      measures: [measure("eventloop_lag_seconds", lag.lags, { thread: "views" })],
    }),
    close(): void {
      open?.thread.close();
      feeds.close();
      open?.views.close();
      open?.journal.close();
      open = null;
    },
  };
}

interface OpenViews {
  readonly journal: JournalReader;
  readonly views: SqliteViews;
  readonly thread: ViewsThread;
}

function openViews(data: ViewsWorkerData, feeds: WatchedFeeds, during: Heartbeat["during"]): OpenViews {
  const paths = storePaths(data.dir);
  const files = { busyTimeoutMs: data.busyTimeoutMs, cacheKiB: data.cacheKiB };
  const journal = during(() => openJournalReader({ path: paths.journal, synchronous: "normal", ...files }));
  const onFed = (conversations: Iterable<string>): void => feeds.grew(conversations);
  const views = during(() => namingViews(() => new SqliteViews({ path: paths.views, meta: journal.meta, ...files, onFed })));
  const thread = new ViewsThread({
    journal,
    views,
    during,
    isWatched: () => feeds.isWatched,
    onCaughtUp: giveWay, // Not before: its readers wait while a successor catches up.
    committed: new BigInt64Array(data.committed),
    wanted: new BigInt64Array(data.wanted),
    recordsMax: data.recordsMax,
  });
  return { journal, views, thread };
}

/** SQLite's errors do not say of which file they speak. */
function namingViews<Value>(open: () => Value): Value {
  try {
    return open();
  } catch (cause) {
    if (cause instanceof Fault) throw cause;
    throw new Error(`the file of the read models cannot be opened: ${cause instanceof Error ? cause.stack : String(cause)}`, { cause });
  }
}
