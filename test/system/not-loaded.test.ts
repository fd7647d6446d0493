/**
 * Must show 7 of issue 5: without `nats.servers` nothing of NATS is loaded, in no thread. Nor, ever, what compiles schemas of the web framework, nor before
 * `/metrics` is asked what writes it: a start is loading modules. The same look at a node that needs them shows that they would be seen.
 */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { expect, it } from "vitest";
import { tempFolder } from "../support/cli.ts";
import { get, post } from "../support/http-client.ts";
import { KillableServer } from "../support/killable-server.ts";

const OF_NATS = /\/src\/system\/nats\/|\/node_modules\/(@nats-io|nats)\//;
const OF_METRICS = /\/node_modules\/(prom-client|@opentelemetry)\//;
const OF_SCHEMAS = /\/node_modules\/(ajv|@fastify\/ajv-compiler|@fastify\/fast-json-stringify-compiler)\//;

/** Modules that a server loads until it has answered requests and stopped. */
async function loadedBy(args: readonly string[], looks: readonly string[] = []): Promise<readonly string[]> {
  using folder = tempFolder();
  const file = join(folder.path, "loaded.txt");
  const hook = pathToFileURL("test/support/load-log.ts").href;
  const env = { TEST_LOAD_LOG: file, NODE_OPTIONS: `--import ${hook}` };
  const server = await KillableServer.start({
    dataDir: join(folder.path, "data"),
    env,
    args: ["--threads.heartbeat-ms", "60000", ...args],
  });
  expect((await post(server.url, "/v1/accounts", { id: "alice", currency: "CZK" })).status).toBe(201);
  expect((await post(server.url, "/v1/deposits", { accountId: "alice", amount: "1", currency: "CZK" }, "k")).status).toBe(201);
  for (const path of looks) expect((await get(server.url, path)).status).toBe(200);
  expect(await server.stop()).toBe(0);
  return readFileSync(file, "utf8").trim().split("\n");
}

it("threads that host no entities load neither what runs them nor schemas", async () => {
  const loaded = await loadedBy([], ["/v1/accounts/alice/entries"]);
  const count = (end: string): number => loaded.filter((url) => url.endsWith(end)).length;
  for (const name of ["journal", "checkpoint", "views"]) expect(count(`/src/system/${name}-worker.ts`)).toBeGreaterThan(0);
  // The main thread's and those of the threads that need it; a spare may be about to.
  const shards = count("/src/system/shard-worker.ts");
  expect(count("/src/runtime/index.ts")).toBeLessThanOrEqual(1 + shards + count("/src/system/effects-worker.ts"));
  for (const end of ["/src/actors/index.ts", "/node_modules/zod/index.js"]) expect(count(end)).toBeLessThanOrEqual(1 + shards);
});

it("a node without NATS loads no module of it, and one with it does; metrics are loaded when they are asked for", async () => {
  const [without, withIt] = await Promise.all([loadedBy([]), loadedBy(["--nats.servers", "nats://127.0.0.1:1"], ["/metrics"])]);
  // What the threads load is seen too.
  expect(without.filter((url) => url.endsWith("/src/system/shard-worker.ts"))).not.toEqual([]);
  for (const late of [OF_NATS, OF_METRICS, OF_SCHEMAS]) expect(without.filter((url) => late.test(url))).toEqual([]);
  expect(withIt.filter((url) => OF_METRICS.test(url))).not.toEqual([]);
  expect(withIt.filter((url) => OF_SCHEMAS.test(url))).toEqual([]);
  const found = withIt.filter((url) => OF_NATS.test(url));
  expect(found.some((url) => url.endsWith("/src/system/nats/nats-door.ts"))).toBe(true);
  expect(found.some((url) => url.includes("/node_modules/@nats-io/"))).toBe(true);
});
