/** Ids, hashing and shards: the same on every machine and for ever, because shards are fixed when the store is made (trap 16). */
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { addressOf, fnv1a32, isType, partsOf, shardOf, tagOfShard, whyNotId } from "../../../src/runtime/index.ts";

describe("fnv1a32", () => {
  it.each([
    ["", 0x811c9dc5],
    ["a", 0xe40c292c],
    ["b", 0xe70c2de5],
    ["foobar", 0xbf9cf968],
    ["hello", 0x4f9f2cab],
  ])("of %j is the published vector", (text, hash) => expect(fnv1a32(text)).toBe(hash));

  it("is taken over the UTF-8 bytes of any text", () => {
    const slow = (text: string): number => {
      let hash = 2166136261n;
      for (const byte of Buffer.from(text, "utf8")) hash = ((hash ^ BigInt(byte)) * 16777619n) & 0xffffffffn;
      return Number(hash);
    };
    fc.assert(fc.property(fc.string({ unit: "binary" }), (text) => text.isWellFormed() === false || fnv1a32(text) === slow(text)));
    expect(fnv1a32("účet")).toBe(slow("účet"));
  });
});

describe("shardOf", () => {
  it("hashes the whole address, or the tag alone: what shares a tag shares a shard", () => {
    expect(shardOf("account/alice", 64)).toBe(fnv1a32("account/alice") % 64);
    expect(shardOf("account/world-{x}", 64)).toBe(fnv1a32("x") % 64);
    expect(shardOf("transfer/other-{x}-more", 64)).toBe(shardOf("account/world-{x}", 64));
  });

  it.each(["a/{}", "a/{", "a/}x{", "a/x}"])("%s has no tag", (address) => expect(shardOf(address, 64)).toBe(fnv1a32(address) % 64));

  it("a tag is the first one, up to the first brace that closes", () => {
    expect(shardOf("a/{x}{y}", 64)).toBe(fnv1a32("x") % 64);
    expect(shardOf("a/{x{y}", 64)).toBe(fnv1a32("x{y") % 64);
  });

  it.each([1, 3, 64, 257])("tagOfShard finds a short tag for every one of %i shards", (count) => {
    for (let shard = 0; shard < count; shard++) expect(shardOf(`any/id-{${tagOfShard(shard, count)}}`, count)).toBe(shard);
    expect(() => tagOfShard(count, count)).toThrow(RangeError);
    expect(() => tagOfShard(-1, count)).toThrow(RangeError);
  });
});

describe("ids", () => {
  it.each(["a", "ž".repeat(100), "with space", "{tag}", "💶"])("%j is one", (id) => expect(whyNotId(id)).toBeNull());
  it.each(["", ".", "..", "a/b", "a\nb", "\u007f", "\u2028", "\ud800", "x".repeat(201), "ž".repeat(101)])("%j is none", (id) =>
    expect(whyNotId(id)).not.toBeNull(),
  );

  it("an address is taken apart at its first slash", () => {
    expect(partsOf(addressOf("account", "a{b}"))).toEqual({ type: "account", id: "a{b}" });
    expect([isType("account"), isType("Account"), isType("1a"), isType("")]).toEqual([true, false, false, false]);
  });
});
