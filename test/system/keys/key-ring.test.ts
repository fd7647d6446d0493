/** DESIGN 4.4, erasure: personal text is readable with its conversation's key only, and never again when that is destroyed. */
import { once } from "node:events";
import { existsSync, readFileSync, truncateSync } from "node:fs";
import { join } from "node:path";
import { Worker } from "node:worker_threads";
import Database from "better-sqlite3";
import { describe, expect, it } from "vitest";
import { KeyRing, type KeyRingOptions } from "../../../src/system/keys/key-ring.ts";
import { folder } from "../../support/journal-bench.ts";
import type { KeyRingThreadData } from "../../support/key-ring-thread.ts";

const optionsOf = (dir: string, storeId = "store-1"): KeyRingOptions => ({
  path: join(dir, "keys.db"),
  meta: { storeId, shardCount: 4 },
  busyTimeoutMs: 5_000,
});
const fault = (code: string, message: RegExp) => expect.objectContaining({ code, message: expect.stringMatching(message) });

/** The key as the file holds it, read on a connection of the test's own. */
function keyOf(path: string, id: string): Buffer {
  const db = new Database(path, { readonly: true });
  try {
    return db.prepare<[string], Buffer>("SELECT key FROM keys WHERE name = ?").pluck().get(id) ?? Buffer.alloc(0);
  } finally {
    db.close();
  }
}

const filesWith = (path: string, bytes: Buffer): readonly string[] =>
  ["", "-wal", "-shm", "-journal"].filter((suffix) => existsSync(path + suffix) && readFileSync(path + suffix).includes(bytes));

describe("sealed text", () => {
  it.each(["", "Dobrý den, ž ✓ 👋", "a\0b", "x".repeat(1_000_000)])("opens as it was", (text) => {
    using dir = folder();
    using ring = new KeyRing(optionsOf(dir.path));
    ring.make(["c1"]);
    const sealed = ring.seal("c1", "m1", text);
    expect(sealed).toMatch(/^s1\.[A-Za-z0-9_-]+$/);
    expect(ring.open("c1", sealed)).toBe(text);
  });

  it("R-CON-2: the same text in the same context is sealed to the same bytes, also after a restart; in another context or conversation it is not", () => {
    using dir = folder();
    const first = new KeyRing(optionsOf(dir.path));
    first.make(["c1", "c2"]);
    const sealed = first.seal("c1", "m1", "hello");
    expect(first.seal("c1", "m1", "hello")).toBe(sealed);
    expect(new Set([sealed, first.seal("c1", "m2", "hello"), first.seal("c2", "m1", "hello"), first.seal("c1", "m1", "hellO")]).size).toBe(
      4,
    );
    first.close();
    using again = new KeyRing(optionsOf(dir.path));
    again.make(["c1"]);
    expect(again.seal("c1", "m1", "hello")).toBe(sealed);
    expect(again.open("c1", sealed)).toBe("hello");
  });

  it("a context cannot be mistaken for the beginning of a text", () => {
    using dir = folder();
    using ring = new KeyRing(optionsOf(dir.path));
    ring.make(["c1"]);
    expect(() => ring.seal("c1", "m\0x", "y")).toThrow(TypeError);
    expect(ring.seal("c1", "m", "x\0y").slice(0, 19)).not.toBe(ring.seal("c1", "mx", "y").slice(0, 19));
  });

  it("a text of another conversation is refused, and nothing of it is told", () => {
    using dir = folder();
    using ring = new KeyRing(optionsOf(dir.path));
    ring.make(["c1", "c2"]);
    const sealed = ring.seal("c1", "m1", "secret words");
    const refused = () => ring.open("c2", sealed);
    expect(refused).toThrow(fault("INTERNAL_ERROR", /conversation c2 cannot be opened/));
    expect(refused).not.toThrow(/secret/);
  });

  it("a damaged text is refused at every byte of it, and so is what is none", () => {
    using dir = folder();
    using ring = new KeyRing(optionsOf(dir.path));
    ring.make(["c1"]);
    const bytes = Buffer.from(ring.seal("c1", "m1", "hello").slice(3), "base64url");
    for (let at = 0; at < bytes.length; at++) {
      const changed = Buffer.from(bytes);
      changed[at] = (changed[at] ?? 0) ^ 1;
      expect(() => ring.open("c1", `s1.${changed.toString("base64url")}`)).toThrow(fault("INTERNAL_ERROR", /changed/));
    }
    for (const none of [
      "",
      "hello",
      "s1.",
      "s2.AAAA",
      `s1.${bytes.subarray(0, 27).toString("base64url")}`,
      `s1.!${bytes.toString("base64url")}`,
    ])
      expect(() => ring.open("c1", none)).toThrow(fault("INTERNAL_ERROR", /form of a sealed text/));
  });
});

