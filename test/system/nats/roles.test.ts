/** The example server and roles of config/nats, on real servers: each user may do what its role is for, and nothing else. */
import { spawnSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { jetstream, jetstreamManager } from "@nats-io/jetstream";
import { connect, type NatsConnection } from "nats";
import { afterAll, beforeAll, expect, it, vi } from "vitest";
import { findNatsServer } from "../../../tools/nats-server.mjs";
import { figuresOf, runCli, startCli, tempFolder } from "../../support/cli.ts";
import { degradedOf } from "../../support/degraded.ts";
import { post } from "../../support/http-client.ts";
import { ask } from "../../support/nats-client.ts";
import { NatsNode } from "../../support/nats-node.ts";
import { TestNats } from "../../support/nats-server.ts";
import { until } from "../../support/test-node.ts";
import { describeWithEachNats, describeWithNats } from "../../support/with-nats.ts";

const FOLDER = "config/nats";
const PASSWORDS = { NATS_NODE_PASSWORD: "n0de", NATS_CLIENT_PASSWORD: "cl1ent", NATS_LISTENER_PASSWORD: "l1stener" };

/** The example as it stands, but for the address and the store, which are the test's own. */
function exampleText(): string {
  const text = readFileSync(`${FOLDER}/server.conf`, "utf8");
  const whole = text.replace(/^ *include "\.\/(.*)"$/gm, (_, name: string) => readFileSync(`${FOLDER}/${name}`, "utf8"));
  return whole
    .replace(/^listen: .*$/m, "")
    .replace(/^jetstream \{[^}]*\}$/m, "")
    .replace(/\$NATS_(\w+)_PASSWORD/g, (name) => JSON.stringify(PASSWORDS[name.slice(1) as keyof typeof PASSWORDS]));
}

describeWithNats("a node whose user may not answer", () => {
  it("says so once, because its clients wait in vain", async () => {
    const config =
      'authorization { users = [{ user: mute, password: m, permissions: { publish: ["$SRV.PING.troupe", "_INBOX_troupe.>"], subscribe: ">" } }, { user: client }] }';
    await using server = await TestNats.start({ config });
    await using node = await NatsNode.start({
      servers: server.url,
      flags: { "--nats.user": "mute", "--nats.password-env": "MUTE" },
      env: { MUTE: "m" },
    });
    await node.connected();
    const client = await connect({ servers: server.url, user: "client" });
    for (let i = 0; i < 3; i++) await expect(client.request("troupe.v1.account.get", "", { timeout: 100 })).rejects.toThrow(/timeout/);
    await until("it is logged", () => node.warnings.some((text) => text.includes("may not publish there")));
    expect(node.warnings).toHaveLength(1);
    await client.close();
  });
});

describeWithNats("a node whose user may not do all that it needs", () => {
  it.each([
    ["take commands", '{ subscribe: { deny: "troupe.v1.>" } }', "troupe.v1.account.open"],
    ["ask who else is there", '{ publish: { deny: "$SRV.>" } }', "no answer to our own $SRV.PING.troupe came back"],
    ["hear answers", '{ subscribe: { deny: "_INBOX_troupe.>" } }', "no answer to our own $SRV.PING.troupe came back"],
  ])("says so, and serves HTTP: it may not %s", async (_what, permissions, named) => {
    await using server = await TestNats.start({
      config: `authorization { users = [{ user: weak, password: w, permissions: ${permissions} }] }`,
    });
    await using node = await NatsNode.start({
      servers: server.url,
      flags: { "--nats.user": "weak", "--nats.password-env": "WEAK" },
      env: { WEAK: "w" },
    });
    await until("it is named", async () => (await degradedOf(node.url)).includes(named));
    expect(await degradedOf(node.url)).toContain("config/nats/node-role.conf");
    expect((await post(node.url, "/v1/accounts", { id: "alice", currency: "CZK" })).status).toBe(201);
  });
});

