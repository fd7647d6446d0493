/** It must answer as a Map does, whatever comes and goes. */
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { OpenTable } from "../../../src/system/http/open-table.ts";

describe("OpenTable", () => {
  it("holds what a Map would hold", () => {
    const step = fc.record({ isAdd: fc.boolean(), key: fc.nat(7) });
    fc.assert(
      fc.property(fc.array(step, { maxLength: 60 }), (steps) => {
        const holders = Array.from({ length: 8 }, (_, key) => ({ key }));
        const table = new OpenTable<{ readonly key: number }, number>();
        const model = new Map<object, number>();
        for (const [turn, { isAdd, key }] of steps.entries()) {
          const holder = holders[key] as { readonly key: number };
          if (!isAdd) expect(table.delete(holder)).toBe(model.delete(holder));
          else if (!model.has(holder)) {
            table.add(holder, turn);
            model.set(holder, turn);
          }
          expect(table.size).toBe(model.size);
          for (const each of holders) expect(table.get(each)).toBe(model.get(each));
          expect(new Map(table.entries())).toEqual(model);
        }
        table.clear();
        expect([table.size, table.entries(), holders.map((each) => table.get(each))]).toEqual([0, [], holders.map(() => undefined)]);
      }),
    );
  });

  it("a holder may be in two tables, with a value of its own in each", () => {
    const [one, other] = [new OpenTable<object, string>(), new OpenTable<object, string>()];
    const holder = {};
    one.add(holder, "a");
    other.add({}, "x");
    other.add(holder, "b");
    one.delete(holder);
    expect([one.get(holder), other.get(holder)]).toEqual([undefined, "b"]);
  });
});
