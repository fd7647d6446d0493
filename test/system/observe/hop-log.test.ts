/** The lines of hops (R-API-11): ids from the trace, an allow-list of fields, nothing for a trace that is not sampled (TRAPS 46). */
import { expect, it } from "vitest";
import type { PerformEffect } from "../../../src/runtime/index.ts";
import { HopLog, openHopLog } from "../../../src/system/observe/hop-log.ts";

const TRACE = "4bf92f3577b34da6a3ce929d0e0e4736";
const SPAN = "00f067aa0ba902b7";
const ids = { traceId: TRACE, requestId: SPAN };

function listening() {
  const lines: object[] = [];
  return { lines, hops: new HopLog({ debug: (fields) => void lines.push(fields) }, "effects") };
}
const effect = (flags: string): PerformEffect => ({
  id: "1.2.3.0",
  kind: "call",
  from: "order/a",
  to: "payments",
  command: "charge",
  body: { card: "4111" },
  attempt: 2,
  openedAt: 1,
  trace: `00-${TRACE}-${SPAN}-${flags}`,
});

it("an attempt at an effect is a hop, without its body", () => {
  const { lines, hops } = listening();
  hops.performing(effect("01"));
  expect(lines).toEqual([
    { hop: "effect", ...ids, thread: "effects", actor: "order/a", kind: "call", port: "payments", doing: "charge", attempt: 2 },
  ]);
});

it("an effect of a trace that is not sampled, or of none, is no line", () => {
  const { lines, hops } = listening();
  hops.performing(effect("00"));
  const { trace, ...untraced } = effect("01");
  hops.performing(untraced);
  expect([lines, trace]).toEqual([[], expect.any(String)]);
});

it("a thread has no log of hops unless somebody reads lines of level debug", async () => {
  for (const level of ["info", "warn", "silent"] as const) expect(await openHopLog(level, "shard-0")).toBeNull();
  expect(await openHopLog("debug", "shard-0")).not.toBeNull();
});
