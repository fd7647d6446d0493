import { describe, expect, it } from "vitest";
import { NumberedTable } from "../../../src/system/threads/numbered-table.ts";

describe("the numbered table", () => {
  it("gives each value back by its number, once", () => {
    const table = new NumberedTable<string>(3);
    const [a, b] = [table.add("a"), table.add("b")];
    expect(a).not.toBe(b);
    expect([table.get(a), table.get(b)]).toEqual(["a", "b"]);
    expect(table.take(a)).toBe("a");
    expect([table.get(a), table.take(a), table.get(b)]).toEqual([undefined, undefined, "b"]);
  });

  it("never gives a number twice: who comes late with that of a value that left does not meet the one in its place", () => {
    const table = new NumberedTable<number>(4);
    const seen = new Set<number>();
    for (let round = 0; round < 100; round++) {
      const numbers = [0, 1, 2].map((each) => table.add(round * 3 + each));
      for (const number of numbers) seen.add(number);
      expect(numbers.map((number) => table.take(number))).toEqual([round * 3, round * 3 + 1, round * 3 + 2]);
      expect(numbers.map((number) => table.get(number))).toEqual([undefined, undefined, undefined]);
    }
    expect(seen.size).toBe(300);
    expect([...seen].every((number) => number > 0)).toBe(true);
  });

  it("goes on where numbers are no longer exact", () => {
    const table = new NumberedTable<number>(2 ** 51);
    const rest = table.add(-1);
    for (let round = 0; round < 20; round++) {
      const number = table.add(round);
      expect(Number.isSafeInteger(number)).toBe(true);
      expect(table.take(number)).toBe(round);
    }
    expect(table.get(rest)).toBe(-1);
  });

  it("an empty table has no places to go through, and gives other numbers than before", () => {
    const table = new NumberedTable<string>(8);
    const before = ["a", "b", "c"].map((value) => table.add(value));
    for (const number of before) table.take(number);
    expect(table.size).toBe(0);
    const after = ["d", "e", "f"].map((value) => table.add(value));
    expect(table.size).toBe(3);
    expect([...table.entries()].map(([, value]) => value)).toEqual(["d", "e", "f"]);
    expect(before.filter((number) => after.includes(number))).toEqual([]);
    expect(before.map((number) => table.get(number))).toEqual([undefined, undefined, undefined]);
  });

  it("holds as many as it was made for, and takes more when some left", () => {
    const table = new NumberedTable<string>(2);
    const [a] = [table.add("a"), table.add("b")];
    expect(() => table.add("c")).toThrow("2 values are as many as may be");
    table.take(a);
    expect(table.get(table.add("c"))).toBe("c");
  });

  it("lists what is there, while values leave", () => {
    const table = new NumberedTable<string>(8);
    const numbers = ["a", "b", "c", "d"].map((value) => table.add(value));
    table.take(numbers[1] as number);
    const listed: string[] = [];
    for (const [number, value] of table.entries()) {
      listed.push(value);
      table.take(number);
    }
    expect(listed).toEqual(["a", "c", "d"]);
    expect([...table.entries()]).toEqual([]);
  });

  it("a number that was never given is nobody's", () => {
    const table = new NumberedTable<string>(2);
    table.add("a");
    for (const number of [-1, 0, 1, 5, 2 ** 40, Number.NaN]) expect(table.get(number), String(number)).toBe(undefined);
  });
});
