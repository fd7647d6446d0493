import fc from "fast-check";
import { expect, test } from "vitest";
import { Histogram } from "../../../src/runtime/index.ts";

test("every value is in the one bucket between its bounds, and the sum is that of all values", () => {
  const bounds = [1, 2, 5];
  const value = fc.integer({ min: -3, max: 9 });
  fc.assert(
    fc.property(fc.array(value), (values) => {
      const histogram = new Histogram(bounds);
      for (const each of values) histogram.observe(each);
      const { counts, sum } = histogram.look();
      const between = (low: number, high: number): number => values.filter((each) => each > low && each <= high).length;
      expect(counts).toEqual([between(-9, 1), between(1, 2), between(2, 5), between(5, 99)]);
      expect(sum).toBe(values.reduce((a, b) => a + b, 0));
    }),
  );
});
