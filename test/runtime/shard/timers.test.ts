/** Durable timers: one of a label, fired once after its time, found again after a crash, and no memory for what is far away (TRAPS 24). */
import { describe, expect, it } from "vitest";
import { type AnyDefinition, accept, defineEntity, type Json, MemorySnapshots, reject } from "../../../src/runtime/index.ts";
import { any, DomainBench, recoveredOf, SHARD_COUNT } from "./domain-bench.ts";

type ClockEvent = { readonly kind: "noted"; readonly text: string };
interface SetBody {
  readonly label: string;
  readonly at: number;
  readonly catchUp?: "run" | "spread" | "skip";
  readonly command?: string;
}

/** An alarm clock: sets timers to itself and notes when they ring. */
const alarm = defineEntity({
  type: "alarm",
  version: 1,
  commands: {
    set: { body: any<SetBody>(), reply: any<null>() },
    unset: { body: any<{ readonly label: string }>(), reply: any<null>() },
    ring: { body: any<{ readonly label: string }>(), reply: any<null>() },
    every: { body: any<{ readonly label: string; readonly ms: number }>(), reply: any<null>() },
    refuse: { body: any<object>(), reply: any<null>() },
    get: { body: any<object>(), reply: any<string>() },
  },
  events: { noted: any<ClockEvent>() },
  initial: (): readonly string[] => [],
  decide: {
    set: (_state, { label, at, catchUp, command = "ring" }) =>
      accept<ClockEvent>([], {
        effects: [{ kind: "schedule", label, at, command, body: { label }, ...(catchUp === undefined ? {} : { catchUp }) }],
      }),
    unset: (_state, { label }) => accept<ClockEvent>([{ kind: "noted", text: `unset ${label}` }], { cancels: [label] }),
    ring: (_state, { label }, { at }) => accept<ClockEvent>([{ kind: "noted", text: `${label} ${at}` }]),
    every: (_state, { label, ms }, { at }) =>
      accept<ClockEvent>([{ kind: "noted", text: `${label} ${at}` }], {
        effects: [{ kind: "schedule", label, at: at + ms, command: "every", body: { label, ms } }],
      }),
    refuse: () => reject("limit_exceeded", "always"),
    get: (state) => ({ kind: "reply", value: state.join(" | ") }),
  },
  evolve: { noted: (state, { text }) => [...state, text] },
  snapshot: { encode: (state) => [...state], decode: (json) => json as readonly string[] },
}) as unknown as AnyDefinition;

const benchOf = (options: ConstructorParameters<typeof DomainBench>[0] = {}) =>
  new DomainBench({ definitions: [alarm], limits: { dirtyMax: 1_000_000 }, ...options });
const notes = (bench: DomainBench, key = "a"): Json => {
  const answer = bench.ask(`alarm/${key}`, "get");
  return answer?.ok === true ? answer.value : null;
};
function later(bench: DomainBench, ms: number): void {
  bench.nowMs += ms;
  bench.drive();
}
/** The next program: from the journal's tail, or from the checkpoint when there was one after everything. */
function restart(bench: DomainBench, { isCheckpointed = false, awayMs = 0 } = {}): DomainBench {
  if (isCheckpointed) bench.checkpoint();
  const recovered = recoveredOf(bench.records);
  const next = benchOf({
    incarnation: 2,
    records: bench.records,
    snapshots: bench.snapshots,
    store: bench.store,
    recovered: isCheckpointed ? { ...recovered, timers: new Map(), tail: new Map() } : recovered,
  });
  next.nowMs = bench.nowMs + awayMs;
  next.drive();
  return next;
}

