/**
 * Issue 4, must show 3: a model that does not answer. Real HTTP on both sides, a real node between. Nobody is kept waiting, what was said is stored, and its reply
 * comes when the model is back, once.
 */
import { once } from "node:events";
import { afterEach, beforeEach, expect, it } from "vitest";
import { WebSocket } from "ws";
import { Metrics } from "../../../src/system/observe/metrics.ts";
import { ConversationServer } from "../../support/conversation-server.ts";
import { FakeAi } from "../../support/fake-ai.ts";
import { fieldsOf, get, type HttpAnswer, post } from "../../support/http-client.ts";
import { eventsOf, openConversation, postMessage, type Said, SSE } from "../../support/talk-client.ts";
import { until } from "../../support/test-node.ts";

/** Whoever is kept waiting for its end waits longer than the tests do: what is answered is answered before. */
const LONG_MS = 300_000;
const QUICK = { "--ai.backoff-ms-min": 10, "--ai.backoff-ms-max": 30, "--http.answer-ms-max": LONG_MS };

let ai: FakeAi;
let server: ConversationServer;
beforeEach(async () => {
  ai = await FakeAi.start();
});
afterEach(async () => {
  await server[Symbol.asyncDispose]();
  await ai[Symbol.asyncDispose]();
  expect(server.defects).toEqual([]);
});

async function started(flags: Readonly<Record<string, string | number>>): Promise<void> {
  server = await ConversationServer.start({ "--ai.url": ai.url, ...QUICK, ...flags });
}
async function say(id: string, key = "k"): Promise<HttpAnswer> {
  await post(server.url, "/v1/conversations", { id });
  return await post(server.url, `/v1/conversations/${id}/messages`, { content: "Hello." }, key);
}
const codeOf = (answer: HttpAnswer): string => `${answer.status} ${String(fieldsOf(answer).code)}`;
const outcomeOf = async (answer: HttpAnswer) => fieldsOf(await get(server.url, answer.headers.location ?? ""));
/**
 * Replies that fail open the breaker (R-API-9). @returns the conversations whose reply has failed: of those whose last attempt ended when it was open already, the
 * reply is made later.
 */
async function failFive(code: string): Promise<readonly [string, ...string[]]> {
  const ids = [1, 2, 3, 4, 5].map((n) => `failing-${n}`);
  const codes = (await Promise.all(ids.map((id) => say(id)))).map(codeOf);
  for (const one of codes) expect([code, "503 OVERLOADED"]).toContain(one);
  await until("the breaker is open", () => breakerIs("open"));
  return await until("most have failed", async () => {
    const failed: string[] = [];
    for (const id of ids) if (codeOf(await say(id)) === code) failed.push(id);
    const [first, ...others] = failed;
    return first === undefined || others.length < 2 ? null : [first, ...others];
  });
}
const repliesAsked = (): readonly string[] => ai.calls.filter(({ kind }) => kind === "reply").map(({ key }) => key);
const breakerIs = async (state: string): Promise<boolean> =>
  (await new Metrics(server.node).text()).includes(`port_breaker_state{port="reply",state="${state}"} 1`);

it("R-API-9, R-CON-5: with the breaker open every door answers at once that the message is stored; the model back, each reply is made once", async () => {
  await started({ "--ai.breaker-open-ms": 3_000 });
  await ai.down();
  const [failed] = await failFive("504 UPSTREAM_TIMEOUT");
  expect(fieldsOf(await say(failed))).toMatchObject({ turn: 1, replyId: "r1-1", messageId: expect.any(String) });

  const told = await say("c");
  expect([codeOf(told), fieldsOf(told)]).toMatchObject(["503 OVERLOADED", { turn: 1, replyId: null, pending: true, status: 503 }]);
  expect(Number(told.headers["retry-after"])).toBeGreaterThanOrEqual(1);
  expect(await outcomeOf(told)).toMatchObject({ messageId: fieldsOf(told).messageId, turn: 1, status: "pending" });
  const again = await say("c");
  expect([codeOf(again), fieldsOf(again).messageId]).toEqual(["503 OVERLOADED", fieldsOf(told).messageId]);
  expect(codeOf(await post(server.url, `/v1/conversations/${failed}/replies/r1-1/regenerate`, {}, "g"))).toBe("503 OVERLOADED");
  // What wants no reply is stored as ever.
  expect((await post(server.url, "/v1/conversations/c/messages", { content: "Noted.", reply: false }, "n")).status).toBe(201);

  await openConversation(server.url, "sse");
  const streamed = await postMessage(server.url, "sse", "Hello.", { key: "k", accept: SSE });
  expect([streamed.status, await streamed.json()]).toMatchObject([503, { code: "OVERLOADED", turn: 1, pending: true }]);
  await openConversation(server.url, "socket");
  const socket = new WebSocket(`${server.url.replace("http", "ws")}/v1/conversations/socket/socket`);
  const heard: Said[] = [];
  socket.on("message", (data) => heard.push(JSON.parse(String(data)) as Said));
  await once(socket, "open");
  socket.send(JSON.stringify({ type: "send", ref: "1", key: "k", content: "Hello." }));
  const answer = await until("an answer", () => heard.find(({ event }) => event === "answer") ?? null);
  expect(answer.data).toMatchObject({ ref: "1", ok: false, code: "OVERLOADED", turn: 1, pending: true });
  socket.close();

  const chat = { model: "m", messages: [{ role: "user", content: "Hello." }], metadata: { conversation_id: "chat" } };
  const keyless = await post(server.url, "/v1/chat/completions", chat);
  expect([codeOf(keyless), fieldsOf(keyless)]).toMatchObject(["503 OVERLOADED", { error: { code: "OVERLOADED", type: "server_error" } }]);
  expect((await get(server.url, "/v1/conversations/chat")).status).toBe(404); // Its repeat would be another message.
  const keyed = await post(server.url, "/v1/chat/completions", chat, "k");
  expect([codeOf(keyed), fieldsOf(keyed)]).toMatchObject(["503 OVERLOADED", { pending: true, turn: 1, error: { code: "OVERLOADED" } }]);

  const ready = await get(server.url, "/readyz?verbose");
  expect([ready.status, ready.text]).toEqual([200, expect.stringContaining("the breaker of the port reply is")]);
  expect(await breakerIs("closed")).toBe(false);

  await ai.up();
  for (const id of ["c", "sse", "socket", "chat"]) {
    await until(`the reply in ${id}`, async () => {
      const { items } = fieldsOf(await get(server.url, `/v1/conversations/${id}/messages`)) as { items: readonly { role: string }[] };
      return items.some(({ role }) => role === "assistant");
    });
  }
  expect(await outcomeOf(told)).toMatchObject({ content: "You said: Hello.", status: "complete" });
  const done = await say("c");
  expect([done.status, done.headers["idempotency-replayed"], fieldsOf(done).content]).toEqual([201, "true", "You said: Hello."]);
  const repeated = await postMessage(server.url, "sse", "Hello.", { key: "k", accept: SSE });
  expect((await Array.fromAsync(eventsOf(repeated))).at(-1)).toMatchObject({ event: "replied", data: { text: "You said: Hello." } });
  await until("the regenerated reply", async () => {
    const again = await post(server.url, `/v1/conversations/${failed}/replies/r1-1/regenerate`, {}, "g");
    return again.status === 201;
  });
  await until("the breaker is closed", () => breakerIs("closed"));
  expect(new Set(repliesAsked()).size).toBe(repliesAsked().length);
  // Summaries of the turns above failed too: their port has a breaker of its own, which may have opened later.
  await until("nothing fails any more", async () => {
    const { failing } = fieldsOf(await get(server.url, "/readyz?verbose")) as { failing: readonly string[] };
    return failing.length === 0;
  });
});

