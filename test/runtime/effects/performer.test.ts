/** Who performs effects, in virtual time: timeouts, rests, deadlines, bulkheads, breakers, cancelling and handing out again (R-CON-6, R-API-9, TRAPS 2, 3). */
import { describe, expect, it } from "vitest";
import {
  type AttemptResult,
  DEFAULT_BREAKER,
  type FromPerformer,
  type LostAttempt,
  type PerformEffect,
  Performer,
  type PortDefinition,
  type PortPolicy,
  type PortRequest,
  type PortTold,
} from "../../../src/runtime/index.ts";
import { VirtualClock } from "../../../src/runtime/testing/index.ts";

const OPENED_AT = 1_000_000;

interface Begun {
  readonly request: PortRequest;
  readonly atMs: number;
  readonly settle: (result: AttemptResult) => void;
  aborted: string | null;
}

/** A performer whose ports do what the test says. */
class Bench {
  readonly clock = new VirtualClock(OPENED_AT);
  readonly begun: Begun[] = [];
  readonly told: Array<{ readonly id: string; readonly attempt: number; readonly to: string; readonly outcome: FromPerformer["outcome"] }> =
    [];
  readonly unknown: string[] = [];
  readonly changes: Array<readonly [port: string, told: PortTold]> = [];
  random = 0;
  readonly performer: Performer;

  constructor(
    policy: Partial<PortPolicy> = {},
    more: readonly PortDefinition[] = [],
    before: { readonly lost?: readonly LostAttempt[]; readonly rests?: ReadonlyMap<string, number> } = {},
  ) {
    this.performer = new Performer({
      ...before,
      storeId: "store",
      definitions: [{ name: "mail", kind: "call", perform: () => null, policy: { jitterRatio: 0, ...policy } }, ...more],
      ports: {
        monotonicMs: () => this.clock.nowMs,
        wallMs: () => this.clock.wallMs(),
        random: () => this.random,
        timer: (delayMs, run) => this.clock.timer(delayMs, run),
        begin: (_port, request, settle) => {
          const begun: Begun = { request, atMs: this.clock.nowMs, settle, aborted: null };
          this.begun.push(begun);
          return (why) => {
            begun.aborted = why.message;
          };
        },
        unknownPort: (name) => this.unknown.push(name),
        portChanged: (name, told) => this.changes.push([name, told]),
      },
    });
  }

  offer(id: string, attempt = 1, more: Partial<PerformEffect> = {}, to = "thread"): void {
    const effect: PerformEffect = {
      id,
      kind: "call",
      to: "mail",
      command: "send",
      body: {},
      from: "writer/w",
      attempt,
      openedAt: OPENED_AT,
      ...more,
    };
    this.performer.perform(effect, ({ id: of, attempt: number, outcome }) => this.told.push({ id: of, attempt: number, to, outcome }));
  }

  get last(): FromPerformer["outcome"] | undefined {
    return this.told.at(-1)?.outcome;
  }
  fail(status: number, retryAfterMs: number | null = null): void {
    const isRetryable = status === 429 || status >= 500;
    const failure = { error: `status ${status}`, status, isRetryable, retryAfterMs, code: "UPSTREAM_BAD_RESPONSE" as const };
    this.begun.at(-1)?.settle({ kind: "failed", failure });
  }
  done(): void {
    this.begun.at(-1)?.settle({ kind: "done", value: "ok" });
  }
  /** Lets so much time pass. */
  pass(ms: number): void {
    const until = this.clock.nowMs + ms;
    while ((this.clock.nextAtMs ?? Number.POSITIVE_INFINITY) <= until) this.clock.step();
    this.clock.passTo(until);
  }
}

