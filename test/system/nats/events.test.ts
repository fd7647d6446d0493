/** Events over a real nats-server (R-SYS-3, R-COM-4, TRAPS 6, 7, 43): none missing, in order per entity, one refused event holds its entity only. */
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { DiscardPolicy, jetstreamManager } from "@nats-io/jetstream";
import { connect } from "nats";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { account } from "../../../src/actors/index.ts";
import type { Node } from "../../../src/system/node.ts";
import { natsLines } from "../../../tools/nats-server.mjs";
import { figuresOf, runCli, startCli, tempFolder } from "../../support/cli.ts";
import { disorderIn, eventsIn, owedBy, paidBy } from "../../support/event-listener.ts";
import { TestNats } from "../../support/nats-server.ts";
import { openOnNode } from "../../support/node-door.ts";
import { deposit, endThread, openNode, until } from "../../support/test-node.ts";

const PATIENT = { "--threads.heartbeat-ms": 60_000 };
const natsFlags = (nats: TestNats) => ({ ...PATIENT, "--nats.servers": nats.url, "--nats.reconnect-ms-max": 300 });
const freeze = async (node: Node, id: string): Promise<void> => {
  await node.entity(account, id).ask.freeze({}, { id: `freeze-${id}` });
};
const allSent = (node: Node) =>
  until("all events have left", async () => {
    const { lagRecords, end } = (await node.events?.figures()) ?? { lagRecords: 1, end: 0 };
    return end > 0 && lagRecords === 0;
  });
const figures = async (node: Node) => await node.events?.figures();
const eventsCheck = async (node: Node) => (await node.readiness()).checks.find(({ name }) => name === "events");

const dir: { path: string; folder: Disposable | null } = { path: "", folder: null };
beforeEach(() => {
  const folder = tempFolder();
  Object.assign(dir, { folder, path: folder.path });
});
afterEach(() => dir.folder?.[Symbol.dispose]());

