/** Entities that name each other keep their types: checked by the compiler, and run to see that it works (issue 3 H, DESIGN 4.1). */
import { describe, expect, expectTypeOf, it } from "vitest";
import {
  type AnswerOf,
  type AskEffect,
  accept,
  answered,
  defineEntity,
  entityProtocol,
  ignore,
  reject,
  reply,
  type TellEffect,
} from "../../../src/runtime/index.ts";
import { any, DomainBench, replyIn } from "../shard/domain-bench.ts";

const pings = entityProtocol("ping", {
  start: { body: any<{ readonly rounds: number; readonly with: string }>(), reply: any<null>() },
  pong: { body: any<{ readonly n: number; readonly from: string }>(), reply: any<null>() },
  count: { body: any<object>(), reply: any<number>() },
});
const pongs = entityProtocol("pong", {
  ping: { body: any<{ readonly n: number; readonly from: string }>(), reply: any<{ readonly taken: number }>() },
  limit: { body: any<object>(), reply: any<number>() },
});
const snapshot = <State>() => ({ encode: (state: State) => state as never, decode: (json: unknown) => json as State });

const ping = defineEntity({
  ...pings,
  version: 1,
  events: { asked: any<{ readonly rounds: number; readonly with: string }>(), taken: any<{ readonly n: number }>() },
  initial: () => ({ left: 0, with: "", got: 0 }),
  decide: {
    start: (_state, { rounds, with: other }) =>
      accept([{ kind: "asked", rounds, with: other }], { effects: [pongs.ask(other).limit({}, { answerTo: "limited" })] }),
    pong: (state, { n, from }, { key }) =>
      n < state.left
        ? accept([{ kind: "taken", n }], { effects: [pongs.tell(from).ping({ n: n + 1, from: key }, { answerTo: "served" })] })
        : accept([{ kind: "taken", n }]),
    count: ({ got }) => reply(got),
  },
  answers: {
    limited: answered(pongs, "limit", (state: { readonly with: string }, answer, { key }) =>
      answer.ok && answer.value > 0 ? accept([], { effects: [pongs.tell(state.with).ping({ n: 1, from: key })] }) : ignore,
    ),
    served: answered(pongs, "ping", (_state: object, answer) => {
      expectTypeOf(answer).toEqualTypeOf<AnswerOf<typeof pongs, "ping">>();
      return answer.ok && answer.value.taken > 0 ? ignore : ignore;
    }),
  },
  evolve: {
    asked: (state, { rounds, with: other }) => ({ ...state, left: rounds, with: other }),
    taken: (state) => ({ ...state, got: state.got + 1 }),
  },
  snapshot: snapshot<{ left: number; with: string; got: number }>(),
});
const pong = defineEntity({
  ...pongs,
  version: 1,
  events: { served: any<{ readonly n: number }>() },
  initial: () => 0,
  decide: {
    ping: (_state, { n, from }, { key }) =>
      accept([{ kind: "served", n }], { reply: { taken: n }, effects: [pings.tell(from).pong({ n, from: key })] }),
    limit: (state) => (state > 5 ? reject("limit_exceeded", "no more") : reply(5 - state)),
  },
  evolve: { served: (state) => state + 1 },
  snapshot: snapshot<number>(),
});

describe("entity protocols", () => {
  it("A tells B tells A: both keep their types, and the messages arrive", () => {
    expectTypeOf(pongs.tell("b").ping({ n: 1, from: "a" })).toEqualTypeOf<TellEffect>();
    expectTypeOf(pongs.ask("b").limit({}, { answerTo: "limited" })).toEqualTypeOf<AskEffect>();
    const bench = new DomainBench({ definitions: [ping, pong], limits: { hopsMax: 100 } });
    bench.ask("ping/a", "start", { rounds: 3, with: "b" });
    expect(replyIn(bench.ask("ping/a", "count"))).toBe(3);
    expect(bench.crashes).toEqual([]);
    expect(bench.domain.figures()).toMatchObject({ openEffects: 0, deadLetters: 0 });
  });

  it("an effect is plain data: the address, the command, the body, and who hears the answer", () => {
    expect({ ...pongs.tell("b").ping({ n: 1, from: "a" }) }).toEqual({
      kind: "tell",
      to: "pong/b",
      command: "ping",
      body: { n: 1, from: "a" },
    });
    expect(pongs.ask("b").limit({}, { answerTo: "x" })).toEqual({ kind: "ask", to: "pong/b", command: "limit", body: {}, answerTo: "x" });
    const odd = entityProtocol("odd", {
      constructor: { body: any<null>(), reply: any<null>() },
      to: { body: any<null>(), reply: any<null>() },
    });
    expect([odd.tell("1").constructor(null).command, odd.tell("1").to(null).command]).toEqual(["constructor", "to"]);
    expect(() => entityProtocol("No Type", {})).toThrow('"No Type" is no type of an entity');
  });

  it("a wrong command, body or answer does not compile", () => {
    const wrong = () => [
      // @ts-expect-error there is no such command
      pongs.tell("b").pong({ n: 1, from: "a" }),
      // @ts-expect-error the body lacks `from`
      pongs.tell("b").ping({ n: 1 }),
      // @ts-expect-error `n` is a number
      pongs.tell("b").ping({ n: "1", from: "a" }),
      // @ts-expect-error an ask needs a handler for its answer
      pongs.ask("b").limit({}),
      // @ts-expect-error there is no such command
      answered(pongs, "count", (_state: null, _answer) => ignore),
      // @ts-expect-error the reply is an object, not a number
      answered(pongs, "ping", (_state: null, answer) => (answer.ok && answer.value > 1 ? ignore : ignore)),
    ];
    expect(wrong).toBeTypeOf("function");
  });
});
