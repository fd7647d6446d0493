/** What can be seen of a domain (issue 3 G): each message counted by how it ended, hops of sampled traces, a look that wakes nobody. */
import { describe, expect, it } from "vitest";
import type { Outcome } from "../../../src/runtime/index.ts";
import { DomainBench } from "./domain-bench.ts";

const TRACE = "4bf92f3577b34da6a3ce929d0e0e4736";
const sampled = `00-${TRACE}-00f067aa0ba902b7-01`;
const unsampled = `00-${TRACE}-00f067aa0ba902b7-00`;

function countsOf(bench: DomainBench, type: string): Partial<Record<Outcome, number>> {
  const [, counts] = bench.domain.meter.look().messages.find(([name]) => name === type) ?? [];
  return Object.fromEntries(Object.entries(counts ?? {}).filter(([, count]) => count > 0));
}

describe("counts", () => {
  it("a message is counted once, by how it ended", () => {
    const bench = new DomainBench();
    bench.ask("counter/a", "add", { by: 1 });
    bench.ask("counter/a", "get");
    bench.ask("counter/a", "refuse");
    bench.ask("counter/a", "skip");
    bench.ask("counter/a", "boom");
    bench.ask("counter/a", "breakEvolve");
    bench.ask("counter/a", "add", { by: 1 }, { deadlineAt: 1 });
    for (let i = 0; i < 2; i++) bench.ask("counter/a", "addOnce", { by: 1 }, { id: "key" });
    expect(countsOf(bench, "counter")).toEqual({ accepted: 2, replied: 1, rejected: 1, ignored: 1, crashed: 2, expired: 1, repeated: 1 });
    expect(bench.domain.figures().messagesHandled).toBe(9);
  });

  it("tells, their answers and what the journal does not take are counted too", () => {
    const bench = new DomainBench();
    bench.ask("counter/a", "tell", { to: "counter/b", command: "add", by: 1, isAnswered: true });
    expect(countsOf(bench, "counter")).toEqual({ accepted: 3 });
    bench.domain.journalDown(true);
    bench.ask("counter/a", "add", { by: 1 });
    expect(countsOf(bench, "counter")).toEqual({ accepted: 3, refused: 1 });
    bench.domain.journalDown(false);
    bench.ask("ball/x", "hit", { to: "y", again: false });
    expect(countsOf(bench, "ball")).toEqual({ accepted: 11, "dead-letter": 1 });
  });

  it("entities in memory are counted by type as they come and go", () => {
    const bench = new DomainBench();
    bench.ask("counter/a", "add", { by: 1 });
    bench.ask("counter/none", "get");
    bench.ask("ball/x", "get");
    expect(Object.fromEntries(bench.domain.entitiesByType)).toEqual({ counter: 1, ball: 0 });
    bench.checkpoint();
    bench.domain.passivate({ idleSince: Number.POSITIVE_INFINITY, stepsMax: 10 });
    expect(Object.fromEntries(bench.domain.entitiesByType)).toEqual({ counter: 0, ball: 0 });
  });
});

describe("traces", () => {
  it("R-API-11: every hop of a sampled trace is told, and the entries and groups that it made name it", () => {
    const bench = new DomainBench();
    for (const id of ["a", "b"]) bench.ask(`counter/${id}`, "add", { by: 1 });
    const caller = bench.send("counter/a", "tell", { to: "counter/b", command: "add", by: 1, isAnswered: true }, { trace: sampled });
    bench.settle();
    expect(bench.groups.map(({ traces }) => traces)).toEqual([[sampled]]);
    bench.commit();
    expect(bench.answers.get(caller)).toMatchObject({ ok: true });
    expect(bench.traced).toEqual([
      { trace: sampled, address: "counter/a", kind: "command", doing: "tell", outcome: "accepted" },
      { trace: sampled, address: "counter/b", kind: "tell", doing: "add", outcome: "accepted" },
      { trace: sampled, address: "counter/a", kind: "answer", doing: "heard", outcome: "accepted" },
    ]);
    expect(bench.entries.slice(2).map(({ entity, traces }) => [entity, traces])).toEqual([
      ["counter/a", [sampled]],
      ["counter/b", [sampled]],
    ]);
  });

  it("a trace that is not sampled is in the entry and told by nobody", () => {
    const bench = new DomainBench();
    bench.ask("counter/a", "add", { by: 1 }, { trace: unsampled });
    expect(bench.traced).toEqual([]);
    expect(bench.entries.map(({ traces }) => traces)).toEqual([[unsampled]]);
    expect(bench.records.some((record) => "traces" in record)).toBe(false);
  });
});

it("TRAPS 26: a look at the entities in memory wakes none, and goes on while they come and go", () => {
  const bench = new DomainBench();
  for (const id of ["a", "b", "c"]) bench.ask(`counter/${id}`, "add", { by: 1 });
  bench.nowMs += 5_000;
  bench.send("counter/b", "get");
  const look = bench.domain.look();
  expect(look.next().value).toMatchObject({ address: "counter/a", type: "counter", status: "ready", waiting: 0, seq: 1, version: 1 });
  bench.checkpoint();
  bench.domain.passivate({ idleSince: Number.POSITIVE_INFINITY, stepsMax: 10 });
  expect([...look]).toMatchObject([{ address: "counter/b", waiting: 1 }]);
  expect(bench.loads).toEqual([]);
});
