/** Stop of a streamed reply really stops the model's endpoint (TRAPS 27, issue 4, must show 7). */
import { afterAll, beforeAll, expect, it } from "vitest";
import { ConversationServer } from "../../../support/conversation-server.ts";
import { FakeAi } from "../../../support/fake-ai.ts";
import { eventsOf, openConversation, postMessage, type Said, SSE } from "../../../support/talk-client.ts";

let ai: FakeAi;
let server: ConversationServer;
beforeAll(async () => {
  ai = await FakeAi.start({ partMs: 20, content: "One word after the other, and so on and on. ".repeat(100) });
  server = await ConversationServer.start({ "--ai.url": ai.url });
});
afterAll(async () => {
  await server[Symbol.asyncDispose]();
  await ai[Symbol.asyncDispose]();
  expect(server.defects).toEqual([]);
});

it("TRAPS 27: the upstream sees the abort, and what was said is stored as stopped", async ({ annotate }) => {
  const id = "c";
  await openConversation(server.url, id);
  const heard: Said[] = [];
  let stoppedAtMs = 0;
  for await (const said of eventsOf(await postMessage(server.url, id, "Hello.", { key: "k", accept: SSE }))) {
    heard.push(said);
    if (said.event !== "replyChunk" || stoppedAtMs !== 0) continue;
    stoppedAtMs = Date.now();
    expect((await fetch(`${server.url}/v1/conversations/${id}/stop`, { method: "POST" })).status).toBe(200);
  }
  const stopped = heard.at(-1);
  expect(stopped?.event).toBe("replyStopped");
  const chunks = heard.filter(({ event }) => event === "replyChunk").map(({ data }) => data.text);
  expect(stopped?.data.text).toBe(chunks.join(""));
  await ai.seen((calls) => calls.filter(({ kind }) => kind === "reply").at(-1)?.abortedAtMs !== null);
  const call = ai.calls.filter(({ kind }) => kind === "reply").at(-1);
  expect([call?.endedAtMs, call?.abortedAtMs !== null]).toEqual([null, true]);
  await annotate(`${(call?.abortedAtMs ?? 0) - stoppedAtMs} ms from the request to stop to the abort upstream`);
  const page = (await (await fetch(`${server.url}/v1/conversations/${id}/messages`)).json()) as { items: object[] };
  expect(page.items[1]).toMatchObject({ status: "stopped", content: stopped?.data.text });
});
