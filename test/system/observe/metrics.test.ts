/** `/metrics` of a real node over HTTP (issue 3 G): what every part counted, in base units, with labels that no client can multiply. */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Registry } from "prom-client";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { loadConfig } from "../../../src/system/config/config.ts";
import { type HttpServer, startHttp } from "../../../src/system/http/index.ts";
import type { Node } from "../../../src/system/node.ts";
import { METRICS, type PartMeasures } from "../../../src/system/observe/measure.ts";
import { Metrics } from "../../../src/system/observe/metrics.ts";
import { get, post } from "../../support/http-client.ts";
import { openNode, until } from "../../support/test-node.ts";

let dir: string;
let node: Node;
let http: HttpServer;

beforeAll(async () => {
  dir = mkdtempSync(join(tmpdir(), "troupe-metrics-"));
  ({ node } = await openNode(dir, { "--shard.threads": 2 }));
  const config = loadConfig({ argv: ["--http.port", "0"], env: {}, cwd: process.cwd() });
  http = await startHttp({ system: node, config, log: { info: () => {}, error: () => {} } });
  for (const id of ["a", "b"]) await post(http.url, "/v1/accounts", { id, currency: "CZK" });
});
afterAll(async () => {
  await http.close(5_000);
  await node.close();
  rmSync(dir, { recursive: true });
});

/** Series by name and labels as the text has them. */
async function series(): Promise<ReadonlyMap<string, number>> {
  const { status, text } = await get(http.url, "/metrics");
  expect(status).toBe(200);
  const lines = text.split("\n").filter((line) => line !== "" && !line.startsWith("#"));
  return new Map(lines.map((line) => [line.slice(0, line.lastIndexOf(" ")), Number(line.slice(line.lastIndexOf(" ") + 1))]));
}
/** The sum of all series of a name whose labels have these. */
const sumOf = (all: ReadonlyMap<string, number>, name: string, ...labels: readonly string[]): number =>
  [...all]
    .filter(([key]) => (key === name || key.startsWith(`${name}{`)) && labels.every((label) => key.includes(label)))
    .reduce((sum, [, value]) => sum + value, 0);

const deposit = (key: string, accountId: string) => post(http.url, "/v1/deposits", { accountId, amount: "1", currency: "CZK" }, key);

describe("GET /metrics", () => {
  it("counts the messages of all threads by type and outcome, commits, batches and requests", async () => {
    const before = await series();
    for (let i = 0; i < 20; i++) expect((await deposit(`k${i}`, i % 2 === 0 ? "a" : "b")).status).toBe(201);
    expect((await deposit("x", "ghost-name")).status).toBe(404);
    const after = await series();
    const grown = (name: string, ...labels: readonly string[]) => sumOf(after, name, ...labels) - sumOf(before, name, ...labels);
    expect(grown("actor_messages_total", 'type="transfer"', 'outcome="accepted"')).toBeGreaterThanOrEqual(20);
    expect(grown("actor_messages_total", 'type="account"', 'outcome="rejected"')).toBeGreaterThanOrEqual(1);
    expect(grown("journal_commit_seconds_count")).toBeGreaterThanOrEqual(20);
    expect(grown("journal_batch_size_sum")).toBeGreaterThanOrEqual(20);
    expect(grown("http_request_seconds_count", 'route="POST /v1/deposits"', 'code="201"')).toBe(20);
    expect(grown("http_request_seconds_count", 'route="POST /v1/deposits"', 'code="404"')).toBe(1);
    expect(sumOf(after, "actor_active", 'type="account"')).toBeGreaterThan(0);
    expect(sumOf(after, "actor_handle_seconds_count")).toBeGreaterThan(0);
    expect(sumOf(after, "process_cpu_seconds_total")).toBeGreaterThan(0);
    expect(sumOf(after, "process_resident_memory_bytes")).toBeGreaterThan(0);
  });

  it("names every metric of the table, and none has a label that names an entity, a key or a path", async () => {
    await node.checkpointNow();
    await get(http.url, "/v1/accounts/secret-name");
    await get(http.url, "/nothing/secret-name");
    const { text } = await get(http.url, "/metrics");
    for (const name of Object.keys(METRICS)) expect(text).toContain(`# TYPE ${name} `);
    expect(text).not.toMatch(/secret-name|ghost-name|\bk1\b/);
    expect(text).toContain('route="unmatched",code="404"');
    const labels = new Set([...text.matchAll(/[{,](\w+)="/g)].map(([, label]) => label));
    const ours = ["le", "type", "outcome", "part", "port", "state", "route", "code", "thread", "pool"];
    const ofNode = ["space", "kind", "quantile", "version", "major", "minor", "patch"];
    expect([...labels].filter((label) => ![...ours, ...ofNode].includes(label ?? ""))).toEqual([]);
  });

  it("buckets are cumulative and end with all", async () => {
    const all = await series();
    const buckets = [...all].filter(([key]) => key.startsWith("journal_commit_seconds_bucket"));
    const counts = buckets.map(([, count]) => count);
    expect(counts).toEqual(counts.toSorted((a, b) => a - b));
    expect(buckets.at(-1)).toEqual(['journal_commit_seconds_bucket{le="+Inf"}', all.get("journal_commit_seconds_count")]);
  });

  it("a thread that ended is counted as a restart, and no counter falls", async () => {
    const before = await series();
    await node.killShardThread(0);
    await until("the thread is back", async () => (await node.readiness()).isReady);
    const after = await series();
    expect(sumOf(after, "actor_restarts_total", 'part="shard"')).toBe(sumOf(before, "actor_restarts_total", 'part="shard"') + 1);
    expect(sumOf(after, "metrics_thread_answered", 'thread="shard-0"')).toBe(1);
    const fallen = [...before].filter(([key, value]) => /(_total|_count|_bucket)\b/.test(key) && (after.get(key) ?? 0) < value);
    expect(fallen.filter(([key]) => !key.startsWith("nodejs_"))).toEqual([]);
  });
});

it("the type of the text is prom-client's, which is not loaded to tell it", () => {
  expect(new Metrics(node).contentType).toBe(Registry.PROMETHEUS_CONTENT_TYPE);
});

it("a thread that does not answer is named, and the others are served; many askers cost one look", async () => {
  let looks = 0;
  const others = [{ name: "journal_batch_size", labels: {}, value: { bounds: [1], counts: [2, 0], sum: 2 } }] as const;
  const parts: readonly PartMeasures[] = [
    { part: "shard-0", taken: null },
    { part: "journal", taken: { life: 1, measures: others } },
  ];
  const measures = async (): Promise<readonly PartMeasures[]> => {
    looks++;
    return parts;
  };
  const metrics = new Metrics({ measures });
  const [text] = await Promise.all([metrics.text(), metrics.text()]);
  expect(looks).toBe(1);
  expect(text).toContain('metrics_thread_answered{thread="shard-0"} 0');
  expect(text).toContain('metrics_thread_answered{thread="journal"} 1');
  expect(text).toContain("journal_batch_size_count 2");
});
