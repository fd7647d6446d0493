import { MessageChannel } from "node:worker_threads";
import {
  type Answer,
  type AnyDefinition,
  type AskOf,
  type AskOptions,
  addressOf,
  type Code,
  type Json,
  type PlantedBug,
  partsOf,
  type Refusal,
  shardOf,
  whyNotId,
} from "../runtime/index.ts";
import type { CheckpointControl, CheckpointWorkerData } from "./checkpoint-worker.ts";
import { type Config, shardThreadsOf } from "./config/config.ts";
import { DataDir } from "./data-dir.ts";
import type { JournalControl, JournalWorkerData } from "./journal-worker.ts";
import { type Log, openLog } from "./observe/log.ts";
import { openStores, storePaths } from "./sqlite/open-stores.ts";
import type { Readiness, StatementPage, SystemFigures, TrialBalance, TroupeSystem } from "./system.ts";
import { CommandRouter } from "./threads/command-router.ts";
import { moduleUrl } from "./threads/module-url.ts";
import { ShardThreads } from "./threads/shard-threads.ts";
import { WorkerThread } from "./threads/worker-thread.ts";
import type { ViewsControl, ViewsWorkerData } from "./views-worker.ts";

export interface StartOptions {
  readonly log?: Log;
  /** Module whose `registry` lists the entity definitions to host; the service's own by default. */
  readonly registryUrl?: string;
  /** For checks only: breaks one rule on purpose. */
  readonly plantedBug?: PlantedBug | null;
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
  const { meta } = openStores({ dir, ...store });
  const committed = new SharedArrayBuffer(8);
  const state = new MessageChannel();
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
      data: { store: { ...store, path: storePaths(dir).journal }, committed, statePort: state.port2 } satisfies JournalWorkerData,
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
    workerData: {
      shardCount: shard.count,
      dir,
      ...files,
      registryUrl: options.registryUrl ?? moduleUrl("../actors/index", import.meta.url).href,
      plantedBug: options.plantedBug ?? null,
      limits: {
        mailboxMax: shard.mailboxMax,
        turnMessagesMax: TURN_MESSAGES_MAX,
        groupEntriesMax: shard.groupEntriesMax,
        groupsInFlightMax: shard.groupsInFlightMax,
        effectsMax: shard.tellOpenMax,
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
      },
    },
  });
  started.push(() => shards.close());
  await shards.start();
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
    synchronous: opened.synchronous,
  });
  state.port1.on("message", ({ state: now, reason }: { readonly state: "up" | "down"; readonly reason: string }) =>
    node?.journalState(now, reason),
  );
  state.port1.unref();
  return node;
}

interface NodeParts {
  readonly config: Config;
  readonly log: Log;
  readonly dataDir: DataDir;
  readonly threadCount: number;
  readonly committed: SharedArrayBuffer;
  readonly router: CommandRouter;
  readonly journal: WorkerThread<JournalControl>;
  readonly checkpoint: WorkerThread<CheckpointControl>;
  readonly views: WorkerThread<ViewsControl>;
  readonly shards: ShardThreads;
  readonly synchronous: string;
}

/** A node that runs. Made by `startSystem`. */
export class Node implements TroupeSystem {
  readonly #parts: NodeParts;
  readonly #committed: BigInt64Array;
  #journalDown: string | null = null;
  #fatal: string | null = null;
  readonly #failed = Promise.withResolvers<string>();
  #closing: Promise<void> | null = null;

  constructor(parts: NodeParts) {
    this.#parts = parts;
    this.#committed = new BigInt64Array(parts.committed);
  }

  get dataDir(): DataDir {
    return this.#parts.dataDir;
  }
  get threadCount(): number {
    return this.#parts.threadCount;
  }
  get synchronous(): string {
    return this.#parts.synchronous;
  }
  get inFlight(): number {
    return this.#parts.router.inFlight;
  }

  entity<Definition>(definition: Definition & Pick<AnyDefinition, "type">, id: string): { readonly ask: AskOf<Definition> } {
    const { type, commands } = definition as unknown as AnyDefinition;
    const address = addressOf(type, id);
    const ask = new Proxy({} as Record<string, unknown>, {
      get: (_, command) => {
        if (typeof command !== "string") return undefined;
        return async (body: unknown, options?: AskOptions): Promise<Answer<Json>> => {
          const spec = commands[command];
          if (spec === undefined) return refusal("validation_failed", `${type} has no command "${command}".`);
          const checked = await spec.body["~standard"].validate(body);
          if (checked.issues !== undefined) return refusal("validation_failed", checked.issues.map(({ message }) => message).join("; "));
          return this.ask(address, command, checked.value as Json, options);
        };
      },
    });
    return { ask: ask as AskOf<Definition> };
  }

  ask(address: string, command: string, body: Json, options: AskOptions = {}): Promise<Answer<Json>> {
    const { config, router, threadCount } = this.#parts;
    const why = whyNotId(partsOf(address).id);
    if (why !== null) return Promise.resolve(refusal("validation_failed", `${address} is no address of an entity: ${why}.`));
    return router.ask(shardOf(address, config.shard.count) % threadCount, {
      to: address,
      name: command,
      body,
      id: options.id ?? null,
      timeoutMs: options.timeoutMs ?? config.http.answerMsMax,
      trace: options.trace ?? null,
    });
  }

  async statement(accountId: string, page: { readonly after: number; readonly limit: number }): Promise<Answer<StatementPage>> {
    return await this.#view(() => this.#parts.views.call.statement(this.#position(), accountId, page.after, page.limit));
  }

  async trialBalance(): Promise<Answer<TrialBalance>> {
    return await this.#view(() => this.#parts.views.call.trialBalance(this.#position()));
  }

