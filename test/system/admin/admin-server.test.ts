/** The admin port over a real node (issue 3 G): looks that wake nobody, on the loopback only, closed to browsers (P1, P2). */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { AdminRoute } from "../../../src/system/admin/admin-route.ts";
import { type AdminServer, startAdmin } from "../../../src/system/admin/admin-server.ts";
import { lookRoutes } from "../../../src/system/admin/look-routes.ts";
import type { Node } from "../../../src/system/node.ts";
import { Metrics } from "../../../src/system/observe/metrics.ts";
import { sendBytes } from "../../support/http-client.ts";
import { openOnNode } from "../../support/node-door.ts";
import { deposit, openNode, until } from "../../support/test-node.ts";

const ACCOUNTS = 25;
let dir: string;
let node: Node;
let admin: AdminServer;
const defects: object[] = [];

beforeAll(async () => {
  dir = mkdtempSync(join(tmpdir(), "troupe-admin-"));
  ({ node } = await openNode(dir, { "--shard.threads": 2 }));
  for (let i = 0; i < ACCOUNTS; i++) await openOnNode(node, `account-${String(i).padStart(2, "0")}`, "0");
  const echo: AdminRoute = { method: "POST", path: "/things/:id/poke", answer: async ({ params, query }) => ({ ...params, ...query }) };
  const broken: AdminRoute = { method: "GET", path: "/broken", answer: async () => Promise.reject(new Error("secret inside")) };
  const log = { error: (fields: object) => void defects.push(fields) };
  admin = await startAdmin({ port: 0, routes: [...lookRoutes(node), echo, broken], metrics: new Metrics(node), log });
});
afterAll(async () => {
  await admin.close();
  await node.close();
  rmSync(dir, { recursive: true });
});

interface Asked {
  readonly status: number;
  readonly body: Readonly<Record<string, unknown>>;
}
async function ask(path: string, method = "GET"): Promise<Asked> {
  const answer = await fetch(admin.url + path, { method });
  return { status: answer.status, body: (await answer.json()) as Asked["body"] };
}
const raw = async (headers: string, path = "/tree") =>
  await sendBytes(admin.url, Buffer.from(`GET ${path} HTTP/1.1\r\n${headers}connection: close\r\n\r\n`));

