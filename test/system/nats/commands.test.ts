/** What commands over NATS promise besides the answers of HTTP (`parity.test.ts`): headers, limits, who is answered and who is not. */
import { connect, type NatsConnection } from "nats";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { get, post } from "../../support/http-client.ts";
import { ask, fieldsIn, headersOf, listenToAll, type NatsAnswer, type NatsHeader, RawNats } from "../../support/nats-client.ts";
import { NatsNode } from "../../support/nats-node.ts";
import { TestNats } from "../../support/nats-server.ts";
import { until } from "../../support/test-node.ts";
import { describeWithNats } from "../../support/with-nats.ts";

const codeOf = (answer: NatsAnswer): string =>
  answer.status < 400 ? String(answer.status) : `${answer.status} ${String(fieldsIn(answer).code)}`;
const money = { accountId: "alice", amount: "1", currency: "CZK" };

/** A metric's sum over all series whose labels have these. */
async function metric(url: string, name: string, ...labels: readonly string[]): Promise<number> {
  const { text } = await get(url, "/metrics");
  const lines = text.split("\n").filter((line) => line.startsWith(name) && labels.every((label) => line.includes(label)));
  return lines.reduce((sum, line) => sum + Number(line.slice(line.lastIndexOf(" ") + 1)), 0);
}

