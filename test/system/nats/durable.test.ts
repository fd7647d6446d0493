/** Durable commands with a real nats-server and servers of Troupe in processes of their own (R-SYS-3; issue 5 C; TRAPS 6, 9, 17, 43). */
import { connect } from "node:net";
import { DiscardPolicy, jetstream } from "@nats-io/jetstream";
import { expect, it } from "vitest";
import { figuresOf, runCli, tempFolder } from "../../support/cli.ts";
import { degradedOf } from "../../support/degraded.ts";
import { DurableClient } from "../../support/durable-client.ts";
import { AiProcess } from "../../support/fake-ai-process.ts";
import { get, post } from "../../support/http-client.ts";
import { KillableServer } from "../../support/killable-server.ts";
import { TestNats } from "../../support/nats-server.ts";
import { until } from "../../support/test-node.ts";
import { describeWithEachNats, describeWithNats } from "../../support/with-nats.ts";

const COMMANDS = "TROUPE_COMMANDS";
const DEAD = "TROUPE_DEAD";
const ACK_MS = 1_000;

/** What no client library would send. */
async function publishRaw(port: number, headers: string): Promise<void> {
  const head = `NATS/1.0\r\n${headers}\r\n`;
  const socket = connect(port, "127.0.0.1");
  const body = "{}";
  socket.write(
    `CONNECT {"headers":true,"verbose":false}\r\nHPUB troupe.durable.v1.transfer.deposit ${head.length} ${head.length + body.length}\r\n`,
  );
  socket.write(`${head}${body}\r\nPING\r\n`);
  for await (const chunk of socket) if (String(chunk).includes("PONG")) break;
}

const settings = (nats: TestNats, more: Readonly<Record<string, string>> = {}) => ({
  TROUPE_NATS_SERVERS: nats.url,
  TROUPE_NATS_DURABLE_ACK_MS: String(ACK_MS),
  TROUPE_NATS_DURABLE_BACKOFF_MS_MIN: "50",
  TROUPE_NATS_DURABLE_BACKOFF_MS_MAX: "500",
  TROUPE_NATS_RECONNECT_MS_MIN: "50",
  TROUPE_NATS_RECONNECT_MS_MAX: "200",
  TROUPE_THREADS_HEARTBEAT_MS: "60000",
  TROUPE_SHARD_THREADS: "1",
  ...more,
});
const started = (dataDir: string, nats: TestNats, more: Readonly<Record<string, string>> = {}): Promise<KillableServer> =>
  KillableServer.start({ dataDir, env: settings(nats, more) });

const openAccount = async (url: string, id: string): Promise<void> => {
  const opened = await post(url, "/v1/accounts", JSON.stringify({ id, currency: "CZK" }), `open-${id}`);
  expect(opened.status).toBe(201);
};
const balanceOf = async (url: string, id: string): Promise<string> => {
  const { balance } = JSON.parse((await get(url, `/v1/accounts/${id}`)).text) as { readonly balance: string };
  return balance;
};
const deposit = (accountId: string, amount = "1.00"): object => ({ accountId, amount, currency: "CZK" });
/** The node has made its stream and its consumer: it is ready for HTTP before. */
const taking = (client: DurableClient): Promise<true> =>
  until("durable commands are taken", () =>
    client.manager.consumers.info(COMMANDS, "troupe").then(
      () => true as const,
      () => null,
    ),
  );
/** Nothing is in the stream any more: all that came was acknowledged. */
const allDone = (client: DurableClient, msMax = 40_000): Promise<true> =>
  until("the stream of commands is empty", async () => (await client.messagesIn(COMMANDS)) === 0 || null, msMax);

const cli = async (dir: string, ...words: readonly string[]) =>
  figuresOf(await runCli("deadletters", ...words, "--data-dir", dir, "--json"));
interface Listed {
  readonly items: ReadonlyArray<{ readonly source: string; readonly id: string; readonly code: string; readonly subject: string }>;
  readonly next: string | null;
}
const listed = async (dir: string, ...words: readonly string[]) => (await cli(dir, "list", ...words)) as unknown as Listed;

