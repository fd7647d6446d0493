/** Real ports carry the groups; the disk is in memory, and the time between two looks at it is the test's. */
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { MemoryJournal } from "../../../src/runtime/index.ts";
import { JournalThread } from "../../../src/system/threads/journal-thread.ts";
import { groupOf } from "../../support/journal-bench.ts";
import { JournalClient } from "../../support/journal-client.ts";

/** The first look at a disk that failed comes after so long; every further one after twice the time, up to the limit. */
const PROBE_MS = 50;
const PROBE_MS_MAX = 200;

const opened: JournalClient[] = [];
beforeEach(() => {
  vi.useFakeTimers({ toFake: ["setTimeout", "clearTimeout"] });
});
afterEach(() => {
  vi.useRealTimers();
  for (const client of opened.splice(0)) client[Symbol.dispose]();
});

function journalThread() {
  const store = new MemoryJournal();
  const committed = new BigInt64Array(new SharedArrayBuffer(8));
  const append = vi.spyOn(store, "append");
  const states: string[] = [];
  const whenIdle = vi.fn();
  const thread = new JournalThread({
    store,
    committed,
    probeMsMax: PROBE_MS_MAX,
    whenIdle,
    onState: (state) => states.push(state),
    onTraced: null,
  });
  return {
    store,
    thread,
    states,
    whenIdle,
    /** How many groups each transaction held, those that failed too. */
    transactions: () => append.mock.calls.map(([groups]) => groups.length),
    /** Bytes that are still in memory of the bodies of those groups. */
    bytesHeld: () => append.mock.calls.flatMap(([groups]) => groups).reduce((sum, { body }) => sum + (body as Uint8Array).byteLength, 0),
    cell: committed,
    committed: () => Number(Atomics.load(committed, 0)),
    client: async (domain: number): Promise<JournalClient> => {
      const client = await JournalClient.register(thread, domain, committed);
      opened.push(client);
      return client;
    },
  };
}

/** All messages that were posted are there, and what they started with `setImmediate` has run. */
const turns = async (): Promise<void> => {
  for (let turn = 0; turn < 10; turn++) await new Promise((resolve) => setImmediate(resolve));
};
const committedAs = (number: number, seq: number) => ({ kind: "committed", number, seq });
const refused = { kind: "refused" };
const down = { kind: "down" };
const up = { kind: "up" };

