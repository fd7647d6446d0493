/** The doubles themselves: a simulation is only as honest as its clock, channels and disks. */
import { describe, expect, it } from "vitest";
import { Channel, LossySnapshots, Random, VirtualClock } from "../../../src/runtime/testing/index.ts";

const channelOf = (clock: VirtualClock, seed: number, got: number[]) =>
  new Channel<{ n: number }>({ clock, random: new Random(seed), delayMsMax: 10, deliver: ({ n }) => got.push(n) });
const runAll = (clock: VirtualClock): void => {
  while (clock.step());
};

describe("Random", () => {
  it("gives the same numbers for the same seed, and a fork of its own", () => {
    const draw = (random: Random) => [random.next(), random.between(3, 5), random.fork().next(), random.next()];
    expect(draw(new Random(7))).toEqual(draw(new Random(7)));
    expect(draw(new Random(7))).not.toEqual(draw(new Random(8)));
    expect(() => new Random(1).pick([])).toThrow(RangeError);
  });
});

describe("VirtualClock", () => {
  it("runs timers in the order of their time, and those of one instant in the order in which they were set", () => {
    const clock = new VirtualClock(1_000);
    const random = new Random(3);
    const times = Array.from({ length: 200 }, () => random.between(0, 20));
    const ran: [number, number][] = [];
    for (const [i, at] of times.entries()) clock.at(at, () => ran.push([at, i]));
    runAll(clock);
    expect(ran).toEqual([...ran].sort(([a, i], [b, j]) => a - b || i - j));
    expect(ran).toHaveLength(200);
  });

  it("never goes back, whatever the machine's clock does", () => {
    const clock = new VirtualClock(1_000);
    clock.after(5, () => {
      clock.skewMs = -500;
      clock.at(1, () => {});
    });
    runAll(clock);
    expect([clock.nowMs, clock.wallMs()]).toEqual([5, 505]);
  });
});

describe("Channel", () => {
  it("delivers in order, a copy of what was sent, and nothing before somebody listens", () => {
    const clock = new VirtualClock(0);
    const got: number[] = [];
    const channel = channelOf(clock, 1, got);
    const message = { n: 0 };
    for (; message.n < 20; message.n++) channel.send(message);
    runAll(clock);
    expect(got).toEqual([]);
    channel.listen();
    channel.send({ n: 20 });
    runAll(clock);
    expect(got).toEqual(Array.from({ length: 21 }, (_, n) => n));
  });

  it("after its sender's crash delivers some first part of what was under way, and nothing sent later", () => {
    const counts = Array.from({ length: 50 }, (_, seed) => {
      const clock = new VirtualClock(0);
      const got: number[] = [];
      const channel = channelOf(clock, seed, got);
      channel.listen();
      for (let n = 0; n < 4; n++) channel.send({ n });
      channel.cut();
      channel.send({ n: 99 });
      runAll(clock);
      expect(got).toEqual([0, 1, 2, 3].slice(0, got.length));
      return got.length;
    });
    expect(new Set(counts)).toEqual(new Set([0, 1, 2, 3, 4]));
  });

  it("delivers nothing once it is closed", () => {
    const clock = new VirtualClock(0);
    const got: number[] = [];
    const channel = channelOf(clock, 1, got);
    channel.listen();
    channel.send({ n: 1 });
    channel.close();
    runAll(clock);
    expect(got).toEqual([]);
  });
});

describe("LossySnapshots", () => {
  const rowOf = (seq: number) => ({ entity: "a/1", shard: 0, seq, version: seq, definition: 1, body: "{}" });

  it("loses whole transactions from its end, and refuses as many as it is told", () => {
    const store = new LossySnapshots({ shardCount: 1 });
    for (const seq of [1, 2, 3]) store.write([rowOf(seq)]);
    store.loseLast(2);
    expect(store.load("a/1")).toMatchObject({ seq: 1 });
    store.failNext(1);
    expect(() => store.write([rowOf(4)])).toThrow("refused");
    store.write([rowOf(5)]);
    expect(store.load("a/1")).toMatchObject({ seq: 5 });
  });

  it("an older row that comes late does not replace a newer one", () => {
    const store = new LossySnapshots({ shardCount: 1 });
    store.write([rowOf(5)]);
    store.write([rowOf(4)]);
    expect(store.load("a/1")).toMatchObject({ seq: 5 });
  });
});