describeWithEachNats("durable commands", (version) => {
  it("D1-D3: one effect, the answer at the reply subject, the same bytes by status and over HTTP; a status runs nothing", async () => {
    using folder = tempFolder();
    await using nats = await TestNats.start({ version });
    const server = await started(folder.path, nats);
    await using client = await DurableClient.open(nats.url);
    await taking(client);
    const { url } = server;
    await openAccount(url, "alice");
    await client.publish("transfer.deposit", "k1", deposit("alice", "10.00"));
    const [first] = await until("an answer", () => client.answers.get("k1") ?? null);
    expect(first).toMatchObject({ status: 201, isReplayed: false });
    await client.publish("transfer.deposit", "k1", deposit("alice", "10.00"));
    const [, again] = await until("a second answer", () =>
      client.answers.get("k1")?.length === 2 ? (client.answers.get("k1") ?? null) : null,
    );
    expect(again).toEqual({ ...first, isReplayed: true });
    const overHttp = await post(url, "/v1/deposits", JSON.stringify(deposit("alice", "10.00")), "k1");
    expect([overHttp.status, overHttp.text]).toEqual([201, first?.body]);
    expect(await balanceOf(url, "alice")).toBe("10.00");
    expect(await client.request("command.status", { "Idempotency-Key": "k1" })).toEqual({ ...first, isReplayed: true });

    // A refusal that is recorded is an outcome like any other.
    await client.publish("transfer.withdraw", "k2", deposit("alice", "99.00"));
    const [poor] = await until("a refusal", () => client.answers.get("k2") ?? null);
    expect(poor).toMatchObject({ status: 422, isReplayed: false });
    expect(await client.request("command.status", { "Idempotency-Key": "k2" })).toEqual({ ...poor, isReplayed: true });

    await client.publish("account.freeze", "k3", {}, { "Troupe-Id": "alice" });
    const [frozen] = await until("a frozen account", () => client.answers.get("k3") ?? null);
    const status = (key: string, type: string, id: string) =>
      client.request("command.status", { "Idempotency-Key": key, "Troupe-Id": id }, { type });
    expect(await status("k3", "account", "alice")).toEqual({ ...frozen, isReplayed: true });
    expect(await status("open-alice", "account", "alice")).toMatchObject({ status: 201, isReplayed: true });

    await client.publish("conversation.open", "k4", { id: "talk" });
    await until("a conversation", () => client.answers.get("k4") ?? null);
    await client.publish("conversation.post", "k5", { content: "Hello." }, { "Troupe-Id": "talk" });
    const [said] = await until("a reply", () => client.answers.get("k5") ?? null);
    expect(said).toMatchObject({ status: 201 });
    expect(await status("k5", "conversation", "talk")).toEqual({ ...said, isReplayed: true });

    for (const [type, id, code] of [
      ["transfer", "alice", "transfer_not_found"],
      ["account", "alice", "not_found"],
      ["account", "bob", "account_not_found"],
      ["conversation", "talk", "not_found"],
    ] as const) {
      const unknown = await status("never", type, id);
      expect([unknown.status, JSON.parse(unknown.body).code]).toEqual([404, code]);
    }
    expect(await balanceOf(url, "alice")).toBe("10.00");
    await allDone(client);
    expect(await client.messagesIn(DEAD)).toBe(0);
    expect(await degradedOf(url)).toBe("");
    expect(await server.stop()).toBe(0);
  });

  it("TRAPS 43: what a consumer took and never acknowledged is given again, and has one effect", async () => {
    using folder = tempFolder();
    await using nats = await TestNats.start({ version });
    const first = await started(folder.path, nats);
    await openAccount(first.url, "alice");
    await using client = await DurableClient.open(nats.url);
    await taking(client);
    expect(await first.stop()).toBe(0);
    for (let n = 0; n < 20; n++) await client.publish("transfer.deposit", `k${n}`, deposit("alice"));
    const stolen = await (await jetstream(client.connection).consumers.get(COMMANDS, "troupe")).fetch({
      max_messages: 10,
      expires: 1_000,
    });
    let taken = 0;
    for await (const _ of stolen) taken++;
    expect(taken).toBe(10);
    const server = await started(folder.path, nats);
    await allDone(client);
    expect(await balanceOf(server.url, "alice")).toBe("20.00");
    expect((await get(server.url, "/metrics")).text).toMatch(/nats_durable_redelivered_total 1\d/);
    expect(await server.stop()).toBe(0);
  });

  it("TRAPS 43: what was given before, and comes again after its deadline, is not told to have never been begun", async () => {
    using folder = tempFolder();
    await using nats = await TestNats.start({ version });
    const first = await started(folder.path, nats);
    await openAccount(first.url, "alice");
    await using client = await DurableClient.open(nats.url);
    await taking(client);
    expect(await first.stop()).toBe(0);
    await client.publish("transfer.deposit", "k", deposit("alice"), { "Troupe-Deadline": new Date(Date.now() + 200).toISOString() });
    const stolen = await (await jetstream(client.connection).consumers.get(COMMANDS, "troupe")).fetch({ max_messages: 1, expires: 1_000 });
    for await (const _ of stolen);
    const server = await started(folder.path, nats);
    await allDone(client);
    expect(client.answers.get("k")?.map(({ body }) => (JSON.parse(body) as { readonly code: string }).code)).toEqual(["OUTCOME_UNKNOWN"]);
    expect((await listed(folder.path)).items).toMatchObject([{ source: "nats", code: "OUTCOME_UNKNOWN" }]);
    expect(await server.stop()).toBe(0);
  });

  it("TRAPS 9: what can never be done is a dead letter with its code at once; a person lists, shows, replays and drops it", async () => {
    using folder = tempFolder();
    await using nats = await TestNats.start({ version });
    const server = await started(folder.path, nats, { TROUPE_HTTP_BODY_BYTES_MAX: "2048" });
    await openAccount(server.url, "alice");
    await using client = await DurableClient.open(nats.url);
    await taking(client);
    const past = new Date(Date.now() - 1_000).toISOString();
    await client.publish("transfer.deposit", "late", deposit("alice", "5.00"), { "Troupe-Deadline": past, "Nats-Msg-Id": "late" });
    await client.publish("transfer.deposit", null, deposit("alice"));
    await client.publish("transfer.deposit", "broken", "{");
    await client.publish("transfer.deposit", "big", { ...deposit("alice"), more: "x".repeat(3_000) });
    await client.publish("transfer.fly", "fly", {});
    await client.publish("conversation.stop", "stop", {}, { "Troupe-Id": "talk" });
    await client.publish("conversation.regenerate", "again", { replyId: "r1-1" }, { "Troupe-Id": "nobody" });
    await client.publish("account.open", "taken", { id: "alice", currency: "EUR" });
    await client.publish("transfer.deposit", "good", deposit("alice"));
    await allDone(client);
    const { items } = await listed(folder.path);
    expect(items.map(({ source, code, subject }) => [source, code, subject.slice("troupe.durable.v1.".length)])).toEqual(
      expect.arrayContaining([
        ["nats", "DEADLINE_EXCEEDED", "transfer.deposit"],
        ["nats", "idempotency_key_missing", "transfer.deposit"],
        ["nats", "validation_failed", "transfer.deposit"],
        ["nats", "payload_too_large", "transfer.deposit"],
        ["nats", "not_found", "transfer.fly"],
        ["nats", "validation_failed", "conversation.stop"],
        ["nats", "already_exists", "account.open"],
        ["nats", "not_found", "conversation.regenerate"],
      ]),
    );
    expect(items).toHaveLength(8);
    const [late] = client.answers.get("late") ?? [];
    expect([late?.status, JSON.parse(late?.body ?? "{}").code]).toEqual([504, "DEADLINE_EXCEEDED"]);
    const { id = "" } = items.find(({ code }) => code === "DEADLINE_EXCEEDED") ?? {};
    expect(await cli(folder.path, "show", id)).toMatchObject({
      ok: true,
      command: { id, key: "late", body: JSON.stringify(deposit("alice", "5.00")), attempts: 1 },
    });
    // Whoever replays it wants it done, although its deadline has passed; the stream does not take it for a duplicate.
    expect(await cli(folder.path, "replay", id)).toMatchObject({ ok: true, ids: [id] });
    await until("the replayed deposit", async () => (await balanceOf(server.url, "alice")) === "6.00" || null);
    expect(await cli(folder.path, "replay", id)).toMatchObject({ ok: false, code: "not_found" });
    const page = await listed(folder.path, "--limit", "4");
    const rest = await listed(folder.path, "--limit", "4", "--after", page.next ?? "");
    expect([page.items.length, rest.items.length, rest.next]).toEqual([4, 3, null]);
    const ids = [...page.items, ...rest.items].map((item) => item.id);
    expect(await cli(folder.path, "drop", ...ids)).toMatchObject({ ok: true });
    expect(await listed(folder.path)).toMatchObject({ items: [], next: null });
    expect(await server.stop()).toBe(0);
  });
});

