/** What a failure means is decided by the upstream's own status, before anybody maps it (TRAPS 1, 2; R-CON-6). */
import { describe, expect, it } from "vitest";
import { assertPort, failureOf, type PortDefinition, PortFailure, retryAfterMsOf } from "../../../src/runtime/index.ts";

const NOW = Date.UTC(2026, 0, 1);

describe("a failure of a port", () => {
  it.each([
    [429, true],
    [500, true],
    [502, true],
    [503, true],
    [504, true],
    [599, true],
    [400, false],
    [401, false],
    [404, false],
    [408, false],
    [409, false],
    [422, false],
    [302, false],
    [200, false],
  ])("status %i is retryable: %s, whatever it is mapped to", (status, isRetryable) => {
    const failure = failureOf(new PortFailure("no", { status, code: "limit_exceeded" }), NOW);
    expect(failure).toMatchObject({ status, isRetryable, code: "limit_exceeded" });
  });

  it("no answer at all is retryable, and so is what the port did not foresee; its causes are told", () => {
    const refused = new TypeError("fetch failed", { cause: new Error("connect ECONNREFUSED 127.0.0.1:9") });
    expect(failureOf(refused, NOW)).toEqual({
      error: "fetch failed: connect ECONNREFUSED 127.0.0.1:9",
      status: 0,
      isRetryable: true,
      retryAfterMs: null,
      code: "UPSTREAM_BAD_RESPONSE",
    });
    expect(failureOf(new PortFailure("reset"), NOW).isRetryable).toBe(true);
    expect(failureOf("thrown text", NOW)).toMatchObject({ error: "thrown text", isRetryable: true });
  });

  it.each([[Object.create(null)], [{ toString: () => ({}) }], [Symbol("s")], [null]])(
    "R-SYS-3: %# whatever is thrown is a failure",
    (thrown) => {
      expect(failureOf(thrown, NOW)).toMatchObject({ error: expect.any(String), isRetryable: true });
    },
  );

  it("the port may know better than the status", () => {
    expect(failureOf(new PortFailure("no such model", { status: 503, isRetryable: false }), NOW).isRetryable).toBe(false);
    expect(failureOf(new PortFailure("try again", { status: 409, isRetryable: true }), NOW).isRetryable).toBe(true);
  });

  it.each([
    ["3", 3_000],
    ["0", 0],
    [" 12 ", 12_000],
    ["Thu, 01 Jan 2026 00:00:10 GMT", 10_000],
    ["Wed, 31 Dec 2025 23:59:00 GMT", 0],
    ["999999999", 3_600_000],
    ["soon", null],
    ["", null],
    [null, null],
  ])("Retry-After: %s is %s ms", (header, ms) => {
    expect(retryAfterMsOf(header, NOW)).toBe(ms);
  });
});

describe("the definition of a port", () => {
  const port: PortDefinition = { name: "mail", kind: "call", perform: () => null };
  it("is taken with its defaults", () => {
    expect(() => assertPort(port)).not.toThrow();
  });

  it.each<[string, object]>([
    ["its name must be", { name: "a b" }],
    ["its kind is", { kind: "tell" }],
    ["its perform is no function", { perform: "x" }],
    ["attemptsMax is 0", { policy: { attemptsMax: 0 } }],
    ["attemptMsMax is Infinity", { policy: { attemptMsMax: Number.POSITIVE_INFINITY } }],
    ["queueMax is -1", { policy: { queueMax: -1 } }],
    ["deadlineMs is 0", { policy: { deadlineMs: 0 } }],
    ["jitterRatio is 2", { policy: { jitterRatio: 2 } }],
    ["backoffMsMax is less", { policy: { backoffMsMin: 10, backoffMsMax: 5 } }],
    [
      "breaker.outcomesMin is above",
      { policy: { breaker: { outcomesMax: 1, outcomesMin: 2, failureRatio: 1, slowMs: null, openMs: 1, probesMax: 1 } } },
    ],
  ])("is refused by name: %s", (what, wrong) => {
    expect(() => assertPort({ ...port, ...wrong } as PortDefinition)).toThrow(what);
  });
});
