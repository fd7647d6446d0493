/** The streams of a server: heartbeats, age, stalled clients and the stop, on a clock of the test's. */
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { type OpenStream, OpenStreams } from "../../../../src/system/http/streams/open-streams.ts";

const LIMITS = { countMax: 3, heartbeatMs: 15_000, stalledMs: 30_000, ageMsMax: 1_800_000 };
let streams: OpenStreams;

function stream(isAnswer = false) {
  const told: string[] = [];
  const made = {
    isAnswer,
    blockedSinceMs: null as number | null,
    beat: () => void told.push("beat"),
    end: (why: string) => void told.push(`end: ${why}`),
    cut: () => {
      told.push("cut");
      streams.remove(made);
    },
  } satisfies OpenStream & { blockedSinceMs: number | null };
  streams.add(made, 0);
  return { made, told };
}

beforeEach(() => {
  vi.useFakeTimers();
  streams = new OpenStreams(LIMITS);
});
afterEach(() => {
  streams.close();
  vi.useRealTimers();
});

describe("the streams of a server", () => {
  it("R-API-4: each gets a heartbeat every 15 s, and is ended after 30 minutes", () => {
    const { told } = stream();
    for (let nowMs = 0; nowMs < 60_000; nowMs += 1_000) streams.sweep(nowMs);
    expect(told).toEqual(["beat", "beat", "beat"]);
    streams.sweep(LIMITS.ageMsMax);
    expect(told.at(-1)).toBe("end: time");
  });

  it("R-API-4, TRAPS 45: a client that does not read for 30 s with a full socket is cut, and gets no heartbeat meanwhile", () => {
    const { made, told } = stream();
    made.blockedSinceMs = 5_000;
    streams.sweep(34_999);
    expect(told).toEqual([]);
    streams.sweep(35_000);
    expect([told, streams.count, streams.cutCount]).toEqual([["cut"], 0, 1]);
  });

  it("has a limit, and room again when one goes", () => {
    const all = [stream(), stream(), stream()];
    expect(streams.isFull).toBe(true);
    streams.remove(all[0]?.made as OpenStream);
    expect([streams.isFull, streams.count]).toEqual([false, 2]);
  });

  it("R-CON-4: a stop ends those that only follow, cuts those that do not end, and lets answers finish", () => {
    const [follows, answers] = [stream(), stream(true)];
    streams.stop();
    expect([follows.told, answers.told]).toEqual([["end: stop"], []]);
    vi.advanceTimersByTime(1_000);
    expect([follows.told, answers.told]).toEqual([["end: stop", "cut"], []]);
  });
});