describe("the journal thread", () => {
  it("T1: all groups that wait, of whatever domain, are one transaction, and each is answered with its own sequence", async () => {
    const { client, transactions, committed, store } = journalThread();
    const [a, b, c] = [await client(0), await client(1), await client(2)];
    for (const each of [a, b, c]) each.send(1);
    c.send(2);
    await Promise.all([a.hears(1), b.hears(1), c.hears(2)]);
    expect(transactions()).toEqual([4]);
    expect(store.lastSeq).toBe(4);
    expect(committed()).toBe(4);
    const answers = [...a.heard, ...b.heard, ...c.heard];
    expect(answers.map((answer) => (answer.kind === "committed" ? answer.seq : 0)).sort()).toEqual([1, 2, 3, 4]);
    for (const answer of answers) {
      if (answer.kind !== "committed") throw new Error("every group was to be committed");
      expect(store.read(answer.seq - 1, 1)[0]).toMatchObject({ number: answer.number });
    }
  });

  it("holds no body that is on the disk or was refused: 64 MiB of them would wait for a collection", async () => {
    const { client, store, bytesHeld } = journalThread();
    const a = await client(0);
    a.send(1);
    await a.hears(1);
    store.isDiskBroken = true;
    a.send(2);
    await a.hears(3);
    expect(a.heard).toEqual([committedAs(1, 1), down, refused]);
    expect(bytesHeld()).toBe(0);
    expect(store.read(0, 1)).toMatchObject([{ number: 1, body: groupOf(1).body }]);
  });

  it("who waits for the shared cell is woken by a commit", async () => {
    const { client, cell } = journalThread();
    const a = await client(0);
    const woken = Atomics.waitAsync(cell, 0, 0n);
    a.send(1);
    expect(await woken.value).toBe("ok");
    expect(Atomics.load(cell, 0)).toBe(1n);
  });

  it("T1: the shared cell tells of a record before its answer leaves, so who reads after an answer sees it", async () => {
    const { client } = journalThread();
    const a = await client(0);
    for (const number of [1, 2, 3]) {
      a.send(number);
      await a.hears(number);
    }
    expect(a.heard).toEqual([committedAs(1, 1), committedAs(2, 2), committedAs(3, 3)]);
    expect(a.committedAtAnswer).toEqual([1, 2, 3]);
  });

  it("a journal that holds records already says so in the shared cell before anything is written", async () => {
    const first = journalThread();
    const a = await first.client(0);
    a.send(1);
    await a.hears(1);
    const cell = new BigInt64Array(new SharedArrayBuffer(8));
    new JournalThread({
      store: first.store,
      committed: cell,
      probeMsMax: PROBE_MS_MAX,
      whenIdle: () => {},
      onState: () => {},
      onTraced: null,
    });
    expect(Atomics.load(cell, 0)).toBe(1n);
  });

  it("L7: a group out of order is refused and so is all that follows it; another domain in the same transaction is not touched", async () => {
    const { client, transactions, store } = journalThread();
    const [a, b] = [await client(0), await client(1)];
    a.send(2);
    b.send(1);
    a.send(1);
    await Promise.all([a.hears(2), b.hears(1)]);
    a.send(1);
    await a.hears(3);
    expect(a.heard).toEqual([refused, refused, refused]);
    expect(b.heard).toEqual([committedAs(1, 1)]);
    expect(transactions()).toEqual([1]);
    expect(store.read(0, 10)).toMatchObject([{ domain: 1 }]);
  });

  it("L7: once a successor is registered, groups of the older incarnation are refused on any port", async () => {
    const { client, store } = journalThread();
    const old = await client(0);
    old.send(1);
    await old.hears(1);
    const successor = await client(0);
    expect(successor.incarnation).toBeGreaterThan(old.incarnation);
    old.send(2); // Its port was closed: nobody hears it.
    successor.send(2, old.incarnation); // What a confused successor could pass on.
    expect(await successor.hears(1)).toEqual([refused]);
    successor.send(1);
    expect(await successor.hears(2)).toEqual([refused, committedAs(1, 2)]);
    await turns();
    expect(old.heard).toEqual([committedAs(1, 1)]);
    expect(store.lastSeq).toBe(2);
  });

  it("a failure before the commit refuses this batch alone, at once, and a probe finds out when the disk takes writes again", async () => {
    const { client, transactions, committed, states, store, thread } = journalThread();
    const [a, b, c] = [await client(0), await client(1), await client(2)];
    store.failNext("before");
    a.send(1);
    b.send(1);
    await Promise.all([a.hears(2), b.hears(2), c.hears(1)]);
    expect([a.heard, b.heard, c.heard]).toEqual([[down, refused], [down, refused], [down]]);
    expect(states).toEqual(["down"]);
    expect(thread.downReason).not.toBeNull();
    expect(committed()).toBe(0);

    vi.advanceTimersByTime(PROBE_MS);
    await c.hears(2);
    expect(states).toEqual(["down", "up"]);
    expect(thread.downReason).toBeNull();
    a.send(2); // F3: built on what was refused.
    c.send(1); // Had nothing in the batch, so it goes on as it is.
    await Promise.all([a.hears(4), c.hears(3)]);
    expect(a.heard).toEqual([down, refused, up, refused]);
    expect(c.heard).toEqual([down, up, committedAs(1, 1)]);
    expect(transactions()).toEqual([2, 1]);
    const successor = await client(0);
    successor.send(1);
    expect(await successor.hears(1)).toEqual([committedAs(1, 2)]);
  });

  it("T3: while the disk takes no writes groups are refused without a try, and it is looked at ever less often, up to the limit", async () => {
    const { client, transactions, states, store, whenIdle } = journalThread();
    const [a, b] = [await client(0), await client(1)];
    const probe = vi.spyOn(store, "probe");
    store.isDiskBroken = true;
    a.send(1);
    await a.hears(2);
    b.send(1);
    await b.hears(2);
    expect(b.heard).toEqual([down, refused]);
    expect(transactions()).toEqual([1]);
    expect(whenIdle).not.toHaveBeenCalled(); // Moving the log's pages would need the disk, too.

    const looks: number[] = [];
    for (const ms of [PROBE_MS, 2 * PROBE_MS, 4 * PROBE_MS, PROBE_MS_MAX]) {
      vi.advanceTimersByTime(ms);
      looks.push(probe.mock.calls.length);
    }
    expect(looks).toEqual([1, 2, 3, 4]);
    const late = await client(2);
    expect(late.isDown).toBe(true); // Its domain must begin by refusing writes.
    store.isDiskBroken = false;
    vi.advanceTimersByTime(PROBE_MS_MAX);
    expect(await late.hears(1)).toEqual([up]);
    expect(states).toEqual(["down", "up"]);
    expect((await client(3)).isDown).toBe(false);
    late.send(1);
    expect(await late.hears(2)).toEqual([up, committedAs(1, 1)]);
  });

  it("T2: nothing is answered while the outcome of a commit is open; groups found after the reopening are committed, the cell first", async () => {
    const { client, transactions, committed, states, store } = journalThread();
    const [a, b, c] = [await client(0), await client(1), await client(2)];
    store.failNext("commit-kept");
    const reopen = vi.spyOn(store, "reopen").mockImplementationOnce(() => {
      throw new Error("the disk does not answer");
    });
    a.send(1);
    b.send(1);
    await Promise.all([a.hears(1), b.hears(1), c.hears(1)]);
    c.send(1);
    await turns();
    expect([a.heard, b.heard, c.heard]).toEqual([[down], [down], [down]]);
    expect(committed()).toBe(0);
    expect(transactions()).toEqual([2]);

    vi.advanceTimersByTime(PROBE_MS);
    await Promise.all([a.hears(2), b.hears(2), c.hears(2)]);
    expect(reopen).toHaveBeenCalledTimes(2);
    expect([a.heard[1], b.heard[1]]).toEqual([committedAs(1, 1), committedAs(1, 2)]);
    expect([a.committedAtAnswer[1], b.committedAtAnswer[1]]).toEqual([2, 2]);
    expect(c.heard).toEqual([down, refused]); // It waited; the disk still has to show that it takes writes.
    expect(transactions()).toEqual([2]);

    vi.advanceTimersByTime(2 * PROBE_MS);
    await a.hears(3);
    expect(states).toEqual(["down", "up"]);
    a.send(2); // Nothing of it was lost, so it goes on as it is.
    expect(await a.hears(4)).toEqual([down, committedAs(1, 1), up, committedAs(2, 3)]);
  });

  it("T2: groups that are gone after the reopening are refused, and so is all of their incarnations", async () => {
    const { client, committed, store } = journalThread();
    const [a, b] = [await client(0), await client(1)];
    a.send(1);
    await a.hears(1);
    store.failNext("commit-lost");
    a.send(2);
    b.send(1);
    await Promise.all([a.hears(3), b.hears(2)]);
    expect(a.heard).toEqual([committedAs(1, 1), down, refused]);
    expect(b.heard).toEqual([down, refused]);
    expect(committed()).toBe(1);
    vi.advanceTimersByTime(PROBE_MS);
    await Promise.all([a.hears(4), b.hears(3)]);
    a.send(2);
    expect((await a.hears(5)).at(-1)).toEqual(refused);
    const successor = await client(0);
    successor.send(1);
    expect(await successor.hears(1)).toEqual([committedAs(1, 2)]);
  });

  it("T2: no incarnation is given out while an outcome is open: its owner would read the journal without what may still show", async () => {
    const { client, store } = journalThread();
    const a = await client(0);
    store.failNext("commit-kept");
    vi.spyOn(store, "reopen").mockImplementationOnce(() => {
      throw new Error("the disk does not answer");
    });
    a.send(1);
    await a.hears(1);
    let lastSeqAtRegistration: number | null = null;
    const registering = client(0).then((successor) => {
      lastSeqAtRegistration = store.lastSeq;
      return successor;
    });
    await turns();
    expect(lastSeqAtRegistration).toBeNull();
    vi.advanceTimersByTime(PROBE_MS);
    const successor = await registering;
    expect(lastSeqAtRegistration).toBe(1);
    expect(successor.isDown).toBe(true);
  });

  it("an error that is no failure of the commit ends the thread instead of being answered", async () => {
    const { client, store } = journalThread();
    const a = await client(0);
    const { promise, resolve } = Promise.withResolvers<unknown>();
    const others = process.listeners("uncaughtException");
    process.removeAllListeners("uncaughtException");
    process.once("uncaughtException", resolve);
    try {
      vi.spyOn(store, "append").mockImplementationOnce(() => {
        throw new TypeError("a defect");
      });
      a.send(1);
      expect(await promise).toEqual(new TypeError("a defect"));
    } finally {
      for (const other of others) process.on("uncaughtException", other);
    }
    expect(a.heard).toEqual([]);
  });
});
