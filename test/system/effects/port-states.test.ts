/** What the main thread knows of ports whose upstream does not answer (R-API-9). Time is the test's own. */
import { beforeEach, describe, expect, it } from "vitest";
import { PortStates } from "../../../src/system/effects/port-states.ts";

let nowMs = 0;
let states: PortStates;
beforeEach(() => {
  nowMs = 1_000;
  states = new PortStates(() => nowMs);
});

describe("the states of ports", () => {
  it("a port that was never told of is well", () => {
    expect([states.refusesMs("reply"), states.isFailing("reply"), states.check.isOk]).toEqual([null, false, true]);
  });

  it("an open breaker refuses until its time is over, and is a reason to be degraded and none to be red", () => {
    states.tell("reply", { breaker: "open", refusesMs: 500, isFailing: true });
    nowMs += 400;
    expect([states.refusesMs("reply"), states.refusesMs("summary"), states.isFailing("reply")]).toEqual([100, null, true]);
    expect(states.check).toEqual({ name: "ports", isOk: false, detail: expect.stringContaining("the port reply is open") });
    nowMs += 100;
    expect(states.refusesMs("reply")).toBeNull();
  });

  it("half-open it refuses while its probes are under way", () => {
    states.tell("reply", { breaker: "half-open", refusesMs: 1_000, isFailing: true });
    nowMs += 60_000;
    expect(states.refusesMs("reply")).toBe(1_000);
    states.tell("reply", { breaker: "closed", refusesMs: null, isFailing: false });
    expect([states.refusesMs("reply"), states.check.isOk]).toEqual([null, true]);
  });

  it("who listens hears each opening of that port until it ends, and one that ends another does no harm", () => {
    const heard: string[] = [];
    const endFirst = states.onOpen("reply", () => heard.push("first"));
    const endSecond = states.onOpen("reply", () => {
      heard.push("second");
      endFirst();
    });
    states.tell("summary", { breaker: "open", refusesMs: 1, isFailing: true });
    states.tell("reply", { breaker: "closed", refusesMs: null, isFailing: true });
    expect(heard).toEqual([]);
    for (const refusesMs of [1, 2]) states.tell("reply", { breaker: "open", refusesMs, isFailing: true });
    expect(heard).toEqual(["first", "second", "second"]);
    endSecond();
    endSecond();
    states.tell("reply", { breaker: "open", refusesMs: 1, isFailing: true });
    expect(heard.length).toBe(3);
  });

  it("a successor of the effects thread begins anew", () => {
    states.tell("reply", { breaker: "open", refusesMs: 500, isFailing: true });
    states.forget();
    expect([states.refusesMs("reply"), states.isFailing("reply")]).toEqual([null, false]);
  });
});
