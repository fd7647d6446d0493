/** What an entity remembers of the ids of its commands: 24 h, 1,000, nothing forgotten early. */
import { expect, it } from "vitest";
import { KEYS_COUNT_MAX, KEYS_KEPT_MS, KeyTable } from "../../../src/runtime/shard/key-table.ts";

const keyOf = (n: number, at: number) => ({ id: `k${n}`, print: `p${n}`, at, answer: { ok: true as const, value: n } });

it("is full at 1,000 ids of the last 24 h", () => {
  const table = new KeyTable();
  for (let n = 0; n < KEYS_COUNT_MAX; n++) {
    expect(table.isFull(n)).toBe(false);
    table.keep(keyOf(n, n));
  }
  expect(table.isFull(KEYS_KEPT_MS - 1)).toBe(true);
  expect(table.find("k0")).toEqual(keyOf(0, 0));
});

it("makes room only of what is 24 h old, oldest first", () => {
  const table = new KeyTable();
  for (let n = 0; n < KEYS_COUNT_MAX; n++) table.keep(keyOf(n, n));
  expect(table.isFull(KEYS_KEPT_MS)).toBe(false);
  expect([table.find("k0"), table.find("k1")]).toEqual([undefined, keyOf(1, 1)]);
});

it("comes back from a snapshot as it was, order included", () => {
  const table = new KeyTable();
  for (let n = 0; n < KEYS_COUNT_MAX; n++) table.keep(keyOf(n, n));
  const again = KeyTable.fromJson(JSON.parse(JSON.stringify(table.toJson())));
  expect(again.toJson()).toEqual(table.toJson());
  expect(again.isFull(KEYS_KEPT_MS + 4)).toBe(false);
  expect([again.find("k4"), again.find("k5")]).toEqual([undefined, keyOf(5, 5)]);
});
