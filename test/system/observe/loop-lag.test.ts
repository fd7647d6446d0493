/** How late an event loop is, on a clock that the test sets. */
import { afterEach, beforeEach, expect, it, vi } from "vitest";
import { LoopLag } from "../../../src/system/observe/loop-lag.ts";

let nowMs = 0;
beforeEach(() => {
  nowMs = 0;
  vi.useFakeTimers({ toFake: ["setInterval", "clearInterval"] });
  vi.spyOn(performance, "now").mockImplementation(() => nowMs);
});
afterEach(() => {
  vi.useRealTimers();
  vi.restoreAllMocks();
});

/** The loop gets its turn `ms` after the last one. */
function turnAfter(ms: number): void {
  nowMs += ms;
  vi.advanceTimersByTime(100);
}

it("TRAPS 23: what held the loop is seen for 5 s at least and 10 s at most, and while it holds it", () => {
  using lag = new LoopLag();
  turnAfter(100);
  expect(lag.recentMsMax).toBe(0);
  nowMs += 6_100;
  expect(lag.recentMsMax).toBe(6_000); // It is held now: no turn has come.
  turnAfter(0);
  for (let turn = 0; turn < 49; turn++) turnAfter(100);
  expect(lag.recentMsMax).toBe(6_000);
  for (let turn = 0; turn < 52; turn++) turnAfter(100);
  expect(lag.recentMsMax).toBe(0);
});

it("TRAPS 23: a slow start is no lag of a loop that serves, and what comes after it is", () => {
  using lag = new LoopLag();
  turnAfter(6_100);
  nowMs += 5_900;
  expect(lag.recentMsMax).toBe(6_000);
  lag.begin();
  expect(lag.recentMsMax).toBe(0);
  expect(lag.lags.sum).toBeCloseTo(11.8, 9); // Metrics show all of it: 6 s once, and 5.8 s until it began.
  turnAfter(100);
  expect(lag.recentMsMax).toBe(0);
  turnAfter(5_200);
  expect(lag.recentMsMax).toBe(5_100);
});