describeWithNats("commands over NATS", () => {
  let server: TestNats;
  let node: NatsNode;
  let connection: NatsConnection;
  beforeAll(async () => {
    server = await TestNats.start({ config: "max_payload: 16384" });
    node = await NatsNode.start({
      servers: server.url,
      flags: { "--http.body-bytes-max": 4_000, "--ai.local-word-ms": 50, "--nats.commands-max": 4 },
    });
    await node.connected();
    connection = await connect({ servers: server.url });
    await ask(connection, "troupe.v1.account.open", { body: { id: "alice", currency: "CZK" } });
    for (let i = 0; i < 4; i++) await ask(connection, "troupe.v1.conversation.open", { body: { id: `talk-${i}` } });
  });
  afterAll(async () => {
    await connection.close();
    expect(node.defects).toEqual([]);
    await node[Symbol.asyncDispose]();
    await server.stop();
  });

  const send = (command: string, body: unknown, headers: readonly NatsHeader[] = []): Promise<NatsAnswer> =>
    ask(connection, `troupe.v1.${command}`, { body, headers });
  const balance = async (): Promise<unknown> => JSON.parse((await get(node.url, "/v1/accounts/alice")).text).balance;

  describe("headers", () => {
    it("are known in any spelling", async () => {
      expect(codeOf(await send("account.get", undefined, [["TROUPE-ID", "alice"]]))).toBe("200");
      const [first, second] = [
        await send("transfer.deposit", money, [["idempotency-key", "s-1"]]),
        await send("transfer.deposit", money, [["IDEMPOTENCY-KEY", "s-1"]]),
      ];
      expect([first.status, second.text]).toEqual([201, first.text]);
    });

    it.each<[string, readonly NatsHeader[], string]>([
      [
        "Idempotency-Key",
        [
          ["Idempotency-Key", "x"],
          ["Idempotency-Key", "x"],
        ],
        "400 idempotency_key_invalid",
      ],
      [
        "Idempotency-Key in two spellings",
        [
          ["Idempotency-Key", "x"],
          ["idempotency-key", "x"],
        ],
        "400 idempotency_key_invalid",
      ],
      [
        "Troupe-Id",
        [
          ["Idempotency-Key", "x"],
          ["Troupe-Id", "a"],
          ["troupe-id", "a"],
        ],
        "400 validation_failed",
      ],
      [
        "Troupe-Deadline",
        [
          ["Idempotency-Key", "x"],
          ["Troupe-Deadline", "2030-01-01T00:00:00Z"],
          ["Troupe-Deadline", "2030-01-01T00:00:00Z"],
        ],
        "400 validation_failed",
      ],
    ])("TRAPS 44: %s twice is refused, because which one counts would be a guess", async (_name, headers, expected) => {
      const before = await balance();
      expect(codeOf(await send("transfer.deposit", money, headers))).toBe(expected);
      expect(await balance()).toBe(before);
    });

    it("a deadline that has passed is DEADLINE_EXCEEDED and nothing was begun; the same key may come again", async () => {
      const before = Number(await balance());
      const late = await send("transfer.deposit", money, [
        ["Idempotency-Key", "late"],
        ["Troupe-Deadline", "2020-01-01T00:00:00Z"],
      ]);
      expect(codeOf(late)).toBe("504 DEADLINE_EXCEEDED");
      expect(Number(await balance())).toBe(before);
      const inTime = await send("transfer.deposit", money, [
        ["Idempotency-Key", "late"],
        ["Troupe-Deadline", new Date(Date.now() + 60_000).toISOString()],
      ]);
      expect([inTime.status, inTime.headers["Idempotency-Replayed"]]).toEqual([201, undefined]);
      expect(Number(await balance())).toBe(before + 1);
    });

    it.each(["soon", "2030-01-01T00:00:00", "1893456000000", ""])("a deadline of %j is no time", async (deadline) => {
      expect(
        codeOf(
          await send("transfer.deposit", money, [
            ["Idempotency-Key", "no-time"],
            ["Troupe-Deadline", deadline],
          ]),
        ),
      ).toBe("400 validation_failed");
    });

    it("an account may be named beside the body or in it, not by two names", async () => {
      expect(codeOf(await send("account.open", { currency: "CZK" }, [["Troupe-Id", "beside"]]))).toBe("201");
      expect(codeOf(await send("account.open", { currency: "CZK", id: "beside" }, [["Troupe-Id", "beside"]]))).toBe("201");
      expect(codeOf(await send("account.open", { currency: "CZK", id: "another" }, [["Troupe-Id", "beside"]]))).toBe(
        "400 validation_failed",
      );
    });

    it("that no client library would send are refused, and the connection of the node lives on", async () => {
      using raw = await RawNats.connect(server.port);
      await raw.say("SUB _INBOX.raw.* 1\r\n");
      const many = Array.from({ length: 2_000 }, (_, i) => `a${i}:\r\n`).join("");
      const heads = ["bad name: x\r\n", "\u00e9: x\r\n", ": x\r\n", many, `${"k".repeat(5_000)}: x\r\n`];
      for (const [at, head] of heads.entries()) {
        const bytes = Buffer.from(`NATS/1.0\r\n${head}\r\n`);
        await raw.say(
          Buffer.concat([
            Buffer.from(`HPUB troupe.v1.account.get _INBOX.raw.${at} ${bytes.length} ${bytes.length}\r\n`),
            bytes,
            Buffer.from("\r\n"),
          ]),
        );
        await raw.until(() => raw.heard.includes(`_INBOX.raw.${at} `) && raw.heard.endsWith("\r\n"));
      }
      const statuses = [...raw.heard.matchAll(/Troupe-Status: (\d+)/g)].map(([, status]) => status);
      expect(statuses).toEqual(heads.map(() => "400"));
      expect(await metric(node.url, "nats_connected")).toBe(1);
      expect(codeOf(await send("account.get", undefined, [["Troupe-Id", "alice"]]))).toBe("200");
    });
  });

  describe("R-SYS-1: limits", () => {
    it("a body larger than http.bodyBytesMax is payload_too_large", async () => {
      expect(codeOf(await send("transfer.deposit", " ".repeat(4_001), [["Idempotency-Key", "large"]]))).toBe("413 payload_too_large");
    });

    it("an answer larger than the server carries is told, and is no silence", async () => {
      // Over HTTP, where this many at once are none too many.
      const made = await Promise.all(Array.from({ length: 150 }, (_, i) => post(node.url, "/v1/deposits", money, `many-${i}`)));
      expect(new Set(made.map(({ status }) => status))).toEqual(new Set([201]));
      const answer = await send("account.entries", { limit: 200 }, [["Troupe-Id", "alice"]]);
      expect([codeOf(answer), fieldsIn(answer).detail]).toEqual(["413 payload_too_large", expect.stringContaining("smaller page")]);
      expect(codeOf(await send("account.entries", { limit: 5 }, [["Troupe-Id", "alice"]]))).toBe("200");
    });

    it("more commands than nats.commandsMax are OVERLOADED with Retry-After, at once, and the same key may come again", async () => {
      const slow = Array.from({ length: 4 }, (_, i) =>
        send("conversation.post", { content: "Tell me a long story" }, [
          ["Troupe-Id", `talk-${i}`],
          ["Idempotency-Key", `slow-${i}`],
        ]),
      );
      await until("all four are worked on", async () => (await metric(node.url, "nats_commands_active")) === 4);
      const refused = await send("transfer.deposit", money, [["Idempotency-Key", "busy"]]);
      expect([codeOf(refused), refused.headers["Retry-After"]]).toEqual(["503 OVERLOADED", "1"]);
      expect(fieldsIn(refused).instance).toBe("/v1/deposits");
      expect((await Promise.all(slow)).map(({ status }) => status)).toEqual([201, 201, 201, 201]);
      const done = await send("transfer.deposit", money, [["Idempotency-Key", "busy"]]);
      expect([done.status, done.headers["Idempotency-Replayed"]]).toEqual([201, undefined]);
      expect(await metric(node.url, "nats_commands_total", 'command="transfer.deposit"', 'outcome="OVERLOADED"')).toBe(1);
    });
  });

  describe("replies", () => {
    it.each([
      "troupe.v1.account.open",
      "troupe.events.account.opened",
      "$JS.API.STREAM.CREATE.X",
      "_INBOX",
      "_INBOX.a.b.c.d.e.f.g.h.i",
      "other.inbox",
      // Of the node itself: what comes there is what the server and other nodes say to it.
      "_INBOX_troupe.a.1",
    ])("go to inboxes of clients only: nothing is sent to %s", async (reply) => {
      const all = await listenToAll(server.url);
      const before = await metric(node.url, "nats_replies_refused_total");
      connection.publish("troupe.v1.account.get", "", { reply, headers: headersOf([["Troupe-Id", "alice"]]) });
      await until("it was refused", async () => (await metric(node.url, "nats_replies_refused_total")) === before + 1);
      await all.settle();
      expect(all.subjects).toEqual(["troupe.v1.account.get"]);
      await all.close();
    });

    it("nobody need wait for one: a published command is done", async () => {
      connection.publish("troupe.v1.transfer.deposit", JSON.stringify({ ...money, amount: "1000000" }), {
        headers: headersOf([["Idempotency-Key", "published"]]),
      });
      await until("the deposit is there", async () => Number(await balance()) > 1_000_000);
      expect(
        (await send("transfer.deposit", { ...money, amount: "1000000" }, [["Idempotency-Key", "published"]])).headers[
          "Idempotency-Replayed"
        ],
      ).toBe("true");
    });
  });

  it("metrics count commands by name and outcome", async () => {
    const of = (outcome: string) => metric(node.url, "nats_commands_total", 'command="account.get"', `outcome="${outcome}"`);
    const [done, missing] = [await of("done"), await of("account_not_found")];
    await send("account.get", undefined, [["Troupe-Id", "alice"]]);
    await send("account.get", undefined, [["Troupe-Id", "nobody"]]);
    expect([(await of("done")) - done, (await of("account_not_found")) - missing]).toEqual([1, 1]);
  });
});

