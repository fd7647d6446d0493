/** The stream of durable commands belongs to one store, which alone knows its keys (L3, DESIGN 4.7). */
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
});
