/**
 * Issue 4, must show 3: what comes of each fault of an endpoint with the ports' own policy. Attempts are real requests to a fault-injecting server;
 * the rests between them pass in virtual time, and once in real time.
 */
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { type BreakerPolicy, DEFAULT_BREAKER, type Json, PortFailure } from "../../../src/runtime/index.ts";
import { Random } from "../../../src/runtime/testing/index.ts";
import { replyPolicy } from "../../../src/system/ai/ai-policy.ts";
import { openModel } from "../../../src/system/ai/model.ts";
import { replyPort } from "../../../src/system/ai/reply-port.ts";
import { loadConfig } from "../../../src/system/config/config.ts";
import { AiAttempts, type Told } from "../../support/ai-attempts.ts";
import { type AiFault, type AiSettings, FakeAi } from "../../support/fake-ai.ts";

const KEY = "sk-do-not-show-me-0123456789";
const BODY: Json = {
  conversation: "c",
  replyId: "r",
  instructions: null,
  summary: null,
  messages: [{ role: "user", speaker: null, parts: ["a private word"] }],
  temperature: 0.7,
  maxTokens: 1_000,
  stream: false,
};
const ANSWER = { kind: "done", value: { text: "You said: a private word", chars: 24 } };

/** Waited for by the tests with a slow endpoint; long enough for a busy machine to answer in. */
const SLOW = ["--ai.read-ms", "300"];

const open: AsyncDisposable[] = [];
afterEach(async () => {
  for (const one of open.splice(0).reverse()) await one[Symbol.asyncDispose]();
});

async function started(
  options: { settings?: Partial<AiSettings>; flags?: readonly string[]; isVirtual?: boolean; random?: () => number } = {},
) {
  const { settings = {}, flags = [], isVirtual = true, random } = options;
  const ai = await FakeAi.start(settings, 7);
  const config = loadConfig({ argv: ["--ai.url", ai.url, "--ai.key-env", "THE_KEY", ...flags], env: {}, cwd: "." });
  const model = openModel(config.ai, { THE_KEY: KEY });
  open.push(ai, model);
  const keyRing = { seal: (_id: string, _context: string, text: string) => text, reader: (_id: string) => (sealed: string) => sealed };
  const port = replyPort({ ai: config.ai, concurrencyMax: 20, keyRing, replier: model.replier });
  return { ai, attempts: new AiAttempts(port, { isVirtual, ...(random === undefined ? {} : { random }) }) };
}

const restsOf = (told: readonly Told[]): readonly number[] =>
  told.flatMap(({ outcome }) => (outcome.kind === "failed" ? [outcome.afterMs] : []));
const times = <Item>(count: number, item: Item): Item[] => Array.from({ length: count }, () => item);

describe("R-CON-6: attempts and rests in virtual time", () => {
  it.each<[string, AiFault]>([
    ["429", { kind: "status", status: 429 }],
    ["500", { kind: "status", status: 500 }],
    ["a reset", { kind: "reset" }],
    ["slow headers", { kind: "slowHeaders" }],
    ["a slow body", { kind: "slowBody" }],
    ["an answer that breaks off", { kind: "truncated" }],
  ])("%s: four attempts, 2, 4 and 8 s apart, all with one key; the fourth may succeed", async (_name, fault) => {
    const { ai, attempts } = await started({ random: () => 0, flags: SLOW });
    ai.plant(...times(3, fault));
    const told = await attempts.through(attempts.run(BODY));
    expect(restsOf(told)).toEqual([2_000, 4_000, 8_000]);
    expect(told.map(({ atMs }) => atMs)).toEqual([0, 2_000, 6_000, 14_000]);
    expect(told.at(-1)?.outcome).toMatchObject(ANSWER);
    expect(ai.calls.map(({ key }) => key)).toEqual(times(4, "store.0.0.0.0"));
  });

  it.each<[string, AiFault, string]>([
    ["429", { kind: "status", status: 429 }, "OVERLOADED"],
    ["500", { kind: "status", status: 500 }, "UPSTREAM_BAD_RESPONSE"],
    ["a reset", { kind: "reset" }, "UPSTREAM_BAD_RESPONSE"],
    ["slow headers", { kind: "slowHeaders" }, "UPSTREAM_TIMEOUT"],
  ])("%s four times: no fifth attempt, and the entity is told %s's code", async (_name, fault, code) => {
    const { ai, attempts } = await started({ random: () => 0, flags: SLOW });
    ai.plant(...times(5, fault));
    const told = await attempts.through(attempts.run(BODY));
    expect(told.at(-1)?.outcome).toMatchObject({ kind: "dead", code });
    expect([told.length, ai.calls.length]).toEqual([4, 4]);
  });

  it.each<[string, AiFault]>([
    ["400", { kind: "status", status: 400 }],
    ["401", { kind: "status", status: 401 }],
    ["404", { kind: "status", status: 404 }],
    ["bad JSON", { kind: "badJson" }],
    ["empty choices", { kind: "emptyChoices" }],
    ["an empty answer", { kind: "emptyContent" }],
    ["a huge body", { kind: "hugeBody", bytes: 12_000_000 }],
  ])("%s: one attempt, refused at once", async (_name, fault) => {
    const { ai, attempts } = await started();
    ai.plant(fault);
    const told = await attempts.through(attempts.run(BODY));
    expect(told).toMatchObject([{ outcome: { kind: "refused", code: "UPSTREAM_BAD_RESPONSE" }, atMs: 0 }]);
    expect(ai.calls.length).toBe(1);
  });

  it("the jitter is at most half on top; Retry-After counts when it is longer; no rest is above 30 s", async () => {
    const { ai, attempts } = await started({ random: () => 0.999, flags: ["--ai.attempts-max", "7"] });
    ai.plant({ kind: "status", status: 429, retryAfter: "7" }, ...times(5, { kind: "status", status: 500 } as const));
    const told = await attempts.through(attempts.run(BODY));
    expect(restsOf(told)).toEqual([7_000, 5_998, 11_996, 23_992, 29_990, 29_990]);
  });

  it("the deadline ends it over all attempts", async () => {
    const { ai, attempts } = await started({ random: () => 0, flags: ["--ai.deadline-ms", "10000"] });
    ai.plant(...times(4, { kind: "status", status: 500 } as const));
    const told = await attempts.through(attempts.run(BODY));
    expect(restsOf(told)).toEqual([2_000, 4_000]);
    expect(told.at(-1)?.outcome).toMatchObject({ kind: "dead", code: "UPSTREAM_TIMEOUT" });
  });
});

