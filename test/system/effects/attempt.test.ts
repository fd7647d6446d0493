/** One attempt at a port: whatever the port does, the attempt ends as data, and never as a rejection that nobody handles (L5, L6). */
import { describe, expect, it } from "vitest";
import { type Json, type PortContext, type PortDefinition, PROGRESS_UNHANDLED_MAX, ProgressLine } from "../../../src/runtime/index.ts";
import { attempt } from "../../../src/system/effects/attempt.ts";

const REQUEST = { id: "1", key: "store.1", command: "send", body: {}, attempt: 1, from: "a/b" };
const portOf = (perform: (context: PortContext) => unknown): PortDefinition => ({
  name: "mail",
  kind: "call",
  perform: (_request, context) => perform(context) as Json,
  policy: { answerCharsMax: 10 },
});
function run(perform: (context: PortContext) => unknown) {
  const told: Json[] = [];
  const controller = new AbortController();
  const line = new ProgressLine((value) => told.push(value));
  return { told, controller, line, result: attempt(portOf(perform), REQUEST, controller, line) };
}
const cycle: unknown[] = [];
cycle.push(cycle);
const REFUSALS = [
  [10n, "is no JSON"],
  [cycle, "is no JSON"],
  ["x".repeat(9), "has 11 characters of JSON; 10 are allowed"],
] as const;

describe("an attempt", () => {
  it.each(REFUSALS)("refuses an answer that is %s", async (value, error) => {
    expect(await run(() => value).result).toMatchObject({
      kind: "failed",
      failure: { isRetryable: false, error: expect.stringContaining(error) },
    });
  });

  it("hands on what the port tells, as JSON brings it, and then its answer", async () => {
    const { told, result } = run(async ({ progress }) => {
      await progress({ a: 1, b: undefined } as unknown as Json);
      await progress("b");
    });
    expect([await result, told]).toEqual([{ kind: "done", value: null }, [{ a: 1 }, "b"]]);
  });

  it.each([...REFUSALS, [undefined, "is no JSON"] as const])(
    "a port that tells %s is refused and aborted, though it goes on and waits for nobody",
    async (value, error) => {
      const { told, result, controller } = run(({ progress }) => {
        void progress(value as unknown as Json);
        return new Promise(() => undefined);
      });
      expect(await result).toMatchObject({ kind: "failed", failure: { isRetryable: false, error: expect.stringContaining(error) } });
      expect([controller.signal.aborted, told]).toEqual([true, []]);
    },
  );

  it("L6: a port that does not wait is refused at the limit", async () => {
    const { told, result, controller } = run(({ progress }) => {
      for (let i = 0; i < 2 * PROGRESS_UNHANDLED_MAX; i++) void progress(i);
      throw new Error("later");
    });
    expect(await result).toMatchObject({ failure: { isRetryable: false, error: expect.stringContaining("await each call of progress") } });
    expect([told.length, controller.signal.aborted]).toEqual([PROGRESS_UNHANDLED_MAX, true]);
  });

  it("where nobody wants progress it goes nowhere and waits for nobody", async () => {
    const port = portOf(async ({ progress }) => {
      for (let i = 0; i < 2 * PROGRESS_UNHANDLED_MAX; i++) await progress("x".repeat(100));
      return "ok";
    });
    expect(await attempt(port, REQUEST, new AbortController(), null)).toEqual({ kind: "done", value: "ok" });
  });
});