describe("looks", () => {
  it("GET /tree shows every thread, and one that is being replaced", async () => {
    const { body } = await ask("/tree");
    expect(body).toMatchObject({ address: "/", state: "running" });
    const text = JSON.stringify(body);
    for (const part of ["journal", "checkpoint", "views", "shards/0", "shards/1"]) expect(text).toContain(`"address":"/system/${part}"`);
    await node.killShardThread(1);
    await until("the thread is back", async () => (await node.readiness()).isReady);
    expect(JSON.stringify((await ask("/tree")).body)).toContain('"type":"supervisor","state":"running"');
    expect(JSON.stringify((await ask("/tree")).body)).toMatch(/"restarts":1/);
  });

  it("TRAPS 26: GET /actors pages by address over all threads, and wakes nobody", async () => {
    for (let i = 0; i < ACCOUNTS; i++) await deposit(node, `k${i}`, `account-${String(i).padStart(2, "0")}`);
    const before = await node.figures();
    const seen: string[] = [];
    let after: string | null = "";
    for (let pages = 0; after !== null && pages < 10; pages++) {
      const { body } = await ask(`/actors?type=account&limit=10${after === "" ? "" : `&after=${encodeURIComponent(after)}`}`);
      const items = body.items as ReadonlyArray<{ readonly address: string; readonly thread: string }>;
      expect(items.length).toBeLessThanOrEqual(10);
      for (const { thread } of items) expect(thread).toMatch(/^shard-[01]$/);
      seen.push(...items.map(({ address }) => address));
      after = body.next as string | null;
    }
    expect(seen).toEqual(seen.toSorted());
    expect(new Set(seen).size).toBe(seen.length);
    expect(seen.filter((address) => address.startsWith("account/account-"))).toHaveLength(ACCOUNTS);
    const { body } = await ask("/actors?type=account&after=account/account-99&limit=1000");
    expect(JSON.stringify(body)).not.toContain("account/account-00");
    const handled = ({ shardThreads }: typeof before): number =>
      shardThreads.reduce((sum, { messagesHandled }) => sum + messagesHandled, 0);
    expect(handled(await node.figures())).toBe(handled(before));
  });

  it("GET /top gives rates since the last look, and who was busy", async () => {
    await ask("/top");
    for (let i = 0; i < 100; i++) await deposit(node, `top${i}`, "account-07");
    const { body } = await ask("/top?limit=3");
    const { sinceMs, types, busiest, fullest, unanswered } = body as Readonly<Record<string, readonly Record<string, unknown>[]>>;
    expect(sinceMs).toBeGreaterThan(0);
    expect(types?.find(({ type }) => type === "transfer")?.handledPerSecond).toBeGreaterThan(0);
    expect(busiest?.length).toBeGreaterThan(0);
    expect(busiest?.length).toBeLessThanOrEqual(3);
    expect([fullest, unanswered]).toEqual([[], []]);
  });

  it("GET /metrics is there too, and GET / lists what there is", async () => {
    const metrics = await fetch(`${admin.url}/metrics`);
    expect(await metrics.text()).toContain("# TYPE actor_messages_total counter");
    expect((await ask("/")).body).toEqual(
      expect.arrayContaining(["GET /tree", "GET /actors", "GET /top", "GET /metrics", "POST /things/:id/poke"]),
    );
  });
});

describe("the door", () => {
  it("a route gets its parameters decoded; what is malformed or not there is a problem with a code", async () => {
    expect(await ask("/things/a%2Fb/poke?x=1", "POST")).toEqual({ status: 200, body: { id: "a/b", x: "1" } });
    expect(await ask("/things/%zz/poke", "POST")).toMatchObject({ status: 400, body: { code: "validation_failed" } });
    expect(await ask("/things/a/poke")).toMatchObject({ status: 404, body: { code: "not_found" } });
    for (const limit of ["0", "1001", "x", "-1"]) {
      expect(await ask(`/actors?limit=${limit}`)).toMatchObject({ status: 400, body: { code: "validation_failed" } });
    }
  });

  it("a defect is logged and not shown", async () => {
    const { status, body } = await ask("/broken");
    expect([status, body.code, defects.length]).toEqual([500, "INTERNAL_ERROR", 1]);
    expect(JSON.stringify(body)).not.toContain("secret");
  });

  it("P1: it listens on the loopback", () => {
    expect(new URL(admin.url).hostname).toBe("127.0.0.1");
  });

  it.each([
    "evil.example",
    "evil.example:7070",
    "127.0.0.1.evil.example",
    "0.0.0.0",
    "192.168.1.1",
    "",
    "[::2]:80",
    "localhost@evil.example",
    "a b",
  ])("P2: DNS rebinding: the Host %j is refused", async (host) => {
    expect((await raw(`host: ${host}\r\n`)).status).toBe(403);
  });

  it.each(["127.0.0.1", "localhost", "LOCALHOST:1234", "[::1]:99"])(
    "P2: the Host %s is answered, without any CORS header",
    async (host) => {
      const { status, headers } = await raw(`host: ${host}\r\n`);
      expect(status).toBe(200);
      expect(Object.keys(headers).filter((name) => name.startsWith("access-control"))).toEqual([]);
    },
  );

  it.each(["https://evil.example", "null", "http://127.0.0.1.evil.example"])("P2: what a page of %s asks is refused", async (origin) => {
    expect((await raw(`host: localhost\r\norigin: ${origin}\r\n`)).status).toBe(403);
  });
});
