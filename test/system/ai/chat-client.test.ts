/** The client of an OpenAI-compatible endpoint against a real server with every fault (R-CON-6; issue 4, must show 3; TRAPS 1, 2, 27, 46). */
import { once } from "node:events";
import { type AddressInfo, createServer, type Socket } from "node:net";
import { inspect } from "node:util";
import { afterEach, describe, expect, it } from "vitest";
import { failureOf, PortFailure } from "../../../src/runtime/index.ts";
import { ChatClient } from "../../../src/system/ai/chat-client.ts";
import { Secret } from "../../../src/system/ai/secret.ts";
import type { UpstreamLimits } from "../../../src/system/ai/upstream.ts";
import { type AiFault, type AiSettings, FakeAi } from "../../support/fake-ai.ts";
import { AiProcess } from "../../support/fake-ai-process.ts";

const KEY = "sk-do-not-show-me-0123456789";
/** Short, so that a test waits for what passes them; those that must not pass are long. */
const LIMITS: UpstreamLimits = {
  connectionsMax: 50,
  connectionIdleMs: 20_000,
  connectionAgeMsMax: 300_000,
  connectionWaitMs: 10_000,
  connectMs: 5_000,
  writeMs: 10_000,
  readMs: 60_000,
  responseMs: 60_000,
  bodyBytesMax: 1_048_576,
};
const REQUEST = { messages: [{ role: "user", content: "a private word" }], temperature: 0.7, maxTokens: 1_000 } as const;
const SAID = "You said: a private word";

const open: AsyncDisposable[] = [];
afterEach(async () => {
  for (const one of open.splice(0).reverse()) await one[Symbol.asyncDispose]();
});

function clientOf(url: string, limits: Partial<UpstreamLimits>): ChatClient {
  const client = new ChatClient({ url: new URL(url), model: "m", key: new Secret(KEY), limits: { ...LIMITS, ...limits } });
  open.push(client);
  return client;
}

/** Takes connections and never reads. */
async function silentServer(): Promise<{ readonly port: number } & AsyncDisposable> {
  const sockets: Socket[] = [];
  const server = createServer({ pauseOnConnect: true }, (socket) => void sockets.push(socket.on("error", () => undefined)));
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  return {
    port: (server.address() as AddressInfo).port,
    async [Symbol.asyncDispose]() {
      for (const socket of sockets) socket.destroy();
      server.close();
      await once(server, "close");
    },
  };
}

async function started(limits: Partial<UpstreamLimits> = {}, settings: Partial<AiSettings> = {}) {
  const ai = await FakeAi.start(settings);
  open.push(ai);
  return { ai, client: clientOf(ai.url, limits) };
}
const call = (signal = new AbortController().signal) => ({
  signal,
  key: "store.1",
  trace: "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
});

async function failure(work: Promise<unknown>): Promise<PortFailure> {
  const thrown = await work.then(
    () => new Error("it was answered"),
    (error: unknown) => error,
  );
  if (!(thrown instanceof PortFailure)) throw thrown;
  return thrown;
}

