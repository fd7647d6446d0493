/** A client that goes away cancels what has not begun, over real connections (issue 3 E, DESIGN 4.2). */
import { once } from "node:events";
import { existsSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { connect, type Socket } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, it } from "vitest";
import { transferIdOf } from "../../../src/actors/index.ts";
import type { AskOptions, Json } from "../../../src/runtime/index.ts";
import { loadConfig } from "../../../src/system/config/config.ts";
import { type HttpServer, startHttp } from "../../../src/system/http/index.ts";
import type { Node } from "../../../src/system/node.ts";
import { startSystem } from "../../../src/system/start.ts";
import type { TroupeSystem } from "../../../src/system/system.ts";
import { holder } from "../../support/held-registry.ts";
import { fieldsOf, get, post } from "../../support/http-client.ts";
import { until } from "../../support/test-node.ts";

let dir: string;
let node: Node;
let http: HttpServer;
/** Signals of the asks that came through HTTP. */
const signals: Array<AskOptions["signal"]> = [];
beforeEach(async () => {
  dir = mkdtempSync(join(tmpdir(), "troupe-departed-"));
  const argv = ["--data.dir", dir, "--shard.threads", "1", "--http.port", "0", "--log.level", "error", "--threads.heartbeat-ms", "60000"];
  const config = loadConfig({ argv, env: {}, cwd: dir });
  node = await startSystem(config, { registryUrl: new URL("../../support/held-registry.ts", import.meta.url).href });
  signals.length = 0;
  const system: TroupeSystem = new Proxy(node, {
    get: (target, name) => (name === "ask" ? ask : Reflect.get(target, name, target)),
  });
  const ask = (address: string, command: string, body: Json, options?: AskOptions) => {
    signals.push(options?.signal);
    return node.ask(address, command, body, options);
  };
  http = await startHttp({ system, config, log: { info: () => undefined, error: () => undefined } });
  await post(http.url, "/v1/accounts", { id: "a", currency: "CZK" });
  signals.length = 0;
});
afterEach(async () => {
  await http.close(1_000);
  await node.close();
  rmSync(dir, { recursive: true });
});

/** Holds the shard thread, from when it resolves until the answer is called: what came before would be begun in the same run, whoever has left meanwhile. */
async function hold(): Promise<() => Promise<unknown>> {
  const path = join(dir, `release-${performance.now()}`);
  const held = node.entity(holder, "1").ask.hold({ path });
  await until("the thread is held", () => existsSync(`${path}.held`));
  return () => {
    writeFileSync(path, "");
    return held;
  };
}

async function sent(path: string, body: string, headers: string): Promise<Socket> {
  const { hostname, port } = new URL(http.url);
  const socket = connect(Number(port), hostname);
  await once(socket, "connect");
  socket.write(`POST ${path} HTTP/1.1\r\nhost: localhost\r\n${headers}content-length: ${Buffer.byteLength(body)}\r\n\r\n${body}`);
  return socket;
}

/** What the server has seen is told to the thread some turns of the event loop later, and in no way that a test could see: more of them than a busy machine needs. */
const told = (): Promise<void> => new Promise((resolve) => setTimeout(resolve, 200));

/** The server has seen that its clients are gone, and told the thread. */
async function departed(socket: Socket, count: number): Promise<void> {
  await until("the commands are under way", () => signals.length === count);
  await new Promise((resolve) => setImmediate(resolve));
  socket.destroy();
  await until("the server sees that the client is gone", () => signals.every((signal) => signal?.aborted === true));
  await told();
}
const cancelled = async (): Promise<number> => (await node.figures()).shardThreads[0]?.commandsCancelled ?? -1;

it("a deposit whose client left before it began is not made, is counted, and its key is free", async () => {
  const release = await hold();
  const body = JSON.stringify({ accountId: "a", amount: "1", currency: "CZK" });
  const socket = await sent("/v1/deposits", body, "content-type: application/json\r\nidempotency-key: k\r\n");
  const stays = post(http.url, "/v1/deposits", { accountId: "a", amount: "5", currency: "CZK" }, "stays");
  await until("both are under way", () => signals.length === 2);
  const [gone] = signals.splice(0);
  socket.destroy();
  await until("the server sees that the client is gone", () => gone?.aborted === true);
  await told();
  await release();
  expect((await stays).status).toBe(201); // Who stayed has an answer.
  expect(await cancelled()).toBe(1);
  expect((await get(http.url, `/v1/transfers/${transferIdOf("local", "k")}`)).status).toBe(404);
  expect(fieldsOf(await get(http.url, "/v1/accounts/a")).balance).toBe("5.00");
  expect((await post(http.url, "/v1/deposits", { accountId: "a", amount: "1", currency: "CZK" }, "k")).status).toBe(201);
  expect(node.inFlight).toBe(0);
});

it("the lines of a bulk stream whose client left are dropped too", async () => {
  const release = await hold();
  const lines = Array.from({ length: 20 }, (_, n) => ({ key: `line-${n}`, kind: "deposit", accountId: "a", amount: "1", currency: "CZK" }));
  const body = lines.map((line) => `${JSON.stringify(line)}\n`).join("");
  await departed(await sent("/v1/transfers/bulk", body, "content-type: application/x-ndjson\r\n"), lines.length);
  await release();
  await until("they are dropped", async () => (await cancelled()) === lines.length);
  expect(fieldsOf(await get(http.url, "/v1/accounts/a")).balance).toBe("0.00");
});
