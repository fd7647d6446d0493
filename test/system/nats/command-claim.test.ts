/**
 * C1 to C6 of `command-claim.ts`: of many stores on one NATS one takes the commands, whatever begins, ends or comes back at the same moment (L3). Claims are
 * made as the door makes them, each on a connection of its own to a real nats-server, without the nodes behind them.
 */
import { connect, type NatsConnection } from "nats";
import { expect, it } from "vitest";
import { CommandClaim } from "../../../src/system/nats/command-claim.ts";
import { beDiscovered } from "../../../src/system/nats/discovery.ts";
import { TestNats } from "../../support/nats-server.ts";
import { until } from "../../support/test-node.ts";
import { describeWithEachNats, describeWithNats } from "../../support/with-nats.ts";

/** Which stores take commands now, and whether ever two did. */
class Takers {
  readonly now = new Set<string>();
  readonly overlaps: string[] = [];

  took(store: string): void {
    for (const other of this.now) if (other !== store) this.overlaps.push(`${other} and ${store}`);
    this.now.add(store);
  }
}

class Claimer implements AsyncDisposable {
  readonly claim: CommandClaim;
  readonly #instance: string;
  readonly #takers: Takers;
  readonly #store: string;
  #connection: NatsConnection | null = null;

  constructor(store: string, takers: Takers, instance = `i-${store}`) {
    this.#takers = takers;
    this.#store = store;
    this.#instance = instance;
    const nothing = (): void => undefined;
    this.claim = new CommandClaim({
      name: "troupe",
      instance,
      storeId: store,
      inboxPrefix: "_INBOX_troupe",
      log: { info: nothing, warn: nothing },
      onTake: (_connection, left) => {
        takers.took(store);
        left.addEventListener("abort", () => takers.now.delete(store), { once: true });
      },
    });
  }

  async begin(url: string): Promise<void> {
    const connection = await connect({ servers: url, inboxPrefix: "_INBOX_troupe", reconnect: false });
    this.#connection = connection;
    void connection.closed().then(() => this.#takers.now.delete(this.#store));
    const { claim } = this;
    const nothing = (): void => undefined;
    beDiscovered(connection, {
      name: "troupe",
      id: this.#instance,
      version: "0.0.0",
      description: "",
      started: "",
      endpoints: () => [],
      metadata: () => ({ ...claim.presence }),
      inboxPrefix: "_INBOX_troupe",
      onRefused: nothing,
    });
    void claim.keep(connection);
  }

  async end(): Promise<void> {
    await this.#connection?.close();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.end();
  }
}

const oneTakes = (takers: Takers, other: string | null = null): Promise<string> =>
  until(
    "one takes them",
    () => {
      const [store] = takers.now;
      return takers.now.size === 1 && store !== undefined && store !== other ? store : null;
    },
    30_000,
  );

/** Answers as another node would. */
function answering(connection: NatsConnection, metadata: object): { readonly stop: () => void } {
  const subscription = connection.subscribe("$SRV.PING.troupe", {
    callback: (_error, message) =>
      void message.respond(
        JSON.stringify({ type: "io.nats.micro.v1.ping_response", name: "troupe", id: "other", version: "0.0.0", metadata }),
      ),
  });
  return { stop: () => subscription.unsubscribe() };
}

describeWithEachNats("claims of several stores", (version) => {
  it("C1-C3: of six that begin at the same moment one takes the commands, and never two; when it ends another one does", async () => {
    await using server = await TestNats.start({ version });
    const takers = new Takers();
    const claimers = new Map(["a", "b", "c", "d", "e", "f"].map((store) => [store, new Claimer(store, takers)]));
    await Promise.all([...claimers.values()].map((claimer) => claimer.begin(server.url)));
    const first = await oneTakes(takers);
    for (const [store, { claim }] of claimers)
      if (store !== first)
        await until("it names who takes them", () => claim.whyNot?.includes(`The store ${first} takes the commands`) ?? false);
    await until("who takes them says nothing", () => claimers.get(first)?.claim.whyNot === null);
    await claimers.get(first)?.end();
    const second = await oneTakes(takers, first);
    await until("it says nothing any more", () => claimers.get(second)?.claim.whyNot === null);
    expect(takers.overlaps).toEqual([]);
    await Promise.all([...claimers.values()].map((claimer) => claimer.end()));
  }, 60_000);
});

describeWithNats("a claim", () => {
  it("nodes of one store take the commands together (R-SYS-1)", async () => {
    await using server = await TestNats.start();
    const takers = new Takers();
    await using one = new Claimer("a", takers, "i-1");
    await using other = new Claimer("a", takers, "i-2");
    await Promise.all([one.begin(server.url), other.begin(server.url)]);
    await until("both take them", () => one.claim.whyNot === null && other.claim.whyNot === null);
    expect([one.claim.presence.commands, other.claim.presence.commands]).toEqual(["taken", "taken"]);
  });

  it("C5: when NATS comes back, who took the commands is there before who left them to it", async () => {
    await using server = await TestNats.start();
    const takers = new Takers();
    await using one = new Claimer("z", takers);
    await using other = new Claimer("a", takers);
    await one.begin(server.url);
    await oneTakes(takers);
    await other.begin(server.url);
    await until("the other leaves them", () => other.claim.whyNot?.includes("The store z takes") ?? false);
    await server.restart();
    await Promise.all([other.begin(server.url), one.begin(server.url)]);
    expect(await oneTakes(takers)).toBe("z");
    expect(takers.overlaps).toEqual([]);
  });

  it.each([
    ["that takes them for longer", { store: "b", commands: "taken", since: "2020-01-01T00:00:00.000Z" }, "The store b takes the commands"],
    ["that names none, an earlier version", {}, "a node that names none"],
  ])(
    "C6: a store that is heard of late, %s, has the commands left to it, and they are taken again when it is gone",
    async (_, metadata, named) => {
      await using server = await TestNats.start();
      const takers = new Takers();
      await using one = new Claimer("a", takers);
      await one.begin(server.url);
      await until("it takes them and says nothing", () => one.claim.whyNot === null);
      await using connection = await connect({ servers: server.url });
      const other = answering(connection, metadata);
      const why = await until("they are left", () => one.claim.whyNot, 30_000);
      expect(why).toContain(named);
      expect(takers.now.size).toBe(0);
      other.stop();
      await until("they are taken again", () => one.claim.whyNot === null, 30_000);
      expect(takers.now.size).toBe(1);
    },
    60_000,
  );

  it("C3: one that comes later, and one that stands in nobody's way, change nothing", async () => {
    await using server = await TestNats.start();
    const takers = new Takers();
    await using one = new Claimer("a", takers);
    await using connection = await connect({ servers: server.url });
    answering(connection, { store: "b", commands: "left", since: "2020-01-01T00:00:00.000Z" });
    await one.begin(server.url);
    await oneTakes(takers);
    let asked = 0;
    connection.subscribe("$SRV.PING.troupe", { callback: () => void asked++ });
    answering(connection, { store: "0", commands: "taken", since: "2999-01-01T00:00:00.000Z" });
    await until("it has asked twice", () => asked >= 2, 40_000);
    expect(one.claim.whyNot).toBeNull();
  }, 60_000);
});