describe("an answer", () => {
  it("comes whole, with its usage; the request carries model, key, Idempotency-Key and trace", async () => {
    const { ai, client } = await started();
    const answer = await client.complete(REQUEST, call());
    expect(answer).toEqual({ content: SAID, usage: { promptTokens: 11, completionTokens: 6 }, finishReason: "stop" });
    expect(ai.calls).toMatchObject([
      {
        key: "store.1",
        authorization: `Bearer ${KEY}`,
        traceparent: call().trace,
        body: { model: "m", temperature: 0.7, max_tokens: 1_000, messages: REQUEST.messages },
      },
    ]);
  });

  it("comes in parts that are taken one after the other, with its usage at the end", async () => {
    const { ai, client } = await started();
    const parts: string[] = [];
    const answer = await client.stream(REQUEST, call(), (text) => parts.push(text));
    expect(parts).toEqual(["You ", "said: ", "a ", "private ", "word"]);
    expect(answer).toEqual({ content: SAID, usage: { promptTokens: 11, completionTokens: 6 }, finishReason: "stop" });
    expect(ai.calls).toMatchObject([{ isStream: true, body: { stream: true, stream_options: { include_usage: true } } }]);
  });

  it("is taken whole from an endpoint that does not stream", async () => {
    const { ai, client } = await started();
    ai.plant({ kind: "body", text: JSON.stringify({ choices: [{ message: { content: "all at once" } }] }), type: "application/json" });
    const parts: string[] = [];
    expect(await client.stream(REQUEST, call(), (text) => parts.push(text))).toMatchObject({ content: "all at once" });
    expect(parts).toEqual(["all at once"]);
  });

  it("may be packed with gzip", async () => {
    const { client } = await started({}, { isPacked: true });
    expect((await client.complete(REQUEST, call())).content).toBe(SAID);
  });

  it("ends with [DONE] though the endpoint keeps the connection open; without both [DONE] and a reason it was cut off", async () => {
    const { ai, client } = await started();
    const part = 'data: {"choices":[{"delta":{"content":"yes"}}]}\n\n';
    ai.plant(
      { kind: "body", text: `${part}data: [DONE]\n\n`, type: "text/event-stream" },
      { kind: "body", text: part, type: "text/event-stream" },
    );
    expect((await client.stream(REQUEST, call(), () => undefined)).content).toBe("yes");
    expect(await failure(client.stream(REQUEST, call(), () => undefined))).toMatchObject({ status: 0, isRetryable: true });
  });

  it("uses a connection again, plain and streaming", async () => {
    const { ai, client } = await started();
    for (let i = 0; i < 3; i++) {
      await client.complete(REQUEST, call());
      await client.stream(REQUEST, call(), () => undefined);
      await ai.seen((calls) => calls.every(({ endedAtMs }) => endedAtMs !== null));
    }
    expect(ai.calls.length).toBe(6);
    expect(ai.connectionCount).toBeLessThan(6);
  });
});

describe("a fault", () => {
  it.each<[string, AiFault, object, string]>([
    [
      "429",
      { kind: "status", status: 429, retryAfter: "7", reason: "rate_limit_exceeded" },
      { status: 429, isRetryable: true, retryAfter: "7", code: "OVERLOADED" },
      "429 (rate_limit_exceeded)",
    ],
    ["500", { kind: "status", status: 500 }, { status: 500, isRetryable: true, code: "UPSTREAM_BAD_RESPONSE" }, "500"],
    [
      "503",
      { kind: "status", status: 503, retryAfter: "Thu, 01 Jan 2026 00:00:10 GMT" },
      { status: 503, isRetryable: true, code: "OVERLOADED" },
      "503",
    ],
    ["400", { kind: "status", status: 400 }, { status: 400, isRetryable: false, code: "UPSTREAM_BAD_RESPONSE" }, "400"],
    ["401", { kind: "status", status: 401 }, { status: 401, isRetryable: false }, "401"],
    ["404", { kind: "status", status: 404 }, { status: 404, isRetryable: false }, "404"],
    [
      "a redirect",
      { kind: "redirect", to: "http://169.254.169.254/latest" },
      { status: 302, isRetryable: false },
      "redirects are not followed",
    ],
    ["a reset", { kind: "reset" }, { status: 0, isRetryable: true, code: "UPSTREAM_BAD_RESPONSE" }, "the connection to the endpoint broke"],
    ["bad JSON", { kind: "badJson" }, { status: 200, isRetryable: false, code: "UPSTREAM_BAD_RESPONSE" }, "BAD_JSON"],
    ["JSON of another shape", { kind: "body", text: "[]" }, { status: 200, isRetryable: false }, "BAD_SHAPE"],
    ["no choices", { kind: "emptyChoices" }, { status: 200, isRetryable: false }, "NO_CHOICES"],
    ["no content", { kind: "noContent" }, { status: 200, isRetryable: false }, "NO_CONTENT"],
    ["empty content", { kind: "emptyContent" }, { status: 200, isRetryable: false, code: "UPSTREAM_BAD_RESPONSE" }, "EMPTY_RESPONSE"],
    ["a huge body", { kind: "hugeBody", bytes: 3_000_000 }, { status: 200, isRetryable: false }, "BODY_TOO_LARGE"],
    [
      "a body that is huge when unpacked",
      { kind: "hugeBody", bytes: 50_000_000, isPacked: true },
      { status: 200, isRetryable: false },
      "BODY_TOO_LARGE",
    ],
  ])("R-CON-6, TRAPS 1: %s is told by its own status, and whether another attempt may help", async (_name, fault, expected, text) => {
    const { ai, client } = await started();
    ai.plant(fault);
    const failed = await failure(client.complete(REQUEST, call()));
    expect(failed).toMatchObject(expected);
    expect(failed.message).toContain(text);
    expect(ai.calls.length).toBe(1); // It never repeats by itself.
    expect((await client.complete(REQUEST, call())).content).toBe(SAID);
  });

  it("in the midst of a stream: cut off, an error event, an event that is no JSON, one that never ends", async () => {
    const { ai, client } = await started();
    const type = "text/event-stream";
    ai.plant(
      { kind: "truncated" },
      { kind: "body", text: 'data: {"error":{"message":"secret","type":"server_error"}}\n\n', type },
      { kind: "body", text: "data: {secret\n\n", type },
      { kind: "body", text: `data: ${"x".repeat(2_000_000)}`, type },
      { kind: "body", text: "data: [DONE]\n\n", type },
    );
    const told: unknown[] = [];
    for (let i = 0; i < 5; i++) {
      const { message, isRetryable } = await failure(client.stream(REQUEST, call(), () => undefined));
      told.push([message.split(":")[0], isRetryable]);
    }
    expect(told).toEqual([
      ["the connection to the endpoint broke", true],
      ["the endpoint broke off its answer with an error", true],
      ["BAD_JSON", false],
      ["BODY_TOO_LARGE", false],
      ["EMPTY_RESPONSE", false],
    ]);
  });

  it("nobody listens: it cannot be reached, and another attempt may help", async () => {
    const { ai, client } = await started();
    await ai.down();
    const failed = failureOf(await failure(client.complete(REQUEST, call())), 0);
    expect(failed).toMatchObject({ status: 0, isRetryable: true, code: "UPSTREAM_TIMEOUT" });
    expect(failed.error).toContain("the endpoint cannot be reached: connect ECONNREFUSED");
    await ai.up();
    expect((await client.complete(REQUEST, call())).content).toBe(SAID);
  });
});

