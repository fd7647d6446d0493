/** A client that never reads (R-API-4, TRAPS 45): what it costs, and that it is cut and can come back. */
import { once } from "node:events";
import { connect, type Socket } from "node:net";
import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { ConversationServer } from "../../../support/conversation-server.ts";
import { follow, openConversation, postMessage } from "../../../support/talk-client.ts";
import { until } from "../../../support/test-node.ts";

const STALLED_MS = 6_000;
const MESSAGES = 200;
const MIB = 1024 * 1024;
/** Of three bytes each in UTF-8: the largest that a message may be. */
const CONTENT = "\u20ac".repeat(90_000);
const CLIENTS = 10;
let server: ConversationServer;
beforeAll(async () => {
  server = await ConversationServer.start({ "--http.stream-stalled-ms": STALLED_MS });
  await openConversation(server.url, "c");
  for (let n = 0; n < MESSAGES; n++) {
    const answer = await postMessage(server.url, "c", CONTENT, { key: `${n}`, fields: { reply: false } });
    expect(answer.status).toBe(201);
    await answer.arrayBuffer();
  }
});
afterAll(async () => {
  await server[Symbol.asyncDispose]();
  expect(server.defects).toEqual([]);
});

/** Asks for all events and reads none. */
async function silent(): Promise<Socket> {
  const socket = connect({ port: Number(new URL(server.url).port), host: "127.0.0.1" });
  socket.pause();
  socket.on("error", () => undefined);
  await once(socket, "connect");
  socket.pause();
  socket.write("GET /v1/conversations/c/events HTTP/1.1\r\nhost: localhost\r\n\r\n");
  return socket;
}

setFlagsFromString("--expose-gc");
const collect = runInNewContext("gc") as () => void;
function heldBytes(): number {
  collect();
  collect();
  const { heapUsed, external, arrayBuffers } = process.memoryUsage();
  return heapUsed + external + arrayBuffers;
}
const shown = async (name: string): Promise<number> => {
  const text = await (await fetch(`${server.url}/metrics`)).text();
  return Number(new RegExp(`^${name} (\\d+)$`, "m").exec(text)?.[1] ?? Number.NaN);
};

describe("a client that never reads", () => {
  it("R-API-4, TRAPS 45: costs at most 1 MiB, of 50 MiB that it is owed, and is cut; then it comes back to where it was", async ({
    annotate,
  }) => {
    const before = heldBytes();
    const sockets = await Promise.all(Array.from({ length: CLIENTS }, silent));
    await until("all are full", async () => (await shown("http_streams_blocked")) === CLIENTS);
    const bytes = (heldBytes() - before) / CLIENTS;
    expect(await shown("http_streams_open")).toBe(CLIENTS);
    await annotate(`${Math.round(bytes)} bytes for each client that never reads`);
    expect(bytes).toBeLessThan(MIB);
    await until("all are cut", async () => (await shown("http_streams_open")) === 0);
    expect(await shown("http_streams_cut_total")).toBe(CLIENTS);
    const texts = await Promise.all(sockets.map(rest));
    for (const text of texts) expect(text.length).toBeLessThan(MESSAGES * CONTENT.length);
    const [whole = ""] = texts.map((text) => text.slice(0, text.lastIndexOf("\n\n")));
    const last = [...whole.matchAll(/^id: (\S+)$/gm)].at(-1)?.[1] ?? "";
    const missing = await follow(server.url, "c", last, ({ data }) => data.turn === MESSAGES);
    const turns = [...whole.matchAll(/"turn":(\d+)/g)].map(([, turn]) => Number(turn));
    const all = [...turns, ...missing.filter(({ event }) => event === "posted").map(({ data }) => Number(data.turn))];
    expect(all).toEqual(Array.from({ length: MESSAGES }, (_, at) => at + 1));
  });
});

/** Reads what is left in the connection's buffers, until it ends. */
async function rest(socket: Socket): Promise<string> {
  const chunks: Buffer[] = [];
  socket.on("data", (chunk) => chunks.push(chunk));
  socket.resume();
  await once(socket, "close");
  return Buffer.concat(chunks).toString();
}
