/**
 * NATS down, slow, silent, refusing us, or refusing a message (issue 5, must show 5): commands over HTTP go on, events wait in the journal and not in
 * memory, readiness names what is wrong and stays ready, and all events are delivered, in order, when it is over.
 */
import { jetstream, jetstreamManager } from "@nats-io/jetstream";
import { connect } from "nats";
import { expect, it, vi } from "vitest";
import { degradedOf } from "../../support/degraded.ts";
import { fieldsOf, post } from "../../support/http-client.ts";
import { KeepAliveClient } from "../../support/keep-alive-client.ts";
import { NatsNode } from "../../support/nats-node.ts";
import { TestNats } from "../../support/nats-server.ts";
import { SlowProxy } from "../../support/slow-proxy.ts";
import { until } from "../../support/test-node.ts";
import { describeWithNats } from "../../support/with-nats.ts";

const CZK = "CZK";
const FLAGS = { "--nats.events": "true", "--nats.events-ack-ms": 1_000 };
/** Two events each: more than may wait in memory. */
const DEPOSITS = 4_000;
const EVENTS_IN_MEMORY_MAX = 6_000;
const RECOVERED_MS_MAX = 40_000;
/** Each way: an event takes twice as long, and so many, one after the other, longer than the 10 s that readiness lets pass. */
const SLOW_MS = 150;
const SLOW_EVENTS = 60;
/** Each way: later than `nats.eventsAckMs`. */
const TOO_SLOW_MS = 700;

const start = (servers: string, flags: Readonly<Record<string, string | number>> = {}, env = {}): Promise<NatsNode> =>
  NatsNode.start({ servers, flags: { ...FLAGS, ...flags }, env });

async function open(node: NatsNode, id: string): Promise<void> {
  const answer = await post(node.url, "/v1/accounts", { id, currency: CZK });
  expect(answer.status).toBe(201);
}

/** Deposits over HTTP, each of which must be done, one account after the other. @returns the ids of the transfers. */
async function deposits(node: NatsNode, name: string, accounts: readonly string[], count: number): Promise<readonly string[]> {
  const ids: string[] = [];
  for (let i = 0; i < count; i++) {
    const body = { accountId: accounts[i % accounts.length], amount: `${i + 1}.00`, currency: CZK };
    const answer = await post(node.url, "/v1/deposits", body, `${name}-${i}`);
    expect(answer.status, answer.text).toBe(201);
    ids.push(String(fieldsOf(answer).id));
  }
  return ids;
}

/** The same, as many at once as a busy service has. */
async function manyDeposits(node: NatsNode, name: string, accounts: readonly string[], count: number): Promise<readonly string[]> {
  const client = new KeepAliveClient(node.url, 64);
  const one = async (i: number): Promise<string> => {
    const body = JSON.stringify({ accountId: accounts[i % accounts.length], amount: "1.00", currency: CZK });
    const answer = await client.send({ method: "POST", path: "/v1/deposits", key: `${name}-${i}`, body });
    expect(answer.status, answer.body).toBe(201);
    return (JSON.parse(answer.body) as { readonly id: string }).id;
  };
  const ids = await Promise.all(Array.from({ length: count }, (_, i) => one(i)));
  client.close();
  return ids;
}

const isNamed = ({ url }: NatsNode, pattern: RegExp): Promise<string> =>
  until(
    `readiness names ${pattern}`,
    async () => (await degradedOf(url)).split("\n").find((text) => pattern.test(text)) ?? null,
    RECOVERED_MS_MAX,
  );
const isWhole = ({ url }: NatsNode): Promise<boolean> =>
  until("readiness names nothing any more", async () => (await degradedOf(url)) === "", RECOVERED_MS_MAX);

function outboxOf({ node }: NatsNode) {
  if (node.events === null) throw new Error("the node sends no events");
  return node.events;
}

interface Heard {
  /** Ids of transfers that were completed, each once, as the stream has them. */
  readonly completed: readonly string[];
  /** Sequences of entries by account, in the order of the stream. */
  readonly sequences: ReadonlyMap<string, readonly number[]>;
}

