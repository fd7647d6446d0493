/** Counters of threads that come and go (M1, M2): Prometheus takes a counter that falls for one that began anew, and would count all of it again. */
import { expect, it } from "vitest";
import { Histogram } from "../../../src/runtime/index.ts";
import { type Measure, measure, type PartMeasures } from "../../../src/system/observe/measure.ts";
import { MergedMeasures } from "../../../src/system/observe/merged-measures.ts";

const part = (name: string, life: number, ...measures: readonly Measure[]): PartMeasures => ({ part: name, taken: { life, measures } });
const handled = (count: number): Measure => measure("actor_messages_total", count, { type: "account", outcome: "accepted" });
const valuesOf = (measures: readonly Measure[]): readonly unknown[] => measures.map(({ name, value }) => [name, value]);

it("series of the same name and labels are added, histograms bucket by bucket", () => {
  const [a, b] = [new Histogram([1, 2]), new Histogram([1, 2])];
  for (const value of [0.5, 3]) a.observe(value);
  b.observe(1.5);
  const commits = (histogram: Histogram) => measure("journal_commit_seconds", histogram.look());
  const merged = new MergedMeasures().merge([part("x", 1, handled(2), commits(a)), part("y", 1, handled(3), commits(b))]);
  expect(valuesOf(merged)).toEqual([
    ["actor_messages_total", 5],
    ["journal_commit_seconds", { bounds: [1, 2], counts: [1, 1, 1], sum: 5 }],
  ]);
});

it("M1: a counter keeps what a thread had counted that ended; a gauge does not", () => {
  const merged = new MergedMeasures();
  const active = (count: number): Measure => measure("actor_active", count, { type: "account" });
  merged.merge([part("shard-0", 1, handled(10), active(4)), part("shard-1", 2, handled(5), active(1))]);
  // It is being replaced: not in the list.
  expect(valuesOf(merged.merge([part("shard-1", 2, handled(6), active(1))]))).toEqual([
    ["actor_messages_total", 16],
    ["actor_active", 1],
  ]);
  for (let looks = 0; looks < 2; looks++) {
    expect(valuesOf(merged.merge([part("shard-0", 3, handled(1), active(2)), part("shard-1", 2, handled(6), active(1))]))).toEqual([
      ["actor_messages_total", 17],
      ["actor_active", 3],
    ]);
  }
});

it("M2: a thread that does not answer counts as it answered last", () => {
  const merged = new MergedMeasures();
  merged.merge([part("shard-0", 1, handled(10))]);
  expect(valuesOf(merged.merge([{ part: "shard-0", taken: null }]))).toEqual([["actor_messages_total", 10]]);
  expect(valuesOf(merged.merge([part("shard-0", 1, handled(12))]))).toEqual([["actor_messages_total", 12]]);
});
