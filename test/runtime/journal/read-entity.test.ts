/** P1-P3: what a pointer says is believed only as far as its record bears it out. */
import { describe, expect, it } from "vitest";
import {
  type Entry,
  entityHash,
  entriesOfTypes,
  entryOf,
  type Json,
  joinPointers,
  NO_POINTERS,
  packEntries,
  packPointers,
  readEntity,
} from "../../../src/runtime/index.ts";

const entry = (entity: string, more: Partial<Entry> = {}): Entry => ({
  shard: 1,
  seq: 9,
  entity,
  version: 1,
  at: 5,
  events: [{ kind: "began" }],
  ...more,
});
const body = packEntries([entry("t/a"), entry('t/odd "name" ä'), entry("t/b", { events: [{ kind: "said", entity: "t/c" }] })]);
const fault = (message: RegExp) => expect.objectContaining({ code: "JOURNAL_CORRUPT", message: expect.stringMatching(message) });
const sources = (records: readonly number[] | null, bodies: ReadonlyMap<number, string | Uint8Array> = new Map([[7, body]])) => ({
  snapshots: { load: () => (records === null ? null : { records }) },
  bodyOf: (record: number) => bodies.get(record) ?? null,
});
/** Two addresses with one hash, found by trying. */
const TWINS = ["t/x69875", "t/x2088560"] as const;

describe("the entry of one entity in a record", () => {
  it.each(["t/a", 't/odd "name" ä', "t/b"])("%s is found by its own name", (address) => {
    expect(entryOf(body, address)).toMatchObject({ entity: address });
    expect(entryOf(new TextDecoder().decode(body), address)).toMatchObject({ entity: address });
  });

  it("not by a field of an event, nor by a part of a name, in whatever layout the record is", () => {
    for (const text of [body, JSON.stringify(JSON.parse(new TextDecoder().decode(body)), null, 1)]) {
      expect([entryOf(text, "t/c"), entryOf(text, "t/"), entryOf(text, "t/ab")]).toEqual([null, null, null]);
      expect(entryOf(text, "t/b")).toMatchObject({ entity: "t/b" });
    }
  });

  const forged = { shard: 1, seq: 9, entity: "t/forged", version: 1, at: 5 };
  const said = (name: string, list: readonly Json[]) => entry(name, { events: [{ kind: "said", list, text: '},{"shard":' }] });
  it.each([
    ["none", []],
    ["one", [entry("t/a")]],
    ["three", [entry("t/a"), entry("t/b"), entry("t/c")]],
    ["one with the look of another inside", [entry("t/a"), said("t/b", [{ is: "first" }, forged])]],
    ["with the look of others inside, between entries", [entry("t/a"), said("t/b", [{ shard: 1 }, forged, { shard: 1 }]), entry("t/c")]],
    ["all with the look of others inside", [said("t/a", [forged, forged, forged]), said("t/b", [forged, forged])]],
  ])("has a line of its own, and nothing inside it has: %s", (_, entries) => {
    const text = new TextDecoder().decode(packEntries(entries));
    expect(text).toBe(`[${entries.map((one) => JSON.stringify(one)).join(",\n")}]`);
    expect(entryOf(text, "t/forged")).toBeNull();
    for (const one of entries) expect(entryOf(text, one.entity)).toEqual(one);
    expect(entriesOfTypes({ body: text, count: entries.length }, new Set(["t"]))).toEqual(entries);
  });
});

describe("reading an entity that a record is the history of", () => {
  it("is the entry of that record, found by the store or known before", () => {
    expect(readEntity("t/a", null, sources([7]))).toEqual(entry("t/a"));
    expect(readEntity("t/a", 7, sources(null))).toEqual(entry("t/a"));
    expect(readEntity("t/a", null, sources(null))).toBeNull();
  });

  it("needs no record when its tail has the whole history", () => {
    expect(readEntity("t/a", "tail", sources([7], new Map()))).toBeNull();
  });

  it("P2: a pointer of another entity with the same hash says nothing, and the next one is looked at", () => {
    const [one, other] = TWINS;
    expect(entityHash(one)).toBe(entityHash(other));
    const bodies = new Map([
      [7, packEntries([entry(one)])],
      [8, packEntries([entry(other)])],
    ]);
    expect(readEntity(other, null, sources([7], bodies))).toBeNull();
    expect(readEntity(other, null, sources([7, 8], bodies))).toEqual(entry(other));
  });

  it.each([
    ["a record that is missing", null, /Record 7 .*is missing/],
    ["a record of others", packEntries([entry("t/z")]), /Record 7 .*no entry of t\/a/],
    ["a record that is damaged", "[{", /Record 7 .*no JSON/],
  ])("%s is refused by name", (_, found, message) => {
    const from = sources([7], found === null ? new Map() : new Map([[7, found]]));
    expect(() => readEntity("t/a", null, from)).toThrow(fault(message));
    expect(() => readEntity("t/a", 7, from)).toThrow(fault(message));
  });
});

describe("packed pointers", () => {
  it("are pairs of hash and record, and join", () => {
    const a = packPointers([["t/a", 7]]);
    const b = packPointers([["t/b", 2 ** 50]]);
    expect([...joinPointers([a, b])]).toEqual([entityHash("t/a"), 7, entityHash("t/b"), 2 ** 50]);
    expect(joinPointers([])).toBe(NO_POINTERS);
  });
});