/** The whole stream, read by a plain client until it has so many completed transfers. */
async function heard(url: string, wanted: number, login: { readonly user?: string; readonly pass?: string } = {}): Promise<Heard> {
  const connection = await connect({ servers: url, ...login });
  try {
    return await until(`${wanted} completed transfers`, async () => await readStream(connection, wanted), RECOVERED_MS_MAX);
  } finally {
    await connection.close();
  }
}

async function readStream(connection: Awaited<ReturnType<typeof connect>>, wanted: number): Promise<Heard | null> {
  const manager = await jetstreamManager(connection, { checkAPI: false });
  const stored = await manager.streams.info("TROUPE_EVENTS").then(
    ({ state }) => state.messages,
    () => 0, // It is not made yet.
  );
  if (stored < EVENTS_A_DEPOSIT * wanted) return null;
  const seen = new Set<string>();
  const completed: string[] = [];
  const sequences = new Map<string, number[]>();
  const consumer = await jetstream(connection).consumers.get("TROUPE_EVENTS");
  let left = stored;
  for await (const message of await consumer.fetch({ max_messages: left, expires: 5_000 })) {
    const id = message.headers?.get("ce-id") ?? "";
    if (!seen.has(id)) {
      seen.add(id);
      const {
        id: transfer,
        accountId,
        sequence,
      } = message.json<{ readonly id: string; readonly accountId: string; readonly sequence: number }>();
      if (message.subject === "troupe.events.transfer.completed") completed.push(transfer);
      if (message.subject === "troupe.events.account.entry-posted")
        sequences.set(accountId, [...(sequences.get(accountId) ?? []), sequence]);
    }
    if (--left === 0) break;
  }
  return completed.length < wanted ? null : { completed, sequences };
}
/** The entry of the account, and the end of the transfer. */
const EVENTS_A_DEPOSIT = 2;

function expectAll({ completed, sequences }: Heard, ids: readonly string[]): void {
  expect([...completed].sort()).toEqual([...ids].sort());
  for (const [account, numbers] of sequences) expect(numbers, account).toEqual(numbers.map((_, i) => i + 1));
}

vi.setConfig({ testTimeout: 180_000 }); // Silence is noticed after two pings without an answer, and a busy machine does all of it slowly.

