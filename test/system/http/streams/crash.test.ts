/** A server that is killed in the midst of a streamed reply (R-CON-9, TRAPS 27): a client that comes back hears each event once, and what became of the reply. */
import { mkdtempSync, rmSync } from "node:fs";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { EventSource } from "eventsource";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { KillableServer } from "../../../support/killable-server.ts";
import { endOf, follow, openConversation, postMessage, type Said, SSE } from "../../../support/talk-client.ts";
import { until } from "../../../support/test-node.ts";

const KILLS = 3;
let dataDir: string;
let env: Readonly<Record<string, string>>;
beforeEach(async () => {
  dataDir = mkdtempSync(join(tmpdir(), "troupe-talk-kill-"));
  const port = await freePort();
  env = { TROUPE_HTTP_PORT: String(port), TROUPE_AI_LOCAL_WORD_MS: "25", TROUPE_THREADS_HEARTBEAT_MS: "30000" };
});
afterEach(() => rmSync(dataDir, { recursive: true, force: true }));

/** One port in all its lives: a client comes back to the same address. */
async function freePort(): Promise<number> {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const address = server.address();
  await new Promise((resolve) => server.close(resolve));
  return typeof address === "object" && address !== null ? address.port : 0;
}

describe("a server that is killed in the midst of a streamed reply", () => {
  it("R-CON-9: the client that comes back hears each event once; what was said by the attempt that died is said to be void, and the next one says all", async () => {
    let server = await KillableServer.start({ dataDir, env });
    const { url } = server;
    await openConversation(url, "c");
    const heard: Said[] = [];
    const source = new EventSource(`${url}/v1/conversations/c/events`);
    for (const event of ["opened", "posted", "replyBegun", "replyChunk", "replied", "replyInterrupted", "replyFailed"])
      source.addEventListener(event, ({ data, lastEventId }) =>
        heard.push({ id: lastEventId, event, data: JSON.parse(String(data)) as Said["data"] }),
      );
    const chunks = (attempt: number) => heard.filter(({ event, data }) => event === "replyChunk" && data.attempt === attempt);
    void postMessage(url, "c", "Hello.", { key: "k", accept: SSE }).then((answer) => answer.text().catch(() => ""));
    try {
      for (let kill = 1; kill <= KILLS; kill++) {
        await until(`chunks of life ${kill}`, () => heard.filter(({ event }) => event === "replyChunk").length >= kill * 3);
        server.kill();
        await server.gone();
        server = await KillableServer.start({ dataDir, env });
      }
      await until("the end of the reply", () => heard.some(endOf(1)));
      const all = await follow(url, "c", null, endOf(1));
      expect(heard).toEqual(all);
      const attempts = [...new Set(all.filter(({ event }) => event === "replyChunk").map(({ data }) => Number(data.attempt)))];
      const interrupted = all.filter(({ event }) => event === "replyInterrupted");
      expect(interrupted.map(({ data }) => [data.attempt, data.isOver])).toEqual(attempts.slice(0, -1).map((attempt) => [attempt, false]));
      expect(attempts.length).toBeGreaterThan(1);
      const last = chunks(attempts.at(-1) ?? 0);
      expect(last.map(({ data }) => data.index)).toEqual(last.map((_, index) => index));
      expect(last.map(({ data }) => data.text).join("")).toBe(all.at(-1)?.data.text);
    } finally {
      source.close();
      server.kill();
      await server.gone();
    }
  });
});
