/** The command line as a stranger meets it: real processes, what they print, how they end. */
import { execFileSync } from "node:child_process";
import { readFileSync, writeFileSync } from "node:fs";
import { createServer } from "node:http";
import { connect } from "node:net";
import { join } from "node:path";
import { setTimeout as delay, setImmediate } from "node:timers/promises";
import { expect, it } from "vitest";
import { SHOP_SEED, shopCsv, shopSteps } from "../../../src/system/cli/demo-data.ts";
import { figuresOf, freePort, runCli, startCli, tempFolder } from "../../support/cli.ts";
import { get, post } from "../../support/http-client.ts";
import { JournalHolder } from "../../support/journal-holder.ts";
import { until } from "../../support/test-node.ts";

const MAP = {
  currency: "CZK",
  overdraft: "unlimited",
  columns: {
    id: "id",
    account: "account",
    amount: "amount",
    sign: { column: "type", add: ["in"], subtract: ["out"] },
    expectedBalance: "balance",
  },
};
const CSV = "id,account,type,amount,balance\nt1,a,in,10.00,10.00\nt2,b,in,5.00,5.00\nt3,a,out,12.50,-2.50\n";

function importFiles(folder: string): { readonly csv: string; readonly map: string } {
  const files = { csv: join(folder, "rows.csv"), map: join(folder, "map.json") };
  writeFileSync(files.csv, CSV);
  writeFileSync(files.map, JSON.stringify(MAP));
  return files;
}

it("start: the banner's curl works as it stands, twice with the same bytes; SIGTERM ends it in order with exit code 0", async () => {
  using folder = tempFolder();
  await using server = await startCli(folder.path);
  const { stdout, url, pid } = server;
  for (const part of [`${url}/docs`, `${url}/openapi.json`, `${url}/readyz`, folder.path, "1 shard thread", "synchronous=FULL"])
    expect(stdout).toContain(part);
  expect(stdout).not.toContain("WARNING");
  const command = /^curl[\s\S]*?\/v1\/deposits'$/m.exec(stdout)?.[0] ?? "";
  const run = (): string => execFileSync("/bin/sh", ["-c", command], { encoding: "utf8" });
  const first = run();
  expect(
    first
      .trim()
      .split("\n")
      .map((line) => JSON.parse(line)),
  ).toMatchObject([{ id: "alice" }, { status: "COMPLETED", amount: "10.50" }]);
  expect(run()).toBe(first);
  expect(JSON.parse(readFileSync(join(folder.path, "run.json"), "utf8"))).toMatchObject({
    pid,
    urls: expect.arrayContaining([url, `${url}/docs`]),
  });
  expect(await server.end("SIGTERM")).toBe(0);
  expect(server.stdout).toMatch(
    /Stopping \(SIGTERM\)[\s\S]*Stopped after [\d.]+ s: 0 in flight answered, \d+ entries committed, 0 unanswered and 0 effects left open\.$/m,
  );
});

it("start: a request that is still being sent holds the stop; a second signal ends it at once with exit code 1", async () => {
  using folder = tempFolder();
  await using server = await startCli(folder.path);
  const { port, hostname } = new URL(server.url);
  const socket = connect(Number(port), hostname);
  socket.on("error", () => undefined);
  socket.write("POST /v1/deposits HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\ncontent-length: 50\r\n\r\n{");
  // The server reads connections in turn: when this answer is here, the request above has begun.
  expect((await fetch(`${server.url}/livez`)).status).toBe(200);
  const ended = server.end("SIGTERM");
  let code: number | null | undefined;
  void ended.then((found) => {
    code = found;
  });
  while (!server.stdout.includes("Stopping (SIGTERM)")) await setImmediate();
  expect(code).toBeUndefined();
  // Near the first one it counts as the same press of a key, so it is sent until it is taken for a second.
  for (; code === undefined; await setImmediate()) process.kill(server.pid, "SIGINT");
  expect(await ended).toBe(1);
  expect(server.stdout).not.toContain("Stopped after");
  socket.destroy();
});

it("start: a second signal ends it also while a thread waits for another program's lock on the journal: by SIGKILL, when an exit does not", async () => {
  using folder = tempFolder();
  await using server = await startCli(folder.path, "--journal.busy-timeout-ms", "600000", "--threads.heartbeat-ms", "60000");
  const holder = new JournalHolder(join(folder.path, "journal.db"));
  await holder.hold();
  const unanswered = post(server.url, "/v1/accounts", { id: "a", currency: "CZK" }).catch(() => null);
  // The journal thread does not answer the look: it waits for the lock.
  await until("the wait", async () => (await get(server.url, "/readyz")).status === 503);
  const ended = server.end("SIGTERM");
  let code: number | null | undefined;
  void ended.then((found) => {
    code = found;
  });
  // Until it has ended the lock is held, so an exit that waits for it never comes.
  for (; code === undefined; await delay(50)) process.kill(server.pid, "SIGINT");
  expect(await ended).toBeNull();
  await unanswered;
  await holder.kill();
});

