/** `start --supervise` with real processes: who is started again, who is not, and that nobody is left behind. */
import { readFileSync } from "node:fs";
import { connect, createServer } from "node:net";
import { join } from "node:path";
import { expect, it } from "vitest";
import { EXIT_REFUSED } from "../../../src/system/cli/exit-code.ts";
import { figuresOf, freePort, runCli, startCli, tempFolder } from "../../support/cli.ts";
import { get, post } from "../../support/http-client.ts";
import { until } from "../../support/test-node.ts";

const QUICK = ["--supervise.backoff-ms-min", "10", "--supervise.backoff-ms-max", "20"];

const isAlive = (pid: number): boolean => {
  try {
    return process.kill(pid, 0);
  } catch {
    return false;
  }
};
/** The process that runs on the store, as it says itself. */
const nodeOf = (dir: string): number => Number((JSON.parse(readFileSync(join(dir, "run.json"), "utf8")) as { readonly pid: number }).pid);
const isReady = async (url: string): Promise<boolean> =>
  await get(url, "/readyz").then(
    ({ status }) => status === 200,
    () => false,
  );

it("TRAPS 39: a node that is killed comes back by itself with all that was acknowledged; SIGTERM is passed on and its exit code comes back", async () => {
  using folder = tempFolder();
  const port = String(await freePort());
  await using server = await startCli(folder.path, "--supervise", "--http.port", port, ...QUICK);
  const first = nodeOf(folder.path);
  expect(first).not.toBe(server.pid);
  await post(server.url, "/v1/accounts", { id: "a", currency: "CZK" });
  const body = { accountId: "a", amount: "1", currency: "CZK" };
  const acknowledged = await post(server.url, "/v1/deposits", body, "k");
  expect(acknowledged.status).toBe(201);
  process.kill(first, "SIGKILL");
  await until("it is back", async () => (await isReady(server.url)) && nodeOf(folder.path) !== first);
  const again = await post(server.url, "/v1/deposits", body, "k");
  expect([again.text, again.headers["idempotency-replayed"]]).toEqual([acknowledged.text, "true"]);
  // Both banners and the stop are the node's own words.
  expect(server.stdout.match(/is ready \(process \d+\)/g)).toHaveLength(2);
  const second = nodeOf(folder.path);
  expect(await server.end("SIGTERM")).toBe(0);
  expect(server.stdout).toMatch(/Stopping \(SIGTERM\)[\s\S]*Stopped after/);
  expect(isAlive(second)).toBe(false);
});

it("a supervisor that is killed leaves no orphan: its node stops in order and gives the directory back", async () => {
  using folder = tempFolder();
  await using server = await startCli(folder.path, "--supervise");
  const node = nodeOf(folder.path);
  await server.end("SIGKILL");
  await until("the node has ended", () => !isAlive(node));
  expect(server.stdout).toMatch(/Stopping \(the supervisor is gone\)[\s\S]*Stopped after/);
  await using again = await startCli(folder.path);
  expect(await again.end("SIGTERM")).toBe(0);
});

it("a node that somebody stops on purpose is not started again", async () => {
  using folder = tempFolder();
  await using server = await startCli(folder.path, "--supervise");
  process.kill(nodeOf(folder.path), "SIGTERM");
  expect(await server.end(0)).toBe(0);
});

it("a refused start is not repeated: its own words, once, and the exit code that says so", async () => {
  using folder = tempFolder();
  await using _server = await startCli(folder.path);
  const inUse = await runCli("start", "--supervise", "--http.port", "0", "--data.dir", folder.path, "--json");
  expect(inUse.code).toBe(EXIT_REFUSED);
  expect(figuresOf(inUse)).toMatchObject({ ok: false, exitCode: EXIT_REFUSED, restarts: 0 });
  expect(inUse.stderr.match(/DATA_DIR_IN_USE/g)).toHaveLength(1);
  expect((await runCli("start", "--supervise", "--http.port", "x", "--json")).code).toBe(EXIT_REFUSED);
});

it("L6: a node that keeps dying is given up at the cap, with a sentence that says what to do", async () => {
  using folder = tempFolder();
  // A port that is taken may be free in a moment, so this start is tried again.
  await using taken = createServer();
  await new Promise<void>((resolve) => taken.listen(0, "127.0.0.1", resolve));
  const address = taken.address();
  const port = String(typeof address === "object" ? address?.port : 0);
  const words = [
    "start",
    "--supervise",
    "--http.port",
    port,
    "--data.dir",
    folder.path,
    "--supervise.restarts-max",
    "2",
    "--json",
    ...QUICK,
  ];
  const result = await runCli(...words);
  expect(figuresOf(result)).toMatchObject({ ok: false, code: "NODE_KEEPS_DYING" });
  expect(result.code).toBe(1);
  expect(result.stderr.match(/ADDRESS_UNUSABLE/g)).toHaveLength(3);
  expect(result.stderr).toMatch(/the node died 3 times within 120\.0 s, the last time by exit code 1; it is not started again/);
});

it("a signal that comes between two lives ends it: nothing is started any more", async () => {
  using folder = tempFolder();
  const long = ["--supervise.backoff-ms-min", "60000", "--supervise.backoff-ms-max", "60000"];
  await using server = await startCli(folder.path, "--supervise", ...long);
  const node = nodeOf(folder.path);
  process.kill(node, "SIGKILL");
  await until("it is dead", () => !isAlive(node)); // Which its supervisor makes it by asking how it ended.
  expect(await server.end("SIGTERM")).toBe(137);
});

it("a signal that reaches both processes is one signal; a later one forces the node, and its exit code comes back", async () => {
  using folder = tempFolder();
  await using server = await startCli(folder.path, "--supervise");
  const { port, hostname } = new URL(server.url);
  const socket = connect(Number(port), hostname);
  socket.on("error", () => undefined);
  // A request that is still being sent holds the stop.
  socket.write("POST /v1/deposits HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\ncontent-length: 50\r\n\r\n{");
  expect((await get(server.url, "/livez")).status).toBe(200);
  const node = nodeOf(folder.path);
  const ended = server.end("SIGINT");
  process.kill(node, "SIGINT"); // As a terminal does.
  await until("it stops", () => server.stdout.includes("Stopping (SIGINT)"));
  expect(isAlive(node)).toBe(true);
  // Its supervisor lives at least as long as the node.
  await until("it is forced", () => !isAlive(node) || !process.kill(server.pid, "SIGINT"));
  expect(await ended).toBe(1);
  expect(server.stdout).not.toContain("Stopped after");
  socket.destroy();
});
