/**
 * R-API-11, R-CON-8 and issue 3 "must show" 6: a trace id that a client sends is found in the log of every hop and in the journal entry of each entity
 * touched. A real server process at log level debug, a real connection, and the journal read from its file afterwards.
 */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, it } from "vitest";
import { unpackEntries } from "../../../src/runtime/index.ts";
import { openJournalReader } from "../../../src/system/sqlite/journal-file.ts";
import { storePaths } from "../../../src/system/sqlite/open-stores.ts";
import { KillableServer } from "../../support/killable-server.ts";
import { until } from "../../support/test-node.ts";

const SAMPLED = "4bf92f3577b34da6a3ce929d0e0e4736";
const UNSAMPLED = "0af7651916cd43dd8448eb211c80319c";
const TALK = "1bf92f3577b34da6a3ce929d0e0e4736";
const SPAN = "00f067aa0ba902b7";
const AMOUNT = "12345.67";

let dir: string;
let server: KillableServer;

beforeAll(async () => {
  dir = mkdtempSync(join(tmpdir(), "troupe-trace-"));
  server = await KillableServer.start({ dataDir: dir, env: { TROUPE_LOG_LEVEL: "debug", TROUPE_SHARD_THREADS: "2" } });
  for (const id of ["alice", "bob"]) await call("/v1/accounts", { id, currency: "CZK", owner: "Alice Secret" }, {});
  await call("/v1/deposits", { accountId: "alice", amount: AMOUNT, currency: "CZK" }, { "idempotency-key": "first" });
});
afterAll(async () => {
  if (server !== undefined) await server.stop();
  rmSync(dir, { recursive: true });
});

const call = (path: string, body: object, headers: Record<string, string>) =>
  fetch(server.url + path, { method: "POST", headers: { "content-type": "application/json", ...headers }, body: JSON.stringify(body) });

const pay = (key: string, traceId: string, flags: string) =>
  call(
    "/v1/transfers",
    { from: "alice", to: "bob", amount: "1.00", currency: "CZK" },
    { "idempotency-key": key, traceparent: `00-${traceId}-${SPAN}-${flags}` },
  );

/** Lines of the log that name the trace. */
const linesOf = (traceId: string): ReadonlyArray<Readonly<Record<string, unknown>>> =>
  server.said
    .split("\n")
    .filter((line) => line.includes(traceId))
    .map((line) => JSON.parse(line));

/** Addresses of the entities whose entries carry the trace, with the span they carry. */
function entitiesOf(traceId: string): ReadonlyMap<string, string> {
  using journal = openJournalReader({ path: storePaths(dir).journal, synchronous: "full", busyTimeoutMs: 1_000, cacheKiB: 1_024 });
  const entries = journal.read(0, 1_000).flatMap(({ body }) => unpackEntries(body));
  return new Map(entries.flatMap(({ entity, traces = [] }) => traces.filter((t) => t.includes(traceId)).map((t) => [entity, t] as const)));
}

it("a sampled trace is in the log of every hop and in the journal entry of each entity touched", async () => {
  const answer = await pay("traced", SAMPLED, "01");
  expect(answer.status).toBe(201);
  const requestId = answer.headers.get("x-request-id");
  const { id } = (await answer.json()) as { readonly id: string };
  const lines = await until("the answer is in the log", () => {
    const found = linesOf(SAMPLED);
    return found.some(({ hop }) => hop === "answer") && found;
  });
  expect(new Set(lines.map((line) => line.requestId))).toEqual(new Set([requestId]));
  expect(lines.at(0)).toMatchObject({ hop: "ingress", route: "POST /v1/transfers" });
  expect(lines.find(({ hop }) => hop === "answer")).toMatchObject({ route: "POST /v1/transfers", status: 201, ms: expect.any(Number) });
  const actors = lines.filter(({ hop }) => hop === "actor");
  expect(new Set(actors.map(({ actor }) => actor))).toEqual(new Set([`transfer/${id}`, "account/alice", "account/bob"]));
  expect(actors[0]).toMatchObject({ actor: `transfer/${id}`, message: "command", doing: "request", outcome: "accepted" });
  for (const { thread } of actors) expect(thread).toMatch(/^shard-[01]$/);
  const records = lines.filter(({ hop }) => hop === "journal").map(({ record }) => Number(record));
  expect(records.length).toBeGreaterThan(0);
  const touched = entitiesOf(SAMPLED);
  expect(new Set(touched.keys())).toEqual(new Set([`transfer/${id}`, "account/alice", "account/bob"]));
  expect(new Set(touched.values())).toEqual(new Set([`00-${SAMPLED}-${requestId}-01`]));
});

it("a trace that is not sampled is in the journal and in no hop's line", async () => {
  expect((await pay("quiet", UNSAMPLED, "00")).status).toBe(201);
  await until("it is in the journal", () => entitiesOf(UNSAMPLED).size === 3);
  expect(linesOf(UNSAMPLED)).toEqual([]);
});

it("TRAPS 46: nothing that was logged holds an amount, an owner, a key or a body", () => {
  expect(server.said).not.toMatch(/Alice Secret|12345|"first"|"traced"|"said"|currency/);
});

it("R-CON-8: the asynchronous part of a turn says whose it is: user and trace are with the reply and with the summary", async () => {
  await call("/v1/conversations", { id: "talk", user: "user-7" }, {});
  const answer = await call(
    "/v1/conversations/talk/messages",
    { content: "zanzibar" },
    { "idempotency-key": "said", traceparent: `00-${TALK}-${SPAN}-01` },
  );
  expect(answer.status).toBe(201);
  const performed = await until("both are in the log", () => {
    const found = linesOf(TALK).filter(({ hop }) => hop === "effect");
    return found.some(({ port }) => port === "summary") && found;
  });
  expect(performed).toMatchObject([
    { port: "reply", user: "user-7", conversation: "talk", turn: 1 },
    { port: "summary", user: "user-7", conversation: "talk", fromTurn: 1, toTurn: 1 },
  ]);
  expect(server.said).not.toContain("zanzibar");
});
