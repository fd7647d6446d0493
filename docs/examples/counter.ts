import { z } from "zod";
import { accept, defineEntity, entityProtocol, reject, reply } from "../../src/runtime/index.ts";

/** How a counter is spoken to: its type and its commands. */
export const counters = entityProtocol("counter", {
  add: { body: z.strictObject({ by: z.int().positive() }), reply: z.object({ total: z.int() }), repeats: "recorded" },
  get: { body: z.strictObject({}), reply: z.object({ total: z.int() }) },
});
const TOTAL_MAX = 1_000;

/** A number for each id that only goes up, to 1,000 at most. */
export const counter = defineEntity({
  ...counters,
  version: 1,
  events: { added: z.object({ by: z.int() }) },
  initial: () => ({ total: 0 }),
  decide: {
    add({ total }, { by }) {
      if (total + by > TOTAL_MAX) return reject("limit_exceeded", `the counter stands at ${total} and goes to ${TOTAL_MAX}`);
      return accept([{ kind: "added", by }], { reply: { total: total + by } });
    },
    get: ({ total }) => reply({ total }),
  },
  evolve: { added: ({ total }, { by }) => ({ total: total + by }) },
  snapshot: { encode: ({ total }) => total, decode: (json) => ({ total: Number(json) }) },
});

/** What the shard threads load: they import this module by its URL. */
export const registry = [counter];
