/** The views thread's work in this thread, on real files: without `start` nothing looks at the journal but who watches. */
import { join } from "node:path";
import { describe, expect, it, vi } from "vitest";
import { openJournalReader } from "../../../src/system/sqlite/journal-file.ts";
import { SqliteViews } from "../../../src/system/sqlite/view-store.ts";
import { ViewsThread } from "../../../src/system/threads/views-thread.ts";
import { folder, groupOf, openJournal } from "../../support/journal-bench.ts";

const files = { busyTimeoutMs: 200, cacheKiB: 1024 };

function bench(dir: string, recordsMax = 2) {
  const journal = openJournal(dir);
  const reader = openJournalReader({ path: join(dir, "journal.db"), synchronous: "normal", ...files });
  const views = new SqliteViews({ path: join(dir, "views.db"), meta: reader.meta, ...files });
  const committed = new BigInt64Array(new SharedArrayBuffer(8));
  const wanted = new BigInt64Array(new SharedArrayBuffer(8));
  const watched = new Set<string>();
  const caughtUpAt: number[] = [];
  const thread = new ViewsThread({
    journal: reader,
    views,
    committed,
    wanted,
    recordsMax,
    isWatched: () => watched.size > 0,
    onCaughtUp: () => caughtUpAt.push(views.position),
    during: (call) => call(),
  });
  return {
    views,
    thread,
    watched,
    caughtUpAt,
    /** As a reader of the file does in another thread. */
    want(number: number): void {
      Atomics.store(wanted, 0, BigInt(number));
      Atomics.notify(wanted, 0);
    },
    /** As the journal thread does. */
    commit(number: number): void {
      journal.append([groupOf(number)], 1);
      Atomics.store(committed, 0, BigInt(number));
      Atomics.notify(committed, 0);
    },
    close(): void {
      thread.close();
      views.close();
      reader.close();
      journal.close();
    },
  };
}

describe("following promptly", () => {
  it("every commit is followed at its notice while somebody watches, none when nobody does, and all again when somebody comes", async () => {
    using dir = folder();
    const { views, thread, watched, commit, close } = bench(dir.path);
    watched.add("c");
    const following = thread.followPromptly();
    for (let number = 1; number <= 5; number++) {
      commit(number);
      await vi.waitFor(() => expect(views.position).toBe(number));
    }
    watched.clear();
    commit(6); // It was waiting for this one.
    await following;
    const { position } = views;
    for (const number of [7, 8, 9, 10]) commit(number);
    expect(views.position).toBe(position);
    watched.add("c");
    void thread.followPromptly();
    void thread.followPromptly(); // Somebody else comes.
    await vi.waitFor(() => expect(views.position).toBe(10));
    close();
  });
});

it("says once that it has caught up: after the last of all batches that it was behind, and of an empty journal at once", async () => {
  using late = folder();
  const behind = bench(late.path);
  for (let number = 1; number <= 7; number++) behind.commit(number);
  expect((await behind.thread.read(6, 5_000, () => 0)).ok).toBe(true);
  expect(behind.caughtUpAt).toEqual([]);
  expect((await behind.thread.read(7, 5_000, () => 0)).ok).toBe(true);
  behind.commit(8);
  expect((await behind.thread.read(8, 5_000, () => 0)).ok).toBe(true);
  expect(behind.caughtUpAt).toEqual([7]);
  behind.close();
  using again = folder();
  const following = bench(again.path);
  for (let number = 1; number <= 7; number++) following.commit(number);
  following.thread.start();
  await vi.waitFor(() => expect(following.caughtUpAt).toEqual([7]));
  following.close();
  using fresh = folder();
  const empty = bench(fresh.path);
  empty.thread.start();
  await vi.waitFor(() => expect(empty.caughtUpAt).toEqual([0]));
  empty.close();
});

describe("what somebody beside the thread waits to read", () => {
  it("is followed at once, also under load, when the thread rests long between its batches", async () => {
    using dir = folder();
    const { views, thread, want, commit, close } = bench(dir.path, 100);
    for (let number = 1; number <= 20; number++) commit(number);
    vi.useFakeTimers({ toFake: ["setTimeout", "clearTimeout"] });
    try {
      thread.start();
      vi.advanceTimersByTime(0);
      expect(views.position).toBe(20); // So many at once are load: no timer that rings now belongs to the next batch.
      commit(21);
      vi.advanceTimersByTime(100);
      expect(views.position).toBe(20);
      want(21);
      await vi.waitFor(() => expect(views.position).toBe(21));
    } finally {
      vi.useRealTimers();
      close();
    }
  });
});
