import { once } from "node:events";
import { MessageChannel } from "node:worker_threads";
import { describe, expect, it, vi } from "vitest";
import { FeedListeners } from "../../src/system/feed-listeners.ts";
import { WatchedFeeds } from "../../src/system/threads/watched-feeds.ts";

function bench() {
  const told: string[] = [];
  const defects: unknown[] = [];
  const listeners = new FeedListeners({
    follower: { watch: (names) => told.push(`+${names.join(",")}`), unwatch: (names) => told.push(`-${names.join(",")}`) },
    onDefect: (cause) => defects.push(cause),
  });
  return { listeners, told, defects };
}

describe("listeners of the main thread", () => {
  it("a conversation is watched from its first listener to its last", () => {
    const { listeners, told } = bench();
    const nothing = (): void => {};
    const ends = [listeners.add("c", nothing), listeners.add("c", nothing), listeners.add("d", nothing)];
    expect(told).toEqual(["+c", "+d"]);
    ends[0]?.();
    ends[0]?.();
    expect(told).toEqual(["+c", "+d"]);
    ends[1]?.();
    expect(told).toEqual(["+c", "+d", "-c"]);
    listeners.add("c", nothing);
    expect(told.at(-1)).toBe("+c");
  });

  it("R-API-5: one that throws keeps nobody else from being called, and it is told", async () => {
    const { listeners, defects } = bench();
    const heard: string[] = [];
    listeners.add("c", () => {
      throw new Error("broken");
    });
    listeners.add("c", () => heard.push("c"));
    listeners.add("d", () => heard.push("d"));
    const port = listeners.connect();
    port.postMessage(["c", "nobody"]);
    await once(port, "message");
    await vi.waitFor(() => expect(heard).toEqual(["c"]));
    expect(defects).toHaveLength(1);
    port.close();
  });

  it("L6: there is a limit of listeners, and one that leaves makes room", () => {
    const { listeners } = bench();
    const ends = Array.from({ length: 100_000 }, (_, i) => listeners.add(`c${i % 1000}`, () => {}));
    expect(() => listeners.add("c", () => {})).toThrow(expect.objectContaining({ code: "OVERLOADED", isRetryable: true }));
    ends[0]?.();
    expect(() => listeners.add("c", () => {})).not.toThrow();
  });

  it("a new views thread gets the whole list, and everybody is woken once, but who has left meanwhile", async () => {
    const { listeners, told } = bench();
    const heard: number[] = [];
    const ends = Array.from({ length: 6_000 }, (_, i) => listeners.add(`c${i}`, () => heard.push(i)));
    told.length = 0;
    listeners.tellAll();
    expect(told.map((line) => line.split(",").length)).toEqual([5_000, 1_000]);
    ends[5_999]?.();
    await vi.waitFor(() => expect(heard).toHaveLength(5_999), { timeout: 20_000 });
    expect(heard).toEqual(Array.from({ length: 5_999 }, (_, i) => i));
  });
});

describe("watched feeds of the views thread", () => {
  it("R-API-4: one word is under way, and what grows meanwhile is told once with the next; of what nobody watches nothing is told", async () => {
    const { port1, port2 } = new MessageChannel();
    const feeds = new WatchedFeeds(port2);
    expect(feeds.isWatched).toBe(false);
    feeds.grew(["c"]);
    feeds.watch(["c", "d", "e"]);
    feeds.grew(["c", "nobody"]);
    for (let i = 0; i < 1000; i++) feeds.grew(["d", "c"]);
    feeds.grew(["e"]);
    expect((await once(port1, "message"))[0]).toEqual(["c"]);
    port1.postMessage(null);
    expect((await once(port1, "message"))[0]).toEqual(["d", "c", "e"]);
    port1.postMessage(null);
    feeds.unwatch(["c", "d"]);
    feeds.grew(["c", "e"]);
    expect((await once(port1, "message"))[0]).toEqual(["e"]);
    feeds.unwatch(["e"]);
    expect(feeds.isWatched).toBe(false);
    feeds.close();
    port1.close();
  });
});
