/** Jobs by cron expressions: when they run, that one runs at a time, and that a restart neither loses nor repeats a run (TRAPS 24). */
import { describe, expect, it } from "vitest";
import { type AnyDefinition, shardOf } from "../../../src/runtime/index.ts";
import { cronJob } from "../../../src/system/cron/cron-job.ts";
import { counter, DomainBench, recoveredOf, SHARD_COUNT } from "../../runtime/shard/domain-bench.ts";

const definitions = [cronJob as unknown as AnyDefinition, counter as unknown as AnyDefinition];
const JOB = "cron-job/nightly";
const at = (text: string): number => Date.parse(text);
const planOf = (more: object = {}) => ({
  schedule: "0 3 * * *",
  timezone: "UTC",
  to: "counter/x",
  command: "add",
  body: { by: 1 },
  catchUp: "run",
  ...more,
});

function benchAt(text: string, options: ConstructorParameters<typeof DomainBench>[0] = {}): DomainBench {
  const bench = new DomainBench({ definitions, ...options });
  bench.nowMs = at(text);
  bench.drive();
  return bench;
}
function goTo(bench: DomainBench, text: string): void {
  bench.nowMs = at(text);
  bench.drive();
}
const jobOf = (bench: DomainBench) => bench.ask(JOB, "get");
const totalOf = (bench: DomainBench) => bench.ask("counter/x", "get");

