/** Conversations over WebSockets, beside SSE (R-API-5, R-CON-9), through a real node. */
import { once } from "node:events";
import { afterAll, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { WebSocket } from "ws";
import { ConversationServer } from "../../../support/conversation-server.ts";
import { endOf, follow, isEnd, openConversation, type Said } from "../../../support/talk-client.ts";
import { until } from "../../../support/test-node.ts";

let server: ConversationServer;
let id = "";
let count = 0;
beforeAll(async () => {
  server = await ConversationServer.start({ "--ai.local-word-ms": 4, "--http.streams-max": 8 });
});
afterAll(async () => {
  await server[Symbol.asyncDispose]();
  expect(server.defects).toEqual([]);
});
beforeEach(async () => {
  id = `c${++count}`;
  await openConversation(server.url, id);
});

interface Heard {
  readonly id?: string;
  readonly event: string;
  readonly data: Readonly<Record<string, unknown>>;
}

class Device {
  readonly heard: Heard[] = [];
  readonly #socket: WebSocket;
  /** Its code, whatever went wrong before. */
  readonly closed: Promise<number>;

  private constructor(socket: WebSocket) {
    this.#socket = socket;
    this.closed = new Promise((resolve) => socket.once("close", resolve));
    socket.on("message", (data) => this.heard.push(JSON.parse(String(data)) as Heard));
  }

  static async join(query = "", headers: Record<string, string> = {}): Promise<Device> {
    const socket = new WebSocket(`${server.url.replace("http", "ws")}/v1/conversations/${id}/socket${query}`, { headers });
    const device = new Device(socket);
    await once(socket, "open");
    await device.hears("connected");
    return device;
  }

  say(command: object | string): void {
    this.#socket.send(typeof command === "string" ? command : JSON.stringify(command));
  }
  async hears(event: string, isIt: (data: Heard["data"]) => boolean = () => true): Promise<Heard["data"]> {
    const found = await until(event, () => this.heard.find((one) => one.event === event && isIt(one.data)) ?? false);
    return found.data;
  }
  /** The conversation's own events: those with an id. */
  get events(): readonly Said[] {
    return this.heard.filter((one): one is Said => one.id !== undefined && one.event !== "connected");
  }
  async leave(): Promise<void> {
    this.#socket.close();
    await this.closed;
  }
}
/** Status and code of a handshake that is refused. */
async function refused(path: string, headers: Record<string, string> = {}): Promise<readonly [number | undefined, unknown]> {
  const socket = new WebSocket(`${server.url.replace("http", "ws")}${path}`, { headers });
  socket.on("error", () => undefined);
  const [, answer] = await once(socket, "unexpected-response");
  let text = "";
  for await (const chunk of answer) text += String(chunk);
  return [answer.statusCode, (JSON.parse(text) as { code: string }).code];
}

describe("a conversation over WebSockets", () => {
  it("R-CON-9: two devices over sockets and one over SSE hear the same events, under the same ids", async () => {
    const [a, b] = [await Device.join("?name=Ann"), await Device.join("?name=Bob")];
    const sse = follow(server.url, id, null, endOf(2));
    a.say({ type: "send", key: "1", content: "Hello." });
    await b.hears("replied");
    b.say({ type: "send", key: "2", content: "And hello to you.", ref: "mine" });
    const heard = await sse;
    for (const device of [a, b]) {
      await until("the second reply", () => device.events.some(endOf(2)));
      expect(device.events.slice(0, heard.length)).toEqual(heard);
    }
    expect(heard.filter(({ event }) => event === "posted").map(({ data }) => [data.speaker, data.text])).toEqual([
      ["Ann", "Hello."],
      ["Bob", "And hello to you."],
    ]);
    expect(await b.hears("answer")).toMatchObject({ type: "send", ref: "mine", ok: true, turn: 2, status: "complete" });
    await Promise.all([a.leave(), b.leave()]);
  });

  it("R-CON-9: comes back to where it was, and a repeat of what it sent meets the first", async () => {
    const first = await Device.join();
    first.say({ type: "send", key: "1", content: "Hello." });
    await first.hears("replyBegun");
    const last = first.events.at(-1)?.id;
    const before = first.events.slice();
    await first.leave();
    const again = await Device.join(`?after=${last}`);
    again.say({ type: "send", key: "1", content: "Hello." });
    await again.hears("answer", ({ ok }) => ok === true);
    const all = await follow(server.url, id, null, endOf(1));
    const upTo = all.findIndex((one) => one.id === last) + 1;
    expect(before).toEqual(all.slice(0, upTo));
    expect(again.events.slice(0, all.length - upTo)).toEqual(all.slice(upTo));
    await again.leave();
  });

  it("R-API-5: tells who joins, types and leaves, to the others and to nobody else", async () => {
    const a = await Device.join("?name=Ann");
    const b = await Device.join("?name=Bob");
    expect(await b.hears("connected")).toMatchObject({ conversationId: id, members: [{ name: "Ann" }] });
    expect(await a.hears("joined")).toMatchObject({ name: "Bob" });
    for (let i = 0; i < 5; i++) b.say({ type: "typing" });
    b.say({ type: "stop" });
    await b.hears("answer");
    await b.leave();
    await a.hears("left");
    const notices = (device: Device) =>
      device.heard.filter((one) => one.id === undefined && one.event !== "answer").map(({ event }) => event);
    expect([notices(a), notices(b)]).toEqual([["joined", "typing", "left"], []]);
    await a.leave();
  });

  it("R-CON-9: stop ends the reply for all; what had come of it is stored", async () => {
    const [a, b] = [await Device.join(), await Device.join()];
    a.say({ type: "send", key: "1", content: "Hello." });
    await b.hears("replyChunk");
    b.say({ type: "stop" });
    const stopped = await a.hears("replyStopped");
    expect(await a.hears("answer")).toMatchObject({ ok: true, status: "stopped", replyId: stopped.replyId });
    expect(await b.hears("answer")).toMatchObject({ type: "stop", ok: true, replyId: stopped.replyId });
    const page = (await (await fetch(`${server.url}/v1/conversations/${id}/messages`)).json()) as {
      items: { content: string; status: string }[];
    };
    expect(page.items[1]).toMatchObject({ status: "stopped", content: stopped.text });
    await Promise.all([a.leave(), b.leave()]);
  });

  it("R-API-12: what it does not understand is answered, and nothing else happens", async () => {
    const a = await Device.join();
    for (const command of [
      "{",
      "[]",
      '{"type":"shout"}',
      '{"type":"send","content":"no key"}',
      '{"type":"send","key":"k","text":"wrong field"}',
    ])
      a.say(command);
    await until("five answers", () => a.heard.filter(({ event }) => event === "answer").length === 5);
    const codes = a.heard.filter(({ event }) => event === "answer").map(({ data }) => [data.ok, data.code]);
    expect(codes.sort()).toEqual([...new Array(4).fill([false, "validation_failed"]), [false, "idempotency_key_missing"]].sort());
    await a.hears("opened"); // The read model may be behind what was answered.
    expect(a.events.map(({ event }) => event)).toEqual(["opened"]);
    await a.leave();
  });

  it("refuses what is no socket of ours, a page of another origin, a conversation that is not there, and one too many", async () => {
    const path = `/v1/conversations/${id}/socket`;
    expect(await refused("/v1/elsewhere")).toEqual([404, "not_found"]);
    expect(await refused("/v1/conversations/nobody/socket")).toEqual([404, "not_found"]);
    expect(await refused(path, { origin: "https://elsewhere.example" })).toEqual([403, "forbidden"]);
    expect(await refused(`${path}?after=x`)).toEqual([400, "validation_failed"]);
    expect(await refused(`${path}?after=999999999.0`)).toEqual([400, "validation_failed"]);
    expect(await refused(`${path}?token=x`)).toEqual([400, "validation_failed"]);
    expect((await fetch(server.url + path)).status).toBe(400);
    const own = await Device.join("", { origin: server.url });
    const all = [own, ...(await Promise.all(Array.from({ length: 7 }, () => Device.join())))];
    expect(await refused(path)).toEqual([503, "OVERLOADED"]);
    const sse = await fetch(`${server.url}/v1/conversations/${id}/events`);
    expect([sse.status, sse.headers.get("retry-after")]).toEqual([503, "1"]);
    await Promise.all(all.map((device) => device.leave()));
    await until(
      "room again",
      async () =>
        (await Device.join()
          .then((device) => device.leave())
          .catch(() => null)) !== null,
    );
  });

  it("an offer of another protocol is passed over, as RFC 9110 allows", async () => {
    const answer = await fetch(`${server.url}/livez`);
    expect(answer.status).toBe(200);
    const { send } = await import("../../../support/http-client.ts");
    const offered = await send(server.url, "GET", "/livez", [
      ["upgrade", "h2c"],
      ["http2-settings", "AAMAAABkAAQAAP__"],
    ]);
    expect(offered.status).toBe(200);
  });

  it("R-CON-4: a stop of the server closes every stream and is not held up by them; the reply's own answer is finished", async () => {
    const device = await Device.join();
    const sse = follow(server.url, id, null, () => false);
    const posting = follow(server.url, id, null, isEnd).catch(() => []);
    device.say({ type: "send", key: "1", content: "Hello." });
    await device.hears("replyBegun");
    await server.stop();
    expect(await device.closed).toBe(1012);
    await Promise.all([sse, posting]);
    await server.start();
    expect((await follow(server.url, id, null, endOf(1))).at(-1)?.event).toBe("replied");
  });
});
