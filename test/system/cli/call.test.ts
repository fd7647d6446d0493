/** `troupe call` against a real server process, over HTTP and over NATS. */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { connect } from "nats";
import { afterAll, beforeAll, expect, it, vi } from "vitest";
import { main } from "../../../src/system/cli/program.ts";
import { commandTable } from "../../../src/system/ingress/command-table.ts";
import { type CliResult, type CliServer, figuresOf, runCli, startCli } from "../../support/cli.ts";
import { fieldsOf, get } from "../../support/http-client.ts";
import { TestNats } from "../../support/nats-server.ts";
import { until } from "../../support/test-node.ts";
import { describeWithNats } from "../../support/with-nats.ts";

const call = (...words: readonly string[]): Promise<CliResult> => runCli("call", ...words);
const bodyOf = ({ stdout }: CliResult): Record<string, unknown> => JSON.parse(stdout) as Record<string, unknown>;

it("--list shows every command with its route", async () => {
  const { code, stdout } = await call("--list");
  expect(code).toBe(0);
  expect(stdout).toMatch(/^ +command +status +- /m); // Over NATS only.
  for (const { type, command, method, template } of commandTable)
    expect(
      stdout
        .split("\n")
        .some((line) => line.trim().startsWith(type) && line.includes(` ${command} `) && line.includes(`${method} ${template} `)),
    ).toBe(true);
  expect(figuresOf(await call("--list", "--json"))).toMatchObject({ ok: true, commands: { length: commandTable.length + 1 } });
});

it.each<[readonly string[], string]>([
  [["account"], "call --list"],
  [["house", "-", "open"], "account, transfer, ledger, conversation"],
  [["account", "alice", "burn"], "open, get, entries, freeze, unfreeze, close"],
  [["account", "-", "get"], "name it instead"],
  [["ledger", "alice", "trial-balance"], 'write "-"'],
  [["conversation", "talk", "outcome"], "messageId"],
  [["command", "-", "status"], "send it with --nats"],
  [["account", "alice", "open", "{"], "expected a JSON object"],
  [["account", "alice", "open", "[]"], "expected a JSON object"],
  [["account", "alice", "get", "--url", "http://127.0.0.1:1", "--nats", "nats://127.0.0.1:1"], "two ways"],
])("%j is refused with what to write", async (words, expected) => {
  const given = words.includes("--url") ? words : [...words, "--url", "http://127.0.0.1:1"];
  const stderr = vi.spyOn(process.stderr, "write").mockReturnValue(true);
  expect(await main(["call", ...given])).toBe(78);
  expect(stderr.mock.calls.join("")).toContain(expected);
  stderr.mockRestore();
});

it("says so when nobody is there, with the key that makes a repeat safe", async () => {
  const http = await call("transfer", "-", "deposit", "{}", "--url", "http://127.0.0.1:1", "--key", "k", "--json");
  expect(figuresOf(http)).toMatchObject({ ok: false, code: "SERVER_UNREACHABLE", message: expect.stringContaining("--key k ") });
  const nats = await call("account", "alice", "get", "--nats", "nats://127.0.0.1:1", "--json");
  expect([nats.code, figuresOf(nats).code]).toEqual([1, "SERVER_UNREACHABLE"]);
});

