import { MessageChannel } from "node:worker_threads";
import type { PlantedBug } from "../runtime/index.ts";
import { endpointOf } from "./ai/endpoint.ts";
import type { CheckpointControl, CheckpointWorkerData } from "./checkpoint-worker.ts";
import { compiledCodeFolder } from "./compiled-code.ts";
import { type Config, poolThreadsOf, shardThreadsOf } from "./config/config.ts";
import { DataDir } from "./data-dir.ts";
import { LostAttempts } from "./effects/lost-attempts.ts";
import { PortStates } from "./effects/port-states.ts";
import type { EffectsControl, EffectsReport, EffectsWorkerData } from "./effects-worker.ts";
import { FeedListeners } from "./feed-listeners.ts";
import type { JournalControl, JournalWorkerData } from "./journal-worker.ts";
import { KeyRing } from "./keys/key-ring.ts";
import { assertKeysNotLost } from "./keys/lost-keys.ts";
import { Node } from "./node.ts";
import { type Log, openLog } from "./observe/log.ts";
import type { OutboxControl, OutboxReport, OutboxWorkerData } from "./outbox-worker.ts";
import { openStores, storePaths } from "./sqlite/open-stores.ts";
import { hashesMemory } from "./sqlite/stored-hashes.ts";
import { type ProgressListener, StartProgress } from "./start-progress.ts";
import { CommandRouter } from "./threads/command-router.ts";
import { HeartbeatWatch } from "./threads/heartbeat-watch.ts";
import { moduleUrl } from "./threads/module-url.ts";
import { ShardThreads } from "./threads/shard-threads.ts";
import { ThreadComponent } from "./threads/thread-component.ts";
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
 * Starts a node on its data directory: journal, checkpoint and read-model threads, and the shard threads, which recover. Resolves
 * when it can take commands. Closing it finishes accepted work within `shutdown.deadlineMs`, takes a checkpoint and gives the directory back.
 * @throws Fault `DATA_DIR_IN_USE`, `FORMAT_UNSUPPORTED`, `JOURNAL_CORRUPT`, `JOURNAL_TRUNCATED`, `CONFIG_INVALID`.
 */
export async function startSystem(config: Config, options: StartOptions = {}): Promise<Node> {
  const log = options.log ?? openLog(config.log.level);
  endpointOf(config.ai, process.env); // First: a start that is refused leaves nothing behind.
  if (config.nats.servers !== null) (await import("./nats/nats-secrets.ts")).natsSecretsOf(config.nats, process.env);
  const dataDir = new DataDir(config.data.dir);
  let node: Node | null = null;
  try {
    node = compose({ config, options, log, dataDir });
    await node.start();
    return node;
  } catch (cause) {
    if (node === null) dataDir.close();
    else await node.close();
    throw cause;
  }
}

interface Composition {
  readonly config: Config;
  readonly options: StartOptions;
  readonly log: Log;
  readonly dataDir: DataDir;
}