it("R-CON-6: in real time the rests are as told, within their jitter", async () => {
  const { ai, attempts } = await started({ isVirtual: false, flags: ["--ai.backoff-ms-min", "40", "--ai.backoff-ms-max", "600"] });
  ai.plant(...times(3, { kind: "status", status: 500 } as const));
  const told = await attempts.run(BODY);
  expect(told.at(-1)?.outcome).toMatchObject(ANSWER);
  const between = ai.calls.slice(1).map(({ atMs }, at) => atMs - (ai.calls[at]?.atMs ?? 0));
  for (const [at, rest] of restsOf(told).entries()) {
    expect(rest).toBeGreaterThanOrEqual(40 * 2 ** at);
    expect(rest).toBeLessThanOrEqual(60 * 2 ** at);
    expect(between[at]).toBeGreaterThanOrEqual(rest - 2); // Two clocks, of which one counts whole milliseconds.
  }
});

it("R-CON-6: at 36 % transient faults per try at least 95.3 % succeed, as 1 - 0.36^4 = 98.3 % predicts; the breaker stays closed", async () => {
  const { ai, attempts } = await started({ settings: { faultRatio: 0.36 } });
  let left = 1_000;
  const ends: Told[] = [];
  const worker = async (): Promise<void> => {
    while (left-- > 0) ends.push(...(await attempts.run(BODY)).slice(-1));
  };
  await attempts.through(Promise.all(times(20, 0).map(worker)));
  const done = ends.filter(({ outcome }) => outcome.kind === "done").length;
  expect(ends.length).toBe(1_000);
  expect(done / ends.length).toBeGreaterThanOrEqual(0.953);
  expect(done / ends.length).toBeLessThanOrEqual(0.997); // Else no faults were injected: 1.7 % are expected to fail.
  const faults = ai.calls.filter(({ fault }) => fault !== null).length;
  expect(faults / ai.calls.length).toBeGreaterThan(0.3);
  expect(attempts.performer.figures().reply?.breaker).toBe("closed");
});

it("R-API-9, R-CON-6: at 36 % of transient faults a breaker that counts attempts opens by chance, so that fewer succeed; one that counts replies does not", async () => {
  const { ai: config } = loadConfig({ argv: [], env: {}, cwd: "." });
  expect(replyPolicy(config, 20).breaker).toEqual({
    ...{ counts: "effects", outcomesMax: 10, outcomesMin: 5, failureRatio: 0.5 },
    ...{ slowMs: null, openMs: 30_000, probesMax: 3 },
  });
  const succeeded = async (breaker: BreakerPolicy | null | undefined): Promise<number> => {
    const random = new Random(7);
    const perform = (): Json => {
      if (random.chance(0.36)) throw new PortFailure("a transient fault", { status: 500 });
      return null;
    };
    const policy = { ...replyPolicy(config, 20), ...(breaker === undefined ? {} : { breaker }) };
    const attempts = new AiAttempts({ name: "reply", kind: "call", perform, policy }, { isVirtual: true });
    let left = 2_000;
    let done = 0;
    const worker = async (): Promise<void> => {
      while (left-- > 0) if ((await attempts.run(null)).at(-1)?.outcome.kind === "done") done++;
    };
    await attempts.through(Promise.all(times(20, 0).map(worker)));
    return done / 2_000;
  };
  const [without, own, others] = [
    await succeeded(null),
    await succeeded(undefined),
    await succeeded({ ...DEFAULT_BREAKER, openMs: 30_000, probesMax: 3 }),
  ];
  expect(without).toBeGreaterThanOrEqual(0.953);
  expect(own).toBe(without);
  expect(others).toBeLessThan(0.953);
});

