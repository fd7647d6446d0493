/** Summaries on threads of their own, real ones: what a task may do wrong is a failed attempt and nothing else (issue 4 D, R-CON-5). */
import { afterEach, expect, it } from "vitest";
import { failureOf } from "../../../src/runtime/index.ts";
import { SummaryPool, type SummaryPoolOptions } from "../../../src/system/pools/summary-pool.ts";
import type { Transcript } from "../../../src/system/pools/summary-task.ts";

const MISBEHAVING = new URL("../../support/misbehaving-summary-task.ts", import.meta.url);
const LIMITS = { threads: 1, queueMax: 1, taskMsMax: 30_000, heapMiBMax: 64 };
const pools: SummaryPool[] = [];
afterEach(async () => {
  for (const pool of pools.splice(0)) await pool[Symbol.asyncDispose]();
});

function opened(limits: Partial<SummaryPoolOptions> = {}): SummaryPool {
  const pool = new SummaryPool({ ...LIMITS, ...limits });
  pools.push(pool);
  return pool;
}
const says = (...texts: readonly string[]): Transcript => ({
  text: null,
  memory: null,
  messages: texts.map((text) => ({ speaker: "Ann", text })),
});
const MORE = [
  "We need two pumps in the server room, and somebody has to bring them here before the batteries get wet.",
  "The pumps are in Hamburg. A driver brings the pumps tonight, and the server room is dry by noon, when the customers come.",
];
const never = new AbortController().signal;
const failed = async (work: Promise<unknown>) => failureOf(await work.catch((thrown: unknown) => thrown), 0);

it("R-CON-2: makes a summary from the one before and what was said since", async () => {
  const pool = opened();
  const first = await pool.summarize(says("The server room is flooded again."), never);
  expect(first.text).toBe("Ann says: the server room is flooded again.");
  const second = await pool.summarize({ ...first, messages: says(...MORE).messages }, never);
  expect(second.text).toContain("flooded");
  expect(JSON.parse(second.memory)).toMatchObject({ messages: 3 });
  const after = { text: "Ann says: the server room is flooded again.", memory: "no memory of ours" };
  expect(await pool.summarize({ ...after, messages: says("OK.").messages }, never)).toMatchObject({ text: after.text });
  const [depth, times] = pool.measures();
  expect(depth).toMatchObject({ name: "pool_queue_depth", labels: { pool: "summaries" }, value: 0 });
  expect(times).toMatchObject({ name: "pool_task_seconds", labels: { pool: "summaries" }, value: { sum: expect.any(Number) } });
});

it("moves a large transcript to the thread instead of copying it", async () => {
  const pool = opened({ task: MISBEHAVING });
  const buffers: ArrayBuffer[] = [];
  const encode = TextEncoder.prototype.encode;
  TextEncoder.prototype.encode = function (text?: string) {
    const bytes = encode.call(this, text);
    buffers.push(bytes.buffer);
    return bytes;
  };
  const transcript = says(
    ..."x"
      .repeat(1_000)
      .split("")
      .map((mark) => mark.repeat(1_100)),
  );
  const made = await pool.summarize(transcript, never).finally(() => {
    TextEncoder.prototype.encode = encode;
  });
  const bytes = Buffer.byteLength(JSON.stringify(transcript));
  expect(bytes).toBeGreaterThan(1_048_576);
  expect(made).toEqual({ text: "1000 messages", memory: `${bytes} bytes` });
  expect(buffers.map(({ byteLength, detached }) => [byteLength, detached])).toEqual([[0, true]]);
});

it.each([
  ["throw", /thrown by the task/, "INTERNAL_ERROR"],
  ["exit", /thread ended/, "INTERNAL_ERROR"],
  ["heap", /thread ended/, "INTERNAL_ERROR"],
  ["loop", /longer than 1000 ms/, "UPSTREAM_TIMEOUT"],
])("R-CON-5: a task that does %s is a failed attempt; those that wait behind it are made", async (mode, error, code) => {
  const pool = opened({ task: MISBEHAVING, ...(mode === "loop" ? { taskMsMax: 1_000 } : {}) });
  const bad = failed(pool.summarize(says(mode), never));
  const next = pool.summarize(says("well", "done"), never);
  expect(await bad).toMatchObject({ error: expect.stringMatching(error), code, isRetryable: true });
  expect(await next).toMatchObject({ text: "2 messages" });
  expect(pool.figures).toEqual({ running: 0, queued: 0 });
});

it("L6: what neither thread nor queue has room for is refused and may come again", async () => {
  const pool = opened({ task: MISBEHAVING });
  const work = [pool.summarize(says("a"), never), pool.summarize(says("b"), never)];
  expect(await failed(pool.summarize(says("c"), never))).toMatchObject({ code: "OVERLOADED", isRetryable: true });
  expect(await Promise.all(work)).toHaveLength(2);
});

it("an abort ends the one that runs with its thread, takes one that waits out of the queue, and begins none", async () => {
  const pool = opened({ task: MISBEHAVING });
  const [running, waiting, before] = [new AbortController(), new AbortController(), AbortSignal.abort(new Error("before"))];
  const ends = [pool.summarize(says("loop"), running.signal), pool.summarize(says("b"), waiting.signal), pool.summarize(says("c"), before)];
  const told = Promise.allSettled(ends);
  waiting.abort(new Error("waiting"));
  expect(pool.figures).toEqual({ running: 1, queued: 0 });
  running.abort(new Error("running"));
  const reasons = (await told).map((end) => (end.status === "rejected" ? end.reason.message : "done"));
  expect(reasons).toEqual(["running", "waiting", "before"]);
  expect(await pool.summarize(says("after"), never)).toMatchObject({ text: "1 messages" });
});
