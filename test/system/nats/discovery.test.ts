/**
 * The NATS command line finds the service by what it answers on `$SRV` (ADR-32). Here its shape; against the published schemas it is checked where those are
 * (`test/data/micro-schemas.ts`).
 */
import { connect, type NatsConnection } from "nats";
import { afterAll, beforeAll, expect, it } from "vitest";
import { commandTable, statusSpec } from "../../../src/system/ingress/command-table.ts";
import { microAnswers } from "../../support/micro-answers.ts";
import { ask } from "../../support/nats-client.ts";
import { NatsNode } from "../../support/nats-node.ts";
import { TestNats } from "../../support/nats-server.ts";
import { describeWithEachNats } from "../../support/with-nats.ts";

describeWithEachNats("discovery", (version) => {
  let server: TestNats;
  let node: NatsNode;
  let connection: NatsConnection;
  beforeAll(async () => {
    server = await TestNats.start({ version });
    node = await NatsNode.start({ servers: server.url });
    await node.connected();
    connection = await connect({ servers: server.url });
  });
  afterAll(async () => {
    await connection.close();
    await node[Symbol.asyncDispose]();
    await server.stop();
  });

  it("PING, INFO and STATS answer on all nine subjects with one identity", async () => {
    const answers = await microAnswers(connection, "troupe");
    expect(answers).toHaveLength(9);
    for (const { verb, body } of answers) {
      expect(body).toMatchObject({
        type: `io.nats.micro.v1.${verb.toLowerCase()}_response`,
        name: "troupe",
        version: "0.0.0",
        metadata: { store: node.node.storeId, commands: "taken", since: expect.stringMatching(/^\d{4}-.*Z$/) },
      });
    }
    expect(new Set(answers.map(({ body }) => body.id)).size).toBe(1);
  });

  it("INFO names every command with its subject and what it does", async () => {
    const [info] = (await microAnswers(connection, "troupe")).filter(({ verb }) => verb === "INFO");
    expect(info?.body.endpoints).toEqual(
      [...commandTable, statusSpec].map(({ type, command, about }) => ({
        name: `${type}-${command}`,
        subject: `troupe.v1.${type}.${command}`,
        queue_group: "troupe",
        metadata: { description: about },
      })),
    );
  });

  it("STATS count requests and errors; an endpoint without an error says so with an empty text", async () => {
    const statsOf = async (name: string): Promise<Readonly<Record<string, unknown>> | undefined> => {
      const stats = (await microAnswers(connection, "troupe")).find(({ verb }) => verb === "STATS");
      const endpoints = (stats?.body.endpoints ?? []) as ReadonlyArray<Readonly<Record<string, unknown>>>;
      return endpoints.find((endpoint) => endpoint.name === name);
    };
    const none = { num_requests: 0, num_errors: 0, last_error: "", processing_time: 0, average_processing_time: 0 };
    expect(await statsOf("account-get")).toMatchObject(none);
    await ask(connection, "troupe.v1.account.open", { body: { id: "alice", currency: "CZK" } });
    await ask(connection, "troupe.v1.account.get", { headers: [["Troupe-Id", "alice"]] });
    expect(await statsOf("account-get")).toMatchObject({ num_requests: 1, num_errors: 0, last_error: "" });
    await ask(connection, "troupe.v1.account.get", { headers: [["Troupe-Id", "nobody"]] });
    const stats = await statsOf("account-get");
    expect(stats).toMatchObject({ num_requests: 2, num_errors: 1, last_error: "404:account_not_found" });
    expect(stats?.processing_time).toBeGreaterThan(0);
    expect(stats?.average_processing_time).toBe(Math.round(Number(stats?.processing_time) / 2));
  });

  it("another name, another instance, and a reply that is no inbox have no answer", async () => {
    for (const rest of ["nothing", "troupe.nobody"])
      await expect(connection.request(`$SRV.PING.${rest}`, "", { timeout: 200 })).rejects.toThrow(/no responders|timeout/i);
    const heard: string[] = [];
    connection.subscribe("other.>", { callback: (_error, { subject }) => void heard.push(subject) });
    connection.publish("$SRV.PING", "", { reply: "other.inbox" });
    await ask(connection, "$SRV.PING"); // Behind it on the same subject: when this is answered, that would have been.
    await connection.flush();
    expect(heard).toEqual([]);
  });
});
