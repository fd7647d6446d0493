/** The breaker of a port against the mistakes of TRAPS 3, each by its sequence of calls. Time is the test's own. */
import { describe, expect, it } from "vitest";
import { type Admission, type BreakerPolicy, CircuitBreaker, DEFAULT_BREAKER } from "../../../src/runtime/index.ts";

const breakerOf = (policy: Partial<BreakerPolicy> = {}) => new CircuitBreaker({ ...DEFAULT_BREAKER, ...policy });

function admit(breaker: CircuitBreaker, nowMs: number): Admission {
  const admitted = breaker.admit(nowMs);
  if (!admitted.ok) throw new Error(`refused for ${admitted.afterMs} ms`);
  return admitted.admission;
}
/** One call after the other: F fails, S succeeds, C is cancelled. */
function calls(breaker: CircuitBreaker, outcomes: string, nowMs = 0): void {
  for (const outcome of outcomes) {
    const admission = admit(breaker, nowMs);
    if (outcome === "F") breaker.failed(admission, nowMs, true);
    else if (outcome === "R") breaker.failed(admission, nowMs, false);
    else if (outcome === "S") breaker.succeeded(admission, nowMs);
    else breaker.cancelled(admission);
  }
}

describe("a circuit breaker", () => {
  it.each([
    ["FFFFS", "open"],
    ["FSFSF", "open"],
    ["FFFF", "closed"],
    ["SSSFF", "closed"],
    ["SSSSSSSSSSFFFF", "closed"],
    ["SSSSSSSSSSFFFFF", "open"],
    ["CCCCCCCC", "closed"],
    ["FCFCFCF", "closed"],
  ])("B1, B4, R-API-9: after %s it is %s", (outcomes, state) => {
    const breaker = breakerOf();
    calls(breaker, outcomes);
    expect(breaker.state).toBe(state);
  });

  it("B2: half-open it lets in one probe, whose success closes it and whose failure opens it again", () => {
    const breaker = breakerOf();
    calls(breaker, "FFFFF", 100);
    expect(breaker.admit(1_099)).toEqual({ ok: false, afterMs: 1 });
    const probe = admit(breaker, 1_100);
    expect([breaker.state, breaker.admit(1_100).ok, breaker.admit(5_000).ok]).toEqual(["half-open", false, false]);
    breaker.failed(probe, 5_000, true);
    expect(breaker.admit(5_999)).toEqual({ ok: false, afterMs: 1 });
    breaker.succeeded(admit(breaker, 6_000), 6_001);
    expect(breaker.state).toBe("closed");
    calls(breaker, "FFFF", 6_002);
    expect(breaker.state).toBe("closed"); // What was before the probe is forgotten.
  });

  it.each([
    ["S", "half-open"],
    ["F", "half-open"],
    ["SF", "half-open"],
    ["SS", "closed"],
    ["SFS", "closed"],
    ["FSF", "open"],
    ["RR", "open"],
  ])("B2, B5, R-API-9: three probes and no more; after %s it is %s", (outcomes, state) => {
    const breaker = breakerOf({ probesMax: 3, counts: "effects" });
    calls(breaker, "FFFFF");
    const probes = [1, 2, 3].map(() => admit(breaker, 1_000));
    expect([breaker.admit(1_000).ok, breaker.refusesMs(1_000)]).toEqual([false, 1_000]);
    for (const [i, outcome] of [...outcomes].entries()) {
      const probe = probes[i];
      if (probe === undefined) throw new Error("there are three probes");
      if (outcome === "S") breaker.succeeded(probe, 1_001);
      else breaker.failed(probe, 1_001, outcome === "F");
    }
    expect(breaker.state).toBe(state);
  });

  it.each([
    ["RRRRRRRRRR", "closed"],
    ["RRRFRRRFRRRFRRRFRRR", "closed"],
    ["RRRFRRRFRRRFRRRFRRRF", "open"],
    ["RSRRSFSFF", "open"],
  ])("R-API-9: counting effects, an attempt that is made again (R) says nothing; after %s it is %s", (outcomes, state) => {
    const breaker = breakerOf({ counts: "effects" });
    calls(breaker, outcomes);
    expect(breaker.state).toBe(state);
  });

  it("says for how long it refuses, and changes nothing by that", () => {
    const breaker = breakerOf({ openMs: 30_000 });
    expect(breaker.refusesMs(0)).toBeNull();
    calls(breaker, "FFFFF");
    expect([breaker.refusesMs(0), breaker.refusesMs(29_999), breaker.refusesMs(30_000), breaker.state]).toEqual([30_000, 1, null, "open"]);
    admit(breaker, 30_000);
    // The probe decides soon, whatever the time for which it stays open.
    expect([breaker.refusesMs(30_000), breaker.admit(30_000)]).toEqual([1_000, { ok: false, afterMs: 1_000 }]);
  });

  it("B3: a late success of an old call closes nothing, and a late failure opens nothing", () => {
    const breaker = breakerOf();
    const late = admit(breaker, 0);
    const later = Array.from({ length: 10 }, () => admit(breaker, 0));
    calls(breaker, "FFFFF");
    breaker.succeeded(late, 10);
    expect(breaker.state).toBe("open");
    const probe = admit(breaker, 1_000);
    for (const admission of later.slice(0, 2)) breaker.succeeded(admission, 1_001);
    expect(breaker.state).toBe("half-open");
    breaker.succeeded(probe, 1_002);
    for (const admission of later) breaker.failed(admission, 1_003, true);
    expect(breaker.state).toBe("closed");
  });

  it("B4: a cancelled probe counts as nothing and lets the next one in", () => {
    const breaker = breakerOf();
    calls(breaker, "FFFFF");
    breaker.cancelled(admit(breaker, 1_000));
    expect(breaker.state).toBe("half-open");
    breaker.succeeded(admit(breaker, 1_001), 1_002);
    expect(breaker.state).toBe("closed");
  });

  it("R-API-9: slow successes count as failures", () => {
    const breaker = breakerOf({ slowMs: 100 });
    for (let i = 0; i < 5; i++) breaker.succeeded(admit(breaker, 0), i < 3 ? 101 : 100);
    expect(breaker.state).toBe("open");
  });
});
