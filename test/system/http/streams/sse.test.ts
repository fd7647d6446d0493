/** Following conversations over SSE through a real node, with the client libraries that others use (R-API-4, R-CON-9). */
import { EventSource } from "eventsource";
import { afterAll, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { ConversationServer } from "../../../support/conversation-server.ts";
import { endOf, eventsOf, follow, idsOf, isEnd, openConversation, postMessage, type Said, SSE } from "../../../support/talk-client.ts";
import { until } from "../../../support/test-node.ts";

const TALK = { "--ai.local-word-ms": 4 };
let server: ConversationServer;
/** Of the test that runs: each has its own. */
let id = "";
let count = 0;
beforeAll(async () => {
  server = await ConversationServer.start(TALK);
});
afterAll(async () => {
  await server[Symbol.asyncDispose]();
  expect(server.defects).toEqual([]);
});
beforeEach(async () => {
  id = `c${++count}`;
  await openConversation(server.url, id);
});

async function streamed(key: string, content = "Hello."): Promise<Said[]> {
  const heard: Said[] = [];
  for await (const said of eventsOf(await postMessage(server.url, id, content, { key, accept: SSE }))) heard.push(said);
  return heard;
}
/** The summary of a turn comes when it comes. */
const isSaid = ({ event }: Said): boolean => event !== "summarized";
async function nextSaid(events: AsyncGenerator<Said>): Promise<Said | null> {
  for (let next = await events.next(); next.done !== true; next = await events.next()) if (isSaid(next.value)) return next.value;
  return null;
}
const chunksOf = (heard: readonly Said[]): string =>
  heard
    .filter(({ event }) => event === "replyChunk")
    .map(({ data }) => data.text)
    .join("");

describe("a post that wants events", () => {
  it("R-CON-9: begins with its message, says the reply in chunks, ends with the whole of it, and then ends", async () => {
    const heard = await streamed("k");
    const kinds = heard.map(({ event }) => event);
    expect([kinds.slice(0, 2), kinds.at(-1)]).toEqual([["posted", "replyBegun"], "replied"]);
    expect(new Set(kinds.slice(2, -1))).toEqual(new Set(["replyChunk"]));
    expect(heard[0]?.data).toMatchObject({ text: "Hello.", turn: 1, speaker: "user", wantsReply: true });
    expect(chunksOf(heard)).toBe(heard.at(-1)?.data.text);
    expect(heard.every(({ id }) => /^\d+\.\d+$/.test(id))).toBe(true);
  });

  it("L3: a repeat hears the same events under the same ids, also much later, also while the first is under way", async () => {
    const first = streamed("k");
    const second = streamed("k");
    expect(await second).toEqual(await first);
    await streamed("other");
    expect(await streamed("k")).toEqual(await first);
  });

  it("a message that wants no reply is its own turn", async () => {
    const answer = await postMessage(server.url, id, "Noted.", { key: "k", accept: SSE, fields: { reply: false } });
    const heard: Said[] = [];
    for await (const said of eventsOf(answer)) heard.push(said);
    expect(heard.map(({ event }) => event)).toEqual(["posted"]);
  });

  it("what is refused is a problem and no stream", async () => {
    const unknown = await postMessage(server.url, "nobody", "Hello.", { key: "k", accept: SSE });
    expect([unknown.status, unknown.headers.get("content-type")]).toEqual([404, "application/problem+json"]);
    await streamed("k");
    const reused = await postMessage(server.url, id, "Another text.", { key: "k", accept: SSE });
    expect([reused.status, ((await reused.json()) as { code: string }).code]).toEqual([422, "key_reused"]);
  });

  it("R-CON-9: its client going away does not stop the reply", async () => {
    const leave = new AbortController();
    for await (const { event } of eventsOf(await postMessage(server.url, id, "Hello.", { key: "k", accept: SSE, signal: leave.signal })))
      if (event === "replyBegun") break;
    leave.abort();
    const heard = await follow(server.url, id, null, endOf(1));
    expect(heard.at(-1)?.event).toBe("replied");
  });
});

describe("following a conversation", () => {
  it("TRAPS 11: disconnected at every event of a reply, live, a client that comes back hears each event once", async () => {
    const heard: Said[] = [];
    const posting = postMessage(server.url, id, "Hello.", { key: "k", accept: SSE });
    // One event a connection, the reply going on meanwhile.
    while (!heard.some(isEnd)) heard.push(...(await follow(server.url, id, heard.at(-1)?.id ?? null, () => true)));
    const own: Said[] = [];
    for await (const said of eventsOf(await posting)) own.push(said);
    expect(heard).toEqual([expect.objectContaining({ event: "opened" }), ...own]);
    expect(own.length).toBeGreaterThan(4);
  });

  it("TRAPS 11: and from every id, also after the server was restarted, exactly what follows it", async () => {
    await streamed("k");
    const all = await follow(server.url, id, null, endOf(1));
    await server.stop();
    await server.start();
    for (const [at, { id: last }] of all.slice(0, -1).entries())
      expect(await follow(server.url, id, last, endOf(1))).toEqual(all.slice(at + 1));
    const record = all[2]?.id.split(".")[0] ?? "";
    expect(idsOf(await follow(server.url, id, record, endOf(1)))).toEqual(
      idsOf(all).filter((other) => Number(other.split(".")[0]) > Number(record)),
    );
  });

  it("R-API-4: the library `eventsource` hears each event once, across restarts of the server in the midst of replies", async () => {
    const heard: Said[] = [];
    const source = new EventSource(`${server.url}/v1/conversations/${id}/events`);
    const connects: unknown[] = [];
    source.addEventListener("connected", ({ data }) => connects.push(data));
    for (const event of ["opened", "posted", "replyBegun", "replyChunk", "replied", "replyInterrupted", "replyStopped", "replyFailed"])
      source.addEventListener(event, ({ data, lastEventId }) =>
        heard.push({ id: lastEventId, event, data: JSON.parse(String(data)) as Said["data"] }),
      );
    for (let turn = 1; turn <= 2; turn++) {
      const posting = postMessage(server.url, id, "Hello.", { key: `k${turn}`, accept: SSE });
      await until("a chunk", () => heard.some(({ event, data }) => event === "replyChunk" && data.turn === turn));
      await server.stop();
      await server.start();
      await (await posting).text().catch(() => undefined);
      await until("the end of the reply", () => heard.some(endOf(turn)));
    }
    source.close();
    const all = await follow(server.url, id, null, endOf(2));
    expect(heard).toEqual(all.filter(isSaid));
    expect(connects.length).toBeGreaterThanOrEqual(3);
  }, 60_000);

  it("begins where it is told: from an id, with what is new, and refuses what is no id", async () => {
    await streamed("k1");
    const fresh = follow(server.url, "nobody", null, () => true).catch((cause: Error) => cause.message);
    expect(await fresh).toMatch(/^404/);
    const leave = new AbortController();
    const latest = eventsOf(await fetch(`${server.url}/v1/conversations/${id}/events?after=latest`, { signal: leave.signal }));
    expect((await latest.next()).value).toMatchObject({ event: "connected" });
    const own = await streamed("k2");
    expect(await nextSaid(latest)).toEqual(own[0]);
    leave.abort();
    const head = await fetch(`${server.url}/v1/conversations/${id}/events`, { method: "HEAD" });
    expect([head.status, head.headers.get("content-type")]).toEqual([200, "text/event-stream; charset=utf-8"]);
    const bad = await fetch(`${server.url}/v1/conversations/${id}/events`, { headers: { "last-event-id": "yesterday" } });
    expect([bad.status, ((await bad.json()) as { code: string }).code]).toEqual([400, "validation_failed"]);
  });

  it("R-API-4: an id that no event of this store has yet is refused, so that nobody waits for what will never come", async () => {
    const last = (await streamed("k")).at(-1)?.id ?? "";
    /** The problem that the id met, or the status of a stream, which would not end. */
    const met = async (given: string): Promise<unknown> => {
      const answer = await fetch(`${server.url}/v1/conversations/${id}/events`, { headers: { "last-event-id": given } });
      if (answer.status === 400) return answer.json();
      await answer.body?.cancel();
      return answer.status;
    };
    const isBeyond = (given: string) =>
      expect.objectContaining({
        code: "validation_failed",
        detail: expect.stringContaining(`is ${given}, behind the end of the journal`) as string,
      }) as unknown;
    // The first turn's summary is still being written: what counts is an answer while the journal did not grow.
    const [given, problem] = await until("an answer while nothing is written", async () => {
      const { seq } = server.node.feedEnd();
      const next = `${seq + 1}.0`;
      const found = await met(next);
      return server.node.feedEnd().seq === seq && ([next, found] as const);
    });
    expect(problem).toEqual(isBeyond(given));
    expect(await met("999999999")).toEqual(isBeyond("999999999"));
    await streamed("k2");
    expect((await follow(server.url, id, last, isEnd)).at(-1)?.data.turn).toBe(2);
  });

  it("says that the conversation was deleted, ends, and is not there for who comes back", async () => {
    await streamed("k");
    const answer = await fetch(`${server.url}/v1/conversations/${id}/events`);
    const heard: Said[] = [];
    for await (const said of eventsOf(answer)) {
      heard.push(said);
      if (said.event === "replied") await fetch(`${server.url}/v1/conversations/${id}`, { method: "DELETE" });
    }
    expect(heard.at(-1)?.event).toBe("deleted");
    expect((await fetch(`${server.url}/v1/conversations/${id}/events`)).status).toBe(404);
  });
});