describe("durable timers", () => {
  it("L6: a label that is too long to be noted as work is a crash of the handler, and nothing is kept", () => {
    const bench = benchOf();
    expect(bench.ask("alarm/a", "set", { label: "l".repeat(201), at: 1_500 })).toMatchObject({ ok: false, code: "INTERNAL_ERROR" });
    expect(bench.ask("alarm/a", "set", { label: "l".repeat(200), at: 1_500 })).toMatchObject({ ok: true });
    expect(bench.crashes).toHaveLength(1);
  });

  it("fires once, not before its time, and the journal says that it is over", () => {
    const bench = benchOf();
    bench.ask("alarm/a", "set", { label: "tea", at: 1_500 });
    later(bench, 499);
    expect(notes(bench)).toBe("");
    expect(bench.domain.nextDueMs).toBe(1_500);
    later(bench, 1);
    expect(notes(bench)).toBe("tea 1500");
    later(bench, 100_000);
    expect(notes(bench)).toBe("tea 1500");
    expect(bench.entries.map(({ timers, timersOver }) => [timers?.map(({ label, at }) => [label, at]), timersOver])).toEqual([
      [[["tea", 1_500]], undefined],
      [undefined, ["tea"]],
    ]);
  });

  it("M3: another of the same label replaces it, a cancelled one never fires, and one that sets itself again goes on", () => {
    const bench = benchOf();
    bench.ask("alarm/a", "set", { label: "tea", at: 1_100 });
    bench.ask("alarm/a", "set", { label: "tea", at: 1_300 });
    bench.ask("alarm/a", "set", { label: "egg", at: 1_200 });
    bench.ask("alarm/a", "unset", { label: "egg" });
    bench.ask("alarm/b", "every", { label: "tick", ms: 100 });
    for (let i = 0; i < 5; i++) later(bench, 100);
    expect(notes(bench)).toBe("unset egg | tea 1300");
    expect(notes(bench, "b")).toBe("tick 1000 | tick 1100 | tick 1200 | tick 1300 | tick 1400 | tick 1500");
  });

  it("one that its entity refuses is over all the same, and a command that is not there is refused when it is set", () => {
    const bench = benchOf();
    bench.ask("alarm/a", "set", { label: "no", at: 1_001, command: "refuse" });
    later(bench, 10);
    expect(bench.entries.at(-1)?.timersOver).toEqual(["no"]);
    expect(bench.ask("alarm/a", "set", { label: "x", at: 2_000, command: "nothing" })).toMatchObject({ ok: false, code: "INTERNAL_ERROR" });
    expect(bench.ask("alarm/a", "set", { label: "x", at: Number.NaN })).toMatchObject({ ok: false, code: "INTERNAL_ERROR" });
  });

  it.each([false, true])("is found again after a crash (from a checkpoint: %s), late ones run at once, once", (isCheckpointed) => {
    const bench = benchOf();
    bench.ask("alarm/a", "set", { label: "soon", at: 2_000 });
    bench.ask("alarm/a", "set", { label: "far", at: 9_000_000 });
    bench.ask("alarm/a", "set", { label: "gone", at: 2_100 });
    bench.ask("alarm/a", "unset", { label: "gone" });
    const next = restart(bench, { isCheckpointed, awayMs: 5_000 });
    expect(notes(next)).toBe("unset gone | soon 6000");
    later(next, 9_000_000);
    expect(notes(next)).toBe("unset gone | soon 6000 | far 9006000");
    expect(notes(restart(next, { isCheckpointed, awayMs: 60_000 }))).toBe("unset gone | soon 6000 | far 9006000");
  });

  it("M2: what changed since the checkpoint counts more than its rows", () => {
    const bench = benchOf();
    for (const label of ["moved", "ended", "kept"]) bench.ask("alarm/a", "set", { label, at: 3_000 });
    bench.checkpoint();
    bench.ask("alarm/a", "set", { label: "moved", at: 4_000 });
    bench.ask("alarm/a", "unset", { label: "ended" });
    for (const next of [bench, restart(bench)]) {
      later(next, 2_500);
      expect(notes(next)).toBe(`unset ended | kept ${next.nowMs}`);
      later(next, 1_000);
      expect(notes(next)).toContain(`moved ${next.nowMs}`);
    }
  });

  it("M2: a checkpoint that was refused is forgotten, one under way loses nothing", () => {
    const bench = benchOf();
    bench.ask("alarm/a", "set", { label: "tea", at: 400_000 });
    const checkpoint = bench.domain.beginCheckpoint(bench.records.length);
    bench.ask("alarm/a", "set", { label: "egg", at: 400_000 });
    expect(checkpoint?.end().timers.map(({ timer }) => timer?.label)).toEqual(["tea"]);
    bench.domain.abandonCheckpoint();
    expect(
      bench.domain
        .beginCheckpoint(bench.records.length)
        ?.end()
        .timers.map(({ timer }) => timer?.label),
    ).toEqual(["tea", "egg"]);
    later(bench, 500_000);
    expect(notes(bench)).toBe("tea 501000 | egg 501000");
  });

  it("TRAPS 24: late ones that may wait are spread, those that may be skipped are, and money runs at once", () => {
    const bench = benchOf();
    for (let i = 0; i < 100; i++) bench.ask(`alarm/${i}`, "set", { label: "mail", at: 2_000, catchUp: "spread" });
    bench.ask("alarm/skip", "set", { label: "weather", at: 2_000, catchUp: "skip" });
    bench.ask("alarm/money", "set", { label: "expiry", at: 2_000, catchUp: "run" });
    const next = restart(bench, { isCheckpointed: true, awayMs: 3_600_000 });
    expect(notes(next, "money")).toBe(`expiry ${next.nowMs}`);
    expect(notes(next, "skip")).toBe("");
    const rung = (): number => Array.from({ length: 100 }, (_, i) => notes(next, String(i))).filter((text) => text !== "").length;
    const counts = [rung()];
    for (let i = 0; i < 10; i++) {
      later(next, 1_000);
      counts.push(rung());
    }
    expect(counts[0]).toBeLessThan(20);
    expect(counts.every((count, i) => count - (counts[i - 1] ?? 0) < 30)).toBe(true);
    expect(counts.at(-1)).toBe(100);
  });

  it("L6: a million timers of next year stay in the store; a crowd at one moment is read in parts, and all of it fires", () => {
    const store = new MemorySnapshots({ shardCount: SHARD_COUNT });
    const timer = (i: number, at: number) => {
      const [entity, label] = [`alarm/${i % 7}`, `t${i}`];
      return { key: `${entity}\n${label}`, timer: { entity, label, shard: 0, at, command: "ring", body: { label } } };
    };
    const end = { positions: [], effects: [], handled: [], at: 0 };
    store.end({ ...end, timers: Array.from({ length: 12_000 }, (_, i) => timer(i, i < 11_000 ? 50_000 : 31_536_000_000)) });
    const bench = benchOf({ store });
    bench.drive();
    expect(bench.domain.timersArmed).toBeLessThanOrEqual(5_000);
    later(bench, 60_000);
    for (let i = 0; i < 4; i++) bench.drive();
    const fired = bench.entries.flatMap(({ timersOver }) => timersOver ?? []);
    expect([fired.length, new Set(fired).size, bench.domain.timersArmed]).toEqual([11_000, 11_000, 0]);
  });
});