describeWithEachNats("the example configuration of NATS", (version) => {
  let server: TestNats;
  let node: NatsNode;
  beforeAll(async () => {
    server = await TestNats.start({ version, config: exampleText() });
    const flags = {
      "--nats.user": "node",
      "--nats.password-env": "NATS_NODE_PASSWORD",
      "--nats.durable": "true",
      "--nats.events": "true",
    };
    node = await NatsNode.start({ servers: server.url, flags, env: PASSWORDS });
    await node.connected();
    await post(node.url, "/v1/accounts", { id: "alice", currency: "CZK" });
  });
  afterAll(async () => {
    expect(node.defects).toEqual([]);
    await node[Symbol.asyncDispose]();
    await server.stop();
  });

  const as = (user: "node" | "client" | "listener"): Promise<NatsConnection> =>
    connect({
      servers: server.url,
      user,
      pass: PASSWORDS[`NATS_${user.toUpperCase()}_PASSWORD` as keyof typeof PASSWORDS],
      ...(user === "node" ? { inboxPrefix: "_INBOX_troupe" } : {}),
    });
  /** What the server refuses to this connection, in its words. */
  function refusalsOf(connection: NatsConnection): string[] {
    const seen: string[] = [];
    void (async () => {
      for await (const status of connection.status()) if (status.type === "error") seen.push(status.error.message);
    })();
    return seen;
  }

  it("is taken by the server as it stands", () => {
    const { status, stderr } = spawnSync(findNatsServer(version) ?? "", ["-t", "-c", `${FOLDER}/server.conf`], {
      env: { ...process.env, ...PASSWORDS },
      encoding: "utf8",
    });
    expect([status, stderr]).toEqual([0, expect.stringContaining("is valid")]);
  });

  it("the node works with the role of a node alone", async () => {
    await until("nothing is degraded", async () => (await degradedOf(node.url)) === "");
  });

  it("a client sends commands and finds the service; it may publish no event, hear none, and change no stream", async () => {
    const client = await as("client");
    const refusals = refusalsOf(client);
    expect((await ask(client, "troupe.v1.account.get", { headers: [["Troupe-Id", "alice"]] })).status).toBe(200);
    expect(JSON.parse((await ask(client, "$SRV.PING")).text)).toMatchObject({ name: "troupe" });
    client.publish("troupe.events.account.opened", "forged");
    client.publish("$JS.API.STREAM.DELETE.TROUPE_EVENTS");
    client.subscribe("troupe.events.>", { callback: () => undefined });
    client.subscribe("troupe.v1.>", { callback: () => undefined });
    await client.flush();
    await until("all four are refused", () => refusals.length >= 4);
    for (const subject of ["troupe.events.account.opened", "$JS.API.STREAM.DELETE.TROUPE_EVENTS", "troupe.events.>", "troupe.v1.>"])
      expect(refusals.filter((text) => text.includes(`"${subject}"`))).toHaveLength(1);
    await client.close();
  });

  it("a listener hears events, as they come and from their stream, and sends no command", async () => {
    const [publisher, listener] = await Promise.all([as("node"), as("listener")]);
    const refusals = refusalsOf(listener);
    const heard: string[] = [];
    listener.subscribe("troupe.events.>", { callback: (_error, { subject }) => void heard.push(subject) });
    await listener.flush();
    const streams = (await jetstreamManager(publisher)).streams;
    // The node may have made it.
    await streams.info("TROUPE_EVENTS").catch(() => streams.add({ name: "TROUPE_EVENTS", subjects: ["troupe.events.*.*"] }));
    await jetstream(publisher).publish("troupe.events.test.seen", "1");
    await until("it is heard", () => heard.includes("troupe.events.test.seen"));
    const js = jetstream(listener);
    const ordered = await (await js.consumers.get("TROUPE_EVENTS")).next({ expires: 5_000 });
    expect(ordered?.subject).toMatch(/^troupe\.events\./);
    await (await jetstreamManager(listener)).consumers.add("TROUPE_EVENTS", { durable_name: "books" });
    const message = await (await js.consumers.get("TROUPE_EVENTS", "books")).next({ expires: 5_000 });
    message?.ack();
    expect(message?.seq).toBe(1);
    await expect(listener.request("troupe.v1.account.get", "", { timeout: 2_000 })).rejects.toThrow();
    await until("the command is refused", () => refusals.some((text) => text.includes('"troupe.v1.account.get"')));
    await Promise.all([publisher.close(), listener.close()]);
  });

  it("a node whose user may not be found says so, and serves HTTP", async () => {
    const flags = { "--nats.user": "client", "--nats.password-env": "NATS_CLIENT_PASSWORD" };
    await using weak = await NatsNode.start({ servers: server.url, flags, env: PASSWORDS });
    await until("it is named", async () => (await degradedOf(weak.url)).includes("$SRV.PING.troupe"));
    expect(await degradedOf(weak.url)).toContain("config/nats/node-role.conf");
  });
});

