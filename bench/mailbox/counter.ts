/** The smallest entity that the real runtime hosts: one command that writes, so that it exists, and one that only replies. */
import { accept, defineEntity, reply, type Schema } from "../../src/runtime/index.ts";

/** Takes what comes: the benches that use it send only what they made themselves. */
const trusted = <Value>(): Schema<Value> => ({
  "~standard": { version: 1, vendor: "bench", validate: (value) => ({ value: value as Value }) },
});

export const counter = defineEntity({
  type: "counter",
  version: 1,
  commands: {
    add: { body: trusted<{ readonly amount: number }>(), reply: trusted<number>() },
    look: { body: trusted<{ readonly plus: number }>(), reply: trusted<number>() },
  },
  events: { added: trusted<{ readonly kind: "added"; readonly amount: number }>() },
  initial: () => 0,
  decide: {
    add: (state, { amount }) => accept([{ kind: "added", amount }], { reply: state + amount }),
    look: (state, { plus }) => reply(state + plus),
  },
  evolve: { added: (state, { amount }) => state + amount },
  snapshot: { encode: (state) => state, decode: (json) => Number(json) },
});

/** What a shard thread hosts when it is given this module. */
export const registry = [counter];