it("R-API-9: whoever waits when the breaker opens is answered then; a reply under way goes on and is kept", async () => {
  // The first call loads the client; then four take their time, and what comes after them fails.
  await started({ "--ai.breaker-open-ms": 1_000, "--ai.read-ms": LONG_MS, "--ai.response-ms": LONG_MS });
  expect((await say("first")).status).toBe(201);
  const before = ai.calls.length;
  const isAsked = (count: number) => ai.seen((calls) => calls.slice(before).filter(({ kind }) => kind === "reply").length === count);
  ai.set({ replyMs: 8_000 });
  const plain = say("plain");
  await isAsked(1);
  await openConversation(server.url, "sse");
  const streamed = await postMessage(server.url, "sse", "Hello.", { key: "k", accept: SSE });
  await isAsked(2);
  const chat = { model: "m", messages: [{ role: "user", content: "Hello." }], metadata: { conversation_id: "chat" } };
  const completion = post(server.url, "/v1/chat/completions", chat);
  await isAsked(3);
  const chatStream = post(server.url, "/v1/chat/completions", {
    ...{ ...chat, stream: true, metadata: { conversation_id: "chat-stream" } },
  });
  await isAsked(4);
  ai.set({ replyMs: 0, replyFault: { kind: "status", status: 500 } });
  await failFive("502 UPSTREAM_BAD_RESPONSE");
  ai.set({ replyFault: null });

  expect([codeOf(await plain), fieldsOf(await plain)]).toMatchObject(["503 OVERLOADED", { turn: 1, pending: true }]);
  const events = await Array.fromAsync(eventsOf(streamed));
  expect(events.map(({ event }) => event)).toEqual(["posted", "replyBegun", "replyWaits"]);
  expect(events.at(-1)).toMatchObject({ id: "", data: { turn: 1, code: "OVERLOADED", pending: true } });
  expect(codeOf(await completion)).toBe("503 OVERLOADED");
  expect((await chatStream).text).toContain('"code":"OVERLOADED"');

  for (const id of ["plain", "sse", "chat", "chat-stream"])
    await until(`the reply in ${id}`, async () =>
      (await get(server.url, `/v1/conversations/${id}/messages`)).text.includes("You said: Hello."),
    );
  expect(fieldsOf(await say("plain"))).toMatchObject({ content: "You said: Hello.", status: "complete" });
  const made = ai.calls.slice(before).flatMap(({ kind, fault, key }) => (kind === "reply" && fault === null ? [key] : []));
  expect(made.length).toBeGreaterThanOrEqual(4);
  expect(new Set(made).size).toBe(made.length);
});

it("R-CON-6: a model that cannot be reached for as long as an answer may take is a 504 with the message's id; one that is merely slow is a 202", async () => {
  await started({ "--http.answer-ms-max": 3_000, "--ai.backoff-ms-min": 8_000, "--ai.backoff-ms-max": 10_000 });
  await until("the client is loaded", async () => (await say("first")).status !== 202);
  await ai.down();
  const late = await say("c");
  expect([codeOf(late), fieldsOf(late)]).toMatchObject(["504 UPSTREAM_TIMEOUT", { turn: 1, replyId: null, pending: true }]);
  expect(await outcomeOf(late)).toMatchObject({ status: "pending" });
  await ai.up();
  await until("the reply", async () => (await outcomeOf(late)).status === "complete");
  expect([(await say("c")).status, fieldsOf(await say("c")).content]).toEqual([201, "You said: Hello."]);
  ai.set({ replyMs: 8_000 });
  expect([(await say("slow")).status]).toEqual([202]);
});
