/** S3: a shard thread that drops its part keeps on, and nothing of that part leaves (DESIGN 4.3, 4.4, L2, L7): one real thread with the test at its ports, and nodes. */
import { mkdirSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { MessageChannel, type MessagePort, type Worker } from "node:worker_threads";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { packCommands, shardOf } from "../../../src/runtime/index.ts";
import type { JournalControl } from "../../../src/system/journal-worker.ts";
import type { ShardControl, ShardWorkerData } from "../../../src/system/shard-worker.ts";
import { openStores } from "../../../src/system/sqlite/open-stores.ts";
import { hashesMemory } from "../../../src/system/sqlite/stored-hashes.ts";
import { readWork, workMemory } from "../../../src/system/threads/at-work.ts";
import { CommandRouter } from "../../../src/system/threads/command-router.ts";
import { handOver, handOverAll } from "../../../src/system/threads/control.ts";
import { HeartbeatWatch } from "../../../src/system/threads/heartbeat-watch.ts";
import { moduleUrl } from "../../../src/system/threads/module-url.ts";
import { JournalThreadEnded, ShardThreads, type ShardThreadsOptions } from "../../../src/system/threads/shard-threads.ts";
import { SpareThreads } from "../../../src/system/threads/spare-threads.ts";
import { WorkerThread } from "../../../src/system/threads/worker-thread.ts";
import { SHARD_RESTART } from "../../../src/system/tree.ts";
import type { ControlWorker } from "../../support/control-worker.ts";
import { looper } from "../../support/looping-module.ts";
import { openOnNode } from "../../support/node-door.ts";
import { balanceOf, deposit, endThread, openNode, until } from "../../support/test-node.ts";

let dir: string;
beforeAll(() => {
  dir = mkdtempSync(join(tmpdir(), "troupe-dropped-"));
});
afterAll(() => rmSync(dir, { recursive: true, force: true }));

/** Threads of this process that were started as shard threads, or as their spare, and have not ended. */
const living = new Map<number, Worker>();
process.on("worker", (worker) => {
  const { threadId, threadName } = worker;
  if (threadName?.startsWith("shard-") !== true) return;
  living.set(threadId, worker);
  worker.once("exit", () => living.delete(threadId));
});

/** Ids of igniters whose shard is the thread's: of two shards the first. */
const OWN = ["a", "b", "c", "d", "e", "f", "g", "h"].filter((id) => shardOf(`igniter/${id}`, 2) === 0);
const FILES = { busyTimeoutMs: 1_000, cacheKiB: 1_024 };
const NAMES = ["ingress", "journal", "report", "performer", "checkpoint", "peer"] as const;
type Name = (typeof NAMES)[number];

/** A group is full with one message, so that a thread stops in the middle of its work. */
const workerDataOf = (path: string): ShardThreadsOptions["workerData"] => ({
  dir: path,
  shardCount: 2,
  ...FILES,
  hashes: hashesMemory(),
  registryUrl: new URL("../../../src/actors/index.ts", import.meta.url).href,
  modules: [new URL("../../support/ending-ports-module.ts", import.meta.url).href],
  limits: {
    mailboxMax: 100,
    turnMessagesMax: 1,
    groupEntriesMax: 1,
    groupsInFlightMax: 1,
    effectsMax: 100,
    portMessagesMax: 100,
    dirtyMax: 100,
    entitiesBytesMax: 1e9,
    hopsMax: 10,
    tailsWokenMax: 64,
  },
  settings: {
    runMessagesMax: 10,
    runMsMax: 10,
    checkpointEveryMs: 20,
    checkpointEveryEntities: 1_000,
    entitiesIdleMs: 60_000,
    entitiesMax: 1_000,
    entitiesBytesMax: 1e9,
  },
  plantedBug: null,
  logLevel: "error",
});

/** A shard thread, and the test in the places of all that it talks with. */
class Bench {
  readonly work = workMemory();
  readonly worker: WorkerThread<ShardControl>;

  constructor(path: string) {
    openStores({ dir: path, shardCount: 2, synchronous: "full", ...FILES, walPagesMax: 1_000, diskFreeBytesMin: 0 });
    this.worker = new WorkerThread<ShardControl>({
      name: "shard-0",
      url: moduleUrl("../../../src/system/shard-worker", import.meta.url),
      heapMiBMax: 128,
      data: { ...workerDataOf(path), threadCount: 2, committed: new SharedArrayBuffer(8), work: this.work } satisfies ShardWorkerData,
    });
  }

  /** Gives it a part. Answers our ends of its ports, what came from them, and which of them it has closed. */
  async start(incarnation: number) {
    const channels = Object.fromEntries(NAMES.map((name) => [name, new MessageChannel()])) as Record<Name, MessageChannel>;
    const heard: Name[] = [];
    const closed = new Set<Name>();
    for (const name of NAMES) {
      channels[name].port1.on("message", () => void heard.push(name));
      channels[name].port1.once("close", () => void closed.add(name));
    }
    const ports = { ingress: channels.ingress.port2, journal: channels.journal.port2, report: channels.report.port2 };
    const part = { thread: 0, incarnation, position: 0, isJournalDown: false, poison: [], ports };
    await this.worker.call.start(handOverAll(part, Object.values(ports)));
    await this.worker.call.performerBack(handOver(channels.performer.port2));
    await this.worker.call.checkpointBack(handOver(channels.checkpoint.port2));
    await this.worker.call.peerBack(1, handOver(channels.peer.port2));
    const ours = Object.fromEntries(NAMES.map((name) => [name, channels[name].port1])) as Record<Name, MessagePort>;
    const light = (id: string): void =>
      ours.ingress.postMessage(packCommands([[1, `igniter/${id}`, "light", { mode: "" }, `command-${id}`, Date.now() + 60_000, null]]));
    return { ours, heard, closed, light };
  }
}

describe("a part that is dropped", () => {
  it("L2: closes every port, notes no work, and what is committed or asked after that brings nothing; the same thread then has another part", async () => {
    const bench = new Bench(dir);
    const first = await bench.start(1);
    for (const id of OWN) first.light(id);
    await until("a group", () => first.heard.includes("journal"));
    await until("work that is noted", () => readWork(bench.work) !== null);
    await bench.worker.call.drop();
    expect(readWork(bench.work)).toBeNull();
    first.ours.journal.postMessage({ kind: "committed", number: 1, seq: 1 });
    first.light(OWN[0] ?? "");
    await until("the ports are closed", () => first.closed.size === NAMES.length);
    expect(first.heard.filter((name) => name !== "journal" && name !== "peer")).toEqual([]);
    expect(bench.worker.isGone).toBe(false);

    const second = await bench.start(2);
    second.light(OWN[0] ?? "");
    await until("a group of the second part", () => second.heard.includes("journal"));
    expect(second.heard).not.toContain("ingress");
    second.ours.journal.postMessage({ kind: "committed", number: 1, seq: 1 });
    await until("its answer and its effect", () => second.heard.includes("ingress") && second.heard.includes("performer"));
    await bench.worker.terminate();
  });
});
describe("spares", () => {
  const create = (name: string): WorkerThread<ControlWorker> =>
    new WorkerThread<ControlWorker>({
      name,
      url: new URL("../../support/control-worker.ts", import.meta.url),
      data: null,
      heapMiBMax: 64,
    });

  it("one is kept, those given back wait beside it and are taken first, one that ended is not; a closed pool ends them all", async () => {
    const made: Array<WorkerThread<ControlWorker>> = [];
    const spares = new SpareThreads<ControlWorker>({
      name: "spare",
      create: (name) => {
        const thread = create(name);
        made.push(thread);
        return thread;
      },
    });
    const first = spares.take("first");
    expect([made.length, first.name]).toEqual([1, "first"]);
    spares.refillLater();
    spares.refillLater();
    expect(made.length).toBe(1); // What runs now wants the cores.
    await until("a spare", () => made.length === 2);
    expect(made[1]?.name).toBe("spare");
    await spares.giveBack(first);
    expect(first.name).toBe("spare");
    await made[1]?.terminate();
    expect(spares.take("again")).toBe(first);
    spares.refillLater();
    await until("another spare", () => made.length === 3);
    spares.refillLater();
    await spares.close();
    expect(made.map(({ isGone }) => isGone)).toEqual([false, true, true]);
    await spares.giveBack(first);
    expect(first.isGone).toBe(true);
  });
});

describe("the journal thread of a node ends", () => {
  it("S3: the shard threads are kept: none ends and none is started, and all serve again", async () => {
    const { node } = await openNode(join(dir, "kept"), { "--shard.threads": 2 });
    await using _closes = node;
    const accounts = ["one", "two", "three", "four"];
    for (const id of accounts) await openOnNode(node, id, "0");
    await until("two threads and a spare", () => living.size === 3);
    const before = new Set(living.keys());
    const started = new Set<Worker>();
    const listen = (worker: Worker): void => void started.add(worker);
    process.on("worker", listen);
    await endThread(node, "/system/journal");
    for (const id of accounts) {
      await until("it serves", async () => (await deposit(node, `key-${id}`, id)).ok);
      expect(await balanceOf(node, id)).toBe("1.00");
    }
    process.off("worker", listen);
    // The journal thread and the views thread have a spare of their own, which may be made meanwhile.
    expect([...started].filter(({ threadName }) => threadName?.startsWith("shard"))).toEqual([]);
    expect(new Set(living.keys())).toEqual(before);
  });

  it("its deaths do not count as deaths of the shard threads, which come back as soon as after the first", async () => {
    const { node, crashes } = await openNode(join(dir, "uncounted"), { "--shard.threads": 2 });
    await using _closes = node;
    await openOnNode(node, "alice", "0");
    const journalThread = (): number | undefined => node.threadIds.get("/system/journal");
    for (let round = 0; round < 4; round++) {
      const first = journalThread();
      await endThread(node, "/system/journal");
      // Again while the shard threads are starting: they wait for it, register with it, or read.
      await until("another journal thread", () => ![first, undefined].includes(journalThread()));
      await new Promise((resolve) => setTimeout(resolve, round * 10));
      await endThread(node, "/system/journal");
      await until("it serves", async () => (await deposit(node, `key-${round}`, "alice")).ok);
    }
    const ofShards = crashes.filter(({ address }) => address.startsWith("/system/shards/"));
    expect(ofShards.length).toBeGreaterThanOrEqual(8);
    for (const crash of ofShards) {
      expect(crash.cause).toContain("the journal thread ended, and with it what was handed to it");
      expect(crash.delayMs).toBeLessThanOrEqual(SHARD_RESTART.backoffMsMin * (1 + SHARD_RESTART.jitterRatio));
    }
    expect(await balanceOf(node, "alice")).toBe("4.00");
  });

  it("S3: a thread that does not drop its part is ended, and is blamed for nothing", async () => {
    const modules = [new URL("../../support/looping-module.ts", import.meta.url)];
    const { node, errors } = await openNode(join(dir, "busy"), { "--shard.threads": 1, "--threads.heartbeat-ms": 60_000 }, modules);
    await using _closes = node;
    const address = "/system/shards/0";
    const busy = node.threadIds.get(address);
    const answer = node.entity(looper, "a").ask.loop({ ms: 300_000 });
    const answers = (): Promise<boolean> =>
      Promise.race([
        node.figures().then(
          () => true,
          () => false,
        ),
        delay(200).then(() => false),
      ]);
    await until("the loop", async () => !(await answers()));
    await endThread(node, "/system/journal");
    expect(await answer).toMatchObject({ ok: false, code: "OUTCOME_UNKNOWN" });
    await openOnNode(node, "alice", "0");
    expect(node.threadIds.get(address)).not.toBe(busy);
    await until("its end is told", () => !living.has(busy ?? 0));
    expect(errors).not.toContain("this was at work in too many deaths of its thread; it is not done again");
  });
});

describe("ShardThreads", () => {
  /** One shard thread, with a journal thread of the test's. */
  const shardsOn = (path: string, heartbeats: HeartbeatWatch, writer: WorkerThread<JournalControl>): ShardThreads => {
    mkdirSync(path);
    openStores({ dir: path, shardCount: 2, synchronous: "full", ...FILES, walPagesMax: 1_000, diskFreeBytesMin: 0 });
    return new ShardThreads({
      threadCount: 1,
      committed: new SharedArrayBuffer(8),
      heapMiBMax: 128,
      codeCacheDir: join(path, "code-cache"),
      journal: { running: writer, untilRunning: async () => writer },
      checkpoint: { running: null },
      effects: null,
      router: new CommandRouter({ threadCount: 1, commandsMax: 10 }),
      heartbeats,
      onRecovering: () => undefined,
      log: { warn: () => undefined, error: () => undefined },
      workerData: workerDataOf(path),
    });
  };
  const startOf = (shards: ShardThreads) =>
    shards.component(0).start({ address: "/system/shards/0", incarnation: 1, signal: new AbortController().signal });

  it("S3: the stop of a part that was dropped does not end its thread, which has another part by then", async () => {
    const path = join(dir, "stop");
    const heartbeats = new HeartbeatWatch({ heartbeatMs: 60_000 });
    let incarnation = 0;
    const writer = {
      call: { register: async () => ({ incarnation: ++incarnation, isDown: false }) },
    } as unknown as WorkerThread<JournalControl>;
    const shards = shardsOn(path, heartbeats, writer);
    const start = () => startOf(shards);
    const first = await start();
    const worker = shards.running(0);
    await until("a spare", () => living.size === 2);
    await shards.dropAll();
    expect(await first.ended).toBeInstanceOf(JournalThreadEnded);
    const second = await start(); // Takes the spare; the next one takes the thread that dropped its part.
    await shards.dropAll();
    await second.ended;
    const third = await start();
    expect(shards.running(0)).toBe(worker);
    await first.stop();
    expect(worker?.isGone).toBe(false);
    await third.stop();
    expect(worker?.isGone).toBe(true);
    await shards.close();
    heartbeats.close();
  });

  it("a start that fails because the journal thread ended says so, whatever it failed at; another one says what it failed at", async () => {
    const heartbeats = new HeartbeatWatch({ heartbeatMs: 60_000 });
    const writer = { isGone: false, call: { register: () => Promise.reject(new Error("the journal thread did not answer")) } };
    const shards = shardsOn(join(dir, "lost"), heartbeats, writer as unknown as WorkerThread<JournalControl>);
    await expect(startOf(shards)).rejects.toThrow("the journal thread did not answer");
    writer.isGone = true;
    await expect(startOf(shards)).rejects.toBeInstanceOf(JournalThreadEnded);
    await shards.close();
    heartbeats.close();
  });

  it("one whose thread is ended for the journal thread while it starts says so too", async () => {
    const heartbeats = new HeartbeatWatch({ heartbeatMs: 60_000 });
    const asked = Promise.withResolvers<(why: Error) => void>();
    const register = (): Promise<never> => new Promise((_, reject) => asked.resolve(reject));
    const writer = { isGone: false, call: { register } } as unknown as WorkerThread<JournalControl>;
    const shards = shardsOn(join(dir, "dropped"), heartbeats, writer);
    const starting = startOf(shards).catch((cause: unknown) => cause);
    const answer = await asked.promise;
    await shards.dropAll();
    answer(new Error("too late"));
    expect(await starting).toBeInstanceOf(JournalThreadEnded);
    await shards.close();
    heartbeats.close();
  });
});
