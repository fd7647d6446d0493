/** TLS with a certificate authority of our own, on real servers (issue 5, A): both ends show a certificate, and each refusal is named. */
import { connect } from "nats";
import { afterAll, beforeAll, expect, it } from "vitest";
import { degradedOf } from "../../support/degraded.ts";
import { eventsIn } from "../../support/event-listener.ts";
import { post } from "../../support/http-client.ts";
import { ask } from "../../support/nats-client.ts";
import { NatsNode } from "../../support/nats-node.ts";
import { TestNats } from "../../support/nats-server.ts";
import { type IssuedCertificate, TestCa } from "../../support/test-ca.ts";
import { until } from "../../support/test-node.ts";
import { describeWithEachNats, describeWithNats } from "../../support/with-nats.ts";

const isWhole = ({ url }: NatsNode): Promise<boolean> => until("nothing is degraded", async () => (await degradedOf(url)) === "");

describeWithEachNats("a server of NATS that speaks TLS and wants certificates", (version) => {
  const ca = new TestCa("Troupe test CA");
  const own = ca.issue("node");
  let server: TestNats;
  beforeAll(async () => {
    const { certFile, keyFile } = ca.issue("server");
    const config = `tls { cert_file: "${certFile}", key_file: "${keyFile}", ca_file: "${ca.caFile}", verify: true }`;
    server = await TestNats.start({ version, config });
  });
  afterAll(async () => {
    await server.stop();
    ca[Symbol.dispose]();
  });

  const nodeWith = (caFile: string, shown: IssuedCertificate | null, flags: Readonly<Record<string, string>> = {}): Promise<NatsNode> =>
    NatsNode.start({
      servers: server.url,
      flags: {
        "--nats.tls-ca-file": caFile,
        ...(shown === null ? {} : { "--nats.tls-cert-file": shown.certFile, "--nats.tls-key-file": shown.keyFile }),
        ...flags,
      },
    });

  it("answers commands of a node with the right files, at once and through the stream, and takes its events", async () => {
    await using node = await nodeWith(ca.caFile, own, { "--nats.events": "true", "--nats.durable": "true" });
    await isWhole(node);
    const { certFile, keyFile } = ca.issue("client");
    // The library would look for a certificate of `localhost`: see `serverIdentityOf`.
    const tls: object = { caFile: ca.caFile, certFile, keyFile, checkServerIdentity: () => undefined };
    const login = { servers: server.url, tls };
    const client = await connect(login);
    expect((await ask(client, "troupe.v1.account.open", { body: '{"id":"alice","currency":"CZK"}' })).status).toBe(201);
    expect((await ask(client, "troupe.v1.account.get", { headers: [["Troupe-Id", "alice"]] })).status).toBe(200);
    await client.close();
    const heard = await until("its event is in the stream", async () => {
      const events = await eventsIn(login).catch(() => []);
      return events.length === 0 ? null : events;
    });
    expect(heard.map(({ subject }) => subject)).toEqual(["troupe.events.account.opened"]);
    expect(node.defects).toEqual([]);
  });

  it("is not trusted with the certificates of another authority: readiness says so, and HTTP goes on", async () => {
    using other = new TestCa("another CA");
    await using node = await nodeWith(other.caFile, own);
    await until("it is named", async () => (await degradedOf(node.url)).includes("is signed by nobody we trust"));
    expect(await degradedOf(node.url)).toMatch(/nats\.tlsCaFile/);
    expect(await degradedOf(node.url)).toContain(server.url);
    expect((await post(node.url, "/v1/accounts", { id: "alice", currency: "CZK" })).status).toBe(201);
  });

  it("refuses a node without a certificate, or with one of another authority, which readiness names", async () => {
    using other = new TestCa("another CA");
    for (const shown of [null, other.issue("stranger")]) {
      await using node = await nodeWith(ca.caFile, shown);
      await until("it is named", async () => /refuses our side of TLS.*nats\.tlsCertFile/.test(await degradedOf(node.url)));
    }
  });
});

describeWithNats("tls:// and a server of NATS that speaks none", () => {
  it("are not connected: nothing is sent in plain, and readiness says why", async () => {
    await using server = await TestNats.start({ config: "debug: true\ntrace: true" });
    await using node = await NatsNode.start({
      servers: `tls://127.0.0.1:${server.port}`,
      flags: { "--nats.user": "node", "--nats.password-env": "NODE_PASSWORD", "--nats.events": "true" },
      env: { NODE_PASSWORD: "pl4in" },
    });
    await until("it is named", async () => /does not support 'tls'/.test(await degradedOf(node.url)));
    expect(server.said).not.toContain("[CONNECT");
    await (await connect({ servers: server.url })).close();
    await until("what is sent would be seen", () => server.said.includes("[CONNECT"));
  });
});