describe("keys", () => {
  it("a conversation without a key opens nothing and seals nothing", () => {
    using dir = folder();
    using ring = new KeyRing(optionsOf(dir.path));
    expect(ring.open("c1", "s1.AAAA")).toBeNull();
    expect(() => ring.seal("c1", "m1", "x")).toThrow(fault("not_found", /never opened/));
  });

  it("a destroyed key leaves no byte in any file, whatever lies around it, and other keys open what they did", () => {
    using dir = folder();
    const options = optionsOf(dir.path);
    using ring = new KeyRing(options);
    // Names in no order and of all lengths, over many pages, some destroyed between: rows move if anything makes them move.
    const ids = Array.from({ length: 600 }, (_, i) => `c${(i * 7919) % 1000}${"x".repeat((i * 37) % 180)}`);
    const sealed = new Map<string, string>();
    const gone = new Map<string, Buffer>();
    for (const [i, id] of ids.entries()) {
      ring.make([id]);
      sealed.set(id, ring.seal(id, "m1", id));
      const victim = ids[i - 5];
      if (i % 10 !== 9 || victim === undefined) continue;
      gone.set(victim, keyOf(options.path, victim));
      ring.destroy(victim);
    }
    expect(gone.size).toBe(60);
    for (const key of gone.values()) expect(filesWith(options.path, key)).toEqual([]);
    for (const [id, text] of sealed) expect(ring.open(id, text)).toBe(gone.has(id) ? null : id);
    const kept = keyOf(options.path, ids[0] ?? "");
    expect(filesWith(options.path, kept)).not.toEqual([]); // The search finds a key that is there.
  });

  it("a destroyed key is destroyed for every ring at once, cannot be made again, and destroying it again is no error", () => {
    using dir = folder();
    using ring = new KeyRing(optionsOf(dir.path));
    using other = new KeyRing(optionsOf(dir.path));
    ring.make(["c1"]);
    const sealed = other.seal("c1", "m1", "hello");
    expect(ring.open("c1", sealed)).toBe("hello");
    other.destroy("c1");
    for (const each of [ring, other]) {
      expect(each.open("c1", sealed)).toBeNull();
      expect(() => each.seal("c1", "m1", "hello")).toThrow(fault("not_found", /destroyed/));
      each.make(["c1"]);
      expect(() => each.has("c1")).toThrow(fault("not_found", /destroyed/));
    }
    ring.destroy("c1");
    ring.destroy("never made");
    ring.make(["never made"]);
    expect(() => ring.has("never made")).toThrow(fault("not_found", /destroyed/));
    ring.close();
    using again = new KeyRing(optionsOf(dir.path));
    again.make(["c1"]);
    expect(() => again.has("c1")).toThrow(fault("not_found", /destroyed/));
  });

  it("L5: while somebody reads the old log, destroying says so; called again it is done", () => {
    using dir = folder();
    const options = { ...optionsOf(dir.path), busyTimeoutMs: 20 };
    using ring = new KeyRing(options);
    ring.make(["c1"]);
    const key = keyOf(options.path, "c1");
    const reader = new Database(options.path, { readonly: true });
    reader.exec("BEGIN; SELECT * FROM keys");
    expect(() => ring.destroy("c1")).toThrow(expect.objectContaining({ code: "JOURNAL_UNAVAILABLE", isRetryable: true }));
    expect(filesWith(options.path, key)).not.toEqual([]);
    reader.exec("COMMIT");
    reader.close();
    ring.destroy("c1");
    expect(filesWith(options.path, key)).toEqual([]);
  });

  it("threads that make a new ring at once, and the same keys in it, agree on every key", async () => {
    using dir = folder();
    const threads = 4;
    const ids = Array.from({ length: 40 }, (_, i) => `c${i}`);
    const gate = new SharedArrayBuffer(4);
    const sealed = await Promise.all(
      Array.from({ length: threads }, async () => {
        const data: KeyRingThreadData = { options: optionsOf(dir.path), ids, gate, threads };
        const thread = new Worker(new URL("../../support/key-ring-thread.ts", import.meta.url), { workerData: data });
        const [[said]] = await Promise.all([once(thread, "message"), once(thread, "exit")]);
        return said as readonly string[];
      }),
    );
    expect(new Set(sealed.map((each) => each.join("\n"))).size).toBe(1);
    using ring = new KeyRing(optionsOf(dir.path));
    for (const [i, id] of ids.entries()) expect(ring.open(id, sealed[0]?.[i] ?? "")).toBe(`text of ${id}`);
  });

  it("keys of another store are refused by name, and a damaged file is never made anew", () => {
    using dir = folder();
    const options = optionsOf(dir.path);
    new KeyRing(options).close();
    expect(() => new KeyRing(optionsOf(dir.path, "store-2"))).toThrow(
      fault("CONFIG_INVALID", /keys.db belongs to store store-1.*store store-2/),
    );
    truncateSync(options.path, 5_000);
    expect(() => new KeyRing(options)).toThrow(fault("JOURNAL_CORRUPT", /keys.db/));
    expect(readFileSync(options.path).length).toBe(5_000);
  });
});
