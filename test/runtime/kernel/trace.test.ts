/** W3C Trace Context, level 1 (R-API-11): what is taken from a client and what is passed on. */
import { expect, test } from "vitest";
import { isSampledTrace, parseTrace, traceparentOf } from "../../../src/runtime/index.ts";

const TRACE = "4bf92f3577b34da6a3ce929d0e0e4736";
const SPAN = "00f067aa0ba902b7";

test("R-API-11: the fields of a traceparent are read, and a child keeps the trace and the sampled flag", () => {
  const trace = parseTrace(`00-${TRACE}-${SPAN}-01`);
  expect(trace).toEqual({ traceId: TRACE, spanId: SPAN, isSampled: true });
  expect(trace && traceparentOf(trace, "b7ad6b7169203331")).toBe(`00-${TRACE}-b7ad6b7169203331-01`);
});

test("R-API-11: flags that are not known are not passed on; a later version may be longer", () => {
  const trace = parseTrace(`cc-${TRACE}-${SPAN}-fe-what-ever`);
  expect(trace).toEqual({ traceId: TRACE, spanId: SPAN, isSampled: false });
  expect(trace && traceparentOf(trace, SPAN)).toBe(`00-${TRACE}-${SPAN}-00`);
});

test.each([
  ["version ff", `ff-${TRACE}-${SPAN}-01`],
  ["version 00 with more", `00-${TRACE}-${SPAN}-01-x`],
  ["a trace id of zeros", `00-${"0".repeat(32)}-${SPAN}-01`],
  ["a span id of zeros", `00-${TRACE}-${"0".repeat(16)}-01`],
  ["upper case", `00-${TRACE.toUpperCase()}-${SPAN}-01`],
  ["too short", `00-${TRACE}-${SPAN}`],
  ["nothing", ""],
])("R-API-11: a malformed traceparent is as if it were not there: %s", (_, text) => {
  expect(parseTrace(text)).toBeNull();
});

test("what is sampled is seen without parsing, as parsing sees it", () => {
  for (let flags = 0; flags < 256; flags++) {
    const text = `00-${TRACE}-${SPAN}-${flags.toString(16).padStart(2, "0")}`;
    expect(isSampledTrace(text)).toBe(parseTrace(text)?.isSampled);
  }
});