describeWithNats("a server with both doors", () => {
  let dir: string;
  let server: TestNats;
  let troupe: CliServer;
  beforeAll(async () => {
    dir = mkdtempSync(join(tmpdir(), "troupe-call-"));
    server = await TestNats.start();
    troupe = await startCli(
      dir,
      "--threads.heartbeat-ms",
      "60000",
      "--nats.servers",
      server.url,
      "--nats.durable",
      "false",
      "--nats.events",
      "false",
    );
    await until("NATS is connected", async () => (await get(troupe.url, "/metrics")).text.includes("\nnats_connected 1\n"));
  });
  afterAll(async () => {
    await troupe[Symbol.asyncDispose]();
    await server.stop();
    rmSync(dir, { recursive: true });
  });

  it.each(["http", "nats"] as const)(
    "is called over %s: the answer's body is printed, and the exit code is 0 only below 400",
    async (way) => {
      const by = way === "http" ? ["--data-dir", dir] : ["--nats", server.url];
      const id = `zoë {${way}}`;
      const opened = await call("account", id, "open", '{"currency":"CZK"}', ...by);
      expect([opened.code, opened.stderr, bodyOf(opened)]).toEqual([0, "", expect.objectContaining({ id, currency: "CZK" })]);
      const again = figuresOf(await call("account", id, "open", '{"currency":"CZK"}', ...by, "--json"));
      expect(again).toMatchObject({ ok: true, status: 201, body: bodyOf(opened) });
      const body = JSON.stringify({ accountId: id, amount: "10.50", currency: "CZK" });
      const made = await call("transfer", "-", "deposit", body, ...by);
      const key = /^key: (\S+) /.exec(made.stderr)?.[1] ?? "";
      expect([made.code, bodyOf(made).status]).toEqual([0, "COMPLETED"]);
      const replayed = figuresOf(await call("transfer", "-", "deposit", body, "--key", key, ...by, "--json"));
      expect(replayed).toMatchObject({ ok: true, status: 201, isReplayed: true, key, body: bodyOf(made) });
      if (way === "nats") {
        const status = figuresOf(await call("command", "-", "status", "--key", key, ...by, "--json"));
        expect(status).toMatchObject({ ok: true, status: 201, isReplayed: true, body: bodyOf(made) });
      }
      expect(bodyOf(await call("account", id, "entries", '{"limit":1}', ...by))).toMatchObject({ items: [{ amount: "10.50" }] });
      const refused = await call("transfer", "-", "withdraw", body.replace("10.50", "11"), ...by);
      expect([refused.code, bodyOf(refused).code]).toEqual([1, "insufficient_funds"]);
      expect(figuresOf(await call("account", "nobody", "get", ...by, "--json"))).toMatchObject({
        ok: false,
        status: 404,
        code: "account_not_found",
      });
      expect(fieldsOf(await get(troupe.url, `/v1/accounts/${encodeURIComponent(id)}`)).balance).toBe("10.50");
    },
  );

  it("a conversation is opened, posted to and deleted, over either way", async () => {
    const nats = ["--nats", server.url];
    expect((await call("conversation", "talk", "open", ...nats)).code).toBe(1); // A body is needed, as over HTTP.
    expect((await call("conversation", "talk", "open", '{"user":"zoe"}', ...nats)).code).toBe(0);
    const { messageId, replyId } = bodyOf(await call("conversation", "talk", "post", '{"content":"Hello"}', "--key", "p", ...nats));
    const outcome = JSON.stringify({ messageId });
    const [http, over] = [
      await call("conversation", "talk", "outcome", outcome, "--url", troupe.url),
      await call("conversation", "talk", "outcome", outcome, ...nats),
    ];
    expect([over.code, over.stdout]).toEqual([0, http.stdout]);
    expect(bodyOf(over)).toMatchObject({ replyId });
    expect(bodyOf(await call("conversation", "talk", "regenerate", JSON.stringify({ replyId }), "--data-dir", dir))).toMatchObject({
      status: "complete",
    });
    const gone = await call("conversation", "talk", "delete", ...nats);
    expect([gone.code, gone.stdout]).toEqual([0, ""]);
  });

  it("nobody takes commands when the node is gone: that is told at once, not waited for", async () => {
    await troupe.end("SIGTERM");
    const figures = figuresOf(await call("account", "alice", "get", "--nats", server.url, "--json"));
    expect(figures).toMatchObject({
      ok: false,
      code: "SERVER_UNREACHABLE",
      message: expect.stringContaining("nobody takes troupe.v1.account.get"),
    });
  });
});

describeWithNats("a server that ends while the answer is awaited", () => {
  it("leaves the outcome unknown, which is told with the key that makes a repeat safe", async () => {
    await using server = await TestNats.start();
    const silent = await connect({ servers: server.url, reconnect: false });
    const { promise: asked, resolve } = Promise.withResolvers<void>();
    silent.subscribe("troupe.v1.>", { callback: () => resolve() });
    await silent.flush();
    const calling = call("transfer", "-", "deposit", "{}", "--key", "k", "--nats", server.url, "--json");
    await asked;
    await server.kill();
    expect(figuresOf(await calling)).toMatchObject({ ok: false, code: "OUTCOME_UNKNOWN", message: expect.stringContaining("--key k ") });
    await silent.close();
  });
});