describe("a limit of time", () => {
  it.each<[string, Partial<UpstreamLimits>, AiFault, string, boolean]>([
    ["the head of the answer", { readMs: 30 }, { kind: "slowHeaders" }, "the head of the answer took longer than 30 ms", false],
    ["the next part of a body", { readMs: 500 }, { kind: "slowBody" }, "the next part of the answer took longer than 500 ms", false],
    ["the next part of a stream", { readMs: 500 }, { kind: "slowParts" }, "the next part of the answer took longer than 500 ms", true],
    ["the whole answer", { responseMs: 30 }, { kind: "slowBody" }, "the whole answer took longer than 30 ms", false],
  ])("R-CON-6: %s", async (_name, limits, fault, text, isStream) => {
    const { ai, client } = await started(limits);
    ai.plant(fault);
    const work = isStream ? client.stream(REQUEST, call(), () => undefined) : client.complete(REQUEST, call());
    expect(await failure(work)).toMatchObject({ message: text, status: 0, isRetryable: true, code: "UPSTREAM_TIMEOUT" });
    await ai.seen(([first]) => first?.abortedAtMs !== null);
  });

  it("R-CON-6: the wait for a connection; whoever waits leaves the line, and what holds the connection goes on", async () => {
    const { ai, client } = await started({ connectionsMax: 1, connectionWaitMs: 300 }, { replyMs: 800 });
    const first = client.complete(REQUEST, call());
    await ai.seen((calls) => calls.length === 1);
    expect(await failure(client.complete(REQUEST, call()))).toMatchObject({
      message: "the wait for a connection took longer than 300 ms",
      code: "UPSTREAM_TIMEOUT",
    });
    expect((await first).content).toBe(SAID);
    expect([ai.calls.length, ai.connectionCount]).toEqual([1, 1]);
  });

  it("R-CON-6: no more connections than allowed, and all are served", async () => {
    const { ai, client } = await started({ connectionsMax: 3 }, { replyMs: 5 });
    const answers = await Promise.all(Array.from({ length: 20 }, () => client.complete(REQUEST, call())));
    expect(answers.map(({ content }) => content)).toEqual(Array(20).fill(SAID));
    expect(ai.connectionCount).toBeLessThanOrEqual(3);
  });

  it("R-CON-6: a connection that is made but never secured", async () => {
    await using silent = await silentServer();
    const client = clientOf(`https://127.0.0.1:${silent.port}/v1`, { connectMs: 50 });
    const failed = failureOf(await failure(client.complete(REQUEST, call())), 0);
    expect(failed).toMatchObject({ status: 0, isRetryable: true, code: "UPSTREAM_TIMEOUT" });
    expect(failed.error).toContain("the endpoint cannot be reached: Connect Timeout Error");
  });

  it("R-CON-6: a request that nobody reads", async () => {
    await using silent = await silentServer();
    const client = clientOf(`http://127.0.0.1:${silent.port}/v1`, { writeMs: 50 });
    const huge = { ...REQUEST, messages: [{ role: "user", content: "x".repeat(30_000_000) }] } as const;
    expect(await failure(client.complete(huge, call()))).toMatchObject({
      message: "sending the request took longer than 50 ms",
      code: "UPSTREAM_TIMEOUT",
    });
  });

  it("R-CON-6: a connection without a request is closed; one that is old gets no new request", async () => {
    const idle = await started({ connectionIdleMs: 20 });
    await idle.client.complete(REQUEST, call());
    await idle.ai.seen(() => idle.ai.openConnections === 0);
    const old = await started({ connectionAgeMsMax: 1 });
    for (let i = 0; i < 2; i++) {
      await old.client.complete(REQUEST, call());
      await new Promise((resolve) => setTimeout(resolve, 10));
    }
    expect([old.ai.callCount, old.ai.connectionCount]).toEqual([2, 2]);
  });

  it("does not count the time that the taker of a part takes", async () => {
    const { client } = await started({ readMs: 200 });
    let isFirst = true;
    const answer = await client.stream(REQUEST, call(), async () => {
      if (isFirst) await new Promise((resolve) => setTimeout(resolve, 300));
      isFirst = false;
    });
    expect(answer.content).toBe(SAID);
  });
});

