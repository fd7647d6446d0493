/** The ledger's registry, a `counter`, a `ball` and a `holder`, whose command holds its whole shard thread until a file is there. */
import { existsSync, writeFileSync } from "node:fs";
import { registry as ledger } from "../../src/actors/index.ts";
import { defineEntity, reply } from "../../src/runtime/index.ts";
import { any, ball, counter } from "../runtime/shard/domain-bench.ts";

const HOLD_MS_MAX = 20_000;

export const holder = defineEntity({
  type: "holder",
  version: 1,
  commands: { hold: { body: any<{ readonly path: string }>(), reply: any<null>() } },
  events: { held: any<object>() },
  initial: () => null,
  decide: {
    hold(_state, { path }) {
      writeFileSync(`${path}.held`, ""); // What is sent from now on waits in the thread's port.
      for (const end = performance.now() + HOLD_MS_MAX; !existsSync(path) && performance.now() < end; );
      return reply(null);
    },
  },
  evolve: { held: (state) => state },
  snapshot: { encode: () => null, decode: () => null },
});

export const registry = [...ledger, holder, counter, ball];