describe.each(natsLines)("events (nats-server %s)", (version) => {
  it("leave as CloudEvents in binary mode, on a subject without an id, with the trace of their command", async () => {
    await using nats = await TestNats.start({ version });
    const { node } = await openNode(dir.path, natsFlags(nats));
    await openOnNode(node, "ann > *", null);
    const trace = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
    await node.ask("account/ann > *", "freeze", {}, { id: "f1", trace });
    await allSent(node);
    const [opened, frozen, ...more] = await eventsIn({ servers: nats.url });
    expect(more).toEqual([]);
    expect([opened?.subject, frozen?.subject]).toEqual(["troupe.events.account.opened", "troupe.events.account.frozen"]);
    const id = frozen?.headers["ce-id"] ?? "";
    expect(frozen?.headers).toEqual({
      "ce-specversion": "1.0",
      "ce-id": expect.stringMatching(/^[0-9a-f-]{36}\.\d+\.\d+\.0$/),
      "ce-source": `/troupe/${id.split(".")[0]}`,
      "ce-type": "troupe.account.frozen.v1",
      "ce-subject": "ann%20%3E%20*",
      "ce-time": expect.stringMatching(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/),
      "ce-sequence": expect.stringMatching(/^\d{16}\.000000$/),
      "content-type": "application/json",
      traceparent: expect.stringContaining("4bf92f3577b34da6a3ce929d0e0e4736"),
      "Nats-Msg-Id": id,
    });
    expect(frozen?.data).toEqual({ accountId: "ann > *" });
    await node.close();
  });

  it("none is missing and each entity's are in order when the node is killed and the server is killed and restarted meanwhile", async () => {
    await using nats = await TestNats.start({ version });
    const flags = Object.entries(natsFlags(nats)).flatMap(([flag, value]) => [flag, String(value)]);
    const server = { now: await startCli(dir.path, ...flags) };
    const accounts = ["a", "b", "c"];
    const post = async (path: string, key: string, body: object): Promise<void> => {
      const headers = { "content-type": "application/json", "idempotency-key": key };
      for (let attempt = 0; attempt < 200; attempt++) {
        try {
          const answer = await fetch(`${server.now.url}/v1/${path}`, { method: "POST", headers, body: JSON.stringify(body) });
          await answer.arrayBuffer();
          if ([200, 201, 202, 422].includes(answer.status)) return;
          if (answer.status < 500 && answer.status !== 409) throw new RangeError(`${path} ${key}: ${answer.status}`);
        } catch (cause) {
          if (cause instanceof RangeError) throw cause;
          // It is being started again.
        }
        await delay(50);
      }
      throw new Error(`${path} ${key} was never answered`);
    };
    for (const id of accounts) await post("accounts", `open-${id}`, { id, currency: "CZK" });
    const faults = new Map<number, () => Promise<void>>([
      [60, async () => await nats.kill()],
      [
        90,
        async () => {
          await server.now.end("SIGKILL");
          server.now = await startCli(dir.path, ...flags);
        },
      ],
      [120, async () => await nats.restart()],
      [
        150,
        async () => {
          await server.now.end("SIGKILL");
          server.now = await startCli(dir.path, ...flags);
        },
      ],
      [180, async () => await nats.restart()],
    ]);
    let next = 0;
    const work = async (): Promise<void> => {
      for (let i = next++; i < 240; i = next++) {
        const to = accounts[i % 3] ?? "a";
        const from = accounts[(i + 1) % 3] ?? "b";
        await faults.get(i)?.();
        if (i % 3 === 0 || i < 12) await post("deposits", `k${i}`, { accountId: to, amount: "5.00", currency: "CZK" });
        else await post("transfers", `k${i}`, { from, to, amount: i % 7 === 0 ? "900000.00" : "0.50", currency: "CZK" });
      }
    };
    await Promise.all(Array.from({ length: 6 }, work));
    const cli = async (...args: readonly string[]) => figuresOf(await runCli("events", ...args, "--data-dir", dir.path, "--json"));
    await until("all events have left", async () => (await cli("status")).lagRecords === 0, 60_000);
    const heard = await eventsIn({ servers: nats.url });
    const owed = owedBy(join(dir.path, "journal.db"));
    expect(owed.size).toBeGreaterThan(400);
    expect([...owed].filter((what) => !paidBy(heard).has(what))).toEqual([]);
    expect([...paidBy(heard)].filter((what) => !owed.has(what))).toEqual([]);
    expect(disorderIn(heard)).toEqual([]);

    // Replays come again with the same ids, whatever the stream remembers of them.
    const ids = new Set(heard.map(({ headers }) => headers["ce-id"]));
    expect(await cli("replay", "--from", "1")).toMatchObject({ ok: true, replay: { from: 1 } });
    await until("all events have left again", async () => (await cli("status")).lagRecords === 0, 60_000);
    const again = (await eventsIn({ servers: nats.url })).slice(heard.length);
    expect(new Set(again.map(({ headers }) => headers["ce-id"]))).toEqual(ids);
    expect(disorderIn(again)).toEqual([]);
    expect(await cli("replay", "--from", "100000")).toMatchObject({ ok: false, code: "validation_failed" });
    expect(await cli("replay", "--from", "2999-01-01T00:00:00Z")).toMatchObject({
      ok: false,
      message: expect.stringContaining("no record since 2999-01-01T00:00:00.000Z"),
    });
    expect(await cli("replay", "--from", "yesterday")).toMatchObject({ ok: false, message: expect.stringContaining('"yesterday"') });
    expect(await cli("replay", "--from", "2020-01-01")).toMatchObject({ ok: true, replay: { from: 1 } });
    expect(await cli("held")).toMatchObject({ ok: true, items: [], next: null });
    expect(await cli("skip", "account/a")).toMatchObject({ ok: false, code: "not_found" });
    expect(await server.now.end("SIGTERM")).toBe(0);
  }, 180_000);
});

