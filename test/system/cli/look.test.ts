/** `troupe tree`, `actors` and `top` against a real server process (issue 3 must show 6: they print what is there). */
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, it } from "vitest";
import { type CliServer, figuresOf, runCli, startCli } from "../../support/cli.ts";
import { post } from "../../support/http-client.ts";

let dir: string;
let server: CliServer;
let adminUrl: string;

beforeAll(async () => {
  dir = mkdtempSync(join(tmpdir(), "troupe-look-"));
  server = await startCli(dir, "--shard.threads", "2");
  ({ adminUrl } = JSON.parse(readFileSync(join(dir, "run.json"), "utf8")) as { adminUrl: string });
  for (const id of ["alice", "bob"]) await post(server.url, "/v1/accounts", { id, currency: "CZK" });
});
afterAll(async () => {
  await server[Symbol.asyncDispose]();
  rmSync(dir, { recursive: true });
});

it("tree shows the parts, found by the data directory", async () => {
  const shown = await runCli("tree", "--data-dir", dir);
  expect([shown.code, shown.stderr]).toEqual([0, ""]);
  for (const part of ["journal", "checkpoint", "views", "shards"]) expect(shown.stdout).toMatch(new RegExp(`^ +${part} .*running`, "m"));
  expect(figuresOf(await runCli("tree", "--url", adminUrl, "--json"))).toMatchObject({
    ok: true,
    tree: { address: "/", state: "running" },
  });
});

it("actors lists entities in memory, of one type, by pages", async () => {
  const shown = await runCli("actors", "account", "--data-dir", dir);
  expect(shown.stdout).toMatch(/account\/alice +shard-[01] +ready/);
  expect(shown.stdout).toMatch(/account\/bob +shard-[01] +ready/);
  const first = figuresOf(await runCli("actors", "account", "--limit", "1", "--url", adminUrl, "--json"));
  expect(first).toMatchObject({ ok: true, items: [{ address: "account/alice" }], next: "account/alice" });
  const second = figuresOf(await runCli("actors", "account", "--after", "account/alice", "--limit", "1", "--url", adminUrl, "--json"));
  expect(second).toMatchObject({ items: [{ address: "account/bob" }], next: null });
});

it("top shows what is busy while it looks", async () => {
  let isOver = false;
  const load = (async () => {
    for (let i = 0; !isOver; i++) await post(server.url, "/v1/deposits", { accountId: "alice", amount: "1", currency: "CZK" }, `k${i}`);
  })();
  const shown = await runCli("top", "--once", "--data-dir", dir);
  const figures = figuresOf(await runCli("top", "--url", adminUrl, "--json"));
  isOver = true;
  await load;
  expect(shown.stdout).toMatch(/^ +transfer +[\d,]+ +[\d,]+$/m);
  const types = figures.types as ReadonlyArray<{ readonly type: string; readonly handledPerSecond: number }>;
  expect(types.find(({ type }) => type === "account")?.handledPerSecond).toBeGreaterThan(0);
});

it("nobody to ask is told with the way out", async () => {
  const empty = mkdtempSync(join(tmpdir(), "troupe-look-none-"));
  const figures = figuresOf(await runCli("tree", "--data-dir", empty, "--json"));
  expect(figures).toMatchObject({ ok: false, code: "SERVER_NOT_RUNNING", message: expect.stringContaining("--url") });
  rmSync(empty, { recursive: true });
  expect(figuresOf(await runCli("top", "--url", "http://127.0.0.1:9", "--json"))).toMatchObject({ ok: false, code: "SERVER_UNREACHABLE" });
});

it("an admin port that is taken is refused by name, and nothing is left running", async () => {
  const other = mkdtempSync(join(tmpdir(), "troupe-look-other-"));
  const { port } = new URL(adminUrl);
  const figures = figuresOf(await runCli("start", "--http.port", "0", "--data.dir", other, "--admin.port", port, "--json"));
  expect(figures).toMatchObject({ ok: false, code: "ADDRESS_UNUSABLE", message: expect.stringContaining("--admin.port") });
  rmSync(other, { recursive: true });
});