describeWithNats("what happens to durable commands", () => {
  it("D1, D2: kill -9 of the node and of nats-server while commands come: every one is done, and once", async () => {
    using folder = tempFolder();
    await using nats = await TestNats.start();
    let server = await started(folder.path, nats);
    await openAccount(server.url, "alice");
    await using client = await DurableClient.open(nats.url);
    await taking(client);
    // Each tenth key twice, 32 publishers at once; who gets no acknowledgement of the stream publishes again.
    const orders = Array.from({ length: 3_000 }, (_, n) => (n % 10 === 9 ? `k${n - 1}` : `k${n}`));
    const keys = new Set(orders);
    let published = 0;
    const publisher = async (): Promise<void> => {
      for (let key = orders[published++]; key !== undefined; key = orders[published++])
        for (let isStored = false; !isStored; )
          isStored = await client.publish("transfer.deposit", key, deposit("alice")).then(
            () => true,
            () => false,
          );
    };
    const publishers = Promise.all(Array.from({ length: 32 }, publisher));
    const reached = (share: number): Promise<true> => until(`${share} of the commands`, () => published >= orders.length * share || null);
    const killNode = async (): Promise<void> => {
      server.kill();
      await server.gone();
      server = await started(folder.path, nats);
    };
    await reached(0.2);
    await killNode();
    await reached(0.5);
    await nats.kill();
    await nats.restart();
    await reached(0.7);
    await killNode();
    await publishers;
    await killNode();
    await allDone(client, 60_000);
    expect(await balanceOf(server.url, "alice")).toBe(`${keys.size}.00`);
    expect(await client.messagesIn(DEAD)).toBe(0);
    for (const key of ["k0", "k1500", "k2998"])
      expect(await client.request("command.status", { "Idempotency-Key": key })).toMatchObject({ status: 201 });
    expect(await server.stop()).toBe(0);
  });

  it("a command that takes longer than the time for an acknowledgement is in work once", async () => {
    using folder = tempFolder();
    await using ai = await AiProcess.start({ replyMs: 3 * ACK_MS });
    await using nats = await TestNats.start();
    const server = await started(folder.path, nats, { TROUPE_AI_URL: ai.url, TROUPE_AI_MODEL: "fake" });
    await using client = await DurableClient.open(nats.url);
    await taking(client);
    await client.publish("conversation.open", "open", { id: "talk" });
    await client.publish("conversation.post", "k", { content: "Hello." }, { "Troupe-Id": "talk" });
    await until("a reply", () => client.answers.get("k") ?? null);
    await allDone(client);
    expect((await get(server.url, "/metrics")).text).toContain("nats_durable_redelivered_total 0");
    expect(client.answers.get("k")).toHaveLength(1);
    await server.stop();
  });

  it("TRAPS 42: headers that cannot be read, or take long to, are a dead letter and hold nobody up", async () => {
    using folder = tempFolder();
    await using nats = await TestNats.start();
    const server = await started(folder.path, nats);
    await openAccount(server.url, "alice");
    await using client = await DurableClient.open(nats.url);
    await taking(client);
    const many = Array.from({ length: 10_000 }, (_, n) => `${n.toString(36)}:\r\n`).join("");
    for (const headers of [`bad name: x\r\n`, many, "Idempotency-Key: a\r\nIdempotency-Key: b\r\n"]) await publishRaw(nats.port, headers);
    await client.publish("transfer.deposit", "good", deposit("alice"));
    await until("the good one", () => client.answers.get("good") ?? null);
    await allDone(client);
    const { items } = await listed(folder.path);
    expect(items.map(({ code }) => code)).toEqual(["validation_failed", "validation_failed", "idempotency_key_invalid"]);
    await server.stop();
  });

  it("D4, D5: a node that refuses is not pressed: all is done in the end, and nothing is a dead letter for having waited", async () => {
    using folder = tempFolder();
    await using nats = await TestNats.start();
    const tight = { TROUPE_SHARD_COMMANDS_MAX: "4", TROUPE_NATS_DURABLE_MAX: "32", TROUPE_NATS_DURABLE_ATTEMPTS_MAX: "2" };
    const server = await started(folder.path, nats, tight);
    await openAccount(server.url, "alice");
    await using client = await DurableClient.open(nats.url);
    await taking(client);
    for (let n = 0; n < 200; n++) await client.publish("transfer.deposit", `k${n}`, deposit("alice"));
    await allDone(client);
    expect(await balanceOf(server.url, "alice")).toBe("200.00");
    expect(await client.messagesIn(DEAD)).toBe(0);
    expect(await server.stop()).toBe(0);
  });

  it("D1: a dead letter that cannot be stored leaves its command in the stream; readiness says why, and others go on", async () => {
    using folder = tempFolder();
    await using nats = await TestNats.start();
    await using client = await DurableClient.open(nats.url);
    await client.manager.streams.add({ name: DEAD, subjects: ["troupe.dead.*.*"], max_msgs: 1, discard: DiscardPolicy.New });
    const server = await started(folder.path, nats);
    await openAccount(server.url, "alice");
    await taking(client);
    for (const key of ["bad1", "bad2"]) await client.publish("transfer.fly", key, {});
    await until("readiness names it", async () => (await degradedOf(server.url)).includes(DEAD));
    await client.publish("transfer.deposit", "good", deposit("alice"));
    await until("another command", async () => (await balanceOf(server.url, "alice")) === "1.00" || null);
    // D1: the balance is there before the acknowledgement.
    await until("one is left", async () => (await client.messagesIn(COMMANDS)) === 1 || null);
    const { items } = await listed(folder.path);
    await cli(folder.path, "drop", items[0]?.id ?? "");
    await allDone(client);
    expect(await client.messagesIn(DEAD)).toBe(1);
    await server.stop();
  });

  it("an answer that is larger than the server carries is told, as to a request", async () => {
    using folder = tempFolder();
    await using nats = await TestNats.start({ config: "max_payload: 4096" });
    const server = await started(folder.path, nats);
    await openAccount(server.url, "alice");
    await using client = await DurableClient.open(nats.url);
    await taking(client);
    for (let n = 0; n < 40; n++) await post(server.url, "/v1/deposits", JSON.stringify(deposit("alice")), `k${n}`);
    await client.publish("account.entries", "k", { limit: 100 }, { "Troupe-Id": "alice" });
    await allDone(client);
    const [answer] = client.answers.get("k") ?? [];
    expect([answer?.status, answer?.body]).toEqual([413, expect.stringContaining("smaller page")]);
    expect(await server.stop()).toBe(0);
  });

  it("a server without JetStream is named, and commands by request and reply go on; it comes later, and they are taken", async () => {
    using folder = tempFolder();
    await using nats = await TestNats.start({ jetstream: false });
    const server = await started(folder.path, nats);
    await openAccount(server.url, "alice");
    await using client = await DurableClient.open(nats.url);
    await until("readiness names it", async () => (await degradedOf(server.url)).includes("Durable commands"));
    expect(await client.request("transfer.deposit", { "Idempotency-Key": "k" }, deposit("alice"))).toMatchObject({ status: 201 });
    await nats.restart(`jetstream { store_dir: "${nats.dir}/store" }`);
    await taking(client);
    await client.publish("transfer.deposit", "k2", deposit("alice"));
    await until("the deposit", async () => (await balanceOf(server.url, "alice")) === "2.00" || null);
    await server.stop();
  });

  it("a stop in order ends what is in work and leaves the rest in the stream", async () => {
    using folder = tempFolder();
    await using nats = await TestNats.start();
    const server = await started(folder.path, nats, { TROUPE_NATS_DURABLE_ACK_MS: "60000", TROUPE_NATS_DURABLE_MAX: "8" });
    await openAccount(server.url, "alice");
    await using client = await DurableClient.open(nats.url);
    await taking(client);
    for (let n = 0; n < 200; n++) await client.publish("transfer.deposit", `k${n}`, deposit("alice"));
    expect(await server.stop()).toBe(0);
    // Whatever was begun is acknowledged: with this time for an acknowledgement it would not be given again during the test.
    const left = await client.messagesIn(COMMANDS);
    const again = await started(folder.path, nats, { TROUPE_NATS_DURABLE_ACK_MS: "60000" });
    await allDone(client);
    expect([await balanceOf(again.url, "alice"), left < 200]).toEqual(["200.00", true]);
    expect(await again.stop()).toBe(0);
  });
});