describe("attempts", () => {
  it("TRAPS 2: attemptsMax counts attempts; rests double to their cap; the last failure makes a dead letter", () => {
    const bench = new Bench({ attemptsMax: 5, backoffMsMin: 2_000, backoffMsMax: 10_000, breaker: null });
    const rests: unknown[] = [];
    for (let attempt = 1; attempt <= 5; attempt++) {
      bench.offer("1", attempt);
      bench.fail(503);
      const outcome = bench.last;
      rests.push(outcome?.kind === "failed" ? outcome.afterMs : outcome);
      if (outcome?.kind === "failed") bench.pass(outcome.afterMs);
    }
    expect(rests).toEqual([
      2_000,
      4_000,
      8_000,
      10_000,
      { kind: "dead", code: "UPSTREAM_BAD_RESPONSE", error: "attempt 5 of 5 failed: status 503", attempts: 5 },
    ]);
    expect(bench.begun.map(({ atMs }) => atMs)).toEqual([0, 2_000, 6_000, 14_000, 24_000]);
    expect(new Set(bench.begun.map(({ request }) => request.key))).toEqual(new Set(["store.1"]));
  });

  it("R-CON-6: 3 repeats after 2, 4 and 8 s with up to 50 % on top, Retry-After when it is longer, all within one deadline", () => {
    const policy = { attemptsMax: 4, backoffMsMin: 2_000, backoffMsMax: 30_000, jitterRatio: 0.5, deadlineMs: 240_000, breaker: null };
    const restsOf = (random: number, retryAfterMs: number | null): readonly unknown[] => {
      const bench = new Bench(policy);
      bench.random = random;
      return [1, 2, 3, 4].map((attempt) => {
        bench.offer("1", attempt);
        bench.fail(429, attempt === 2 ? retryAfterMs : null);
        if (bench.last?.kind !== "failed") return bench.last?.kind;
        bench.pass(bench.last.afterMs);
        return bench.last.afterMs;
      });
    };
    expect(restsOf(0, null)).toEqual([2_000, 4_000, 8_000, "dead"]);
    expect(restsOf(0.999, null)).toEqual([2_999, 5_998, 11_996, "dead"]);
    expect(restsOf(0, 60_000)).toEqual([2_000, 60_000, 8_000, "dead"]);
    expect(restsOf(0, 239_000).slice(0, 2)).toEqual([2_000, "dead"]);
  });

  it("jitter is drawn for each rest", () => {
    const bench = new Bench({ backoffMsMin: 1_000, jitterRatio: 0.5 });
    bench.random = 0.5;
    bench.offer("1");
    bench.fail(500);
    expect(bench.last).toEqual({ kind: "failed", error: "status 500", afterMs: 1_250 });
  });

  it("Retry-After is honoured when it is longer than the rest", () => {
    const bench = new Bench({ backoffMsMin: 1_000 });
    bench.offer("1");
    bench.fail(429, 7_000);
    expect(bench.last).toMatchObject({ kind: "failed", afterMs: 7_000 });
    bench.offer("2");
    bench.fail(429, 10);
    expect(bench.last).toMatchObject({ kind: "failed", afterMs: 1_000 });
  });

  it("what may not be attempted again is refused at once", () => {
    const bench = new Bench();
    bench.offer("1");
    bench.fail(404);
    expect(bench.last).toEqual({ kind: "refused", code: "UPSTREAM_BAD_RESPONSE", detail: "status 404" });
  });

  it("TRAPS 22: an attempt that never ends is aborted at its limit, and fails; what it says later is not heard", () => {
    const bench = new Bench({ attemptMsMax: 5_000 });
    bench.offer("1");
    bench.pass(4_999);
    expect(bench.told).toEqual([]);
    bench.pass(1);
    expect(bench.told).toMatchObject([{ outcome: { kind: "failed", error: "no answer within 5000 ms" } }]);
    expect(bench.begun[0]?.aborted).toBe("no answer within 5000 ms");
    bench.done();
    expect([bench.told.length, bench.performer.runningCount]).toEqual([1, 0]);
  });

  it("an attempt that ends in time leaves no timer behind", () => {
    const bench = new Bench();
    bench.offer("1");
    bench.done();
    expect([bench.last, bench.clock.nextAtMs]).toEqual([{ kind: "done", value: "ok" }, null]);
  });
});

