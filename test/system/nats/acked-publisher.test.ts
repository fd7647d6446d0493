/** P1, P2 of `AckedPublisher`, against a real server: what counts as an acknowledgement, and how everything else ends (DESIGN 4.5, TRAPS 6). */
import { JetStreamApiError, jetstreamManager, StorageType } from "@nats-io/jetstream";
import { connect, headers, type NatsConnection, NoRespondersError, PermissionViolationError, TimeoutError } from "nats";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { AckedPublisher } from "../../../src/system/nats/acked-publisher.ts";
import { TestNats } from "../../support/nats-server.ts";

const ACK_MS = 400;
const LONG_MS = 30_000;
const FORBIDDEN = "kept.forbidden";

const users = (name: string, more: string): string => `authorization {
  users: [
    { user: "all", password: "p" }
    { user: "${name}", password: "p", permissions: { ${more} } }
  ]
}`;

describe("AckedPublisher", () => {
  let nats: TestNats;
  let connection: NatsConnection;
  let publisher: AckedPublisher;

  beforeAll(async () => {
    nats = await TestNats.start({ config: users("some", `publish: { deny: "${FORBIDDEN}" }`) });
    connection = await connect({ servers: nats.url, user: "some", pass: "p" });
    const manager = await jetstreamManager(connection);
    await manager.streams.add({ name: "KEPT", subjects: ["kept.>"], storage: StorageType.Memory, max_msg_size: 500 });
    publisher = new AckedPublisher(connection, { inboxPrefix: "_INBOX_test", ackMs: ACK_MS });
  });
  afterAll(async () => {
    await connection.close();
    await nats.stop();
  });
  const publish = (subject: string, body = "{}", by = publisher): Promise<void> => by.publish(subject, body, headers());
  const stored = async (): Promise<number> => (await (await jetstreamManager(connection)).streams.info("KEPT")).state.messages;

  it("P1: resolves when the stream has the message, a thousand at once", async () => {
    const patient = new AckedPublisher(connection, { inboxPrefix: "_INBOX_test", ackMs: LONG_MS });
    await Promise.all(Array.from({ length: 1_000 }, (_, i) => publish(`kept.${i}`, "{}", patient)));
    expect(await stored()).toBe(1_000);
  });

  it("P2: a subject of no stream has nobody there; the next message is not hurt by it", async () => {
    await expect(publish("nobody.there")).rejects.toBeInstanceOf(NoRespondersError);
    await publish("kept.next");
  });

  it("P1: what somebody else answers is no acknowledgement", async () => {
    const answers = ["", "hello", "{}", '{"stream":""}', '{"stream":7}', "null"];
    const listener = connection.subscribe("foreign.*", { callback: (_, message) => void message.respond(answers.shift() ?? "") });
    for (let left = answers.length; left > 0; left--)
      await expect(publish("foreign.one")).rejects.toThrow("what answered is no stream's acknowledgement");
    listener.unsubscribe();
  });

  it("P2: without an answer it ends after ackMs, and an answer that comes later is nobody's", async () => {
    const heard = Promise.withResolvers<() => void>();
    const listener = connection.subscribe("silent.*", {
      callback: (_, message) => heard.resolve(() => void message.respond('{"stream":"KEPT","seq":1}')),
    });
    const late = publish("silent.one");
    await expect(late).rejects.toBeInstanceOf(TimeoutError);
    (await heard.promise)();
    await connection.flush();
    await publish("kept.after");
    listener.unsubscribe();
  });

  it("P2: what the stream refuses is told by its own error", async () => {
    const refused = await publish("kept.large", "x".repeat(1_000)).catch((cause: unknown) => cause);
    expect(refused).toBeInstanceOf(JetStreamApiError);
    expect((refused as JetStreamApiError).code).toBe(10_054);
  });

  it("P2: a subject that may not be published fails its own messages only, each", async () => {
    const before = await stored();
    const ends = await Promise.allSettled([
      publish("kept.a"),
      publish(FORBIDDEN),
      publish("kept.b"),
      publish(FORBIDDEN),
      publish("kept.c"),
    ]);
    expect(ends.map(({ status }) => status)).toEqual(["fulfilled", "rejected", "fulfilled", "rejected", "fulfilled"]);
    for (const end of ends) if (end.status === "rejected") expect(end.reason).toBeInstanceOf(PermissionViolationError);
    expect(await stored()).toBe(before + 3);
  });

  it("P2: a message larger than the server takes is refused here, and one on a closed connection", async () => {
    await expect(publish("kept.huge", "x".repeat(2 * 1024 * 1024))).rejects.toThrow("max_payload");
    const other = await connect({ servers: nats.url, user: "all", pass: "p" });
    const closing = new AckedPublisher(other, { inboxPrefix: undefined, ackMs: LONG_MS });
    const listener = connection.subscribe("silent.*"); // Takes it, and says nothing.
    await connection.flush();
    const open = publish("silent.two", "{}", closing).catch((cause: unknown) => cause);
    await other.flush();
    await other.close();
    expect(await open).toBeInstanceOf(Error);
    await expect(publish("kept.late", "{}", closing)).rejects.toBeInstanceOf(Error);
    listener.unsubscribe();
  });

  it("P2: who may not hear the answers is told so at once, each time", async () => {
    await using strict = await TestNats.start({ config: users("deaf", `subscribe: { deny: "_INBOX_deaf.>" }`) });
    const all = await connect({ servers: strict.url, user: "all", pass: "p" });
    await (await jetstreamManager(all)).streams.add({ name: "KEPT", subjects: ["kept.>"], storage: StorageType.File });
    const deaf = await connect({ servers: strict.url, user: "deaf", pass: "p" });
    const unheard = new AckedPublisher(deaf, { inboxPrefix: "_INBOX_deaf", ackMs: LONG_MS });
    for (let i = 0; i < 2; i++) await expect(publish("kept.x", "{}", unheard)).rejects.toBeInstanceOf(PermissionViolationError);
    await Promise.all([deaf.close(), all.close()]);
  });
});
