/** Composition root of a shard thread: recovers its shards, then runs them. */
import { type MessagePort, parentPort, workerData } from "node:worker_threads";
import {
  type AnyDefinition,
  type DomainLimits,
  type EffectAction,
  type EffectPage,
  Fault,
  type PlantedBug,
  Recovery,
} from "../runtime/index.ts";
import { assertNotBuiltIn, BUILT_IN_PORTS } from "./effects/built-in-ports.ts";
import { loadModules } from "./loaded-modules.ts";
import { openHopLog } from "./observe/hop-log.ts";
import type { LogLevel } from "./observe/log.ts";
import { LoopLag } from "./observe/loop-lag.ts";
import type { TakenMeasures } from "./observe/measure.ts";
import { shardMeasures } from "./observe/shard-measures.ts";
import { openJournalReader } from "./sqlite/journal-file.ts";
import { storePaths } from "./sqlite/open-stores.ts";
import { RecordBodies } from "./sqlite/record-bodies.ts";
import { SqliteSnapshotReader } from "./sqlite/snapshot-reader.ts";
import { StoredHashes } from "./sqlite/stored-hashes.ts";
import { WorkNote } from "./threads/at-work.ts";
import { exposeControl } from "./threads/control.ts";
import type { PeekQuery } from "./threads/entity-peek.ts";
import { Heartbeat } from "./threads/heartbeat.ts";
import { ShardThread, type ShardThreadSettings } from "./threads/shard-thread.ts";

/** What every shard thread has in common: a spare is started with it, before anybody knows which one it will be. */
export interface ShardWorkerData {
  readonly threadCount: number;
  readonly shardCount: number;
  readonly dir: string;
  readonly busyTimeoutMs: number;
  readonly cacheKiB: number;
  /** Module whose `registry` lists the definitions: functions never cross a thread. */
  readonly registryUrl: string;
  /** Modules with further definitions, and the ports that effects may go to. */
  readonly modules: readonly string[];
  readonly committed: SharedArrayBuffer;
  /** Of `StoredHashes`. */
  readonly hashes: SharedArrayBuffer;
  /** Of this thread alone: see `WorkNote`. */
  readonly work: SharedArrayBuffer;
  readonly limits: DomainLimits;
  readonly settings: ShardThreadSettings;
  readonly plantedBug: PlantedBug | null;
  readonly logLevel: LogLevel;
}
export type ShardReport =
  | { readonly kind: "crashed"; readonly address: string; readonly doing: string; readonly error: string }
  | { readonly kind: "checkpoint-failed"; readonly reason: string }
  | { readonly kind: "checkpointed" }
  /** Records of the journal that recovery has read, of how many. */
  | { readonly kind: "recovering"; readonly records: number; readonly of: number }
  | { readonly kind: "refused" };

/** Which shard thread it is from now on. */
export interface ShardStart {
  readonly thread: number;
  readonly incarnation: number;
  /** The journal is read up to this record. */
  readonly position: number;
  readonly isJournalDown: boolean;
  /** What ended its thread too often: it is not done again. */
  readonly poison: readonly string[];
  readonly ports: {
    readonly ingress: MessagePort;
    readonly journal: MessagePort;
    /** Gets every `ShardReport`. */
    readonly report: MessagePort;
  };
}

export type ShardControl = ReturnType<typeof controlOfShard>;

if (parentPort === null) throw new Error("shard-worker.ts runs as a worker thread");
exposeControl(parentPort, controlOfShard(workerData as ShardWorkerData));

