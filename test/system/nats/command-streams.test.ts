/** Streams that somebody else made: those that could lose commands are refused by name (D1, L6), others keep their own limits. */
import { AckPolicy, DiscardPolicy, jetstream, jetstreamManager, RetentionPolicy, StorageType } from "@nats-io/jetstream";
import { connect, nanos } from "nats";
import { expect, it } from "vitest";
import { CommandStreams } from "../../../src/system/nats/command-streams.ts";
import { NatsNode } from "../../support/nats-node.ts";
import { TestNats } from "../../support/nats-server.ts";
import { until } from "../../support/test-node.ts";
import { describeWithEachNats } from "../../support/with-nats.ts";

const STREAM = {
  name: "TROUPE_COMMANDS",
  subjects: ["troupe.durable.v1.*.*"],
  retention: RetentionPolicy.Workqueue,
  discard: DiscardPolicy.New,
};

const WANTED = { storeId: "one", replicas: 1, ackMs: 30_000, worksMax: 8 };

describeWithEachNats("streams of commands that are there already", (version) => {
  it.each([
    ["discard old", { discard: DiscardPolicy.Old }, {}],
    ["storage memory", { storage: StorageType.Memory }, {}],
    ["no_ack true", { no_ack: true }, {}],
    ["max_age 60000000000 ns", { max_age: 60e9 }, {}],
    ["max_msgs_per_subject 5", { max_msgs_per_subject: 5 }, {}],
    ["troupe.durable.v1.transfer.*", {}, { filter_subject: "troupe.durable.v1.transfer.*" }],
    ["headers_only", {}, { headers_only: true }],
  ])("a stream that could lose commands, and a consumer that passes over some, are refused: %s", async (named, more, filter) => {
    await using server = await TestNats.start({ version });
    await using connection = await connect({ servers: server.url });
    const manager = await jetstreamManager(connection);
    await manager.streams.add({ ...STREAM, ...more });
    await manager.consumers.add(STREAM.name, { durable_name: "troupe", ack_policy: AckPolicy.Explicit, ...filter });
    await expect(CommandStreams.open(connection, WANTED)).rejects.toThrow(named);
  });

  it("L6: one that refuses publishers when it has no room is named, one that pushes out its oldest takes all", async () => {
    await using server = await TestNats.start({ version });
    await using connection = await connect({ servers: server.url });
    const manager = await jetstreamManager(connection);
    await manager.streams.add({ ...STREAM, max_msgs: 1 });
    const dead = { name: "TROUPE_DEAD", subjects: ["troupe.dead.*.*"], max_msgs: 1 };
    await manager.streams.add({ ...dead, discard: DiscardPolicy.Old });
    // It is given to somebody who does not acknowledge it, so the stream stays full.
    await jetstream(connection).publish("troupe.durable.v1.transfer.deposit", "{}");
    await manager.consumers.add(STREAM.name, { durable_name: "troupe", ack_policy: AckPolicy.Explicit, ack_wait: nanos(30_000) });
    const held = await (await jetstream(connection).consumers.get(STREAM.name, "troupe")).next({ expires: 5_000 });
    await jetstream(connection).publish("troupe.dead.transfer.deposit", "{}");
    await using node = await NatsNode.start({ servers: server.url, flags: { "--nats.durable": "true" } });
    const told = await until("it is full", () => /^(.*) has no room/.exec(node.nats.durable?.check.detail ?? "")?.[1] ?? null);
    expect(told).toBe("TROUPE_COMMANDS");
    const figureOf = (name: string) => node.nats.measures().find((figure) => figure.name === name)?.value;
    expect([figureOf("nats_durable_waiting"), figureOf("nats_durable_unacknowledged")]).toEqual([0, 1]);
    held?.ack();
  });
});
