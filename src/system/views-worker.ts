/** Composition root of the read-model thread: the only one that writes `views.db`. */
import { type MessagePort, parentPort, threadId, workerData } from "node:worker_threads";
import type { FeedPlace, TurnRange } from "./conversation-reads.ts";
import { LoopLag } from "./observe/loop-lag.ts";
import { measure, type TakenMeasures } from "./observe/measure.ts";
import { openJournalReader } from "./sqlite/journal-file.ts";
import { storePaths } from "./sqlite/open-stores.ts";
import { SqliteViews } from "./sqlite/view-store.ts";
import { exposeControl } from "./threads/control.ts";
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
  /** Gets the names of watched conversations whose feeds grew; see `FeedListeners.connect`. */
  readonly feedPort: MessagePort;
}
export type ViewsControl = ReturnType<typeof controlOfViews>;

if (parentPort === null) throw new Error("views-worker.ts runs as a worker thread");
exposeControl(parentPort, controlOfViews(workerData as ViewsWorkerData));

function controlOfViews(data: ViewsWorkerData) {
  const paths = storePaths(data.dir);
  const files = { busyTimeoutMs: data.busyTimeoutMs, cacheKiB: data.cacheKiB };
  const { during } = Heartbeat.ofThisThread();
  const journal = during(() => openJournalReader({ path: paths.journal, synchronous: "normal", ...files }));
  const feeds = new WatchedFeeds(data.feedPort);
  const onFed = (conversations: Iterable<string>): void => feeds.grew(conversations);
  const views = during(() => new SqliteViews({ path: paths.views, meta: journal.meta, ...files, onFed }));
  const lag = new LoopLag();
  const thread = new ViewsThread({
    journal,
    views,
    during,
    isWatched: () => feeds.isWatched,
    committed: new BigInt64Array(data.committed),
    recordsMax: data.recordsMax,
  });
  thread.start();
  return {
    /** Answers when the files are open: a thread that could not open them has ended instead. */
    ready: (): true => true,
    /** `seq`: the journal's sequence when the reader came. */
    statement: (seq: number, accountId: string, after: number, limit: number) =>
      thread.read(seq, data.waitMsMax, () => views.statement(accountId, { after, limit })),
    trialBalance: (seq: number) => thread.read(seq, data.waitMsMax, () => views.trialBalance()),
    messages: (seq: number, conversation: string, after: number, limit: number) =>
      thread.read(seq, data.waitMsMax, () => views.messages(conversation, { after, limit })),
    message: (seq: number, conversation: string, turn: number, messageId: string) =>
      thread.read(seq, data.waitMsMax, () => views.message(conversation, turn, messageId)),
    turnTexts: (seq: number, conversation: string, turns: TurnRange) =>
      thread.read(seq, data.waitMsMax, () => views.turnTexts(conversation, turns)),
    feedAfter: (seq: number, conversation: string, after: FeedPlace, limit: number) =>
      thread.read(seq, data.waitMsMax, () => views.feedAfter(conversation, after, limit)),
    watch(conversations: readonly string[]): void {
      feeds.watch(conversations);
      void thread.followPromptly();
    },
    unwatch: (conversations: readonly string[]): void => feeds.unwatch(conversations),
    figures: () => ({
      position: views.position,
      findings: views.findings(),
      failure: thread.failure,
      /** Why the view was made anew, at opening or since; null when it was whole. */
      rebuiltBecause: views.rebuiltBecause,
      loopLagMs: lag.recentMsMax,
      heapBytes: process.memoryUsage().heapTotal,
    }),
    measures: (): TakenMeasures => ({
      life: threadId,
      measures: [measure("eventloop_lag_seconds", lag.lags, { thread: "views" })],
    }),
    close(): void {
      thread.close();
      feeds.close();
      views.close();
      journal.close();
    },
  };
}
