/** The nats-server of the tests is what it says: its version, its store across a kill, its port across restarts, gone at the end. */
import { existsSync } from "node:fs";
import { connect } from "nats";
import { afterEach, expect, it, vi } from "vitest";
import { TestNats, whyNoNats } from "./nats-server.ts";
import { describeWithEachNats } from "./with-nats.ts";

const VERSIONS = { "2.9": "2.9.", "2.10": "2.10." } as const;

describeWithEachNats("TestNats", (version) => {
  it("has the version, and comes back on its port with its store after a kill", async () => {
    const server = await TestNats.start({ version });
    const { url, dir, pid } = server;
    const first = await connect({ servers: url });
    expect(first.info).toMatchObject({
      version: expect.stringMatching(new RegExp(`^${VERSIONS[version].replaceAll(".", "\\.")}`)),
      jetstream: true,
    });
    const { jetstreamManager, jetstream } = await import("@nats-io/jetstream");
    await (await jetstreamManager(first)).streams.add({ name: "KEPT", subjects: ["kept"] });
    expect((await jetstream(first).publish("kept", "1")).seq).toBe(1);
    await first.close();
    await server.kill();
    await server.restart();
    expect([server.url, server.pid === pid]).toEqual([url, false]);
    const second = await connect({ servers: url });
    expect((await (await jetstreamManager(second)).streams.info("KEPT")).state.messages).toBe(1);
    await second.close();
    await server.stop();
    expect(existsSync(dir)).toBe(false);
    await expect(connect({ servers: url, reconnect: false })).rejects.toThrow();
  });

  it("without JetStream has none, and a configuration that it refuses is told in its own words", async () => {
    await using server = await TestNats.start({ version, jetstream: false });
    const connection = await connect({ servers: server.url });
    expect(connection.info?.jetstream ?? false).toBe(false);
    await connection.close();
    await expect(TestNats.start({ version, config: "max_payload: many" })).rejects.toThrow(
      /did not become ready:\n.*nats-server\.conf:\d+/,
    );
  });
});

afterEach(() => vi.unstubAllEnvs());

it("a version that is not here is told with what to do", () => {
  vi.stubEnv("PATH", "/nowhere");
  expect(whyNoNats("2.99" as "2.10")).toContain("nats-server 2.99 is not here; `node tools/setup.mjs --test` obtains it");
});