describe("the overall deadline", () => {
  it("counts from the opening: no rest beyond it is begun", () => {
    const bench = new Bench({ deadlineMs: 5_000, backoffMsMin: 3_000 });
    bench.offer("1");
    bench.fail(500);
    expect(bench.last).toMatchObject({ kind: "failed", afterMs: 3_000 });
    bench.pass(3_000);
    bench.offer("1", 2);
    bench.fail(500);
    expect(bench.last).toMatchObject({ kind: "dead", code: "UPSTREAM_TIMEOUT", attempts: 2 });
  });

  it("cuts the last attempt short", () => {
    const bench = new Bench({ deadlineMs: 5_000, attemptMsMax: 4_000 });
    bench.pass(3_000);
    bench.offer("1");
    bench.pass(2_000);
    expect(bench.last).toMatchObject({ kind: "dead", code: "UPSTREAM_TIMEOUT" });
  });

  it("ends what is handed out after it; TRAPS 9: without one, what merely waited is performed", () => {
    const bench = new Bench({ deadlineMs: 5_000 });
    bench.pass(5_000);
    bench.offer("1");
    const error = "the deadline of 5000 ms passed after 0 attempts";
    expect(bench.last).toEqual({ kind: "dead", code: "UPSTREAM_TIMEOUT", error, attempts: 0 });
    const patient = new Bench({ deadlineMs: null });
    patient.pass(1e9);
    patient.offer("1");
    expect(patient.begun.length).toBe(1);
  });
});

describe("a bulkhead", () => {
  it("L6: so many attempts at once, so many that wait in order, and the rest is postponed", () => {
    const bench = new Bench({ concurrencyMax: 2, queueMax: 2, backoffMsMin: 1_000 });
    for (const id of ["1", "2", "3", "4", "5"]) bench.offer(id);
    expect(bench.begun.map(({ request }) => request.id)).toEqual(["1", "2"]);
    expect(bench.told).toMatchObject([{ id: "5", outcome: { kind: "postponed", afterMs: 1_000 } }]);
    bench.begun[1]?.settle({ kind: "done", value: null });
    bench.begun[0]?.settle({ kind: "done", value: null });
    expect(bench.begun.map(({ request }) => request.id)).toEqual(["1", "2", "3", "4"]);
    expect(bench.performer.figures().mail).toMatchObject({ running: 2, queued: 0, outcomes: { done: 2, postponed: 1 } });
  });

  it("a postponed effect is asked to come back when the queue should have room", () => {
    const bench = new Bench({ concurrencyMax: 1, queueMax: 3, backoffMsMin: 10, backoffMsMax: 60_000 });
    for (let i = 0; i < 40; i++) {
      bench.offer(`warm-${i}`);
      bench.pass(1_000);
      bench.done();
    }
    for (let i = 0; i < 5; i++) bench.offer(`${i}`);
    expect(bench.last).toMatchObject({ kind: "postponed" });
    expect(bench.last?.kind === "postponed" && bench.last.afterMs).toBeGreaterThan(2_900);
  });

  it("a port that hangs takes nothing from the others", () => {
    const bench = new Bench({ concurrencyMax: 1 }, [{ name: "other", kind: "publish", perform: () => null }]);
    bench.offer("1");
    bench.offer("2");
    bench.offer("3", 1, { to: "other", kind: "publish" });
    expect(bench.begun.map(({ request }) => request.id)).toEqual(["1", "3"]);
  });

  it("what had no room at the port is postponed and counts as nothing", () => {
    const bench = new Bench();
    for (let i = 0; i < 10; i++) {
      bench.offer(`${i}`);
      bench.begun.at(-1)?.settle({ kind: "busy", reason: "the pool is full" });
    }
    expect(bench.last).toMatchObject({ kind: "postponed", reason: "the pool is full" });
    expect(bench.performer.figures().mail?.breaker).toBe("closed");
  });
});

