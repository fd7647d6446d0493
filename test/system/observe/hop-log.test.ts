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

it("R-CON-8: a reply and a summary say for whom they are, by ids and numbers alone", () => {
  const { lines, hops } = listening();
  const ofReply = { user: "u", conversation: "c", turn: 3, messages: [{ parts: ["sealed"] }], instructions: "sealed" };
  hops.performing({ ...effect("01"), to: "reply", body: ofReply });
  hops.performing({ ...effect("01"), to: "summary", body: { user: null, conversation: "c", fromTurn: 2, toTurn: 3, previous: "sealed" } });
  hops.performing({ ...effect("01"), to: "summary", body: { user: ["said"], conversation: 1, turn: "said" } });
  hops.performing({ ...effect("01"), body: ofReply });
  const common = { hop: "effect", ...ids, thread: "effects", actor: "order/a", kind: "call", doing: "charge", attempt: 2 };
  expect(lines).toEqual([
    { ...common, port: "reply", user: "u", conversation: "c", turn: 3 },
    { ...common, port: "summary", conversation: "c", fromTurn: 2, toTurn: 3 },
    { ...common, port: "summary" },
    { ...common, port: "payments" },
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