describe("a stop", () => {
  it.each<[string, AiFault]>([
    ["before the head", { kind: "slowHeaders" }],
    ["in the midst of a stream", { kind: "slowParts" }],
  ])("TRAPS 27: %s reaches the endpoint, and the call ends with its reason", async (_name, fault) => {
    const { ai, client } = await started();
    ai.plant(fault);
    const controller = new AbortController();
    const work = client.stream(REQUEST, call(controller.signal), () => undefined);
    work.catch(() => undefined);
    await ai.seen((calls) => calls.length === 1);
    const why = new Error("the effect was cancelled");
    controller.abort(why);
    await expect(work).rejects.toBe(why);
    await ai.seen(([first]) => first?.abortedAtMs !== null);
  });

  it("TRAPS 27: reaches an endpoint in another process, in the midst of its words", async () => {
    await using ai = await AiProcess.start({ partMs: 20 });
    const controller = new AbortController();
    const parts: string[] = [];
    const work = clientOf(ai.url, {}).stream(REQUEST, call(controller.signal), (text) => {
      parts.push(text);
      controller.abort(new Error("stopped"));
    });
    await expect(work).rejects.toThrow("stopped");
    let [seen] = await ai.calls();
    while (seen?.abortedAtMs === null) [seen] = await ai.calls();
    expect([parts, await ai.callCount(), seen?.endedAtMs]).toEqual([["You "], 1, null]);
  });

  it("before it begins asks nothing; while it waits for a connection it gives its place up", async () => {
    const { ai, client } = await started({ connectionsMax: 1 }, { replyMs: 50 });
    await expect(client.complete(REQUEST, call(AbortSignal.abort(new Error("early"))))).rejects.toThrow("early");
    const controller = new AbortController();
    const first = client.complete(REQUEST, call());
    const second = client.complete(REQUEST, call(controller.signal));
    const third = client.complete(REQUEST, call());
    controller.abort(new Error("gone"));
    await expect(second).rejects.toThrow("gone");
    await Promise.all([first, third]);
    expect(ai.calls.length).toBe(2);
  });
});

it("TRAPS 46: no error, however it is shown, holds the key or a word of the conversation", async () => {
  const { ai, client } = await started({ readMs: 30 });
  const shown: string[] = [inspect(client, { depth: 9, showHidden: true }), JSON.stringify(client)];
  for (const kind of ["reset", "slowHeaders", "slowBody", "truncated", "badJson", "emptyChoices", "emptyContent"] as const)
    ai.plant({ kind });
  for (const status of [400, 401, 429, 500]) ai.plant({ kind: "status", status, reason: `Bearer ${KEY}` });
  for (let i = 0; i < 11; i++) {
    const thrown = await failure(client.complete(REQUEST, call()));
    shown.push(inspect(thrown, { depth: 9, showHidden: true }), String(thrown.stack), JSON.stringify(failureOf(thrown, 0)));
  }
  for (const text of shown) {
    expect(text).not.toContain(KEY);
    expect(text).not.toContain("private");
    expect(text).not.toContain("secret text");
  }
});
