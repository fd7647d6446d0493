/** A module with an entity that keeps its thread busy for as long as it is told. */
import { z } from "zod";
import { type AnyDefinition, accept, defineEntity } from "../../src/runtime/index.ts";

export const looper = defineEntity({
  type: "looper",
  version: 1,
  commands: { loop: { body: z.object({ ms: z.number() }), reply: z.null(), repeats: "recorded" } },
  events: { looped: z.custom<{ readonly kind: "looped" }>() },
  initial: () => 0,
  decide: {
    loop: (_state, { ms }) => {
      const until = performance.now() + ms;
      while (performance.now() < until);
      return accept([{ kind: "looped" }], { reply: null });
    },
  },
  evolve: { looped: (count: number) => count + 1 },
  snapshot: { encode: (state) => state, decode: (json) => Number(json) },
});
export const definitions = [looper] as unknown as readonly AnyDefinition[];
