/** The one formula of all rests, for restarts and for effects: exponential, capped, with jitter (TRAPS 2, R-CON-6). */
import { expect, it } from "vitest";
import { nextDelayMs } from "../../../src/runtime/index.ts";

const policy = { backoffMsMin: 2_000, backoffMsMax: 30_000, jitterRatio: 0 };
const delays = (random: number, more: Partial<typeof policy> = {}) =>
  [1, 2, 3, 4, 5, 100, 5_000].map((attempt) => nextDelayMs({ ...policy, ...more }, attempt, random));

it("R-CON-6: rests are 2, 4, 8 s and stand at their cap", () => {
  expect(delays(0)).toEqual([2_000, 4_000, 8_000, 16_000, 30_000, 30_000, 30_000]);
});

it("TRAPS 2: jitter is drawn on top of each rest, also of those at the cap, and never beyond it", () => {
  expect(delays(0, { jitterRatio: 0.5 })).toEqual([2_000, 4_000, 8_000, 16_000, 20_000, 20_000, 20_000]);
  expect(delays(0.5, { jitterRatio: 0.5 })).toEqual([2_500, 5_000, 10_000, 20_000, 25_000, 25_000, 25_000]);
  expect(Math.max(...delays(0.999_999, { jitterRatio: 0.5 }))).toBeLessThanOrEqual(30_000);
});