it("start: a planted bug and an unsafe journal are named loudly", async () => {
  using folder = tempFolder();
  await using server = await startCli(
    folder.path,
    "--planted-bug",
    "reply-before-commit",
    "--journal.unsafe",
    "--journal.synchronous",
    "normal",
  );
  expect(server.stdout).toMatch(/WARNING {2}journal.unsafe is set and synchronous is "normal": A POWER CUT CAN LOSE/);
  expect(server.stdout).toMatch(/WARNING {2}PLANTED BUG reply-before-commit/);
  expect(server.stdout).not.toContain("leaves after its fsync");
});

it("start: what keeps it from starting is one sentence with a way out, and exit code 1", async () => {
  using folder = tempFolder();
  await using server = await startCli(folder.path);
  const inUse = await runCli("start", "--http.port", "0", "--data.dir", folder.path, "--json");
  expect(figuresOf(inUse)).toMatchObject({ ok: false, code: "DATA_DIR_IN_USE" });
  expect(inUse.stderr).toContain(`in use by process ${server.pid}. Use --url ${server.url}`);
  using other = tempFolder();
  const port = new URL(server.url).port;
  expect(figuresOf(await runCli("start", "--http.port", port, "--data.dir", other.path, "--json"))).toMatchObject({
    ok: false,
    code: "ADDRESS_UNUSABLE",
    message: expect.stringContaining(`127.0.0.1:${port}: another program has this port`),
  });
  expect(figuresOf(await runCli("start", "--http.prt", "1", "--json"))).toMatchObject({ ok: false, code: "CONFIG_INVALID" });
  await server.end("SIGTERM");
  const journal = readFileSync(join(folder.path, "journal.db"));
  journal.fill(0x5a, 0, 100);
  writeFileSync(join(folder.path, "journal.db"), journal);
  const corrupt = await runCli("start", "--http.port", "0", "--data.dir", folder.path, "--json");
  expect(figuresOf(corrupt)).toMatchObject({ ok: false, code: "JOURNAL_CORRUPT" });
  expect(corrupt.stderr).not.toMatch(/^\s+at /m);
});

it("import: in process, then again, then the account and the journal of the stopped store", async () => {
  using folder = tempFolder();
  const { csv, map } = importFiles(folder.path);
  const dir = join(folder.path, "store");
  const command = ["import", csv, "--map", map, "--data-dir", dir, "--verify", "--json"];
  const expected = { ok: true, rows: 3, accounts: 2, effects: 3, adjustments: 0, differences: 0, belowZero: 1, trialBalance: 0 };
  expect(figuresOf(await runCli(...command))).toMatchObject({ ...expected, newEffects: 3, replayed: 0 });
  expect(figuresOf(await runCli(...command))).toMatchObject({ ...expected, newEffects: 0, replayed: 3 });
  expect(figuresOf(await runCli("account", "a", "--data-dir", dir, "--json"))).toMatchObject({ ok: true, account: { balance: "-2.50" } });
  expect(figuresOf(await runCli("account", "nobody", "--data-dir", dir, "--json"))).toMatchObject({ ok: false, code: "account_not_found" });
  expect(figuresOf(await runCli("journal", "verify", "--data-dir", dir, "--json"))).toMatchObject({
    ok: true,
    entries: expect.any(Number),
  });
  const tail = await runCli("journal", "tail", "--after", "0", "--limit", "1000", "--data-dir", dir);
  expect(tail.stdout).toMatch(/account\/a v1 {2}opened/);
  expect(tail.stdout).toMatch(/transfer\/\S+ v\d+ {2}started.* {2}key t1$/m);
});

it("import: a difference makes it not ok, and says where", async () => {
  using folder = tempFolder();
  const { csv, map } = importFiles(folder.path);
  writeFileSync(csv, CSV.replace("-2.50", "-2.60"));
  const result = await runCli("import", csv, "--map", map, "--data-dir", join(folder.path, "store"), "--verify", "--json");
  expect(figuresOf(result)).toMatchObject({ ok: false, differences: 1 });
  expect(result.stderr).toContain("difference: line 4, account a: the balance is -2.50, the file says -2.60");
});

it("import: a file with a bad row is refused before anything is written", async () => {
  using folder = tempFolder();
  const { csv, map } = importFiles(folder.path);
  writeFileSync(csv, `${CSV}t4,a,in,1.234,0,\n`);
  const dir = join(folder.path, "store");
  const result = figuresOf(await runCli("import", csv, "--map", map, "--data-dir", dir, "--json"));
  expect(result).toMatchObject({ ok: false, code: "CSV_INVALID", message: expect.stringContaining("line 5") });
  expect(figuresOf(await runCli("journal", "verify", "--data-dir", dir, "--json"))).toMatchObject({ code: "STORE_NOT_FOUND" });
});

