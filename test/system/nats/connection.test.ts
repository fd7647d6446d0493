/** Issue 5, must show 5: NATS down, slow to come back or refusing; HTTP goes on, readiness names it, and it comes back by itself. */

import { once } from "node:events";
import { createServer } from "node:net";
import { connect } from "nats";
import { expect, it } from "vitest";
import { degradedOf } from "../../support/degraded.ts";
import { fieldsOf, get, post } from "../../support/http-client.ts";
import { ask } from "../../support/nats-client.ts";
import { NatsNode } from "../../support/nats-node.ts";
import { TestNats } from "../../support/nats-server.ts";
import { until } from "../../support/test-node.ts";
import { describeWithNats } from "../../support/with-nats.ts";

const isConnected = async (url: string): Promise<boolean> => (await get(url, "/metrics")).text.includes("\nnats_connected 1\n");
/** It is connected before it takes commands, which it does when no other store is there. */
const up = (url: string): Promise<boolean> =>
  until("commands are taken", async () => (await isConnected(url)) && (await degradedOf(url)) === "");
const down = (url: string): Promise<boolean> => until("NATS is gone", async () => !(await isConnected(url)));

async function expectAnswered(url: string, options: object = {}): Promise<void> {
  const connection = await connect({ servers: url, ...options });
  expect((await ask(connection, "troupe.v1.account.get", { headers: [["Troupe-Id", "alice"]] })).status).toBe(200);
  await connection.close();
}

describeWithNats("a node whose NATS", () => {
  it("R-SYS-9: is down at the start, and goes down later, serves HTTP, says so, and is back each time", async () => {
    await using server = await TestNats.start();
    await server.kill();
    await using node = await NatsNode.start({ servers: server.url });
    expect((await post(node.url, "/v1/accounts", { id: "alice", currency: "CZK" })).status).toBe(201);
    await until("the attempt has failed", async () => (await degradedOf(node.url)).includes("refused"));
    expect(await degradedOf(node.url)).toContain(server.url);
    for (let round = 0; round < 3; round++) {
      await server.restart();
      await up(node.url);
      expect(await degradedOf(node.url)).toBe("");
      await expectAnswered(server.url);
      await server.kill();
      await down(node.url);
      expect(await degradedOf(node.url)).toContain("There is no connection to NATS");
      expect((await post(node.url, "/v1/deposits", { accountId: "alice", amount: "1", currency: "CZK" }, `r-${round}`)).status).toBe(201);
    }
    const { checks } = fieldsOf(await get(node.url, "/readyz?verbose")) as {
      readonly checks: readonly { readonly name: string; readonly ok: boolean }[];
    };
    expect(checks.filter(({ name }) => name === "nats")).toEqual([
      { name: "nats", ok: false, detail: expect.stringContaining("Commands by HTTP go on") },
    ]);
    expect(node.defects).toEqual([]);
  });

  it("refuses its credentials is tried again until they are taken, because they are changed while services run", async () => {
    const users = (password: string): string =>
      `authorization { users = [{ user: node, password: "${password}" }, { user: client, password: "c" }] }`;
    await using server = await TestNats.start({ config: users("old") });
    await using node = await NatsNode.start({
      servers: server.url,
      flags: { "--nats.user": "node", "--nats.password-env": "NODE_PASSWORD" },
      env: { NODE_PASSWORD: "new" },
    });
    await post(node.url, "/v1/accounts", { id: "alice", currency: "CZK" });
    await until("the refusal is named", async () => /authorization/i.test(await degradedOf(node.url)));
    expect(await degradedOf(node.url)).not.toContain("new");
    await server.restart(users("new"));
    await up(node.url);
    await expectAnswered(server.url, { user: "client", pass: "c" });
  });

  it("takes the connection and says nothing is given up on, and named", async () => {
    const mute = createServer().listen(0, "127.0.0.1");
    await once(mute, "listening");
    const address = mute.address();
    if (address === null || typeof address === "string") throw new Error("no port");
    await using node = await NatsNode.start({ servers: `nats://127.0.0.1:${address.port}`, flags: { "--nats.connect-ms": 50 } });
    await until("the silence is named", async () => /timeout/i.test(await degradedOf(node.url)));
    expect((await post(node.url, "/v1/accounts", { id: "alice", currency: "CZK" })).status).toBe(201);
    mute.close();
  });

  it("has several servers goes to another one", async () => {
    await using gone = await TestNats.start();
    await using server = await TestNats.start();
    await using node = await NatsNode.start({ servers: `${gone.url}, ${server.url}` });
    await post(node.url, "/v1/accounts", { id: "alice", currency: "CZK" });
    await up(node.url);
    await gone.kill();
    await until("it is at the other one", async () => {
      const checks = fieldsOf(await get(node.url, "/readyz?verbose")).checks as readonly {
        readonly name: string;
        readonly ok: boolean;
        readonly detail: string;
      }[];
      return checks.some(({ name, ok, detail }) => name === "nats" && ok && detail.includes(String(server.port)));
    });
    await expectAnswered(server.url);
  });
});

it("TRAPS 46: a start whose secret is not there is refused by the variable's name", async () => {
  const start = NatsNode.start({ servers: "nats://127.0.0.1:1", flags: { "--nats.user": "node", "--nats.password-env": "NODE_PASSWORD" } });
  await expect(start).rejects.toMatchObject({ code: "CONFIG_INVALID", message: expect.stringContaining("NODE_PASSWORD") });
});