describeWithNats("nodes of one store over one server", () => {
  it("R-SYS-1: share the commands of their queue group, and one that drains refuses new ones and answers those that it took", async () => {
    await using server = await TestNats.start();
    await using made = await NatsNode.start({ servers: server.url });
    await made.node.close();
    await using one = await NatsNode.start({ servers: server.url, flags: { "--ai.local-word-ms": 50 }, copyOf: made.dir });
    await using other = await NatsNode.start({ servers: server.url, copyOf: made.dir });
    await Promise.all([one.connected(), other.connected()]);
    const connection = await connect({ servers: server.url });
    const send = (command: string, body: unknown, headers: readonly NatsHeader[]) =>
      ask(connection, `troupe.v1.${command}`, { body, headers });
    const count = 60;
    const answers = await Promise.all(Array.from({ length: count }, () => send("account.get", undefined, [["Troupe-Id", "nobody"]])));
    expect(new Set(answers.map(codeOf))).toEqual(new Set(["404 account_not_found"]));
    const [first, second] = [await metric(one.url, "nats_commands_total"), await metric(other.url, "nats_commands_total")];
    expect(first + second).toBe(count);
    expect(Math.min(first, second)).toBeGreaterThan(0);

    await other.node.close();
    await post(one.url, "/v1/conversations", { id: "talk" });
    const slow = send("conversation.post", { content: "Tell me a long story" }, [
      ["Troupe-Id", "talk"],
      ["Idempotency-Key", "slow"],
    ]);
    await until("it is worked on", async () => (await metric(one.url, "nats_commands_active")) === 1);
    const drained = one.nats.drain(30_000);
    const refused = await send("account.freeze", undefined, [
      ["Troupe-Id", "zoe %C3%AB"],
      ["Idempotency-Key", "f"],
    ]);
    expect([codeOf(refused), refused.headers["Retry-After"], fieldsIn(refused).instance]).toEqual([
      "503 SHUTTING_DOWN",
      "1",
      "/v1/accounts/zoe%20%C3%AB/freeze",
    ]);
    expect((await slow).status).toBe(201);
    expect(await drained).toBe(0);
    await connection.close();
  });
});