/** The parts of a node on checked files. Nothing runs yet. */
function compose({ config, options, log, dataDir }: Composition): Node {
  const dir = dataDir.path;
  const { journal: journalConfig, checkpoint: checkpointConfig, views: viewsConfig, shard } = config;
  const files = { busyTimeoutMs: journalConfig.busyTimeoutMs, cacheKiB: journalConfig.cacheKiB };
  const store = { ...journalConfig, shardCount: shard.count };
  const paths = storePaths(dir);
  const progress = new StartProgress({
    listener: options.onProgress ?? ((step) => log.info(step, "the start takes a while: so many records of the journal are done")),
  });
  const { meta } = openStores({ dir, ...store, onChecked: (records, of) => progress.checked(records, of) });
  assertKeysNotLost({ dir, meta, busyTimeoutMs: journalConfig.busyTimeoutMs });
  const committed = new SharedArrayBuffer(8);
  const hashes = hashesMemory();
  const wantedOfViews = new SharedArrayBuffer(8);
  const heartbeats = new HeartbeatWatch(config.threads);
  const codeCacheDir = compiledCodeFolder(paths.codeCache);
  const thread = { heapMiBMax: HEAP_MIB_MAX, heartbeatEveryMs: heartbeats.everyMs, codeCacheDir };

  const journal: ThreadComponent<JournalControl> = new ThreadComponent({
    type: "journal-thread",
    heartbeats,
    create: () => {
      const state = new MessageChannel();
      state.port1.on("message", (told: { readonly state: "up" | "down"; readonly reason: string }) => {
        node.journalState(told.state, told.reason);
      });
      state.port1.unref();
      return new WorkerThread<JournalControl>({
        ...thread,
        name: "journal",
        url: moduleUrl("journal-worker", import.meta.url),
        data: {
          store: { ...store, path: paths.journal },
          committed,
          statePort: state.port2,
          logLevel: config.log.level,
        } satisfies JournalWorkerData,
        transfer: [state.port2],
      });
    },
    keepsSpare: true,
    mayStart: () => shards.dropAll(),
    open: async (worker) => node.journalOpened((await worker.call.open()).synchronous),
    onEnded: () => void shards.dropAll(),
  });
  const checkpoint: ThreadComponent<CheckpointControl> = new ThreadComponent({
    type: "checkpoint-thread",
    heartbeats,
    create: () =>
      new WorkerThread<CheckpointControl>({
        ...thread,
        youngMiBMax: CHECKPOINT_YOUNG_MIB_MAX,
        name: "checkpoint",
        url: moduleUrl("checkpoint-worker", import.meta.url),
        data: {
          store: { ...files, path: paths.state, meta, hashes },
          batchRows: checkpointConfig.batchRows,
          journalPath: paths.journal,
        } satisfies CheckpointWorkerData,
      }),
    open: (worker) => worker.call.ready(),
    onRunning: () => shards.checkpointRuns(),
  });
  const ignored = (): void => undefined; // A thread that ended gets the list again when it is replaced.
  const feeds: FeedListeners = new FeedListeners({
    follower: {
      watch: (conversations) => void views.call.watch(conversations).catch(ignored),
      unwatch: (conversations) => void views.call.unwatch(conversations).catch(ignored),
    },
    onDefect: (cause) => log.error({ cause: String(cause instanceof Error ? cause.stack : cause) }, "a listener to a conversation threw"),
  });
  const views: ThreadComponent<ViewsControl> = new ThreadComponent({
    type: "views-thread",
    heartbeats,
    create: () => {
      const feedPort = feeds.connect();
      return new WorkerThread<ViewsControl>({
        ...thread,
        name: "views",
        url: moduleUrl("views-worker", import.meta.url),
        data: {
          dir,
          shardCount: shard.count,
          busyTimeoutMs: journalConfig.busyTimeoutMs,
          cacheKiB: viewsConfig.cacheKiB,
          recordsMax: viewsConfig.batchRecordsMax,
          waitMsMax: viewsConfig.waitMsMax,
          committed,
          wanted: wantedOfViews,
          feedPort,
        } satisfies ViewsWorkerData,
        transfer: [feedPort],
      });
    },
    open: (worker) => worker.call.open(),
    keepsSpare: true,
    onRunning: () => feeds.tellAll(),
  });
  const outbox: ThreadComponent<OutboxControl> | null =
    config.nats.servers === null || !config.nats.events
      ? null
      : new ThreadComponent({
          type: "outbox-thread",
          heartbeats,
          create: () => {
            const report = new MessageChannel();
            report.port1.on("message", ({ fields, text }: OutboxReport) => log.warn(fields, text));
            report.port1.unref();
            return new WorkerThread<OutboxControl>({
              ...thread,
              name: "outbox",
              url: moduleUrl("outbox-worker", import.meta.url),
              data: {
                dir,
                busyTimeoutMs: journalConfig.busyTimeoutMs,
                committed,
                nats: config.nats,
                reportPort: report.port2,
              } satisfies OutboxWorkerData,
              transfer: [report.port2],
            });
          },
          open: (worker) => worker.call.open(),
        });
  const modules = (options.modules ?? []).map(({ href }) => href);
  const losses = new LostAttempts();
  const ports = new PortStates();
  const effects: ThreadComponent<EffectsControl> = new ThreadComponent({
    type: "effects-thread",
    heartbeats,
    create: () => {
      const report = new MessageChannel();
      report.port1.on("message", (report: EffectsReport) => {
        if (report.kind === "changed") return ports.tell(report.port, report.told);
        log.warn({ port: report.port }, "no module defines the port of an open effect; it is kept");
      });
      report.port1.unref();
      return new WorkerThread<EffectsControl>({
        ...thread,
        name: "effects",
        url: moduleUrl("effects-worker", import.meta.url),
        data: {
          modules,
          pool: { ...config.pool, threads: poolThreadsOf(config) },
          conversations: {
            dir,
            meta,
            busyTimeoutMs: journalConfig.busyTimeoutMs,
            cacheKiB: viewsConfig.cacheKiB,
            heapMiBMax: config.pool.heapMiBMax,
            committed,
            wantedOfViews,
            ai: config.ai,
            conversation: config.conversation,
          },
          reportPort: report.port2,
          ...losses.next(),
          logLevel: config.log.level,
        } satisfies EffectsWorkerData,
        transfer: [report.port2],
      });
    },
    open: (worker) => worker.call.start(),
    onRunning: () => shards.performerRuns(),
    onEnded: (reason) => {
      ports.forget();
      const blamed = losses.ended(reason);
      if (blamed.length > 0)
        log.warn({ ports: blamed, reason }, "attempts of these ports were under way in the thread that ended; they have failed");
    },
  });
  const threadCount = Math.min(shardThreadsOf(config), shard.count);
  const router = new CommandRouter({ threadCount, commandsMax: shard.commandsMax });
  const shards: ShardThreads = new ShardThreads({
    threadCount,
    committed,
    heapMiBMax: shard.heapMiBMax,
    codeCacheDir,
    journal,
    checkpoint,
    effects,
    router,
    heartbeats,
    log,
    onRecovering: (shardThread, records, of) => progress.recovering(shardThread, records, of),
    workerData: {
      shardCount: shard.count,
      dir,
      ...files,
      hashes,
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
        tailsWokenMax: TAILS_WOKEN_MAX,
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
  const node: Node = new Node({
    config,
    log,
    dataDir,
    threadCount,
    committed,
    router,
    heartbeats,
    journal,
    checkpoint,
    views,
    feeds,
    outbox,
    storeId: meta.storeId,
    keyRing: new KeyRing({ path: paths.keys, meta, busyTimeoutMs: journalConfig.busyTimeoutMs }),
    shards,
    effects,
    ports,
  });
  return node;
}

/** Messages of one entity in a row, while others are ready too. */
const TURN_MESSAGES_MAX = 64;
/** About a millisecond of reading, between which others are answered. */
const TAILS_WOKEN_MAX = 64;
/** Entities with changes that no snapshot holds, in multiples of what starts a checkpoint: beyond, the door waits for the disk. */
const DIRTY_FACTOR = 4;
/** Bytes of entities in memory at which the door closes, in multiples of those from which on entities leave: they can leave when they are stored only. */
const CROWDED_DOOR = 2;
/** It writes what comes and keeps none of it, so a larger young generation is only memory: after a minute of load V8 had made it 32 MiB. */
const CHECKPOINT_YOUNG_MIB_MAX = 8;
/** Heap of a thread that holds batches only. */
const HEAP_MIB_MAX = 512;
