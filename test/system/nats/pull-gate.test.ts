/** When nothing is pulled, because the node takes nothing (issue 5 C: back-pressure). */
import { afterEach, beforeEach, expect, it, vi } from "vitest";
import { PullGate } from "../../../src/system/nats/pull-gate.ts";

beforeEach(() => vi.useFakeTimers());
afterEach(() => vi.useRealTimers());

it("opens by itself; each closing rests twice as long up to the longest, until a command was answered", async () => {
  const gate = new PullGate({ backoffMsMin: 100, backoffMsMax: 400, jitterRatio: 0 });
  const restOf = async (): Promise<number> => {
    gate.close();
    gate.close(); // Of several refusals at once the first one counts.
    const fromMs = Date.now();
    const opened = gate.opened();
    await vi.runAllTimersAsync();
    await opened;
    expect(gate.isClosed).toBe(false);
    return Date.now() - fromMs;
  };
  expect([await restOf(), await restOf(), await restOf(), await restOf()]).toEqual([100, 200, 400, 400]);
  gate.passed();
  expect(await restOf()).toBe(100);
});

it("a stop waits for no rest", async () => {
  const gate = new PullGate({ backoffMsMin: 1_000, backoffMsMax: 1_000, jitterRatio: 0 });
  gate.close();
  const opened = gate.opened();
  gate.release();
  await opened;
  gate.close();
  expect([gate.isClosed, vi.getTimerCount()]).toEqual([false, 0]);
});
