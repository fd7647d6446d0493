import { z } from "zod";
import { accept, defineEntity, entityProtocol, reject, reply } from "../../src/runtime/index.ts";

/** How a reservation is spoken to. */
export const reservations = entityProtocol("reservation", {
  hold: { body: z.strictObject({ seat: z.string(), forMs: z.int().positive() }), reply: z.null() },
  pay: { body: z.strictObject({}), reply: z.null() },
  expire: { body: z.strictObject({}), reply: z.null() },
  get: { body: z.strictObject({}), reply: z.string() },
});

/** A seat that is held for a while, and then either paid or free again. */
export const reservation = defineEntity({
  ...reservations,
  version: 1,
  events: {
    held: z.object({ seat: z.string(), until: z.number() }),
    paid: z.object({ at: z.number() }),
    expired: z.object({ at: z.number() }),
  },
  initial: () => ({ phase: "free", seat: "", until: 0 }),
  decide: {
    hold({ phase }, { seat, forMs }, { at }) {
      if (phase !== "free") return reject("illegal_transition", `the reservation is ${phase}`);
      const until = at + forMs;
      return accept([{ kind: "held", seat, until }], {
        reply: null,
        effects: [{ kind: "schedule", label: "expiry", at: until, command: "expire", body: {} }],
      });
    },
    pay({ phase, until }, _body, { at }) {
      // By the time of the command, not by whether the timer has come: a timer may be late, and a paid seat must not depend on it.
      if (phase !== "held" || at >= until) return reject("illegal_transition", `the reservation is ${phase === "held" ? "over" : phase}`);
      return accept([{ kind: "paid", at }], { reply: null, cancels: ["expiry"] });
    },
    expire: ({ phase }, _body, { at }) => (phase === "held" ? accept([{ kind: "expired", at }]) : reply(null)),
    get: ({ phase, seat }) => reply(`${phase} ${seat}`.trim()),
  },
  evolve: {
    held: (_state, { seat, until }) => ({ phase: "held", seat, until }),
    paid: (state) => ({ ...state, phase: "paid" }),
    expired: () => ({ phase: "free", seat: "", until: 0 }),
  },
  snapshot: {
    encode: (state) => state,
    decode: (json) => z.object({ phase: z.string(), seat: z.string(), until: z.number() }).parse(json),
  },
});

export const registry = [reservation];
