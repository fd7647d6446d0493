/** B1: what has a row is never taken for something new, whatever else is there; the rows that a start finds are added in parts. */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { entityHash, packPointers, type Snapshot } from "../../../src/runtime/index.ts";
import { SqliteSnapshotReader } from "../../../src/system/sqlite/snapshot-reader.ts";
import { SqliteSnapshots } from "../../../src/system/sqlite/snapshot-store.ts";
import { hashesMemory, StoredHashes } from "../../../src/system/sqlite/stored-hashes.ts";

const transfer = (n: number): string => `transfer/${n.toString(36)}`;
const snapshotOf = (entity: string): Snapshot => ({ entity, shard: 1, seq: 1, version: 1, definition: 1, body: "{}" });

describe("the filter", () => {
  it.each([
    // Bits a hash: 52, 13 and 5. Of as many strangers so many are taken for known at most.
    { kib: 128, shareMax: 0.0005 },
    { kib: 32, shareMax: 0.01 },
    { kib: 12, shareMax: 0.25 },
  ])("of 20,000 hashes in $kib KiB it knows all, and few others", ({ kib, shareMax }) => {
    const memory = hashesMemory(kib * 1024);
    const stored = new StoredHashes(memory);
    for (let n = 0; n < 20_000; n++) stored.add(entityHash(transfer(n)));
    stored.declareWhole();
    const other = new StoredHashes(memory); // As another thread looks at it.
    let strangers = 0;
    for (let n = 0; n < 20_000; n++) {
      if (!other.mayHave(entityHash(transfer(n)))) throw new Error(`${transfer(n)} was added and is not known`);
      if (other.mayHave(entityHash(transfer(n + 20_000)))) strangers++;
    }
    expect(strangers / 20_000).toBeLessThanOrEqual(shareMax);
  });

  it("knows everything until it is whole", () => {
    const stored = new StoredHashes(hashesMemory(1024));
    expect(stored.mayHave(1)).toBe(true);
    stored.declareWhole();
    expect(stored.mayHave(1)).toBe(false);
    stored.add(1);
    expect(stored.mayHave(1)).toBe(true);
  });

  it("takes the lowest and the highest hash of 40 bits", () => {
    const stored = new StoredHashes(hashesMemory(128));
    stored.declareWhole();
    for (const hash of [0, 2 ** 40 - 1, 2 ** 32, 2 ** 31]) {
      stored.add(hash);
      expect(stored.mayHave(hash)).toBe(true);
    }
  });
});

describe("the rows of a file", () => {
  let dir: string;
  beforeEach(() => {
    dir = mkdtempSync(join(tmpdir(), "troupe-hashes-"));
  });
  afterEach(() => rmSync(dir, { recursive: true }));
  const file = () => ({ path: join(dir, "state.db"), busyTimeoutMs: 100, cacheKiB: 1024 });
  const open = (hashes?: SharedArrayBuffer) =>
    new SqliteSnapshots({ ...file(), meta: { storeId: "s", shardCount: 4 }, ...(hashes && { hashes }) });

  it("are added in parts after a start, and what is written while and after that; until then every one is looked for", () => {
    // Twelve of each in the order of their hashes: every second one is there at the start, the others are written while the scan stands between two of them.
    const inOrder = (nameOf: (n: number) => string): readonly string[] =>
      Array.from({ length: 12 }, (_, n) => nameOf(n)).sort((a, b) => entityHash(a) - entityHash(b));
    const [snapshots, pointed] = [inOrder((n) => `a/${n}`), inOrder(transfer)];
    const [even, odd] = [0, 1].map((rest) => (_: string, i: number) => i % 2 === rest) as [() => boolean, () => boolean];
    const pointersTo = (names: readonly string[]) => packPointers(names.map((name) => [name, 9]));
    const first = open();
    first.write(snapshots.filter(even).map(snapshotOf), pointersTo(pointed.filter(even)));
    first.close();

    const hashes = hashesMemory();
    const stored = new StoredHashes(hashes);
    const store = open(hashes);
    const reader = new SqliteSnapshotReader({ ...file(), stored });
    const isThere = (name: string): boolean => reader.load(name) !== null;
    let parts = 0;
    while (store.addStoredHashes(1)) {
      expect(stored.isWhole).toBe(false);
      // The fourth part is in the middle of the snapshots, the tenth in the middle of the pointers.
      if (++parts === 4) store.write(snapshots.filter(odd).map(snapshotOf), pointersTo([]));
      if (parts === 16) store.write([], pointersTo(pointed.filter(odd)));
      expect(snapshots.filter(even).every(isThere) && pointed.filter(even).every(isThere)).toBe(true);
    }
    expect(parts).toBeGreaterThan(16);
    expect(store.knowsAllHashes).toBe(true);
    expect([...snapshots, ...pointed].filter((name) => !isThere(name))).toEqual([]);
    expect(["a/new", transfer(99)].map((name) => stored.mayHave(entityHash(name)))).toEqual([false, false]);
    store.write([snapshotOf("a/new")], pointersTo([transfer(99)]));
    expect(["a/new", transfer(99)].map(isThere)).toEqual([true, true]);
    expect(store.addStoredHashes(1)).toBe(false);
    reader.close();
    store.close();
  });

  it("are known before their transaction ends, and a successor of the writer goes on with what it has", () => {
    const hashes = hashesMemory();
    const stored = new StoredHashes(hashes);
    const store = open(hashes);
    while (store.addStoredHashes(1));
    const blocked = open();
    expect(() => blocked.write([{ ...snapshotOf("a/1"), body: null as unknown as string }])).toThrow(/NOT NULL/);
    expect(stored.mayHave(entityHash("a/1"))).toBe(false); // That one did not share the memory.
    expect(() => store.write([{ ...snapshotOf("a/1"), body: null as unknown as string }])).toThrow(/NOT NULL/);
    expect(stored.mayHave(entityHash("a/1"))).toBe(true);
    blocked.close();
    store.close();
    const successor = open(hashes);
    expect(successor.addStoredHashes(1)).toBe(false);
    successor.write([snapshotOf("a/2")]);
    expect(stored.mayHave(entityHash("a/2"))).toBe(true);
    successor.close();
  });

  it("reads that belong together are one transaction, which begins with the first that is needed", () => {
    const hashes = hashesMemory();
    const store = open(hashes);
    while (store.addStoredHashes(1));
    store.write([snapshotOf("a/1")]);
    const reader = new SqliteSnapshotReader({ ...file(), stored: new StoredHashes(hashes) });
    reader.atOnce(() => {
      expect(reader.load("a/2")).toBeNull();
      store.write([snapshotOf("a/2")]);
      expect(reader.load("a/2")).toEqual(snapshotOf("a/2")); // Nothing was read before.
      store.write([snapshotOf("a/3")]);
      expect(reader.load("a/3")).toBeNull();
    });
    expect(reader.load("a/3")).toEqual(snapshotOf("a/3"));
    expect(() =>
      reader.atOnce(() => {
        reader.load("a/1");
        throw new Error("it failed");
      }),
    ).toThrow("it failed");
    store.write([snapshotOf("a/4")]);
    expect(reader.load("a/4")).toEqual(snapshotOf("a/4"));
    reader.close();
    store.close();
  });
});
