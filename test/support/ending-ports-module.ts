/** A module whose port "fuse" ends the thread that performs it, in the way that the effect names; "patient" is beside it and does nothing wrong. */
import { setTimeout as delay } from "node:timers/promises";
import { z } from "zod";
import { type AnyDefinition, accept, defineEntity, type Json, type PortDefinition, type PortRequest } from "../../src/runtime/index.ts";

const bodySchema = z.object({ mode: z.string() });

export const igniter = defineEntity({
  type: "igniter",
  version: 1,
  commands: {
    light: { body: bodySchema, reply: z.null(), repeats: "recorded" },
    wait: { body: z.object({ ms: z.number() }), reply: z.null() },
  },
  events: { lit: z.custom<{ readonly kind: "lit" }>() },
  initial: () => 0,
  decide: {
    light: (_state, body) => accept([{ kind: "lit" }], { reply: null, effects: [{ kind: "call", to: "fuse", command: "light", body }] }),
    wait: (_state, body) =>
      accept([{ kind: "lit" }], {
        isAnsweredLater: true,
        effects: [{ kind: "call", to: "patient", command: "wait", body, answerTo: "waited" }],
      }),
  },
  answers: { waited: () => accept([{ kind: "lit" }], { settle: null }) },
  evolve: { lit: (count: number) => count + 1 },
  snapshot: { encode: (state) => state, decode: (json) => Number(json) },
});

function burn({ body }: PortRequest): Promise<Json> | Json {
  const { mode } = body as { readonly mode: string };
  switch (mode) {
    case "throws later":
      return new Promise(() => {
        setImmediate(() => {
          throw new Error("boom");
        });
      });
    case "exits":
      process.exit(3);
      break;
    case "exits later":
      return delay(5).then(() => process.exit(3));
    case "loops":
      for (;;);
    case "loops later":
      return delay(5).then(() => {
        for (;;);
      });
    case "answers and throws":
      setTimeout(() => {
        throw new Error("too late to be this attempt's");
      }, 50);
      break;
    default:
  }
  return null;
}

async function wait({ body }: PortRequest): Promise<Json> {
  await delay((body as { readonly ms: number }).ms);
  return null;
}

const QUICK = { backoffMsMin: 20, backoffMsMax: 200, deadlineMs: null, breaker: null };

export const definitions = [igniter] as unknown as readonly AnyDefinition[];
export const ports: readonly PortDefinition[] = [
  { name: "fuse", kind: "call", perform: burn, policy: { ...QUICK, attemptsMax: 2 } },
  { name: "patient", kind: "call", perform: wait, policy: { ...QUICK, attemptsMax: 1 } },
];