it("a running server: import --url, account and journal find it by its data directory; without one the error says so", async () => {
  using folder = tempFolder();
  const { csv, map } = importFiles(folder.path);
  const dir = join(folder.path, "store");
  await using server = await startCli(dir);
  const command = ["import", csv, "--map", map, "--url", server.url, "--verify", "--json"];
  expect(figuresOf(await runCli(...command))).toMatchObject({ ok: true, newEffects: 3, differences: 0, belowZero: 1, trialBalance: 0 });
  expect(figuresOf(await runCli(...command))).toMatchObject({ ok: true, newEffects: 0, replayed: 3 });
  expect(figuresOf(await runCli("account", "a", "--data-dir", dir, "--json"))).toMatchObject({
    account: { balance: "-2.50" },
    from: server.url,
  });
  expect(figuresOf(await runCli("journal", "verify", "--data-dir", dir, "--json"))).toMatchObject({ ok: true });
  await server.end("SIGKILL");
  // run.json is left over, and by now it means nobody: the store is opened here.
  expect(figuresOf(await runCli("account", "a", "--data-dir", dir, "--json"))).toMatchObject({ account: { balance: "-2.50" }, from: dir });
  const gone = await runCli(...command);
  expect(figuresOf(gone)).toMatchObject({ ok: false, code: "SERVER_UNREACHABLE" });
  expect(gone.stderr).toContain("Is it running there?");
});

it("import --url to something else says that it is no Troupe server", async () => {
  using folder = tempFolder();
  const { csv, map } = importFiles(folder.path);
  const port = await freePort();
  await using other = createServer((_request, response) => void response.end("hi"));
  await new Promise<void>((resolve) => other.listen(port, "127.0.0.1", resolve));
  const result = figuresOf(await runCli("import", csv, "--map", map, "--url", `http://127.0.0.1:${port}`, "--json"));
  other.closeAllConnections();
  expect(result).toMatchObject({ ok: false, code: "SERVER_UNREACHABLE", message: expect.stringContaining("no Troupe server") });
});

it("demo: shows what happened, keeps its word on a repeated key, and ends by itself", async () => {
  const { code, stdout } = await runCli("demo");
  expect(code).toBe(0);
  for (const part of ["insufficient_funds", "account_not_found", "byte for byte", "key_reused", "0.00 EUR", "whole:"])
    expect(stdout).toContain(part);
});

it("data/shop.csv is what its generator makes", () => {
  expect(readFileSync("data/shop.csv", "utf8")).toBe(shopCsv(shopSteps(SHOP_SEED)));
});

it.each([
  ["--help"],
  ["start", "--help"],
  ["import", "--help"],
  ["journal", "--help"],
  ["journal", "tail", "--help"],
  ["journal", "verify", "--help"],
  ["account", "--help"],
  ["call", "--help"],
  ["demo", "--help"],
])("help is there with examples: %s %s", async (...words) => {
  const { code, stdout } = await runCli(...words);
  expect(code).toBe(0);
  expect(stdout).toContain("Usage: troupe");
  expect(stdout).toContain("Examples:\n  npm run -s troupe -- ");
});

it.each([
  [["nonsense", "--json"], /unknown command 'nonsense'/],
  [["account", "--json"], /missing required argument 'id'/],
  [["import", "x.csv", "--json"], /required option '--map <file>' not specified/],
  [["import", "x.csv", "--map", "y", "--in-flight", "0", "--json"], /whole number from 1 to 4096/],
  [["start", "--planted-bug", "other", "--json"], /Allowed choices are reply-before-commit, dedup-not-rebuilt/],
])("a wrong command line is told, on stderr and in the JSON: %j", async (words, message) => {
  const result = await runCli(...words);
  expect(figuresOf(result)).toMatchObject({ ok: false, code: "USAGE", message: expect.stringMatching(message) });
  expect(result.stderr).toMatch(message);
});

it("import-dialogues: messages as they were said, in order, with a summary each; run again it does nothing twice", async () => {
  using folder = tempFolder();
  const file = join(folder.path, "talks.jsonl");
  const talks = [
    { fname: "t/1", dialogue: "#Person1#: Is the small room free on Friday? \n#Person2#:  It is: from ten on.\n#Person1#: " },
    { meeting_transcripts: [{ speaker: "Łucja 🙂", content: "So we begin.\u2028Who writes the minutes?" }] },
  ];
  writeFileSync(file, talks.map((talk) => JSON.stringify(talk)).join("\n"));
  const bad = await runCli("import-dialogues", file, "--data-dir", folder.path, "--id-prefix", "bad-", "--json");
  expect(figuresOf(bad)).toMatchObject({ ok: false, code: "validation_failed", message: expect.stringContaining("/") });
  writeFileSync(file, talks.map((talk) => JSON.stringify(talk).replace("t/1", "t1")).join("\n"));
  const whole = { ok: true, dialogues: 2, messages: 3, empty: 1, readBack: 3, differing: 0, outOfOrder: 0, summaries: 2 };
  expect(figuresOf(await runCli("import-dialogues", file, "--data-dir", folder.path, "--json"))).toMatchObject({ ...whole, replayed: 0 });
  await using server = await startCli(folder.path);
  const again = await runCli("import-dialogues", file, "--url", server.url, "--conversations", "1", "--json");
  expect(figuresOf(again)).toMatchObject({ ...whole, replayed: 3 });
});
