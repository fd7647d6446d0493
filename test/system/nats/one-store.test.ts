/** The commands of one NATS belong to one store, which alone knows their keys (L3, DESIGN 4.7): by request, from the stream, and its events. */
import { type JetStreamManager, jetstream, jetstreamManager } from "@nats-io/jetstream";
import { connect, headers } from "nats";
import { expect, it } from "vitest";
import { degradedOf } from "../../support/degraded.ts";
import { fieldsOf, get, post } from "../../support/http-client.ts";
import { ask } from "../../support/nats-client.ts";
import { NatsNode } from "../../support/nats-node.ts";
import { TestNats } from "../../support/nats-server.ts";
import { until } from "../../support/test-node.ts";
import { describeWithEachNats } from "../../support/with-nats.ts";

const TURN_MS_MAX = 30_000;

/** Whether anybody waits for commands of the stream, which is made when commands are taken. */
const isPulling = (manager: JetStreamManager): Promise<boolean> =>
  manager.consumers.info("TROUPE_COMMANDS", "troupe").then(
    ({ num_waiting }) => num_waiting > 0,
    () => false,
  );

describeWithEachNats("two stores over one server", (version) => {
  it("started at once: one takes commands, by request and from the stream; the other takes none, names it, serves HTTP, and takes them when it is gone", async () => {
    await using server = await TestNats.start({ version });
    const flags = { "--nats.durable": "true" };
    const nodes = await Promise.all([NatsNode.start({ servers: server.url, flags }), NatsNode.start({ servers: server.url, flags })]);
    await using one = nodes[0];
    await using other = nodes[1];
    await until("one takes them and the other names it", async () => {
      const told = await Promise.all(nodes.map(({ url }) => degradedOf(url)));
      return told.includes("") && told.some((text) => text.includes("a key is known by one store alone"));
    });
    const [taker, idle] = one.nats.check.isOk ? [one, other] : [other, one];
    for (const { node } of nodes) expect(idle.nats.check.detail).toContain(node.storeId);
    await using connection = await connect({ servers: server.url });
    for (let i = 0; i < 20; i++)
      expect((await ask(connection, "troupe.v1.account.open", { body: { id: `a-${i}`, currency: "CZK" } })).status).toBe(201);
    expect((await get(taker.url, "/v1/accounts/a-19")).status).toBe(200);
    for (let i = 0; i < 20; i++) expect((await get(idle.url, `/v1/accounts/a-${i}`)).status).toBe(404);
    expect((await post(idle.url, "/v1/accounts", { id: "mine", currency: "CZK" })).status).toBe(201);
    const manager = await jetstreamManager(connection);
    await until("it takes from the stream", () => isPulling(manager));
    expect((await manager.streams.info("TROUPE_COMMANDS")).config.description).toContain(taker.node.storeId);
    const head = headers();
    head.set("Idempotency-Key", "k");
    const deposit = JSON.stringify({ accountId: "a-0", amount: "1.00", currency: "CZK" });
    await jetstream(connection).publish("troupe.durable.v1.transfer.deposit", deposit, { headers: head });
    await until("the deposit is there", async () => fieldsOf(await get(taker.url, "/v1/accounts/a-0")).balance === "1.00");

    await taker.node.close();
    await until("the other takes requests", async () => idle.nats.check.isOk, TURN_MS_MAX);
    expect((await ask(connection, "troupe.v1.account.get", { headers: [["Troupe-Id", "mine"]] })).status).toBe(200);
    await until("and not the stream of the first", async () => idle.nats.durable?.check.isOk === false);
    for (const { node } of nodes) expect(idle.nats.durable?.check.detail).toContain(node.storeId);
  }, 90_000);

  it("a node that hears late of a store that was there before leaves requests and the stream to it, and takes them again when it is gone", async () => {
    await using server = await TestNats.start({ version });
    await using node = await NatsNode.start({ servers: server.url, flags: { "--nats.durable": "true" } });
    await node.connected();
    await using connection = await connect({ servers: server.url });
    const manager = await jetstreamManager(connection);
    await until("it takes from the stream", () => isPulling(manager));
    const metadata = { store: "another", commands: "taken", since: "2020-01-01T00:00:00.000Z" };
    const other = connection.subscribe("$SRV.PING.troupe", {
      callback: (_error, message) =>
        void message.respond(
          JSON.stringify({ type: "io.nats.micro.v1.ping_response", name: "troupe", id: "x", version: "0.0.0", metadata }),
        ),
    });
    await until("they are left", async () => (await degradedOf(node.url)).includes("The store another takes the commands"), TURN_MS_MAX);
    await until("requests reach nobody", () =>
      connection.request("troupe.v1.account.get", "", { timeout: 5_000 }).then(
        () => false,
        (cause: unknown) => String(cause).includes("no responders"),
      ),
    );
    await until("nor does it take from the stream", async () => !(await isPulling(manager)));
    const head = headers();
    head.set("Idempotency-Key", "open");
    await jetstream(connection).publish("troupe.durable.v1.account.open", '{"id":"alice","currency":"CZK"}', { headers: head });
    other.unsubscribe();
    await until("it is not degraded any more", async () => (await degradedOf(node.url)) === "", TURN_MS_MAX);
    await until("what waited is done", async () => (await get(node.url, "/v1/accounts/alice")).status === 200);
    expect((await ask(connection, "troupe.v1.account.get", { headers: [["Troupe-Id", "alice"]] })).status).toBe(200);
    expect(node.defects).toEqual([]);
  }, 90_000);
});