describe("a breaker", () => {
  it("TRAPS 3: open, everything is postponed until it is half-open; then one probe is let in", () => {
    const bench = new Bench({ backoffMsMin: 1, backoffMsMax: 1 });
    for (let i = 0; i < 5; i++) {
      bench.offer(`${i}`);
      bench.fail(500);
    }
    bench.pass(400);
    bench.offer("a");
    expect(bench.last).toMatchObject({ kind: "postponed", afterMs: 600 });
    bench.pass(600);
    bench.offer("a");
    bench.offer("b");
    expect(bench.begun.map(({ request }) => request.id)).toEqual(["0", "1", "2", "3", "4", "a"]);
    expect(bench.told.at(-1)).toMatchObject({ id: "b", outcome: { kind: "postponed" } });
    bench.done();
    bench.offer("b");
    bench.done();
    expect(bench.last).toMatchObject({ kind: "done" });
  });

  it("R-API-9: each change of how the port gets on is told once", () => {
    const bench = new Bench({ attemptsMax: 1, breaker: { ...DEFAULT_BREAKER, counts: "effects" } });
    const tell = (breaker: PortTold["breaker"], refusesMs: number | null, isFailing: boolean) => [
      "mail",
      { breaker, refusesMs, isFailing },
    ];
    for (let i = 0; i < 5; i++) {
      bench.offer(`${i}`);
      bench.fail(500);
    }
    expect(bench.changes.splice(0)).toEqual([tell("closed", null, true), tell("open", 1_000, true)]);
    bench.offer("early");
    expect(bench.changes).toEqual([]);
    bench.pass(1_000);
    bench.offer("probe");
    expect(bench.changes.splice(0)).toEqual([tell("half-open", 1_000, true)]);
    bench.performer.cancel(["probe"]);
    expect(bench.changes.splice(0)).toEqual([tell("half-open", null, true)]);
    bench.offer("other");
    bench.done();
    expect(bench.changes).toEqual([tell("half-open", 1_000, true), tell("closed", null, false)]);
  });

  it("refusals of single requests do not open it, timeouts do", () => {
    const bench = new Bench({ attemptMsMax: 10, concurrencyMax: 10 });
    expect(bench.performer.figures().mail?.breaker).toBe("closed");
    for (let i = 0; i < 6; i++) {
      bench.offer(`refused-${i}`);
      bench.fail(422);
    }
    expect(bench.performer.figures().mail?.breaker).toBe("closed");
    for (let i = 0; i < 10; i++) bench.offer(`slow-${i}`);
    bench.pass(10);
    expect(bench.performer.figures().mail?.breaker).toBe("open");
  });

  it("does not postpone beyond the deadline", () => {
    const bench = new Bench({ deadlineMs: 300 });
    for (let i = 0; i < 5; i++) {
      bench.offer(`${i}`);
      bench.fail(500);
    }
    bench.pass(100);
    bench.offer("a");
    expect(bench.last).toMatchObject({ kind: "postponed", afterMs: 200 });
  });
});

