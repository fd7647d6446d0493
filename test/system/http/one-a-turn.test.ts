import { expect, it } from "vitest";
import { OneATurn } from "../../../src/system/http/one-a-turn.ts";

it("what came together runs in its order, with a turn of the event loop between, whatever one of them throws", async () => {
  const turns = new OneATurn();
  const seen: string[] = [];
  const tick = (): void => {
    seen.push("turn");
    if (!seen.includes("third")) setImmediate(tick);
  };
  setImmediate(tick);
  const all = await Promise.allSettled([
    turns.run(() => seen.push("first")),
    turns.run(() => {
      seen.push("second");
      throw new Error("no");
    }),
    turns.run(() => seen.push("third")),
  ]);
  expect(all.map(({ status }) => status)).toEqual(["fulfilled", "rejected", "fulfilled"]);
  expect(seen.filter((what) => what !== "turn")).toEqual(["first", "second", "third"]);
  expect(seen.slice(seen.indexOf("first"), seen.indexOf("second"))).toContain("turn");
  expect(seen.slice(seen.indexOf("second"), seen.indexOf("third"))).toContain("turn");
});
