/** Following a feed for one client (E1-E3 of feed-pump.ts), on feeds in memory. */
import { describe, expect, it } from "vitest";
import { FEED_START } from "../../../../src/system/conversation-reads.ts";
import { FeedPump, type Taken } from "../../../../src/system/http/streams/feed-pump.ts";
import { FakeFeed } from "../../../support/fake-feed.ts";

function follower(feed: FakeFeed, take: (kind: string) => Taken = () => "more") {
  const seen: string[] = [];
  const ends: unknown[] = [];
  const pump = new FeedPump({
    reads: feed,
    conversation: "c",
    from: FEED_START,
    take: (event) => {
      seen.push(event.kind);
      return take(event.kind);
    },
    onDeleted: () => ends.push("deleted"),
    onDefect: (cause) => ends.push(cause),
  });
  pump.start();
  return { pump, seen, ends };
}
const kinds = (from: number, to: number): string[] => Array.from({ length: to - from + 1 }, (_, i) => `e${from + i}`);
const added = (feed: FakeFeed, from: number, to: number): void => {
  for (const kind of kinds(from, to)) feed.add([kind, {}]);
};

describe("a pump of a feed", () => {
  it("R-API-4, E1: carries each event once, in order, what was there and what comes, however many", async () => {
    const feed = new FakeFeed();
    added(feed, 1, 100);
    const { pump, seen } = follower(feed);
    await pump.caughtUp();
    added(feed, 101, 150);
    await pump.caughtUp();
    expect(seen).toEqual(kinds(1, 150));
  });

  it("E3: what comes while a pull is under way is not missed, nor are words without anything new harmful", async () => {
    const feed = new FakeFeed();
    const { pump, seen } = follower(feed);
    for (let n = 1; n <= 20; n++) {
      added(feed, n, n);
      feed.wake();
      if (n % 3 === 0) await Promise.resolve();
    }
    await pump.caughtUp();
    expect(seen).toEqual(kinds(1, 20));
  });

  it("E2: a client that is full gets nothing and costs no pull; then it goes on where it was", async () => {
    const feed = new FakeFeed();
    added(feed, 1, 10);
    const { pump, seen } = follower(feed, (kind) => (kind === "e4" ? "full" : "more"));
    while (seen.length < 4) await Promise.resolve();
    const { pulls } = feed;
    added(feed, 11, 20);
    await new Promise(setImmediate);
    expect([seen, feed.pulls]).toEqual([kinds(1, 4), pulls]);
    pump.resume();
    await pump.caughtUp();
    expect(seen).toEqual(kinds(1, 20));
  });

  it("a pull that is refused is tried again, and nothing is lost or told twice", async () => {
    const feed = new FakeFeed();
    added(feed, 1, 3);
    feed.refuseNext("VIEW_BEHIND", "OVERLOADED");
    const { pump, seen } = follower(feed);
    await pump.caughtUp();
    expect(seen).toEqual(kinds(1, 3));
  });

  it("ends with the deletion, with what takes no more, and with a defect; and watches no longer", async () => {
    const feed = new FakeFeed();
    added(feed, 1, 3);
    const over = follower(feed, (kind) => (kind === "e2" ? "over" : "more"));
    const broken = follower(feed, () => {
      throw new Error("a defect");
    });
    await Promise.all([over.pump.caughtUp(), broken.pump.caughtUp()]);
    expect([over.seen, over.ends]).toEqual([kinds(1, 2), []]);
    expect(broken.ends).toEqual([new Error("a defect")]);
    const deleted = follower(feed);
    await deleted.pump.caughtUp();
    expect(feed.watcherCount).toBe(1);
    feed.isDeleted = true;
    feed.wake();
    await deleted.pump.caughtUp();
    expect([deleted.ends, feed.watcherCount]).toEqual([["deleted"], 0]);
  });
});
