/** L8: no total that is not 0 passes for one, whatever its first digit is. */
import { expect, it } from "vitest";
import { defectsOfTrial } from "./trial-balance.ts";

const answerOf = (total: string, inTransit: string) => ({
  status: 200,
  body: JSON.stringify({ lines: [{ currency: "CZK", total, inTransit }] }),
});

it.each([
  ["0.00", "0.00", 0],
  ["0", "0", 0],
  ["0.50", "0.00", 1],
  ["-0.01", "0.00", 1],
  ["0.00", "0.01", 1],
  ["12.00", "0.00", 1],
])("a total of %s with %s in transit has %i defects", (total, inTransit, count) => {
  expect(defectsOfTrial(answerOf(total, inTransit))).toHaveLength(count);
});

it("another status than 200 is a defect", () => {
  expect(defectsOfTrial({ status: 503, body: "{}" })).toEqual(["the trial balance answered 503 {}"]);
});