/** The names of the variables reach the program as they stand in the documentation: settings of Troupe are kept back from it by `startCli` and `runCli`. */
describeWithNats("`troupe start` and `troupe call` with the roles of the example", () => {
  it("work as processes with the documented environment; a user that may not send a command hears that nothing was sent", async () => {
    expect(readFileSync("docs/nats.md", "utf8")).toContain(`export ${Object.keys(PASSWORDS).join("=... ")}=...`);
    for (const [name, value] of Object.entries(PASSWORDS)) vi.stubEnv(name, value);
    await using server = await TestNats.start({ config: exampleText() });
    using dir = tempFolder();
    const as = (user: string): string[] => ["--nats.user", user, "--nats.password-env", `NATS_${user.toUpperCase()}_PASSWORD`];
    const flags = ["--nats.servers", server.url, ...as("node"), "--threads.heartbeat-ms", "60000", "--admin.port", "0"];
    await using node = await startCli(dir.path, ...flags);
    await until("nothing is degraded", async () => (await degradedOf(node.url)) === "");
    const call = ["call", "account", "-", "open", '{"id":"carol","currency":"CZK"}', "--nats", server.url];
    const opened = await runCli(...call, ...as("client"));
    expect([opened.code, opened.stdout]).toEqual([0, expect.stringContaining('"id":"carol"')]);
    const denied = await runCli(...call, ...as("listener"));
    expect(denied.code).not.toBe(0);
    expect(denied.stdout + denied.stderr).toContain("forbidden");
    expect(denied.stdout + denied.stderr).toContain("may not publish troupe.v1.account.open; nothing was sent");
    expect(await node.end("SIGTERM")).toBe(0);
    vi.unstubAllEnvs();
  });
});

describeWithNats("`troupe call` with a user that may not hear answers", () => {
  it("says so before anything is sent, not that the outcome is unknown", async () => {
    const permissions = '{ publish: ">", subscribe: "troupe.>" }';
    await using server = await TestNats.start({
      config: `authorization { users = [{ user: deaf, password: d, permissions: ${permissions} }, { user: node, password: n }] }`,
    });
    vi.stubEnv("DEAF", "d");
    const login = ["--nats.user", "deaf", "--nats.password-env", "DEAF"];
    const sent: string[] = [];
    const listener = await connect({ servers: server.url, user: "node", pass: "n" });
    listener.subscribe("troupe.>", { callback: (_error, { subject }) => void sent.push(subject) });
    await listener.flush();
    const denied = await runCli(
      "call",
      "account",
      "-",
      "open",
      '{"id":"carol","currency":"CZK"}',
      "--nats",
      server.url,
      "--json",
      ...login,
    );
    vi.unstubAllEnvs();
    expect(figuresOf(denied)).toMatchObject({ ok: false, code: "forbidden" });
    expect(denied.stdout + denied.stderr).toMatch(/may not subscribe to _INBOX\.>.*Nothing was sent.*client-role\.conf/s);
    await listener.flush();
    expect(sent).toEqual([]);
    await listener.close();
  });
});
