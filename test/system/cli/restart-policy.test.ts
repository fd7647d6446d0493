import { expect, it } from "vitest";
import { afterDeath, recentDeaths } from "../../../src/system/cli/restart-policy.ts";

const policy = { restartsMax: 3, windowMs: 1_000, backoffMsMin: 100, backoffMsMax: 350 };
const delays = (random: () => number): readonly (number | null)[] =>
  [1, 2, 3, 4].map((deaths) => {
    const next = afterDeath(policy, new Array<number>(deaths).fill(0), random);
    return next.kind === "restart" ? next.delayMs : null;
  });

it("TRAPS 2, 19: the rest doubles up to its limit, half of it is random, and the cap ends it", () => {
  expect(delays(() => 1)).toEqual([100, 200, 350, null]);
  expect(delays(() => 0)).toEqual([50, 100, 175, null]);
});

it("no restart at all is a policy too", () => {
  expect(afterDeath({ ...policy, restartsMax: 0 }, [0], Math.random)).toEqual({ kind: "give-up" });
});

it("a death counts for the window and no longer", () => {
  expect(recentDeaths([0, 500, 999], 1_000, policy.windowMs)).toEqual([500, 999]);
});
