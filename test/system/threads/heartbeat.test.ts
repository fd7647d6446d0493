/** A thread without progress is noticed and ended, and no other one (DESIGN 4.3): by a clock of the test, and with real threads and processes. */
import { setTimeout as delay, setImmediate as turn } from "node:timers/promises";
import { afterEach, describe, expect, it } from "vitest";
import { Heartbeat, heartbeatMemory, lookAtHeartbeat } from "../../../src/system/threads/heartbeat.ts";
import { HeartbeatWatch } from "../../../src/system/threads/heartbeat-watch.ts";
import { WorkerThread } from "../../../src/system/threads/worker-thread.ts";
import type { ControlWorker } from "../../support/control-worker.ts";
import { folder } from "../../support/journal-bench.ts";
import { KillableServer } from "../../support/killable-server.ts";

const HEARTBEAT_MS = 2_000;
const LOOK_MS = HEARTBEAT_MS / 4;

describe("a watch with a clock of the test", () => {
  const closing: Array<() => void> = [];
  afterEach(() => {
    for (const close of closing.splice(0)) close();
  });

  function watched() {
    const clock = { nowMs: 1_000_000 };
    const watch = new HeartbeatWatch({ heartbeatMs: HEARTBEAT_MS, nowMs: () => clock.nowMs });
    const ended: string[] = [];
    const memory = heartbeatMemory();
    watch.watch({ name: "shard-0", heartbeat: memory, end: (reason) => void ended.push(reason) });
    const load = (loading: Promise<unknown> | null = null): Heartbeat => {
      const heart = new Heartbeat({ heartbeat: memory, heartbeatEveryMs: 3_600_000 }, loading);
      closing.push(() => heart.close());
      return heart;
    };
    /** It has loaded its modules, and was seen to have beaten after that. */
    const begin = async (): Promise<Heartbeat> => {
      const heart = load();
      await turn();
      watch.look();
      return heart;
    };
    closing.push(() => watch.close());
    /** Lets so many looks pass, each in its time. */
    const looks = (count: number, each: () => void = () => {}): void => {
      for (let i = 0; i < count; i++) {
        clock.nowMs += LOOK_MS;
        each();
        watch.look();
      }
    };
    return { watch, ended, load, begin, looks, clock, memory };
  }

  it("one that beats, however rarely within the time, is left alone; one that stands still is named, then ended, once", async () => {
    const { watch, ended, begin, looks } = watched();
    const heart = await begin();
    looks(1);
    for (let round = 0; round < 5; round++) {
      looks(2);
      looks(1, heart.beat);
    }
    looks(1, heart.beat);
    looks(2);
    expect(watch.late).toEqual([]);
    looks(1);
    expect(watch.late).toEqual([{ name: "shard-0", forMs: 3 * LOOK_MS }]);
    looks(1);
    expect(ended).toEqual(["no heartbeat for 2000 ms (threads.heartbeatMs is 2000)"]);
    looks(8);
    expect(ended).toHaveLength(1);
    expect(watch.late).toEqual([]);
  });

  it("K1: a thread that is starting has a minute", () => {
    const { ended, looks } = watched();
    looks(119);
    expect(ended).toEqual([]);
    looks(1);
    expect(ended).toEqual(["it did not get on with its start for 60000 ms (threads.heartbeatMs is 2000)"]);
  });

  it("K1: nor is it over with the beat before its modules are loaded, but with the first one after", async () => {
    const { watch, ended, load, looks, memory } = watched();
    const loading = Promise.withResolvers<void>();
    const heart = load(loading.promise);
    looks(15);
    heart.beat(); // A module with a top-level await lets others run.
    looks(100);
    expect([ended, watch.late]).toEqual([[], []]);
    loading.resolve();
    await turn();
    await turn(); // One for the promise, one for the turn of its own.
    expect(lookAtHeartbeat(memory).isUp).toBe(true);
    looks(4);
    expect(ended).toEqual([]);
    looks(1);
    expect(ended).toEqual(["no heartbeat for 2000 ms (threads.heartbeatMs is 2000)"]);
  });

  it("K2: a call to the disk is waited for, and counts as progress when it is over", async () => {
    const { watch, ended, begin, looks } = watched();
    const heart = await begin();
    looks(1);
    heart.during(() => looks(100));
    expect([ended, watch.late]).toEqual([[], []]);
    looks(4);
    expect(ended).toEqual([]);
    looks(1);
    expect(ended).toHaveLength(1);
  });

  it("K2: a call that throws is over too", () => {
    const memory = heartbeatMemory();
    const other = new Heartbeat({ heartbeat: memory, heartbeatEveryMs: 3_600_000 });
    closing.push(() => other.close());
    expect(() =>
      other.during(() => {
        throw new Error("disk full");
      }),
    ).toThrow("disk full");
    expect(lookAtHeartbeat(memory).isInCall).toBe(false);
  });

  it("K3: after the main thread was away itself, every thread gets its full time again", async () => {
    const { watch, ended, begin, looks, clock } = watched();
    await begin();
    looks(3);
    clock.nowMs += 3_600_000; // The laptop slept.
    watch.look();
    expect(ended).toEqual([]);
    looks(3);
    expect(ended).toEqual([]);
    looks(1);
    expect(ended).toHaveLength(1);
  });
});

describe("real threads", () => {
  it("DESIGN 4.3: of two threads the one in an endless loop is ended, with that reason", async () => {
    const watch = new HeartbeatWatch({ heartbeatMs: 1_000 });
    const start = (name: string): WorkerThread<ControlWorker> =>
      new WorkerThread<ControlWorker>({
        name,
        url: new URL("../../support/control-worker.ts", import.meta.url),
        data: null,
        heapMiBMax: 64,
        heartbeatEveryMs: watch.everyMs,
      });
    const [good, bad] = [start("good"), start("bad")];
    for (const thread of [good, bad]) watch.watch(thread);
    expect(await Promise.all([good.call.echo("a"), bad.call.echo("b")])).toEqual(["a", "b"]);
    await expect(bad.call.loop()).rejects.toMatchObject({
      message: expect.stringMatching(/the bad thread did not answer: no heartbeat for/),
    });
    expect(await bad.exited).toMatch(/^no heartbeat for \d+ ms \(threads.heartbeatMs is 1000\)$/);
    expect(await good.call.echo("lives")).toBe("lives");
    watch.close();
    await good.terminate();
  });

  it("K3: a server that is stopped by SIGSTOP for longer than the heartbeat goes on with all its threads", async () => {
    using dir = folder();
    const server = await KillableServer.start({
      dataDir: dir.path,
      env: { TROUPE_THREADS_HEARTBEAT_MS: "2000", TROUPE_SHARD_THREADS: "2", TROUPE_LOG_LEVEL: "error" },
    });
    process.kill(server.nodePid, "SIGSTOP");
    await delay(4_500); // The time for which the process does not exist.
    process.kill(server.nodePid, "SIGCONT");
    await delay(2_500); // The time in which a watch that misjudges would end them.
    const isReady = async (): Promise<boolean> => (await fetch(`${server.url}/readyz`)).status === 200;
    while (!(await isReady())) await delay(100); // A machine that does other things may be behind for a moment.
    expect(server.said).not.toMatch(/no heartbeat/);
    expect(await server.stop()).toBe(0);
  });
});