describe("handing out again, and cancelling", () => {
  it("P1: handed out again while its attempt is under way, it is not begun twice, and the outcome goes to who asked last", () => {
    const bench = new Bench({ concurrencyMax: 1 });
    bench.offer("1", 1, {}, "thread");
    bench.offer("2", 1, {}, "thread");
    bench.offer("1", 1, {}, "successor");
    bench.offer("2", 1, {}, "successor");
    bench.done();
    bench.done();
    expect(bench.begun.length).toBe(2);
    expect(bench.told.map(({ id, to }) => [id, to])).toEqual([
      ["1", "successor"],
      ["2", "successor"],
    ]);
  });

  it("P2: cancelled, an attempt is aborted and tells nothing; what waited leaves the queue; the next one begins", () => {
    const bench = new Bench({ concurrencyMax: 1 });
    for (const id of ["1", "2", "3"]) bench.offer(id);
    bench.performer.cancel(["2", "1", "nobody"]);
    expect(bench.begun.map(({ request, aborted }) => [request.id, aborted])).toEqual([
      ["1", "the effect was cancelled"],
      ["3", null],
    ]);
    bench.begun[0]?.settle({ kind: "done", value: "late" });
    expect([bench.told, bench.performer.runningCount]).toEqual([[], 1]);
  });

  it("TRAPS 2: cancelling is no failure for the breaker", () => {
    const bench = new Bench();
    for (let i = 0; i < 20; i++) {
      bench.offer(`${i}`);
      bench.performer.cancel([`${i}`]);
    }
    expect(bench.performer.figures().mail?.breaker).toBe("closed");
  });

  it("P3: a stop lets what is under way end, begins nothing, and tells nothing of the rest", () => {
    const bench = new Bench({ concurrencyMax: 1 });
    for (const id of ["1", "2"]) bench.offer(id);
    bench.performer.leave();
    bench.offer("3");
    expect(bench.told).toEqual([]);
    bench.offer("1", 1, {}, "successor");
    bench.done();
    expect(bench.told).toMatchObject([{ id: "1", to: "successor" }]);
    expect([bench.last, bench.performer.runningCount, bench.begun.length]).toEqual([{ kind: "done", value: "ok" }, 0, 1]);
  });

  it("closed, everything is aborted and nothing is told", () => {
    const bench = new Bench({ concurrencyMax: 1 });
    for (const id of ["1", "2"]) bench.offer(id);
    bench.performer.close();
    bench.done();
    expect([bench.begun.map(({ aborted }) => aborted), bench.told, bench.clock.nextAtMs]).toEqual([["the node stops"], [], null]);
  });

  it("an effect for a port that is not there any more is kept, and somebody is told once", () => {
    const bench = new Bench();
    for (const id of ["1", "2"]) bench.offer(id, 1, { to: "gone" });
    expect(bench.unknown).toEqual(["gone"]);
    expect(bench.told).toMatchObject([{ outcome: { kind: "postponed" } }, { outcome: { kind: "postponed" } }]);
  });
});

describe("P4: after a thread that ended", () => {
  const POLICY = { attemptsMax: 2, backoffMsMin: 100, backoffMsMax: 1_000, breaker: null };
  const lostOf = (attempt: number, isPoison = false): LostAttempt => ({ id: "1", attempt, error: "it ended", isPoison });

  it("the lost attempt has failed, with its rest, and once; what was not lost begins", () => {
    const bench = new Bench(POLICY, [], { lost: [lostOf(1)] });
    bench.offer("1");
    bench.offer("2");
    expect(bench.told).toEqual([{ id: "1", attempt: 1, to: "thread", outcome: { kind: "failed", error: "it ended", afterMs: 100 } }]);
    expect(bench.begun.map(({ request }) => request.id)).toEqual(["2"]);
    bench.offer("1", 2);
    expect(bench.begun.map(({ request }) => request.attempt)).toEqual([1, 2]);
  });

  it("losses make a dead letter at the third at the earliest, poison at once", () => {
    const outcomes = [lostOf(2), lostOf(3), lostOf(1, true)].map((lost) => {
      const bench = new Bench(POLICY, [], { lost: [lost] });
      bench.offer("1", lost.attempt);
      return bench.last;
    });
    expect(outcomes).toMatchObject([{ kind: "failed" }, { kind: "dead", attempts: 3 }, { kind: "dead", attempts: 1 }]);
  });

  it("X4: one that told progress has the next number already: it rests, and is not counted twice", () => {
    const bench = new Bench(POLICY, [], { lost: [lostOf(1)] });
    bench.offer("1", 2);
    expect(bench.last).toEqual({ kind: "postponed", reason: "it ended", afterMs: 100 });
    const last = new Bench(POLICY, [], { lost: [lostOf(3)] });
    last.offer("1", 4);
    expect(last.last).toMatchObject({ kind: "dead", attempts: 3 });
  });

  it("a port that rests begins nothing until then", () => {
    const bench = new Bench(POLICY, [], { rests: new Map([["mail", 5_000]]) });
    bench.offer("1");
    expect(bench.last).toEqual({ kind: "postponed", reason: "the port mail has ended its thread and rests", afterMs: 5_000 });
    bench.pass(5_000);
    bench.offer("1");
    expect(bench.begun).toHaveLength(1);
  });
});
