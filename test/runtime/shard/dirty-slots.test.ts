/** The slots with changes are a set, whatever comes and goes (S6 rests on it: what is not there is not stored). */
import fc from "fast-check";
import { expect, it } from "vitest";
import { DirtySlots } from "../../../src/runtime/shard/dirty-slots.ts";
import type { Slot } from "../../../src/runtime/shard/slot.ts";

it("holds what a Set would hold", () => {
  const step = fc.tuple(fc.constantFrom("add", "delete", "clear"), fc.nat(9));
  fc.assert(
    fc.property(fc.array(step, { maxLength: 200 }), (steps) => {
      const slots = Array.from({ length: 10 }, () => ({ dirtyAt: -1 }) as Slot);
      const dirty = new DirtySlots();
      const expected = new Set<Slot>();
      for (const [what, which] of steps) {
        const slot = slots[which] as Slot;
        if (what === "add") {
          dirty.add(slot);
          expected.add(slot);
        } else if (what === "delete") expect(dirty.delete(slot)).toBe(expected.delete(slot));
        else if (which === 0) {
          dirty.clear();
          expected.clear();
        }
        expect(new Set(dirty)).toEqual(expected);
        expect([...dirty].length).toBe(expected.size);
        expect(dirty.size).toBe(expected.size);
      }
    }),
  );
});
