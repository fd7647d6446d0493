import { MessageChannel } from "node:worker_threads";
import { Fault, type PlantedBug } from "../runtime/index.ts";
import type { CheckpointControl, CheckpointWorkerData } from "./checkpoint-worker.ts";
import { type Config, poolThreadsOf, shardThreadsOf } from "./config/config.ts";
import { DataDir } from "./data-dir.ts";
import { EffectsThread } from "./effects/effects-thread.ts";
import type { JournalControl, JournalWorkerData } from "./journal-worker.ts";
import { Node } from "./node.ts";
import { type Log, openLog } from "./observe/log.ts";
import { openStores, storePaths } from "./sqlite/open-stores.ts";
import { type ProgressListener, StartProgress } from "./start-progress.ts";
import { CommandRouter } from "./threads/command-router.ts";
import { moduleUrl } from "./threads/module-url.ts";
import { ShardThreads } from "./threads/shard-threads.ts";
import { WorkerThread } from "./threads/worker-thread.ts";
import type { ViewsControl, ViewsWorkerData } from "./views-worker.ts";

export interface StartOptions {
  readonly log?: Log;
  /** Module whose `registry` lists the entity definitions to host; the service's own by default. */
  readonly registryUrl?: string;
  /**
   * Modules that export `definitions` (entities to host besides) and `ports` (where their effects go): see `TroupeModule`. Each thread that needs them
   * imports them.
   */
  readonly modules?: readonly URL[];
  /** For checks only: breaks one rule on purpose. */
  readonly plantedBug?: PlantedBug | null;
  /** Hears how far a start is that takes long; without it that goes to the log. */
  readonly onProgress?: ProgressListener;
}

/**
 * Starts a node on its data directory: journal, checkpoint and read-model threads, then the shard threads, which recover. Resolves
 * when it can take commands. Closing it finishes accepted work within `shutdown.deadlineMs`, takes a checkpoint and gives the directory back.
 * @throws Fault `DATA_DIR_IN_USE`, `FORMAT_UNSUPPORTED`, `JOURNAL_CORRUPT`, `JOURNAL_TRUNCATED`, `CONFIG_INVALID`.
 */
export async function startSystem(config: Config, options: StartOptions = {}): Promise<Node> {
  const log = options.log ?? openLog(config.log.level);
  const dataDir = new DataDir(config.data.dir);
  const started: Array<() => Promise<void>> = [async () => dataDir.close()];
  try {
    return await compose({ config, options, log, dataDir, started });
  } catch (cause) {
    for (const stop of started.reverse()) await stop().catch(() => undefined);
    throw cause;
  }
}

interface Composition {
  readonly config: Config;
  readonly options: StartOptions;
  readonly log: Log;
  readonly dataDir: DataDir;
  /** How to undo what was started so far. */
  readonly started: Array<() => Promise<void>>;
}

