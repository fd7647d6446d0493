/** One suite for every SnapshotStore and its reader: SQLite with a real file and a second connection, and the twin in memory. */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import {
  type CheckpointEnd,
  MemorySnapshots,
  type OpenEffect,
  packPointers,
  type Snapshot,
  type SnapshotReader,
  type SnapshotStore,
  type StoredTimer,
  type TimerChange,
} from "../../src/runtime/index.ts";
import { SqliteSnapshotReader } from "../../src/system/sqlite/snapshot-reader.ts";
import { SqliteSnapshots } from "../../src/system/sqlite/snapshot-store.ts";
import { hashesMemory, StoredHashes } from "../../src/system/sqlite/stored-hashes.ts";

interface Bench {
  readonly store: SnapshotStore;
  readonly reader: SnapshotReader;
  remove(): void;
}
const benches: Readonly<Record<string, () => Bench>> = {
  "in memory": () => {
    const store = new MemorySnapshots({ shardCount: 4 });
    return { store, reader: store, remove: () => {} };
  },
  "in SQLite": () => inSqlite({}),
  "in SQLite, with hashes that are shared": () => inSqlite({ hashes: hashesMemory() }),
};

function inSqlite({ hashes }: { readonly hashes?: SharedArrayBuffer }): Bench {
  const dir = mkdtempSync(join(tmpdir(), "troupe-state-"));
  const file = { path: join(dir, "state.db"), busyTimeoutMs: 100, cacheKiB: 1024 };
  const store = new SqliteSnapshots({ ...file, meta: { storeId: "s", shardCount: 4 }, ...(hashes && { hashes }) });
  while (store.addStoredHashes(1));
  const reader = new SqliteSnapshotReader({ ...file, ...(hashes && { stored: new StoredHashes(hashes) }) });
  const remove = () => {
    reader.close();
    store.close();
    rmSync(dir, { recursive: true });
  };
  return { store, reader, remove };
}

const snapshotOf = (entity: string, version: number): Snapshot => ({
  entity,
  shard: 1,
  seq: version * 10,
  version,
  definition: 1,
  body: `{"v":"ž${version}"}`,
});
const effectOf = (id: string, shard: number): OpenEffect => ({
  id,
  shard,
  from: "a/1",
  kind: "tell",
  to: "b/2",
  command: "go",
  body: { amount: "1" },
  hops: 1,
});
const endOf = (more: Partial<CheckpointEnd>): CheckpointEnd => ({ positions: [], effects: [], handled: [], timers: [], at: 0, ...more });

