import { expect, it } from "vitest";
import { RecentlyUsed } from "../../../src/system/sqlite/recently-used.ts";

const held = (values: RecentlyUsed<object>, names: readonly string[]): readonly string[] =>
  names.filter((name) => values.get(name) !== undefined);

it("nothing leaves while less than half of the capacity was used", () => {
  const values = new RecentlyUsed<object>(8);
  for (const name of ["a", "b", "c", "d"]) {
    values.set(name, {});
    values.age();
  }
  expect(held(values, ["a", "b", "c", "d"])).toEqual(["a", "b", "c", "d"]);
});

it("what was used since stays, the same object; the rest leaves, and only by age", () => {
  const values = new RecentlyUsed<object>(4);
  const kept = {};
  values.set("kept", kept);
  for (const name of ["b", "c"]) values.set(name, {});
  values.age(); // They are the older generation now.
  expect(values.get("kept")).toBe(kept);
  for (const name of ["d", "e"]) values.set(name, {});
  values.age();
  expect(held(values, ["b", "c"])).toEqual([]);
  expect(values.get("kept")).toBe(kept);
  expect(held(values, ["d", "e"])).toEqual(["d", "e"]);
});

it("L6: whatever comes, it holds its capacity and what two spans used", () => {
  const values = new RecentlyUsed<object>(10);
  const names = Array.from({ length: 1_000 }, (_, i) => String(i));
  for (const [i, name] of names.entries()) {
    values.set(name, {});
    if (i % 3 === 2) values.age();
  }
  values.age();
  expect(held(values, names).length).toBeLessThanOrEqual(10 + 2 * 3);
});

it("L6: a long span leaves when half of the capacity was used after it", () => {
  const values = new RecentlyUsed<object>(10);
  const many = Array.from({ length: 1_000 }, (_, i) => `many-${i}`);
  for (const name of many) values.set(name, {});
  values.age();
  for (let i = 0; i < 6; i++) {
    values.set(`few-${i}`, {});
    values.age();
  }
  expect(held(values, many)).toEqual([]);
  expect(held(values, ["few-0", "few-5"])).toEqual(["few-0", "few-5"]);
});

it("clear forgets both generations", () => {
  const values = new RecentlyUsed<object>(2);
  for (const name of ["a", "b"]) values.set(name, {});
  values.age();
  values.set("c", {});
  values.clear();
  expect(held(values, ["a", "b", "c"])).toEqual([]);
});
