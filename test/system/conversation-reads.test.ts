/** Reading and watching conversations through a real node: threads, journal and files. */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { loadConfig } from "../../src/system/config/config.ts";
import { FEED_START, type FeedEvent, type FeedPlace } from "../../src/system/conversation-reads.ts";
import type { Node } from "../../src/system/node.ts";
import { startSystem } from "../../src/system/start.ts";
import { begun, type ConversationEvent, chunk, deleted, posted, replied, wasOpened } from "../support/conversation-records.ts";
import { conversation } from "../support/feed-registry.ts";
import { endThread, until } from "../support/test-node.ts";

const REGISTRY = new URL("../support/feed-registry.ts", import.meta.url).href;
let dir: string;
let node: Node;
/** End the subscribers of a test. */
const ends: Array<() => void> = [];

async function open(): Promise<Node> {
  const flags = ["--data.dir", dir, "--shard.count", "8", "--journal.disk-free-bytes-min", "0"];
  const log = { debug() {}, info() {}, warn() {}, error() {} };
  return await startSystem(loadConfig({ argv: flags, env: {}, cwd: process.cwd() }), { registryUrl: REGISTRY, log });
}

beforeEach(async () => {
  dir = mkdtempSync(join(tmpdir(), "troupe-feed-"));
  node = await open();
});
afterEach(async () => {
  for (const end of ends.splice(0)) end();
  await node.close();
  rmSync(dir, { recursive: true, force: true });
});

const say = async (id: string, ...events: readonly ConversationEvent[]): Promise<void> => {
  expect(await node.entity(conversation, id).ask.say({ events })).toEqual({ ok: true, value: null });
};

/** A subscriber as a door has it: pulls when it is woken, from where it is, one event at a time. */
function subscriber(id: string, from: FeedPlace = FEED_START) {
  const seen: FeedEvent[] = [];
  let place = from;
  let isPulling = false;
  let isAgain = false;
  let isEnded = false;
  const pull = async (): Promise<void> => {
    isAgain = true;
    if (isPulling) return;
    isPulling = true;
    while (isAgain && !isEnded) {
      isAgain = false;
      const page = await node.feedAfter(id, place, 1);
      if (!page.ok) {
        await delay(1);
        isAgain = true; // The views are being replaced.
        continue;
      }
      seen.push(...page.value.events);
      const last = page.value.events.at(-1);
      place = last === undefined ? place : { seq: last.seq, idx: last.idx };
      isAgain ||= page.value.hasMore;
    }
    isPulling = false;
  };
  const unwatch = node.watch(id, () => void pull());
  const end = (): void => {
    isEnded = true;
    unwatch();
  };
  ends.push(end);
  void pull();
  return {
    seen,
    end,
    /** The events that it has got, once they are so many. */
    kinds: async (count: number) => {
      await until(`${count} events of ${id}`, () => seen.length >= count);
      return seen.map(({ kind, data }) => `${kind}${(data as { readonly index?: number }).index ?? ""}`);
    },
    get place() {
      return place;
    },
  };
}

describe("conversations of a node", () => {
  it("a read sees what was committed before it", async () => {
    for (let turn = 1; turn <= 20; turn++) {
      await say("c", posted(turn));
      const page = await node.messages("c", { after: turn - 1, limit: 10 });
      expect(page).toMatchObject({ ok: true, value: { messages: [{ number: turn, parts: [`s1.question-${turn}`] }], hasMore: false } });
      expect(await node.turnTexts("c", { fromTurn: turn, toTurn: turn })).toMatchObject({ ok: true, value: [{ turn }] });
    }
  });

  it("R-API-4: who watches gets every event of its conversation once, in order, and of no other", async () => {
    const all = subscriber("c");
    const other = subscriber("d");
    await Promise.all([say("c", wasOpened, posted(1), begun(1)), say("d", wasOpened)]);
    for (let index = 0; index < 10; index++) await say("c", chunk(1, index));
    await say("c", replied(1));
    const expected = ["opened", "posted", "replyBegun", ...Array.from({ length: 10 }, (_, index) => `replyChunk${index}`), "replied"];
    expect(await all.kinds(expected.length)).toEqual(expected);
    expect(await other.kinds(1)).toEqual(["opened"]);
    const places = all.seen.map(({ seq, idx }) => seq * 1000 + idx);
    expect(places).toEqual([...new Set(places)].sort((a, b) => a - b));
  });

  it("TRAPS 11: who comes back gets each event once from where it left, at every event, also across a restart", async () => {
    await say("c", wasOpened, posted(1), begun(1));
    for (let index = 0; index < 3; index++) await say("c", chunk(1, index));
    await say("c", replied(1));
    const first = subscriber("c");
    const kinds = await first.kinds(7);
    first.end();
    const places = first.seen.map(({ seq, idx }) => ({ seq, idx }));
    await node.close();
    node = await open();
    for (const [i, place] of places.entries()) {
      const again = subscriber("c", place);
      expect(await again.kinds(kinds.length - 1 - i)).toEqual(kinds.slice(i + 1));
      again.end();
    }
  });

  it("R-SYS-3: who watches goes on watching when the views thread is replaced, and misses nothing", async () => {
    const watching = subscriber("c");
    await say("c", wasOpened);
    await watching.kinds(1);
    for (let turn = 1; turn <= 3; turn++) {
      const ended = endThread(node, "/system/views");
      await say("c", posted(turn));
      await ended;
      expect(await watching.kinds(turn + 1)).toEqual(["opened", ...new Array<string>(turn).fill("posted")]);
    }
  });

  it("a watcher hears of the deletion, and that nothing is left", async () => {
    await say("c", wasOpened, posted(1));
    const woken = Promise.withResolvers<void>();
    const end = node.watch("c", () => woken.resolve());
    await say("c", deleted);
    await woken.promise;
    expect(await node.feedAfter("c", FEED_START, 10)).toEqual({ ok: true, value: { events: [], hasMore: false, isDeleted: true } });
    end();
  });
});
