/** The mailbox and its ring against a plain array, over random sequences of calls. */
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { Mailbox } from "../../../src/runtime/mailbox/mailbox.ts";
import { Ring } from "../../../src/runtime/mailbox/ring.ts";

const calls = fc.array(fc.constantFrom("push", "push", "push", "shift", "release"), { maxLength: 300 });

describe("ring", () => {
  it("is a FIFO queue, whatever the order of pushes and shifts", () => {
    fc.assert(
      fc.property(calls, fc.constantFrom(1, 2, 8), (sequence, sizeMin) => {
        const ring = new Ring<{ n: number }>(sizeMin);
        const model: { n: number }[] = [];
        for (const [n, call] of sequence.entries()) {
          if (call === "push") {
            ring.push({ n });
            model.push({ n });
          } else expect(ring.shift()).toEqual(model.shift());
          expect(ring.count).toBe(model.length);
          expect([...ring]).toEqual(model);
        }
      }),
    );
  });
});

describe("mailbox", () => {
  it("L6: keeps the order, refuses offers at its capacity, and takes what is forced beyond it", () => {
    fc.assert(
      fc.property(
        fc.array(fc.constantFrom("offer", "offer", "force", "take", "release"), { maxLength: 300 }),
        fc.nat(5),
        (sequence, capacity) => {
          const mailbox = new Mailbox<{ n: number }>(capacity);
          const model: { n: number }[] = [];
          for (const [n, call] of sequence.entries()) {
            if (call === "offer") {
              const isTaken = model.length < capacity;
              expect(mailbox.offer({ n })).toBe(isTaken);
              if (isTaken) model.push({ n });
            } else if (call === "force") {
              mailbox.force({ n });
              model.push({ n });
            } else if (call === "take") expect(mailbox.take()).toEqual(model.shift());
            else mailbox.release(); // Never loses what waits.
            expect(mailbox.count).toBe(model.length);
            expect([...mailbox]).toEqual(model);
          }
        },
      ),
    );
  });

  it("a capacity of 0 refuses every offer", () => {
    expect(new Mailbox<object>(0).offer({})).toBe(false);
  });
});
