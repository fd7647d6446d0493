/** The stream of durable commands belongs to one store, which alone knows its keys (L3, DESIGN 4.7). */
import { AckPolicy, DiscardPolicy, jetstreamManager, RetentionPolicy } from "@nats-io/jetstream";
import { connect } from "nats";
import { expect, it } from "vitest";
import { NatsNode } from "../../support/nats-node.ts";
import { TestNats } from "../../support/nats-server.ts";
import { until } from "../../support/test-node.ts";
import { describeWithEachNats } from "../../support/with-nats.ts";

describeWithEachNats("two stores over one server", (version) => {
  it("the second one takes nothing from the stream of the first, and says whose it is", async () => {
    await using server = await TestNats.start({ version });
    const flags = { "--nats.durable": "true" };
    await using one = await NatsNode.start({ servers: server.url, flags });
    await until("the stream is there", () => one.nats.durable?.check.detail?.includes("wait in") === true && one.nats.check.isOk);
    await until(
      "it takes from it",
      () => one.nats.measures().some(({ name }) => name === "nats_connected") && one.nats.durable?.check.isOk === true,
    );
    await using other = await NatsNode.start({ servers: server.url, flags });
    await until("one is refused", () => [one, other].some(({ nats }) => nats.durable?.check.isOk === false));
    const refused = [one, other].filter(({ nats }) => nats.durable?.check.isOk === false);
    expect(refused).toHaveLength(1);
    const detail = refused[0]?.nats.durable?.check.detail;
    for (const { node } of [one, other]) expect(detail).toContain(node.storeId);
  });

  it.each([
    ["discard old", { discard: DiscardPolicy.Old }, {}],
    ["max_age", { max_age: 60e9 }, {}],
    ["max_msgs_per_subject", { max_msgs_per_subject: 5 }, {}],
    ["troupe.durable.v1.transfer.*", {}, { filter_subject: "troupe.durable.v1.transfer.*" }],
  ])("a stream that could lose commands, and a consumer that passes over some, are refused: %s", async (named, more, filter) => {
    await using server = await TestNats.start({ version });
    const connection = await connect({ servers: server.url });
    const manager = await jetstreamManager(connection);
    const stream = { name: "TROUPE_COMMANDS", subjects: ["troupe.durable.v1.*.*"], retention: RetentionPolicy.Workqueue };
    await manager.streams.add({ ...stream, discard: DiscardPolicy.New, ...more });
    await manager.consumers.add("TROUPE_COMMANDS", { durable_name: "troupe", ack_policy: AckPolicy.Explicit, ...filter });
    await connection.close();
    await using node = await NatsNode.start({ servers: server.url, flags: { "--nats.durable": "true" } });
    await until("it is named", () => node.nats.durable?.check.detail?.includes(named) === true);
  });
});