describeWithNats("faults of NATS", (version) => {
  it("R-SYS-3: down: HTTP goes on, events wait in the journal, and are delivered when it is back", async () => {
    await using nats = await TestNats.start({ version });
    await using node = await start(nats.url);
    const accounts = ["alice", "bob", "účet 3"];
    for (const id of accounts) await open(node, id);
    const before = await deposits(node, "before", accounts, 5);
    expectAll(await heard(nats.url, before.length), before);

    await nats.kill();
    const during = await manyDeposits(node, "during", accounts, DEPOSITS);
    expect(await isNamed(node, /NATS/)).toContain(nats.url);
    // L6: they wait in the journal.
    const { waiting, lagRecords } = await outboxOf(node).figures();
    expect(lagRecords).toBeGreaterThan(0);
    expect(waiting).toBeLessThan(EVENTS_IN_MEMORY_MAX);

    await nats.restart();
    expectAll(await heard(nats.url, before.length + during.length), [...before, ...during]);
    await isWhole(node);
    expect(node.defects).toEqual([]);
  });

  it("R-SYS-3: down from the start: the node serves HTTP, and its events are delivered when NATS comes", async () => {
    await using nats = await TestNats.start({ version });
    await nats.kill();
    await using node = await start(nats.url);
    await open(node, "alice");
    const ids = await deposits(node, "alone", ["alice"], 20);
    await isNamed(node, /NATS/);

    await nats.restart();
    expectAll(await heard(nats.url, ids.length), ids);
    await isWhole(node);
  });

  it("slow: HTTP does not wait for it, readiness says that events leave more slowly than they come, and all arrive in order", async () => {
    await using nats = await TestNats.start({ version });
    await using proxy = await SlowProxy.start(nats.port);
    await using node = await start(proxy.url);
    await open(node, "alice");
    await open(node, "bob");
    const before = await deposits(node, "before", ["alice", "bob"], 3);
    expectAll(await heard(nats.url, before.length), before);

    // Each event of alice waits for the acknowledgement of the one before it: the last ones for longer than readiness lets pass.
    proxy.delayMs = SLOW_MS;
    const during = await manyDeposits(node, "during", ["alice"], SLOW_EVENTS);
    await isNamed(node, /^Events leave more slowly than they come/);
    const late = await deposits(node, "late", ["bob"], 3);
    proxy.delayMs = 0;
    expectAll(await heard(nats.url, before.length + during.length + late.length), [...before, ...during, ...late]);
    await isWhole(node);
    expect(node.defects).toEqual([]);
  });

  it("slower than it may be: acknowledgements that come too late are named, what is sent again is no second event, and all is delivered", async () => {
    await using nats = await TestNats.start({ version });
    await using proxy = await SlowProxy.start(nats.port);
    await using node = await start(proxy.url);
    await open(node, "alice");
    await open(node, "bob");
    const before = await deposits(node, "before", ["alice", "bob"], 3);
    expectAll(await heard(nats.url, before.length), before);

    proxy.delayMs = TOO_SLOW_MS;
    const during = await deposits(node, "during", ["alice", "bob"], 12);
    await isNamed(node, /^Events wait in the journal.*did not answer in time/);
    const { counts } = await outboxOf(node).figures();
    expect(counts.failed).toBeGreaterThan(0);
    proxy.delayMs = 0;
    expectAll(await heard(nats.url, before.length + during.length), [...before, ...during]);
    await isWhole(node);
    expect(node.defects).toEqual([]);
  });

  it("silent: a connection on which nothing comes is given up, named, and made anew; no event is lost", async () => {
    await using nats = await TestNats.start({ version });
    await using proxy = await SlowProxy.start(nats.port);
    await using node = await start(proxy.url);
    await open(node, "alice");
    const before = await deposits(node, "before", ["alice"], 3);
    expectAll(await heard(nats.url, before.length), before);

    proxy.delayMs = Number.POSITIVE_INFINITY;
    const during = await deposits(node, "during", ["alice"], 20);
    await isNamed(node, /NATS|events/);
    proxy.delayMs = 0;
    expectAll(await heard(nats.url, before.length + during.length), [...before, ...during]);
    await isWhole(node);
  });

  it("refusing credentials: HTTP goes on, readiness says why, and all is delivered when they are accepted", async () => {
    const users = (pass: string): string => `authorization { user: troupe, password: "${pass}" }`;
    await using nats = await TestNats.start({ version, config: users("another") });
    await using node = await start(
      nats.url,
      { "--nats.user": "troupe", "--nats.password-env": "NATS_PASSWORD" },
      { NATS_PASSWORD: "right" },
    );
    await open(node, "alice");
    const ids = await deposits(node, "refused", ["alice"], 20);
    await isNamed(node, /authorization/i);

    await nats.restart(users("right"));
    expectAll(await heard(nats.url, ids.length, { user: "troupe", pass: "right" }), ids);
    await isWhole(node);
  });

  it("max payload exceeded: only the entity whose event is too large waits; it goes on when the server takes it", async () => {
    const long = `long-${"x".repeat(190)}`;
    await using nats = await TestNats.start({ version, config: "max_payload: 950" });
    await using node = await start(nats.url);
    await open(node, "alice");
    await open(node, long);
    const small = await deposits(node, "small", ["alice"], 5);
    const large = await deposits(node, "large", [long], 3);
    const more = await deposits(node, "more", ["alice"], 5);
    const ofAlice = async (): Promise<boolean> =>
      (await heard(nats.url, small.length + more.length)).sequences.get("alice")?.length === small.length + more.length;
    await until("all of alice's entries", ofAlice, RECOVERED_MS_MAX);
    await isNamed(node, /held/i);

    await nats.restart("max_payload: 1048576");
    const all = await heard(nats.url, small.length + large.length + more.length);
    expectAll(all, [...small, ...large, ...more]);
    expect(all.sequences.get(long)).toEqual([1, 2, 3]);
    await isWhole(node);
  });
});
