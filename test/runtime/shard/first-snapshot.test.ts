/** A snapshot that is marked as the first is added without looking for an older one: marked wrongly, a stale row stays the one that is read. */
import { describe, expect, it } from "vitest";
import type { Checkpoint } from "../../../src/runtime/index.ts";
import { DomainBench } from "./domain-bench.ts";

/** Everything that the checkpoint stores: which entities, and whether their rows are added without a look. */
function firsts(checkpoint: Checkpoint | null): ReadonlyMap<string, boolean> {
  if (checkpoint === null) throw new Error("no checkpoint could begin");
  const found = new Map<string, boolean>();
  while (!checkpoint.isEncoded) for (const { entity, isFirst } of checkpoint.encode(10).snapshots) found.set(entity, isFirst === true);
  return found;
}

describe("the first snapshot of an entity", () => {
  it("L3: an entity that finishes while a checkpoint holds it has its row looked for by the next one", () => {
    const bench = new DomainBench();
    bench.ask("counter/a", "add", { by: 1 });
    const first = bench.domain.beginCheckpoint(1);
    expect(firsts(first)).toEqual(new Map([["counter/a", true]]));
    bench.ask("counter/a", "finish"); // Kept as its snapshot from now on, before the checkpoint under way has ended.
    bench.domain.endCheckpoint();
    const second = bench.domain.beginCheckpoint(bench.records.length);
    expect(firsts(second)).toEqual(new Map([["counter/a", false]]));
  });

  it("L3: so has one of a checkpoint that was abandoned, whose rows may be stored", () => {
    const bench = new DomainBench();
    bench.ask("counter/a", "add", { by: 1 });
    bench.ask("counter/b", "add", { by: 1 });
    expect(firsts(bench.domain.beginCheckpoint(1)).size).toBe(2);
    bench.ask("counter/a", "finish");
    bench.domain.abandonCheckpoint();
    const second = bench.domain.beginCheckpoint(bench.records.length);
    expect(firsts(second)).toEqual(
      new Map([
        ["counter/a", false],
        ["counter/b", false],
      ]),
    );
  });

  it("one that is encoded late, after it changed again, is still the first of its checkpoint", () => {
    const bench = new DomainBench();
    bench.ask("counter/a", "add", { by: 1 });
    const first = bench.domain.beginCheckpoint(1);
    bench.ask("counter/a", "add", { by: 1 });
    expect(firsts(first)).toEqual(new Map([["counter/a", true]]));
    bench.domain.endCheckpoint();
    expect(firsts(bench.domain.beginCheckpoint(bench.records.length))).toEqual(new Map([["counter/a", false]]));
  });
});
