/** Definitions with a defect: an entity that never comes back from some of its commands, as a loop without end in a handler does not. */
import { z } from "zod";
import { type AnyDefinition, accept, defineEntity, type Json, reply } from "../../src/runtime/index.ts";

interface TrapState {
  readonly touched: number;
  /** Codes of the refusals that it was answered. */
  readonly refusals: readonly string[];
}

export const trap = defineEntity({
  type: "trap",
  version: 1,
  commands: {
    touch: { body: z.object({}), reply: z.null(), repeats: "recorded" },
    /** Never comes back. */
    loop: { body: z.object({}), reply: z.null(), repeats: "recorded" },
    /** Tells another one to do something; the tell is in the journal before that one begins, when it is elsewhere. */
    send: { body: z.object({ to: z.string(), command: z.string() }), reply: z.null(), repeats: "recorded" },
    get: { body: z.object({}), reply: z.custom<TrapState>() },
  },
  events: { touched: z.object({ kind: z.literal("touched") }), refused: z.object({ kind: z.literal("refused"), code: z.string() }) },
  initial: (): TrapState => ({ touched: 0, refusals: [] }),
  decide: {
    touch: () => accept([{ kind: "touched" }], { reply: null }),
    loop: () => {
      for (;;);
    },
    send: (_state, { to, command }) =>
      accept([{ kind: "touched" }], { reply: null, effects: [{ kind: "tell", to, command, body: {}, answerTo: "heard" }] }),
    get: (state) => reply(state),
  },
  answers: { heard: (_state, answer) => (answer.ok ? accept([{ kind: "touched" }]) : accept([{ kind: "refused", code: answer.code }])) },
  evolve: {
    touched: ({ touched, refusals }) => ({ touched: touched + 1, refusals }),
    refused: ({ touched, refusals }, { code }) => ({ touched, refusals: [...refusals, code] }),
  },
  snapshot: { encode: (state) => state as unknown as Json, decode: (json) => json as unknown as TrapState },
});

export const definitions = [trap] as unknown as readonly AnyDefinition[];
