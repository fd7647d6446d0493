/** A reference knows kinds, bodies and replies, also when two actors name each other. Checked by the compiler; run to see that it works. */
import { describe, expect, expectTypeOf, it } from "vitest";
import { type Answer, defineBehavior, type Ref, reject, reply } from "../../../src/runtime/index.ts";
import { ActorTestKit } from "../../../src/runtime/testing/index.ts";

interface Ping {
  start(body: { rounds: number; with: Ref<Pong> }): void;
  pong(body: { n: number; from: Ref<Pong> }): void;
  count(): number;
}
interface Pong {
  ping(body: { n: number; from: Ref<Ping> }): string;
}
const ping = defineBehavior<Ping>()({
  type: "ping",
  started: () => ({ left: 0, got: 0 }),
  receive: {
    start(context, state, { rounds, with: other }) {
      state.left = rounds;
      other.tell.ping({ n: 1, from: context.self });
    },
    pong(context, state, { n, from }) {
      state.got++;
      if (n < state.left) from.tell.ping({ n: n + 1, from: context.self });
    },
    count: (_, state) => reply(state.got),
  },
});
const pong = defineBehavior<Pong>()({
  type: "pong",
  started: (_, args: { limit: number }) => args,
  receive: {
    async ping(context, { limit }, { n, from }) {
      if (n > limit) return reject("limit_exceeded", `no more than ${limit}`);
      from.tell.pong({ n, from: context.self });
      return reply("pong");
    },
  },
});

describe("typed references", () => {
  it("A tells B tells A: both keep their types", async () => {
    await using kit = await ActorTestKit.start();
    const a = await kit.run(kit.system.spawn(ping, "a", undefined));
    const b = await kit.run(kit.system.spawn(pong, "b", { limit: 5 }));
    expectTypeOf(a).toEqualTypeOf<Ref<Ping>>();
    expectTypeOf(b).toEqualTypeOf<Ref<Pong>>();
    expectTypeOf(b.ask.ping).returns.toEqualTypeOf<Promise<Answer<string>>>();
    expectTypeOf(a.ask.count).returns.toEqualTypeOf<Promise<Answer<number>>>();
    expect(a.tell.start({ rounds: 3, with: b })).toBe(true);
    await kit.settle();
    expect(await kit.run(a.ask.count())).toEqual({ ok: true, value: 3 });
    expect(await kit.run(b.ask.ping({ n: 9, from: a }))).toMatchObject({ ok: false, code: "limit_exceeded" });
  });

  it("a wrong kind, body, reply or argument does not compile", () => {
    const check = async (a: Ref<Ping>, b: Ref<Pong>): Promise<void> => {
      // @ts-expect-error there is no such kind
      a.tell.stop();
      // @ts-expect-error the body lacks `from`
      b.tell.ping({ n: 1 });
      // @ts-expect-error `from` is a reference to another actor
      b.tell.ping({ n: 1, from: b });
      // @ts-expect-error `count` has no body
      a.tell.count({ n: 1 });
      const answer = await a.ask.count({ timeoutMs: 5 } as unknown as undefined);
      // @ts-expect-error the reply is a number
      if (answer.ok) answer.value satisfies string;
    };
    expect(check).toBeTypeOf("function");
    const wrong = () => [
      defineBehavior<Pong>()({
        type: "wrong",
        started: () => null,
        // @ts-expect-error the reply is a string
        receive: { ping: () => reply(1) },
      }),
      defineBehavior<Pong>()({
        type: "wrong",
        started: () => null,
        // @ts-expect-error `ping` has no handler
        receive: {},
      }),
      defineBehavior<Pong>()({
        type: "wrong",
        started: () => null,
        // @ts-expect-error `ping` has a reply
        receive: { ping: () => undefined },
      }),
    ];
    expect(wrong).toBeTypeOf("function");
    const wrongArgs = (kit: ActorTestKit) =>
      // @ts-expect-error the limit is a number
      kit.system.spawn(pong, "b", { limit: "5" });
    expect(wrongArgs).toBeTypeOf("function");
  });
});