describe("events and a server that is not as it should be", () => {
  const authorization = (denied: string) => `no_auth_user: troupe
authorization { users: [
  { user: troupe, password: a${denied === "" ? "" : `, permissions: { publish: { deny: ["${denied}"] } }`} }
  { user: admin, password: b }
] }`;
  const admin = (nats: TestNats) => ({ servers: nats.url, user: "admin", pass: "b" });

  it("a subject that may not be published holds its entities only; a person gives one up, the others go on when it may be", async () => {
    await using nats = await TestNats.start({ config: authorization("troupe.events.account.frozen") });
    const { node } = await openNode(dir.path, natsFlags(nats));
    for (const id of ["alice", "bob", "carol"]) await openOnNode(node, id, null);
    for (const id of ["alice", "carol"]) {
      await freeze(node, id);
      await node.entity(account, id).ask.unfreeze({}, { id: `unfreeze-${id}` });
    }
    for (const id of ["alice", "bob", "carol"])
      for (let i = 0; i < 3; i++) expect(await deposit(node, `${id}-${i}`, id)).toMatchObject({ ok: true });
    await until("two are held", async () => (await figures(node))?.held === 2);
    await allSent(node);
    const ofAccounts = async () => (await eventsIn(admin(nats))).filter(({ subject }) => subject.startsWith("troupe.events.account."));
    const of = async (id: string) =>
      (await ofAccounts())
        .filter(({ headers }) => headers["ce-subject"] === id)
        .map(({ subject }) => subject.slice("troupe.events.account.".length));
    expect(await of("bob")).toEqual(["opened", "entry-posted", "entry-posted", "entry-posted"]);
    expect(await of("alice")).toEqual(["opened"]);
    expect(await eventsCheck(node)).toMatchObject({ isOk: false, detail: expect.stringContaining("2 entities are held") });
    expect(await node.readiness()).toMatchObject({ isReady: true, degraded: [expect.stringContaining("troupe events held")] });
    expect(await node.events?.held("", 9)).toMatchObject([
      { entity: "account/alice", why: expect.stringMatching(/may not be published.*troupe\.events\.account\.frozen/) },
      { entity: "account/carol" },
    ]);
    await node.events?.skip("account/alice");
    await until("one is held", async () => (await figures(node))?.held === 1);
    expect(await of("alice")).toEqual(["opened", "unfrozen", "entry-posted", "entry-posted", "entry-posted"]);
    await nats.restart(authorization(""));
    await until("nothing is held", async () => (await figures(node))?.held === 0);
    expect(await of("carol")).toEqual(["opened", "frozen", "unfrozen", "entry-posted", "entry-posted", "entry-posted"]);
    expect(disorderIn(await ofAccounts())).toEqual([]);
    expect(await eventsCheck(node)).toMatchObject({ isOk: true });
    await node.close();
  });

  it("an event that is larger than the server takes holds its entity; the connection stays; the command line shows it and gives it up", async () => {
    await using nats = await TestNats.start({ config: "max_payload: 1200" });
    const flags = Object.entries(natsFlags(nats)).flatMap(([flag, value]) => [flag, String(value)]);
    await using server = await startCli(dir.path, ...flags);
    const post = async (path: string, key: string, body: object): Promise<void> => {
      const headers = { "content-type": "application/json", "idempotency-key": key };
      expect((await fetch(`${server.url}/v1/${path}`, { method: "POST", headers, body: JSON.stringify(body) })).status).toBe(201);
    };
    const long = "€".repeat(66); // In a header each is nine characters.
    for (const id of [long, "bob"]) await post("accounts", `open-${id.length}`, { id, currency: "CZK" });
    for (let i = 0; i < 3; i++) await post("deposits", `k${i}`, { accountId: "bob", amount: "1.00", currency: "CZK" });
    const cli = async (...args: readonly string[]) => await runCli("events", ...args, "--data-dir", dir.path);
    const entity = `account/${long}`;
    await until("the others have left", async () => {
      const { held, lagRecords } = figuresOf(await cli("status", "--json"));
      return held === 1 && lagRecords === 0;
    });
    expect((await eventsIn({ servers: nats.url })).length).toBe(1 + 3 + 3);
    expect(figuresOf(await cli("held", "--json"))).toMatchObject({
      items: [{ entity, why: expect.stringContaining("at most 1200 bytes") }],
      next: null,
    });
    expect((await cli("held")).stdout).toMatch(
      /^ +entity +record +attempts +since +next +why\n +account\/€+ +1 +\d+ +20.*at most 1200 bytes/,
    );
    expect((await cli("status")).stdout).toMatch(/sent up to record \d+ of \d+; 0 behind.*\n.*entities held: 1\n.*7 acknowledged/);
    const { body } = await fetch(`${server.url}/metrics`);
    expect(await new Response(body).text()).toMatch(/^outbox_held 1$/m);
    expect((await cli("skip", entity)).stdout).toContain("gave up the event");
    await until("nothing is held", async () => figuresOf(await cli("status", "--json")).held === 0);
    expect((await cli("held")).stdout).toBe("None.\n");
    expect(await server.end("SIGTERM")).toBe(0);
  });

  it.each(natsLines)(
    "a stream that refuses a message for its size holds its entity, one that is full holds nobody (nats-server %s)",
    async (version) => {
      await using nats = await TestNats.start({ version });
      const connection = await connect({ servers: nats.url });
      const { streams } = await jetstreamManager(connection);
      const stream = { name: "TROUPE_EVENTS", subjects: ["troupe.events.*.*"], discard: DiscardPolicy.New };
      await streams.add({ ...stream, max_msg_size: 1_000, max_msgs: 4 });
      const { node } = await openNode(dir.path, natsFlags(nats));
      const long = "€".repeat(66);
      for (const id of [long, "bob"]) await openOnNode(node, id, null);
      await until("it is held", async () => (await figures(node))?.held === 1);
      expect(await node.events?.held("", 9)).toMatchObject([
        { entity: `account/${long}`, why: expect.stringContaining("the stream refused it") },
      ]);
      for (let i = 0; i < 3; i++) expect(await deposit(node, `bob-${i}`, "bob")).toMatchObject({ ok: true });
      await until("it is full", async () => (await figures(node))?.trouble?.includes("maximum messages exceeded") === true);
      expect(await figures(node)).toMatchObject({ held: 1 });
      await streams.update(stream.name, { ...stream, max_msgs: -1, max_msg_size: -1 });
      await until("nothing is held", async () => (await figures(node))?.held === 0);
      await allSent(node);
      const heard = await eventsIn({ servers: nats.url });
      expect([heard.length, disorderIn(heard)]).toEqual([2 + 3 + 3, []]);
      await node.close();
      await connection.close();
    },
  );

  it("a server that is down at the start is waited for; what was sent is not sent again after a restart of the node", async () => {
    await using nats = await TestNats.start();
    await nats.kill();
    const first = await openNode(dir.path, natsFlags(nats));
    await openOnNode(first.node, "alice", null);
    expect(await deposit(first.node, "k1", "alice")).toMatchObject({ ok: true });
    expect(await first.node.readiness()).toMatchObject({
      isReady: true,
      degraded: [expect.stringContaining("there is no connection to NATS")],
    });
    await nats.restart();
    await allSent(first.node);
    expect((await eventsIn({ servers: nats.url })).length).toBe(3);
    await first.node.close();
    const second = await openNode(dir.path, natsFlags(nats));
    await allSent(second.node);
    expect((await figures(second.node))?.counts.acknowledged).toBe(0);
    expect(await deposit(second.node, "k2", "alice")).toMatchObject({ ok: true });
    await allSent(second.node);
    expect((await figures(second.node))?.counts.acknowledged).toBe(2);
    await second.node.close();
  });

  it("a stream that is deleted while somebody listens to its subjects is made again, and events go on (R-SYS-3)", async () => {
    await using nats = await TestNats.start();
    const { node } = await openNode(dir.path, { ...natsFlags(nats), "--nats.events-ack-ms": 300 });
    await openOnNode(node, "alice", null);
    await allSent(node);
    const connection = await connect({ servers: nats.url });
    connection.subscribe("troupe.events.>", { callback: () => undefined });
    await connection.flush();
    await (await jetstreamManager(connection)).streams.delete("TROUPE_EVENTS");
    expect(await deposit(node, "k1", "alice")).toMatchObject({ ok: true });
    await allSent(node);
    expect((await eventsIn({ servers: nats.url })).length).toBe(2);
    await node.close();
    await connection.close();
  });

  it("what is committed just before a stop leaves with it", async () => {
    await using nats = await TestNats.start();
    const { node } = await openNode(dir.path, natsFlags(nats));
    await openOnNode(node, "alice", null);
    await allSent(node);
    await Promise.all(Array.from({ length: 50 }, (_, i) => deposit(node, `k${i}`, "alice")));
    await node.close();
    expect((await eventsIn({ servers: nats.url })).length).toBe(101);
  });

  it("without JetStream nothing leaves, nobody is held, and readiness says so; the node serves", async () => {
    await using nats = await TestNats.start({ jetstream: false });
    const { node } = await openNode(dir.path, natsFlags(nats));
    await openOnNode(node, "alice", null);
    const why = await until("it says so", async () => {
      const check = await eventsCheck(node);
      return check?.detail.includes("TROUPE_EVENTS") === true && check.detail;
    });
    expect(why).toMatch(/Events wait in the journal.*TROUPE_EVENTS can be neither found nor made/);
    expect(await figures(node)).toMatchObject({ held: 0, position: 0 });
    expect((await node.readiness()).isReady).toBe(true);
    await node.close();
  });

  it("a node without events looks again by itself: it is not degraded any more when the stream can be made", async () => {
    await using nats = await TestNats.start();
    await using connection = await connect({ servers: nats.url });
    const { streams } = await jetstreamManager(connection);
    await streams.add({ name: "TAKEN", subjects: ["troupe.events.>"] });
    const { node } = await openNode(dir.path, natsFlags(nats));
    await until("it is degraded", async () => (await eventsCheck(node))?.detail.includes("subjects overlap") === true);
    await streams.delete("TAKEN");
    await until("it is not any more", async () => (await eventsCheck(node))?.isOk === true);
    expect(await figures(node)).toMatchObject({ counts: { acknowledged: 0, failed: 0 } });
    expect((await streams.info("TROUPE_EVENTS")).config.description).toBe(`Events of Troupe store ${node.storeId}`);
    await node.close();
  });

  it.each(natsLines)(
    "events of two stores never stand in one stream: the second one's wait until it is theirs (nats-server %s)",
    async (version) => {
      await using nats = await TestNats.start({ version });
      await using connection = await connect({ servers: nats.url });
      const { streams } = await jetstreamManager(connection);
      await streams.add({ name: "TROUPE_EVENTS", subjects: ["troupe.events.*.*"], max_msgs: 1_000 });
      const first = await openNode(dir.path, natsFlags(nats));
      await openOnNode(first.node, "alice", null);
      await allSent(first.node);
      using folder = tempFolder();
      const second = await openNode(folder.path, natsFlags(nats));
      await openOnNode(second.node, "bob", null);
      const told = await until("it is degraded", async () => {
        const check = await eventsCheck(second.node);
        return check?.isOk === false && check.detail.includes("belongs to the store") && check.detail;
      });
      for (const { node } of [first, second]) expect(told).toContain(node.storeId);
      const subjects = async () => (await eventsIn({ servers: nats.url })).map(({ headers }) => headers["ce-subject"]);
      expect(await subjects()).toEqual(["alice"]);
      const { config } = await streams.info("TROUPE_EVENTS");
      expect([config.description, config.max_msgs]).toEqual([`Events of Troupe store ${first.node.storeId}`, 1_000]);
      await first.node.close();
      await streams.update("TROUPE_EVENTS", { description: "" });
      await until("its events leave", async () => (await figures(second.node))?.lagRecords === 0, 60_000);
      expect(await subjects()).toEqual(["alice", "bob"]);
      expect((await streams.info("TROUPE_EVENTS")).config.description).toBe(`Events of Troupe store ${second.node.storeId}`);
      await second.node.close();
    },
    90_000,
  );

  it("the thread is a part of the tree that comes back, and is not there where no events leave", async () => {
    await using nats = await TestNats.start();
    const { node } = await openNode(dir.path, natsFlags(nats));
    await openOnNode(node, "alice", null);
    await allSent(node);
    for (let ends = 1; ends <= 3; ends++) {
      await endThread(node, "/system/outbox/thread");
      await until("it is back", () => node.threadIds.has("/system/outbox/thread"));
    }
    expect(await deposit(node, "k1", "alice")).toMatchObject({ ok: true });
    await allSent(node);
    expect((await eventsIn({ servers: nats.url })).length).toBe(3);
    await node.close();
    const none = await openNode(dir.path, { ...natsFlags(nats), "--nats.events": "false" });
    expect([none.node.events, none.threads.has("outbox"), await eventsCheck(none.node)]).toEqual([null, false, undefined]);
    await none.node.close();
  });
});