  async readiness(): Promise<Readiness> {
    const { shards, router, config } = this.#parts;
    const reasons: string[] = [];
    if (this.#fatal !== null) reasons.push(this.#fatal);
    if (this.#closing !== null) reasons.push("The service is stopping.");
    if (this.#journalDown !== null) reasons.push(`The journal takes no writes: ${this.#journalDown}`);
    if (shards.recovering.length > 0) reasons.push(`Shard threads are being recovered: ${shards.recovering.join(", ")}.`);
    const views = this.#parts.views.isGone ? null : await this.#parts.views.call.figures().catch(() => null);
    if (views === null) reasons.push("The read models do not answer.");
    else {
      if (views.failure !== null) reasons.push(`The read models have stopped: ${views.failure}`);
      reasons.push(...views.findings.map((finding) => `The auditor found that the books do not add up: ${finding}`));
    }
    if (router.inFlight > config.shard.commandsMax * this.#parts.threadCount * 0.85)
      reasons.push("Nearly as many commands are under way as may be.");
    const durability = `SQLite, synchronous=${this.#parts.synchronous.toUpperCase()}${this.#parts.synchronous === "full" ? "" : " (UNSAFE: a power cut can lose acknowledged work)"}`;
    return { isReady: reasons.length === 0, reasons, durability, position: this.#position() };
  }

  async figures(): Promise<SystemFigures> {
    const { shards, journal, views, threadCount, config } = this.#parts;
    const [threads, journalFigures, viewFigures] = await Promise.all([
      Promise.all(shards.living.map((worker) => worker.call.figures())),
      journal.call.figures(),
      views.call.figures(),
    ]);
    const shardsOf = (thread: number): number => Math.floor((config.shard.count - 1 - thread) / threadCount) + 1;
    return {
      shardThreads: threads.map((figures) => ({ ...figures, shards: shardsOf(figures.thread) })),
      journal: journalFigures,
      views: viewFigures,
    };
  }

  /** Waits until nothing is open, then takes a checkpoint of everything: what a clean stop does, for checks and benches. */
  async checkpointNow(): Promise<void> {
    await Promise.all(this.#parts.shards.living.map((worker) => worker.call.idle().then(() => worker.call.checkpointNow())));
  }

  /** Ends a shard thread as a crash would: for checks. */
  async killShardThread(thread: number): Promise<void> {
    await this.#parts.shards.kill(thread);
  }

  journalState(state: "up" | "down", reason: string): void {
    this.#journalDown = state === "down" ? reason : null;
    if (state === "down") this.#parts.log.error({ reason }, "the journal takes no writes; reads go on");
    else this.#parts.log.info({ reason }, "the journal takes writes again");
  }

  /** A part that has no successor yet ended: nothing can be promised any more, so the process ends and is started again from its journal. */
  partEnded(name: string, reason: string): void {
    if (this.#closing !== null) return;
    this.#fatal = `The ${name} thread ended: ${reason}`;
    this.#parts.log.error({ thread: name, reason }, "a thread ended; the process stops, a restart recovers");
    this.#failed.resolve(this.#fatal);
    void this.close();
  }

  /** Resolves, with the reason, when the node closes by itself because a part without a successor ended. The process should then end. */
  get failed(): Promise<string> {
    return this.#failed.promise;
  }

  /** New work is refused from now on; accepted work is finished within `deadlineMs` (default `shutdown.deadlineMs`). */
  close(deadlineMs: number = this.#parts.config.shutdown.deadlineMs): Promise<void> {
    this.#closing ??= this.#close(deadlineMs);
    return this.#closing;
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  async #close(deadlineMs: number): Promise<void> {
    const { router, shards, journal, checkpoint, views, dataDir, log } = this.#parts;
    const until = performance.now() + deadlineMs;
    const isDrained = await router.drain(deadlineMs);
    const settle = Promise.all(
      shards.living.map(async (worker) => {
        await worker.call.idle();
        await worker.call.checkpointNow();
      }),
    );
    const left = Math.max(until - performance.now(), 0);
    const outcome = await Promise.race([settle.then(() => "clean", String), rest(left).then(() => "the deadline passed")]);
    if (!isDrained || outcome !== "clean")
      log.warn({ outcome, inFlight: router.inFlight }, "stopped with open work; it is in the journal and resumes at the next start");
    router.close();
    await shards.close();
    for (const part of [views, checkpoint, journal]) {
      await Promise.race([
        part.call.close().catch((cause) => log.warn({ thread: part.name, cause: String(cause) }, "did not close cleanly")),
        rest(CLOSE_MS_MAX),
      ]);
      await part.terminate();
    }
    dataDir.close();
  }

  #position(): number {
    return Number(Atomics.load(this.#committed, 0));
  }

  async #view<Value>(query: () => Promise<Answer<Value>>): Promise<Answer<Value>> {
    try {
      return await query();
    } catch (cause) {
      return refusal("VIEW_BEHIND", `The read models do not answer: ${cause instanceof Error ? cause.message : String(cause)}`);
    }
  }
}

/** Messages of one entity in a row, while others are ready too. */
const TURN_MESSAGES_MAX = 64;
/** Entities with changes that no snapshot holds, in multiples of what starts a checkpoint: beyond, the door waits for the disk. */
const DIRTY_FACTOR = 4;
const CLOSE_MS_MAX = 5_000;
/** Heap of a thread that holds batches only. */
const HEAP_MIB_MAX = 512;

const rest = (ms: number): Promise<void> =>
  new Promise((resolve) => {
    setTimeout(resolve, ms).unref();
  });

const refusal = (code: Code, detail: string): Refusal => ({ ok: false, code, detail });