function controlOfShard(data: ShardWorkerData) {
  const threadOf = (shard: number): number => shard % data.threadCount;
  const reading = { synchronous: "normal" as const, busyTimeoutMs: data.busyTimeoutMs, cacheKiB: data.cacheKiB };
  const paths = storePaths(data.dir);
  const snapshots = new SqliteSnapshotReader({ path: paths.state, ...reading, stored: new StoredHashes(data.hashes) });
  const bodies = new RecordBodies({ path: paths.journal, ...reading });
  let lag = new LoopLag();
  let name = "shard-spare";
  /** Of the part, not of the thread: one that dropped its part counts from 0 in the next. */
  let life = 0;
  // At once, so that a spare has it when it is needed; who starts the thread hears of a module that fails.
  const loaded = loadAll(data);
  const heartbeat = Heartbeat.ofThisThread(loaded);
  loaded.catch(() => undefined);
  let running: ShardThread | null = null;
  let reportPort: MessagePort | null = null;
  const shell = () => {
    if (running === null) throw new Error("the shard thread has not started");
    return running;
  };
  return {
    /** Answers when its modules are loaded. */
    ready: (): Promise<true> => loaded.then(() => true),
    /** Recovers from the checkpoint and the journal up to `position`, then takes messages. Answers how many records were read. */
    async start({ thread, incarnation, position, isJournalDown, poison, ports }: ShardStart): Promise<{ readonly records: number }> {
      name = `shard-${thread}`;
      life = incarnation;
      lag[Symbol.dispose]();
      lag = new LoopLag();
      reportPort = ports.report;
      const report = (message: ShardReport): void => ports.report.postMessage(message);
      const { definitions, outside } = await loaded;
      const recovery = new Recovery(snapshots.head(), (shard) => threadOf(shard) === thread);
      const from = recovery.position;
      const journal = openJournalReader({ path: paths.journal, ...reading });
      try {
        while (recovery.position < position) {
          const records = heartbeat.during(() => journal.read(recovery.position, Math.min(RECORDS_READ_MAX, position - recovery.position)));
          if (records.length === 0) throw new Error(`the journal ends at ${recovery.position}, before ${position}`);
          for (const record of records) {
            recovery.add(record);
            heartbeat.beat();
          }
          report({ kind: "recovering", records: recovery.position - from, of: position - from });
        }
      } finally {
        journal.close();
      }
      const hops = await openHopLog(data.logLevel, name);
      running = new ShardThread({
        thread,
        incarnation,
        shardCount: data.shardCount,
        threadOf,
        definitions,
        outside,
        limits: data.limits,
        recovered: recovery.finish(),
        snapshots,
        bodyOf: (record) => bodies.bodyOf(record),
        ports,
        heartbeat,
        atWork: new WorkNote(data.work).write,
        poison,
        committed: new BigInt64Array(data.committed),
        settings: data.settings,
        plantedBug: data.plantedBug,
        onTraced: hops === null ? null : (handled) => hops.handled(handled),
        onCrash: (address, doing, cause) =>
          report({ kind: "crashed", address, doing, error: cause instanceof Error ? (cause.stack ?? cause.message) : String(cause) }),
        onCheckpointFailed: (reason) => report({ kind: "checkpoint-failed", reason }),
        onCheckpointRecovered: () => report({ kind: "checkpointed" }),
        onRefused: () => report({ kind: "refused" }),
      });
      running.start(isJournalDown);
      lag.begin();
      return { records: position - from };
    },
    peerGone: (peer: number) => shell().peerGone(peer),
    peerBack: (peer: number, peerPort: MessagePort): void => shell().peerBack(peer, peerPort),
    checkpointBack: (checkpointPort: MessagePort): void => shell().checkpointBack(checkpointPort),
    performerBack: (performer: MessagePort): void => shell().performerBack(performer),
    effectLooks: (page: EffectPage) => shell().effectLooks(page),
    effectLook: (id: string) => shell().effectLook(id),
    resolveEffect: (id: string, action: EffectAction) => shell().resolveEffect(id, action),
    figures: () => ({ ...shell().figures(), loopLagMs: lag.recentMsMax }),
    measures: (): TakenMeasures => ({ life, measures: shardMeasures(shell().measures(), { thread: name, lags: lag.lags }) }),
    peek: (query: PeekQuery) => shell().peek(query),
    top: async (limit: number) => {
      const { messages, hot, fullest } = await shell().top(limit);
      return { life, messages, hot, fullest: fullest.entities };
    },
    idle: () => shell().idle(),
    checkpointNow: () => shell().checkpointNow(),
    /** Keeps nothing of the shards it had: it can be another shard thread after this. */
    drop(): void {
      running?.close();
      running = null;
      // A full group ends a run with its last message noted: the next part's death must not be blamed on it.
      new WorkNote(data.work).write(null);
      reportPort?.close();
      reportPort = null;
      name = "shard-spare";
    },
  };
}

/** The entities that this thread hosts, and the names of the ports that their effects may go to. @throws Fault `CONFIG_INVALID`. */
async function loadAll({ registryUrl, modules }: ShardWorkerData) {
  const { registry } = (await import(registryUrl)) as { readonly registry: readonly AnyDefinition[] };
  const { definitions, ports } = await loadModules(modules);
  assertNotBuiltIn(ports.keys());
  return { definitions: merged(registry, definitions), outside: new Set([...BUILT_IN_PORTS, ...ports.keys()]) };
}

/** @throws Fault `CONFIG_INVALID` when a module defines a type of the registry. */
function merged(registry: readonly AnyDefinition[], more: ReadonlyMap<string, AnyDefinition>): ReadonlyMap<string, AnyDefinition> {
  const definitions = new Map(registry.map((definition) => [definition.type, definition]));
  for (const [type, definition] of more) {
    if (definitions.has(type))
      throw new Fault("CONFIG_INVALID", `a module defines the entity type "${type}", which the service has already`);
    definitions.set(type, definition);
  }
  return definitions;
}

const RECORDS_READ_MAX = 64;
