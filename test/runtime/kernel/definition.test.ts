/** Types: a wrong command, body, reply or event does not compile; `tsc` is the judge, the run only proves that the file loads. */
import { describe, expectTypeOf, it } from "vitest";
import { type Answer, type AnyDefinition, type AskOf, accept, defineEntity, reply } from "../../../src/runtime/index.ts";
import { any, type counter } from "../shard/domain-bench.ts";

type Ask = AskOf<typeof counter>;
declare const ask: Ask;

describe("a reference made from a definition", () => {
  it("knows the commands, their bodies and their replies", () => {
    expectTypeOf<Parameters<Ask["add"]>[0]>().toEqualTypeOf<{ readonly by: number }>();
    expectTypeOf<ReturnType<Ask["add"]>>().toEqualTypeOf<Promise<Answer<{ readonly total: number }>>>();
    expectTypeOf<keyof Ask>().toEqualTypeOf<keyof (typeof counter)["commands"]>();
    const wrong = (): void => {
      // @ts-expect-error: there is no such command.
      void ask.subtract({ by: 1 });
      // @ts-expect-error: the body is of another type.
      void ask.add({ by: "1" });
      // @ts-expect-error: the body is missing.
      void ask.add();
      // @ts-expect-error: an option that does not exist.
      void ask.add({ by: 1 }, { key: "k" });
    };
    expectTypeOf(wrong).toBeFunction();
  });
});

describe("a definition", () => {
  const commands = { set: { body: any<{ readonly to: number }>(), reply: any<number>() } } as const;
  const events = { set: any<{ readonly kind: "set"; readonly to: number }>() };
  const snapshot = { encode: (state: number) => state, decode: () => 0 };
  const rest = { type: "cell", version: 1, commands, events, initial: () => 0, snapshot } as const;

  it("is any definition to a shard that hosts it", () => {
    const cell = defineEntity({
      ...rest,
      decide: { set: (state: number, { to }) => (to === state ? reply(state) : accept([{ kind: "set", to }], { reply: to })) },
      evolve: { set: (_state: number, { to }) => to },
    });
    expectTypeOf(cell).toExtend<AnyDefinition>();
  });

  it("does not compile with a handler, event or evolve that does not fit", () => {
    const wrong = (): void => {
      defineEntity({
        ...rest,
        // @ts-expect-error: the reply is a number.
        decide: { set: () => reply("text") },
        evolve: { set: (_state: number, { to }) => to },
      });
      defineEntity({
        ...rest,
        // @ts-expect-error: there is no such event.
        decide: { set: () => accept([{ kind: "cleared" }]) },
        evolve: { set: (_state: number, { to }) => to },
      });
      defineEntity({
        ...rest,
        decide: { set: () => reply(1) },
        // @ts-expect-error: the event has no such field.
        evolve: { set: (_state: number, { value }) => value },
      });
      defineEntity({
        ...rest,
        // @ts-expect-error: a command without a handler.
        decide: {},
        evolve: { set: (_state: number, { to }) => to },
      });
    };
    expectTypeOf(wrong).toBeFunction();
  });
});
