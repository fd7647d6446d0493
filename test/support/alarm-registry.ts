/** The ledger's registry with one entity more: `alarm`, which sets durable timers to itself and remembers when they rang. */
import { registry as ledger } from "../../src/actors/index.ts";
import { type AnyDefinition, accept, defineEntity, reply } from "../../src/runtime/index.ts";
import { any } from "../runtime/shard/domain-bench.ts";

type Rang = { readonly kind: "rang"; readonly dueAt: number; readonly at: number };

export const alarm = defineEntity({
  type: "alarm",
  version: 1,
  commands: {
    set: { body: any<{ readonly label: string; readonly at: number }>(), reply: any<null>() },
    ring: { body: any<{ readonly dueAt: number }>(), reply: any<null>() },
    get: { body: any<object>(), reply: any<readonly Rang[]>() },
  },
  events: { rang: any<Rang>() },
  initial: (): readonly Rang[] => [],
  decide: {
    set: (_state, { label, at }) =>
      accept<Rang, null>([], { reply: null, effects: [{ kind: "schedule", label, at, command: "ring", body: { dueAt: at } }] }),
    ring: (_state, { dueAt }, { at }) => accept<Rang>([{ kind: "rang", dueAt, at }]),
    get: (state) => reply(state),
  },
  evolve: { rang: (state, rang) => [...state, rang] },
  snapshot: { encode: (state) => [...state], decode: (json) => json as unknown as readonly Rang[] },
});

export const registry = [...ledger, alarm as unknown as AnyDefinition];