async function compose({ config, options, log, dataDir, started }: Composition): Promise<Node> {
  const dir = dataDir.path;
  const { journal: journalConfig, checkpoint: checkpointConfig, views: viewsConfig, shard } = config;
  const files = { busyTimeoutMs: journalConfig.busyTimeoutMs, cacheKiB: journalConfig.cacheKiB };
  const store = { ...journalConfig, shardCount: shard.count };
  const progress = new StartProgress({
    listener: options.onProgress ?? ((step) => log.info(step, "the start takes a while: so many records of the journal are done")),
  });
  const { meta } = openStores({ dir, ...store, onChecked: (records, of) => progress.checked(records, of) });
  const committed = new SharedArrayBuffer(8);
  const state = new MessageChannel();
  started.push(async () => state.port1.close());
  const keep = <Api extends Parameters<typeof track>[0]>(worker: Api): Api => {
    started.push(() => worker.terminate());
    track(worker);
    return worker;
  };
  const track = (worker: { readonly name: string; readonly exited: Promise<string>; terminate(): Promise<void> }): void => {
    void worker.exited.then((reason) => node?.partEnded(worker.name, reason));
  };
  let node: Node | null = null;

  const journal = keep(
    new WorkerThread<JournalControl>({
      name: "journal",
      url: moduleUrl("journal-worker", import.meta.url),
      heapMiBMax: HEAP_MIB_MAX,
      data: {
        store: { ...store, path: storePaths(dir).journal },
        committed,
        statePort: state.port2,
        logLevel: config.log.level,
      } satisfies JournalWorkerData,
      transfer: [state.port2],
    }),
  );
  const opened = await journal.call.open();
  const checkpoint = keep(
    new WorkerThread<CheckpointControl>({
      name: "checkpoint",
      url: moduleUrl("checkpoint-worker", import.meta.url),
      heapMiBMax: HEAP_MIB_MAX,
      data: {
        store: { ...files, path: storePaths(dir).state, meta },
        batchRows: checkpointConfig.batchRows,
        journalPath: storePaths(dir).journal,
      } satisfies CheckpointWorkerData,
    }),
  );
  const views = keep(
    new WorkerThread<ViewsControl>({
      name: "views",
      url: moduleUrl("views-worker", import.meta.url),
      heapMiBMax: HEAP_MIB_MAX,
      data: {
        dir,
        shardCount: shard.count,
        busyTimeoutMs: journalConfig.busyTimeoutMs,
        cacheKiB: viewsConfig.cacheKiB,
        recordsMax: viewsConfig.batchRecordsMax,
        waitMsMax: viewsConfig.waitMsMax,
        committed,
      } satisfies ViewsWorkerData,
    }),
  );
  const modules = (options.modules ?? []).map(({ href }) => href);
  // Without a port nothing can leave: a thread for it would only take memory.
  const effects =
    modules.length === 0
      ? null
      : new EffectsThread({
          storeId: meta.storeId,
          modules,
          pool: { ...config.pool, threads: poolThreadsOf(config) },
          heapMiBMax: HEAP_MIB_MAX,
          log,
          onGivenUp: (reason) => node?.partEnded("effects", reason),
        });
  started.push(async () => effects?.close(0));
  const threadCount = Math.min(shardThreadsOf(config), shard.count);
  const router = new CommandRouter({ threadCount, commandsMax: shard.commandsMax });
  started.push(async () => router.close());
  const shards = new ShardThreads({
    threadCount,
    committed,
    heapMiBMax: shard.heapMiBMax,
    journal,
    checkpoint,
    router,
    log,
    onStarted: async (thread, worker) => effects?.attach(thread, worker),
    onRecovering: (thread, records, of) => progress.recovering(thread, records, of),
    workerData: {
      shardCount: shard.count,
      dir,
      ...files,
      modules,
      registryUrl: options.registryUrl ?? moduleUrl("../actors/index", import.meta.url).href,
      plantedBug: options.plantedBug ?? null,
      logLevel: config.log.level,
      limits: {
        mailboxMax: shard.mailboxMax,
        turnMessagesMax: TURN_MESSAGES_MAX,
        groupEntriesMax: shard.groupEntriesMax,
        groupsInFlightMax: shard.groupsInFlightMax,
        effectsMax: shard.tellOpenMax,
        portMessagesMax: shard.portMessagesMax,
        entitiesBytesMax: shard.entitiesBytesMax * CROWDED_DOOR,
        dirtyMax: checkpointConfig.everyEntities * DIRTY_FACTOR,
        hopsMax: shard.hopsMax,
      },
      settings: {
        runMessagesMax: shard.turnMessagesMax,
        runMsMax: shard.turnMsMax,
        checkpointEveryMs: checkpointConfig.everyMs,
        checkpointEveryEntities: checkpointConfig.everyEntities,
        entitiesIdleMs: shard.entitiesIdleMs,
        entitiesMax: shard.entitiesMax,
        entitiesBytesMax: shard.entitiesBytesMax,
      },
    },
  });
  started.push(() => shards.close(0));
  // All are waited for also when one has failed: to end a thread while it imports modules can end the process.
  const parts = await Promise.allSettled([checkpoint.call.ready(), views.call.ready(), effects?.start(), shards.start()]);
  const failed = parts.find((part) => part.status === "rejected");
  if (failed !== undefined) throw failed.reason;
  // A thread that ended from here on is told to the node; one that ended before must not be missed.
  const gone = [journal, checkpoint, views].find(({ isGone }) => isGone);
  if (gone !== undefined) throw new Fault("INTERNAL_ERROR", `the ${gone.name} thread ended while the node was starting`);
  node = new Node({
    config,
    log,
    dataDir,
    threadCount,
    committed,
    router,
    journal,
    checkpoint,
    views,
    shards,
    effects,
    synchronous: opened.synchronous,
  });
  state.port1.on("message", ({ state: now, reason }: { readonly state: "up" | "down"; readonly reason: string }) =>
    node?.journalState(now, reason),
  );
  state.port1.unref();
  return node;
}

/** Messages of one entity in a row, while others are ready too. */
const TURN_MESSAGES_MAX = 64;
/** Entities with changes that no snapshot holds, in multiples of what starts a checkpoint: beyond, the door waits for the disk. */
const DIRTY_FACTOR = 4;
/** Bytes of entities in memory at which the door closes, in multiples of those from which on entities leave: they can leave when they are stored only. */
const CROWDED_DOOR = 2;
/** Heap of a thread that holds batches only. */
const HEAP_MIB_MAX = 512;
