/** A whole node: real threads on real files. What breaks in it here is broken by another connection, a kill or the system calls of its disk. */
import { spawnSync } from "node:child_process";
import { mkdirSync, readFileSync, rmSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import type { Worker } from "node:worker_threads";
import Database from "better-sqlite3";
import { describe, expect, it } from "vitest";
import { account } from "../../src/actors/index.ts";
import { type Answer, shardOf } from "../../src/runtime/index.ts";
import type { Node } from "../../src/system/node.ts";
import { MergedMeasures } from "../../src/system/observe/merged-measures.ts";
import { SYSTEM_RESTART } from "../../src/system/tree.ts";
import { findStrace, straceCommand, whyNoTracing } from "../../tools/strace.mjs";
import { folder } from "../support/journal-bench.ts";
import { doubledOf, readJournal } from "../support/journal-reader.ts";
import { KeepAliveClient } from "../support/keep-alive-client.ts";
import { keptPromises } from "../support/kept-promises.ts";
import { KillableServer } from "../support/killable-server.ts";
import { accountId, httpDoor, type Order, openAccounts, overdraftOf, randomOrders } from "../support/ledger-load.ts";
import { nodeDoor, openOnNode } from "../support/node-door.ts";
import { OrderLoad } from "../support/order-load.ts";
import { randomOf } from "../support/seeded-random.ts";
import { allEnded, balanceOf, deposit, endThread, openNode, until } from "../support/test-node.ts";

const supportScript = (name: string): string => fileURLToPath(new URL(`../support/${name}.ts`, import.meta.url));
const codeOf = (answer: Answer): string => (answer.ok ? "ok" : answer.code);
const open = (node: Node, id: string): Promise<Answer> =>
  node
    .entity(account, id)
    .ask.open({ currency: "CZK", kind: "customer", overdraftLimit: "0", owner: null, caller: "local", key: null }) as Promise<Answer>;

describe("a part of a node that ends", () => {
  it("DESIGN 4.4: the journal thread dies with a write in flight: OUTCOME_UNKNOWN, readiness names it, its successor reads what is there", async () => {
    using dir = folder();
    const { node, errors } = await openNode(dir.path, { "--shard.threads": 2, "--journal.busy-timeout-ms": 500 });
    await using _closed = node;
    await openOnNode(node, "alice", "0");
    expect(codeOf(await deposit(node, "before", "alice"))).toBe("ok");
    const other = new Database(join(dir.path, "journal.db"));
    other.exec("BEGIN IMMEDIATE"); // Nothing can be committed while another program holds the lock.
    const writing = deposit(node, "in-flight", "alice");
    // The thread takes commands in order: when this read is answered, the write lies with the journal thread.
    expect(codeOf(await node.entity(account, "nobody").ask.get({}))).toBe("account_not_found");
    expect(node.inFlight).toBe(1);

    await endThread(node, "/system/journal");
    expect(await node.readiness()).toMatchObject({ isReady: false, code: "JOURNAL_UNAVAILABLE" });
    expect(codeOf(await writing)).toBe("OUTCOME_UNKNOWN");
    other.exec("ROLLBACK");
    other.close();
    await until("it is ready again", async () => (await node.readiness()).isReady);
    expect(codeOf(await deposit(node, "in-flight", "alice"))).toBe("ok");
    expect(await balanceOf(node, "alice")).toBe("2.00");
    expect(await deposit(node, "before", "alice")).toMatchObject({ ok: true, value: { replayed: true } });
    expect(new Set(errors)).toEqual(new Set(["a part ended; it is replaced"])); // TRAPS 21: once for each of the three threads.
    expect(errors).toHaveLength(3);
  });

  it("M1 of the merged measures: counters do not fall when shard threads drop their parts and take them again", async () => {
    using dir = folder();
    const { node } = await openNode(dir.path, { "--shard.threads": 2 });
    await using _closed = node;
    await openOnNode(node, "alice", "0");
    const merged = new MergedMeasures();
    const handled = async (): Promise<number> =>
      merged.merge(await node.measures()).reduce((sum, { name, value }) => sum + (name === "actor_messages_total" ? Number(value) : 0), 0);
    for (let round = 0; round < 4; round++) {
      for (let i = 0; i < 10; i++) await deposit(node, `key-${round}-${i}`, "alice");
      const before = await handled();
      await endThread(node, "/system/journal");
      await until("it is ready again", async () => (await node.readiness()).isReady);
      expect(await handled()).toBeGreaterThanOrEqual(before);
    }
  });

  it("DESIGN 4.6: the checkpoint thread dies: its successor stores what was under way, and nothing else has stopped", async () => {
    using dir = folder();
    const flags = { "--shard.threads": 2, "--checkpoint.every-entities": 50, "--checkpoint.every-ms": 20 };
    const { node } = await openNode(dir.path, flags);
    await using _closed = node;
    await openOnNode(node, "alice", "0");
    const before = node.threadIds;
    for (let round = 0; round < 5; round++) {
      const paid = Array.from({ length: 50 }, (_, i) => deposit(node, `key-${round}-${i}`, "alice"));
      await endThread(node, "/system/checkpoint");
      expect((await node.readiness()).reasons).toContain("The checkpoint thread is being replaced.");
      expect(new Set((await Promise.all(paid)).map(codeOf))).toEqual(new Set(["ok"]));
      await until("it is ready again", async () => (await node.readiness()).isReady);
      await node.checkpointNow();
    }
    const after = node.threadIds;
    expect(after.get("/system/checkpoint")).not.toBe(before.get("/system/checkpoint"));
    for (const address of ["/system/journal", "/system/views", "/system/shards/0", "/system/shards/1"]) {
      expect([address, after.get(address)]).toEqual([address, before.get(address)]);
    }
    await node.close();
    const again = await openNode(dir.path, flags);
    await using _again = again.node;
    expect(await balanceOf(again.node, "alice")).toBe("250.00");
    expect(await deposit(again.node, "key-0-0", "alice")).toMatchObject({ ok: true, value: { replayed: true } });
  });

  it("DESIGN 4.6: the views thread dies: reads of it answer VIEW_BEHIND until its successor has caught up, all else goes on", async () => {
    using dir = folder();
    const { node } = await openNode(dir.path);
    await using _closed = node;
    await openOnNode(node, "alice", "0");
    await deposit(node, "one", "alice");
    await endThread(node, "/system/views");
    expect(codeOf((await node.trialBalance()) as Answer)).toBe("VIEW_BEHIND");
    expect(await node.readiness()).toMatchObject({ isReady: false, code: "VIEW_BEHIND" });
    expect(codeOf(await deposit(node, "two", "alice"))).toBe("ok");
    await until("it is ready again", async () => (await node.readiness()).isReady);
    expect(await node.statement("alice", { after: 0, limit: 10 })).toMatchObject({
      ok: true,
      value: { entries: [{}, { balance: "200" }] },
    });
  });

  it("TRAPS 19: a part that ends more often than its policy allows ends the node, which says so and closes", async () => {
    using dir = folder();
    const { node, errors } = await openNode(dir.path);
    await openOnNode(node, "alice", "0");
    const failed = node.failed;
    let hasFailed = false;
    void failed.then(() => {
      hasFailed = true;
    });
    for (let deaths = 0; deaths <= SYSTEM_RESTART.restartsMax; deaths++) {
      await until("there is a views thread", () => hasFailed || node.threadIds.has("/system/views"));
      await endThread(node, "/system/views");
    }
    expect(await failed).toMatch(/\/system\/views escalated: it crashed more than 10 times within 60000 ms/);
    expect(codeOf(await deposit(node, "after", "alice"))).toBe("SHUTTING_DOWN");
    await node.close();
    expect(errors.at(-1)).toBe("the node stops; a restart recovers");
    const again = await openNode(dir.path);
    await using _closed = again.node;
    expect(await balanceOf(again.node, "alice")).toBe("0.00");
  });

  it("a views thread that cannot open its file makes the start fail, with nothing left running and the directory free", async () => {
    using dir = folder();
    const inTheWay = join(dir.path, "views.db-wal");
    mkdirSync(inTheWay);
    const threads: Worker[] = [];
    const started = (worker: Worker): void => void threads.push(worker);
    process.on("worker", started);
    try {
      await expect(openNode(dir.path)).rejects.toThrow(/the file of the read models cannot be opened: .*SqliteError/s);
    } finally {
      process.off("worker", started);
    }
    expect(threads.length).toBeGreaterThan(2);
    expect(threads.map(({ threadId }) => threadId)).toEqual(threads.map(() => -1)); // Each has ended already.
    rmSync(inTheWay, { recursive: true });
    const { node } = await openNode(dir.path);
    await using _closed = node;
    expect(await node.readiness()).toMatchObject({ isReady: true });
  });

  it("DESIGN 4.3: shard threads that die under load, both at once too: every ask is answered, every key has one outcome, sums are right", async () => {
    using dir = folder();
    const ACCOUNTS = 40;
    const { node } = await openNode(dir.path, { "--shard.threads": 2, "--checkpoint.every-entities": 100, "--checkpoint.every-ms": 50 });
    const random = randomOf(4);
    const load = new OrderLoad<Order>({ next: randomOrders(ACCOUNTS, random), connections: 32 });
    await Promise.all(Array.from({ length: ACCOUNTS }, (_, number) => openOnNode(node, accountId(number), overdraftOf(number))));
    const door = nodeDoor(node);
    const running = load.run(door);
    for (const killed of [[0], [0, 1], [1, 0], [1]]) {
      await new Promise<void>((resolve) => load.whenAcknowledged(60, resolve));
      await Promise.all(killed.map((thread) => node.killShardThread(thread)));
      expect((await node.readiness()).isReady).toBe(false);
      await until("the threads were replaced", async () => (await node.readiness()).isReady);
      load.compareLater(32, 16, random);
    }
    load.stop();
    await running;
    await load.settle(door);
    expect(node.inFlight).toBe(0);
    expect(load.repeated).toBeGreaterThan(0);
    expect(load.replays).toBeGreaterThan(0);
    const { views } = await node.figures();
    expect(views.findings).toEqual([]);
    await node.close();
    expect(keptPromises(join(dir.path, "journal.db"), load)).toMatchObject({ lost: 0, doubled: 0, defects: [] });
  });
});

describe("a node that cannot store its checkpoints", () => {
  const flags = { "--shard.threads": 1, "--checkpoint.every-entities": 10, "--checkpoint.every-ms": 50 };
  /** `checkpoint.everyEntities` times the factor that bounds what no snapshot holds, and what one turn brings. */
  const DIRTY_MAX = 10 * 4;

  /** The first rest after a checkpoint that failed; the others are longer. */
  const RESTS_MS_MIN = 100;
  const breakStore = (dir: string): Database.Database => {
    const other = new Database(join(dir, "state.db"));
    for (const what of ["INSERT", "UPDATE"])
      other.exec(`CREATE TRIGGER broken_${what} BEFORE ${what} ON snapshots BEGIN SELECT RAISE(ABORT, 'the store is broken'); END`);
    return other;
  };
  const mendStore = (other: Database.Database): void => {
    for (const what of ["INSERT", "UPDATE"]) other.exec(`DROP TRIGGER broken_${what}`);
    other.close();
  };

  it("L6: says so, rests between tries, takes new work only up to its bound, and goes on by itself when the store does", async () => {
    using dir = folder();
    const { node, errors } = await openNode(dir.path, flags);
    await using _closed = node;
    await openOnNode(node, "first", "0");
    const other = breakStore(dir.path);
    const opened: string[] = [];
    const refused = await until("OVERLOADED", async () => {
      const id = `account-${opened.length}`;
      const answer = await open(node, id);
      if (!answer.ok) return answer;
      opened.push(id);
      return null;
    });
    expect(refused.code).toBe("OVERLOADED");
    expect(opened.length).toBeGreaterThan(10);
    expect(opened.length).toBeLessThanOrEqual(DIRTY_MAX);
    const told = await until("readiness names it", async () => {
      const readiness = await node.readiness();
      return readiness.isReady ? null : readiness;
    });
    expect(told).toMatchObject({
      code: "OVERLOADED",
      reasons: [expect.stringMatching(/cannot store its checkpoint: .*the store is broken/)],
    });

    const triesOf = (): number => errors.filter((text) => text === "a checkpoint could not be stored; it is tried again").length;
    const [before, from] = [triesOf(), performance.now()];
    await delay(1_000); // The time over which tries are counted: without rests there are hundreds.
    const restsMax = (performance.now() - from) / RESTS_MS_MIN;
    expect(triesOf() - before).toBeLessThanOrEqual(node.threadCount * (restsMax + 1));

    mendStore(other);
    await until("the checkpoint is stored", async () => (await node.readiness()).isReady);
    expect(codeOf(await until("new work is taken", async () => (await open(node, "last")) as Answer))).toBe("ok");
    for (const id of opened) expect(await balanceOf(node, id)).toBe("0.00");
  });

  it("closes within its deadline, and what no snapshot holds is there at the next start", async () => {
    using dir = folder();
    const { node, threads } = await openNode(dir.path, flags);
    await openOnNode(node, "alice", "0");
    const other = breakStore(dir.path);
    for (let i = 0; i < 5; i++) expect(codeOf(await deposit(node, `key-${i}`, "alice"))).toBe("ok");
    await node.close(3_000); // The store is broken until after it: nothing but the deadline ends the wait.
    await allEnded(threads.values());
    mendStore(other);
    const again = await openNode(dir.path, flags);
    await using _closed = again.node;
    expect(await balanceOf(again.node, "alice")).toBe("5.00");
    expect(await deposit(again.node, "key-0", "alice")).toMatchObject({ ok: true, value: { replayed: true } });
  });
});

const whyNot = whyNoTracing();
if (whyNot !== null) process.stderr.write(`node.test.ts: tests of a failing disk are skipped, ${whyNot}\n`);

describe.skipIf(whyNot !== null)("a node on a disk that fails", () => {
  interface Report {
    readonly refusals: Readonly<Record<string, number>>;
    readonly reads: Readonly<Record<string, number>>;
    readonly changed: readonly string[];
    readonly errors: readonly string[];
    readonly isReady: boolean;
    readonly findings: readonly string[];
    readonly lines: ReadonlyArray<Readonly<Record<string, unknown>>>;
    readonly outcomes: ReadonlyArray<readonly [key: string, body: string]>;
  }

  /** Injected, one after the other: a group is refused by each at most. */
  const FAILURES = 5;

  function runWith(dir: string, { calls, error, when }: Readonly<Record<"calls" | "error" | "when", string>>) {
    const path = findStrace();
    if (path === undefined) throw new Error("strace is not here");
    const trace = join(dir, "trace.txt");
    const inject = ["-e", `trace=${calls}`, "-e", `inject=${calls}:error=${error}:when=${when}`, "-P", join(dir, "journal.db-wal")];
    const { command, args, env } = straceCommand(path, ["-f", "-qq", "-o", trace, ...inject]);
    const words = [...args, process.execPath, supportScript("node-on-bad-disk"), dir];
    const child = spawnSync(command, words, { env, encoding: "utf8", timeout: 50_000, killSignal: "SIGKILL" });
    if (child.status !== 0) throw new Error(`the child ended with ${child.status ?? child.signal}: ${child.stderr}`);
    return { report: JSON.parse(child.stdout) as Report, log: readFileSync(trace, "utf8") };
  }

  function expectKept(dir: string, report: Report): void {
    const { refusals, reads, outcomes } = report;
    expect(Object.keys(refusals).filter((code) => code !== "JOURNAL_UNAVAILABLE" && code !== "OUTCOME_UNKNOWN")).toEqual([]);
    expect(Object.keys(refusals).length).toBeGreaterThan(0);
    // The one that was under way when a group was refused is told so, while its shards are recovered; all others are answered.
    const { ok = 0, OUTCOME_UNKNOWN: unknown = 0, JOURNAL_UNAVAILABLE: refused = 0, ...others } = reads;
    expect(others).toEqual({});
    expect(ok).toBeGreaterThan(0);
    expect(unknown + refused).toBeLessThanOrEqual(FAILURES);
    expect(report).toMatchObject({ changed: [], isReady: true, findings: [] });
    expect(report.lines).toMatchObject([{ currency: "CZK", customer: "10000", inTransit: "0", total: "0" }]);
    expect(outcomes).toHaveLength(100);
    const books = readJournal(join(dir, "journal.db"));
    expect(books.findings).toEqual([]);
    expect(doubledOf(books)).toBe(0);
    expect(books.balances.get("busy")).toBe(10_000n);
    const stored = [...books.transfers.values()].flatMap(({ finishes }) => finishes.map(({ body }) => body));
    expect(stored.sort()).toEqual(outcomes.map(([, body]) => body).sort());
  }

  it("L2: syncs of the log fail: writes are refused or unknown, reads go on, writes resume by themselves, each key has one outcome", () => {
    using dir = folder();
    const { report, log } = runWith(dir.path, { calls: "fdatasync,fsync", error: "EIO", when: "20..24" });
    expect(log).toMatch(/sync\(.*EIO.*INJECTED/);
    expect(report.errors).toContain("the journal takes no writes; reads go on");
    expectKept(dir.path, report);
  });

  it("L2: the disk is full for a while: writes are refused or unknown, reads go on, writes resume by themselves, each key has one outcome", () => {
    using dir = folder();
    const { report, log } = runWith(dir.path, { calls: "pwrite64", error: "ENOSPC", when: "50..54" });
    expect(log).toMatch(/pwrite64\(.*ENOSPC.*INJECTED/);
    expect(report.errors).toContain("the journal takes no writes; reads go on");
    expectKept(dir.path, report);
  });
});

describe("a node that is started again", () => {
  it("R-LED-4: with 1, 3 and 2 shard threads after kill -9 in the middle of open transfers: nothing is lost, nothing done twice", async () => {
    using dir = folder();
    const ACCOUNTS = 60;
    const random = randomOf(7);
    const load = new OrderLoad<Order>({ next: randomOrders(ACCOUNTS, random), connections: 48 });
    const start = (threads: number): Promise<KillableServer> =>
      KillableServer.start({
        dataDir: dir.path,
        env: { TROUPE_SHARD_THREADS: String(threads), TROUPE_CHECKPOINT_EVERY_ENTITIES: "50", TROUPE_CHECKPOINT_EVERY_MS: "50" },
      });
    const openTransfers = (): number =>
      [...readJournal(join(dir.path, "journal.db")).transfers.values()].filter(({ finishes }) => finishes.length === 0).length;
    let openAtKills = 0;
    for (const [life, threads] of [1, 3, 2, 3].entries()) {
      const server = await start(threads);
      const client = new KeepAliveClient(server.url, 48);
      if (life === 0) await openAccounts(client, ACCOUNTS);
      const running = load.run(httpDoor(client));
      await new Promise<void>((resolve) =>
        load.whenAcknowledged(150, () => {
          server.kill();
          load.stop();
          resolve();
        }),
      );
      await server.gone();
      await running;
      client.close();
      openAtKills += openTransfers();
      load.compareLater(32, 16, random);
    }
    expect(openAtKills).toBeGreaterThan(0);
    const server = await start(1);
    const client = new KeepAliveClient(server.url, 48);
    await load.settle(httpDoor(client));
    client.close();
    expect(await server.stop()).toBe(0);
    expect(load.replays).toBeGreaterThan(0);
    expect(keptPromises(join(dir.path, "journal.db"), load)).toMatchObject({ lost: 0, doubled: 0, defects: [] });
  });
});

describe("a thread's place", () => {
  it("16: shards are spread over the threads by one rule, whatever their number", async () => {
    using dir = folder();
    const { node } = await openNode(dir.path, { "--shard.threads": 3 });
    await using _closed = node;
    await Promise.all(Array.from({ length: 24 }, (_, i) => openOnNode(node, `spread-${i}`, "0")));
    const { shardThreads } = await node.figures();
    expect(shardThreads.map(({ shards }) => shards)).toEqual([3, 3, 2]);
    const expected = [0, 1, 2].map((thread) => Array.from({ length: 24 }, (_, i) => shardOf(`account/spread-${i}`, 8) % 3 === thread));
    expect(shardThreads.map(({ entitiesInMemory }) => entitiesInMemory)).toEqual(expected.map((mine) => mine.filter(Boolean).length));
  });
});
