import { ActorSystem, DEFAULT_SUPERVISION, defineBehavior, type Ref, reply } from "../../src/runtime/index.ts";
import { ActorTestKit } from "../../src/runtime/testing/index.ts";

interface Parser {
  parse(body: { text: string }): number;
  count(): number;
}
const parser = defineBehavior<Parser>()({
  type: "parser",
  started: () => ({ count: 0 }),
  receive: {
    parse(_context, state, { text }) {
      state.count++;
      const value: unknown = JSON.parse(text); // What throws here is a crash: the parent's policy decides what becomes of it.
      if (typeof value !== "number") throw new TypeError(`${text} is no number`);
      return reply(value);
    },
    count: (_context, state) => reply(state.count),
  },
});

interface Office {
  parser(): Ref<Parser>;
}
const office = defineBehavior<Office>()({
  type: "office",
  // A value of the wrong type leaves the parser as it is. Anything else starts it afresh, 3 times a minute; the next is the office's own crash.
  supervision: {
    strategy: "one-for-one",
    restart: { ...DEFAULT_SUPERVISION.restart, restartsMax: 3 },
    decide: ({ cause }) => (cause instanceof TypeError ? "resume" : "restart"),
  },
  started: async (context) => ({ parser: await context.spawn(parser, "parser", undefined) }),
  receive: { parser: (_context, state) => reply(state.parser) },
});

// In virtual time, so that the back-off costs none. In a service: ActorSystem.start({ ports: actorPorts(...) }), without the kit.
const kit = new ActorTestKit();
const system = await kit.run(ActorSystem.start({ ports: kit.ports }));
const found = await kit.run((await kit.run(system.spawn(office, "office", undefined))).ask.parser());
if (!found.ok) throw new Error(found.detail);
for (const text of ["1", '"two"', "3", "{", "5"]) {
  const answer = await kit.run(found.value.ask.parse({ text }));
  await kit.advance(1_000);
  const count = await kit.run(found.value.ask.count());
  console.log(text, answer.ok ? answer.value : answer.code, count.ok ? `handled so far: ${count.value}` : count.code);
}
for (const { address, doing, directive, cause } of kit.crashes) console.log(address, doing, directive, String(cause).split(":")[0]);
await kit.run(system.stop());