describe.each(Object.entries(benches))("snapshots %s", (_, make) => {
  let bench: Bench;
  beforeEach(() => {
    bench = make();
  });
  afterEach(() => bench.remove());

  it("a new store covers nothing, and says so of every shard", () => {
    const positions = [0, 1, 2, 3].map((shard) => ({ shard, seq: 0, position: 0 }));
    expect(bench.store.head()).toEqual({ positions, effects: [], handled: [], at: 0 });
    expect(bench.store.shardCount).toBe(4);
  });

  it("a reader sees what was written last, and null for a key that never was", () => {
    const { store, reader } = bench;
    store.write([snapshotOf("a/1", 1), snapshotOf("a/2", 1)]);
    store.write([snapshotOf("a/1", 2)]);
    expect(reader.load("a/1")).toEqual(snapshotOf("a/1", 2));
    expect(reader.load("a/2")).toEqual(snapshotOf("a/2", 1));
    expect(reader.load("a/3")).toBeNull();
  });

  it("an older row does not replace a newer one, in a batch of its own or in the same; one as old does", () => {
    const { store, reader } = bench;
    store.write([snapshotOf("a/1", 3)]);
    store.write([snapshotOf("a/1", 2)]);
    expect(reader.load("a/1")).toEqual(snapshotOf("a/1", 3));
    store.write([snapshotOf("a/1", 5), snapshotOf("a/1", 4), snapshotOf("a/2", 1)]);
    expect(reader.load("a/1")).toEqual(snapshotOf("a/1", 5));
    expect(reader.load("a/2")).toEqual(snapshotOf("a/2", 1));
    store.write([{ ...snapshotOf("a/1", 5), definition: 2 }]);
    expect(reader.load("a/1")).toEqual({ ...snapshotOf("a/1", 5), definition: 2 });
  });

  it("P2, P3: pointers are found by the hash of their entity, each once however often it is written, and after a snapshot not at all", () => {
    const { store, reader } = bench;
    const pointers = packPointers([
      ["a/1", 7],
      ["a/2", 7],
      ["a/3", 8],
    ]);
    store.write([snapshotOf("a/3", 1)], pointers);
    store.write([], pointers);
    expect([reader.load("a/1"), reader.load("a/2")]).toEqual([{ records: [7] }, { records: [7] }]);
    expect([reader.load("a/3"), reader.load("a/4")]).toEqual([snapshotOf("a/3", 1), null]);
    store.write([snapshotOf("a/1", 2)], packPointers([["a/2", 9]]));
    expect([reader.load("a/1"), reader.load("a/2")]).toEqual([snapshotOf("a/1", 2), { records: [7, 9] }]);
  });

  it("the end of a checkpoint replaces the lists of exactly the shards that it names", () => {
    const { store } = bench;
    const answer = { ok: true, value: { balance: "5" } } as const;
    store.end(
      endOf({
        positions: [
          { shard: 0, seq: 3, position: 9 },
          { shard: 1, seq: 4, position: 9 },
        ],
        effects: [effectOf("0.1.10.0", 0), effectOf("0.1.9.0", 0), { ...effectOf("1.1.1.0", 1), answer, answerTo: "done" }],
        handled: [{ id: "2.1.1.0", shard: 1, answer }],
        at: 50,
      }),
    );
    store.end(endOf({ positions: [{ shard: 0, seq: 8, position: 12 }], effects: [effectOf("0.1.11.0", 0)], at: 40 }));
    const head = store.head();
    expect(head.positions.slice(0, 2)).toEqual([
      { shard: 0, seq: 8, position: 12 },
      { shard: 1, seq: 4, position: 9 },
    ]);
    expect(head.effects).toEqual([effectOf("0.1.11.0", 0), { ...effectOf("1.1.1.0", 1), answer, answerTo: "done" }]);
    expect(head.handled).toEqual([{ id: "2.1.1.0", shard: 1, answer }]);
    expect(head.at).toBe(50); // Time never goes back, whichever domain ends its checkpoint last.
  });

  it("effects keep the order in which they were named, not that of their ids as text", () => {
    const ids = ["0.1.9.0", "0.1.10.0", "0.1.10.1", "0.2.1.0"];
    bench.store.end(endOf({ positions: [{ shard: 0, seq: 10, position: 1 }], effects: ids.map((id) => effectOf(id, 0)) }));
    expect(bench.store.head().effects.map(({ id }) => id)).toEqual(ids);
  });

  it("timers are read in order of their time, in parts, from a place on; one of a label replaces the other, one that is over is gone", () => {
    const { store, reader } = bench;
    const set = (label: string, at: number, more: Partial<StoredTimer> = {}): TimerChange => ({
      key: `a/1\n${label}`,
      timer: { entity: "a/1", shard: 0, label, at, command: "ring", body: { label }, ...more },
    });
    const over = (label: string): TimerChange => ({ key: `a/1\n${label}`, timer: null, entity: "a/1", label, shard: 0 });
    store.end(
      endOf({ timers: [set("c", 30), set("a", 10), set("b", 10, { catchUp: "skip", trace: "t" }), set("moved", 20), set("over", 15)] }),
    );
    store.end(endOf({ timers: [set("moved", 40), over("over"), over("never")] }));
    const from = { at: Number.NEGATIVE_INFINITY, id: 0 };
    const first = reader.timers({ after: from, until: 40, limit: 1 });
    expect(first).toMatchObject([{ label: "a", at: 10, entity: "a/1", shard: 0, command: "ring", body: { label: "a" } }]);
    const rest = reader.timers({ after: { at: 10, id: first[0]?.id ?? 0 }, until: 40, limit: 9 });
    expect(rest.map(({ label, at, catchUp, trace }) => [label, at, catchUp, trace])).toEqual([
      ["b", 10, "skip", "t"],
      ["c", 30, undefined, undefined],
    ]);
    expect(reader.timers({ after: { at: 30, id: Number.MAX_SAFE_INTEGER }, until: 41, limit: 9 }).map(({ label }) => label)).toEqual([
      "moved",
    ]);
  });
});