describe("R-API-9: an endpoint that is down", () => {
  let bench: Awaited<ReturnType<typeof started>>;
  const breaker = () => bench.attempts.performer.figures().reply?.breaker;
  beforeEach(async () => {
    bench = await started({ random: () => 0, flags: ["--ai.attempts-max", "1"] });
    await bench.ai.down();
    const told = await bench.attempts.through(Promise.all(times(5, 0).map(() => bench.attempts.run(BODY))));
    expect(told.map(([first]) => first?.outcome)).toEqual(times(5, expect.objectContaining({ kind: "dead", code: "UPSTREAM_TIMEOUT" })));
  });

  it("opens the breaker; while it is open nothing is attempted and nothing given up; back again, two of three probes close it", async () => {
    const { ai, attempts } = bench;
    expect(breaker()).toBe("open");
    await ai.up();
    const work = Promise.all(times(5, 0).map(() => attempts.run(BODY)));
    await new Promise((resolve) => setImmediate(resolve));
    expect([attempts.performer.figures().reply?.outcomes.postponed, ai.calls.length]).toEqual([5, 0]);
    const told = await attempts.through(work);
    expect(told.map((all) => all.at(-1)?.outcome)).toMatchObject(times(5, ANSWER));
    // Three probes after 30 s, the other two when they ask again a second later.
    expect(told.map((all) => all.length).sort()).toEqual([2, 2, 2, 3, 3]);
    expect(told[0]?.map(({ atMs }) => atMs)).toEqual([0, 30_000]);
    expect(breaker()).toBe("closed");
  });

  it("still down, probes open it again and use up no attempt: what waits is done when the endpoint is back, or ends by its deadline", async () => {
    const { ai, attempts } = bench;
    const late = (await attempts.through(Promise.all(times(3, 0).map(() => attempts.run(BODY))))).map((all) =>
      all.map(({ outcome }) => outcome),
    );
    expect(late.map((all) => all.at(-1))).toMatchObject(times(3, { kind: "dead", code: "UPSTREAM_TIMEOUT" }));
    const spared = late.flat().filter((outcome) => outcome.kind === "postponed" && outcome.reason.includes("used up no attempt"));
    expect(spared.length).toBeGreaterThan(10); // Of 300 s, every 30 s some of the three were probes.
    const waiting = Promise.all(times(8, 0).map(() => attempts.run(BODY)));
    await new Promise((resolve) => setImmediate(resolve));
    await ai.up();
    expect((await attempts.through(waiting)).map((all) => all.at(-1)?.outcome)).toMatchObject(times(8, ANSWER));
  });

  it("longer than the deadline: a reply fails with a clear 504, whether it was attempted or not", async () => {
    const { ai, attempts } = await started({ random: () => 0, flags: ["--ai.deadline-ms", "20000", "--ai.attempts-max", "1"] });
    await ai.down();
    await attempts.through(Promise.all(times(5, 0).map(() => attempts.run(BODY))));
    const told = await attempts.through(attempts.run(BODY));
    expect(told.map(({ outcome }) => outcome)).toMatchObject([
      { kind: "postponed", afterMs: 20_000 },
      { kind: "dead", code: "UPSTREAM_TIMEOUT", error: "the deadline of 20000 ms passed after 0 attempts" },
    ]);
  });
});

it("TRAPS 46: nothing that is told, and so nothing in the journal or a log, holds the key or the conversation", async () => {
  const { ai, attempts } = await started({ random: () => 0, flags: SLOW });
  const faults: readonly AiFault[] = [
    ...[400, 401, 429, 500].map((status) => ({ kind: "status", status, reason: KEY }) as const),
    { kind: "badJson" },
    { kind: "reset" },
    { kind: "slowBody" },
    { kind: "emptyChoices" },
  ];
  for (const fault of faults) {
    ai.plant(...times(4, fault));
    const told = JSON.stringify(await attempts.through(attempts.run(BODY)));
    for (const secret of [KEY, "private", "secret text"]) expect(told).not.toContain(secret);
  }
});