describe("cron jobs", () => {
  it("runs at its times, and knows the next one and how the last one went", () => {
    const bench = benchAt("2026-11-21T10:00:00Z");
    expect(bench.ask(JOB, "plan", planOf())).toMatchObject({ ok: true, value: { nextAt: at("2026-11-22T03:00:00Z"), runs: 0 } });
    goTo(bench, "2026-11-22T02:59:59Z");
    expect(totalOf(bench)).toMatchObject({ value: { total: 0 } });
    goTo(bench, "2026-11-22T03:00:00Z");
    goTo(bench, "2026-11-23T03:00:00Z");
    expect(totalOf(bench)).toMatchObject({ value: { total: 2 } });
    expect(jobOf(bench)).toMatchObject({
      value: { runs: 2, skipped: 0, runningSince: null, lastOutcome: "ok", nextAt: at("2026-11-24T03:00:00Z") },
    });
  });

  it("J2: a night that was slept through is one run, or none with skip", () => {
    for (const [catchUp, total] of [
      ["run", 1],
      ["skip", 0],
    ] as const) {
      const bench = benchAt("2026-11-21T10:00:00Z");
      bench.ask(JOB, "plan", planOf({ catchUp }));
      const next = benchAt("2026-11-29T12:00:00Z", { records: bench.records, incarnation: 2, recovered: recoveredOf(bench.records) });
      expect(totalOf(next)).toMatchObject({ value: { total } });
      goTo(next, "2026-11-30T03:00:00Z");
      expect([catchUp, totalOf(next)]).toMatchObject([catchUp, { value: { total: total + 1 } }]);
    }
  });

  it("times are those of its time zone, also when the clocks change", () => {
    const bench = benchAt("2026-10-24T12:00:00Z");
    bench.ask(JOB, "plan", planOf({ schedule: "30 9 * * *", timezone: "Europe/Prague" }));
    expect(jobOf(bench)).toMatchObject({ value: { nextAt: at("2026-10-25T08:30:00Z") } });
    goTo(bench, "2026-10-24T23:00:00Z");
    goTo(bench, "2026-10-25T08:30:00Z");
    expect(jobOf(bench)).toMatchObject({ value: { runs: 1, nextAt: at("2026-10-26T08:30:00Z") } });
  });

  it("J1: while a run has no answer the next one is skipped and counted", () => {
    const isOwned = (shard: number): boolean => shard !== shardOf("counter/x", SHARD_COUNT);
    const bench = benchAt("2026-11-21T10:00:00Z", { isOwned });
    bench.ask(JOB, "plan", planOf({ schedule: "0 * * * *" }));
    for (const hour of ["11", "12", "13"]) goTo(bench, `2026-11-21T${hour}:00:00Z`);
    const tells = bench.sent.filter(({ message }) => message.kind === "tell");
    expect(tells.length).toBe(1);
    expect(jobOf(bench)).toMatchObject({ value: { runs: 1, skipped: 2, runningSince: at("2026-11-21T11:00:00Z") } });
    const [tell] = tells;
    if (tell?.message.kind !== "tell") throw new Error("nothing was told");
    bench.domain.receive({ kind: "answer", id: tell.message.effect.id, answer: { ok: true, value: null } });
    bench.drive();
    goTo(bench, "2026-11-21T14:00:00Z");
    expect(jobOf(bench)).toMatchObject({ value: { runs: 2, skipped: 2 } });
  });

  it("the same plan again writes nothing; another one replaces the time; a dropped one never runs", () => {
    const bench = benchAt("2026-11-21T10:00:00Z");
    bench.ask(JOB, "plan", planOf());
    const entries = bench.entries.length;
    bench.ask(JOB, "plan", planOf());
    expect(bench.entries.length).toBe(entries);
    bench.ask(JOB, "plan", planOf({ schedule: "0 12 * * *" }));
    goTo(bench, "2026-11-21T12:00:00Z");
    expect(totalOf(bench)).toMatchObject({ value: { total: 1 } });
    bench.ask(JOB, "drop");
    goTo(bench, "2026-11-25T12:00:00Z");
    expect(totalOf(bench)).toMatchObject({ value: { total: 1 } });
    expect(jobOf(bench)).toMatchObject({ ok: false, code: "not_found" });
  });

  it("a plan that cannot be is refused by what is wrong with it", () => {
    const bench = benchAt("2026-11-21T10:00:00Z");
    expect(bench.ask(JOB, "plan", planOf({ schedule: "61 * * * *" }))).toMatchObject({ ok: false, code: "validation_failed" });
    expect(bench.ask(JOB, "plan", planOf({ timezone: "Mars/Olympus" }))).toMatchObject({ ok: false, code: "validation_failed" });
    expect(bench.ask(JOB, "plan", planOf({ to: "counter" }))).toMatchObject({ ok: false, code: "validation_failed" });
    expect(bench.entries).toEqual([]);
  });

  it("J1, R-API-10: a job that is dropped while it runs and planned anew does not run twice at a time", () => {
    const isOwned = (shard: number): boolean => shard !== shardOf("counter/x", SHARD_COUNT);
    const bench = benchAt("2026-11-21T10:00:00Z", { isOwned });
    const told = () => bench.sent.flatMap(({ message }) => (message.kind === "tell" ? [message.effect.id] : []));
    const answered = (id: string | undefined): void => {
      bench.domain.receive({ kind: "answer", id: id ?? "", answer: { ok: true, value: null } });
      bench.drive();
    };
    bench.ask(JOB, "plan", planOf({ schedule: "0 * * * *" }));
    goTo(bench, "2026-11-21T11:00:00Z");
    bench.ask(JOB, "drop");
    expect(jobOf(bench)).toMatchObject({ ok: false, code: "not_found" });
    bench.ask(JOB, "plan", planOf({ schedule: "0 * * * *" }));
    goTo(bench, "2026-11-21T12:00:00Z");
    expect(told().length).toBe(1);
    answered(told()[0]);
    goTo(bench, "2026-11-21T13:00:00Z");
    expect(told().length).toBe(2);
    bench.ask(JOB, "drop");
    answered(told()[1]);
    goTo(bench, "2026-11-21T14:00:00Z");
    expect([told().length, jobOf(bench)]).toMatchObject([2, { ok: false, code: "not_found" }]);
  });

  it("R-API-10: a job whose entity was not there when it fired runs after a start that has it, by the same plan", () => {
    const bench = benchAt("2026-11-21T10:00:00Z", { definitions: [cronJob as unknown as AnyDefinition] });
    bench.ask(JOB, "plan", planOf());
    goTo(bench, "2026-11-22T03:00:00Z");
    expect(bench.crashes).toEqual([expect.stringContaining('there is no command "add" for counter/x')]);
    const next = benchAt("2026-11-22T10:00:00Z", { records: bench.records, incarnation: 2 });
    expect(next.ask(JOB, "plan", planOf())).toMatchObject({ ok: true });
    next.drive();
    expect(totalOf(next)).toMatchObject({ value: { total: 1 } });
    expect(jobOf(next)).toMatchObject({ value: { runs: 1, nextAt: at("2026-11-23T03:00:00Z") } });
  });
});
