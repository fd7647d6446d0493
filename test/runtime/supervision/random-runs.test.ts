/**
 * Random runs of a small tree in virtual time. Whatever crashes when: incarnations of an actor never overlap and each that started is stopped,
 * every ask is answered once, every crash is reported once, and after the stop nothing is left.
 */
import { describe, expect, it } from "vitest";
import {
  ActorSystem,
  type Answer,
  behaviorSpec,
  type ChildSpec,
  type Directive,
  defineBehavior,
  type Ref,
  type RestartMode,
  type Strategy,
} from "../../../src/runtime/index.ts";
import { ActorTestKit, Random } from "../../../src/runtime/testing/index.ts";
import { policy } from "../actor/flaky.ts";

const SEEDS = 150;
const STEPS = 60;

interface Chaotic {
  add(body: { by: number }): number;
  crash(body: { afterMs: number }): void;
  nap(body: { ms: number }): string;
  end(): void;
  askOn(body: { other: Ref<Chaotic> }): string;
}
interface World {
  readonly journal: string[];
  readonly random: Random;
  readonly sleep: (ms: number) => Promise<void>;
  readonly refs: Map<string, Ref<Chaotic>>;
  crashes: number;
}
const chaotic = defineBehavior<Chaotic>()({
  type: "chaotic",
  async started(context, world: World) {
    const { address } = context.self;
    if (world.random.chance(0.2)) await world.sleep(world.random.between(0, 30));
    if (world.random.chance(0.1)) {
      world.crashes++;
      throw new Error("start");
    }
    world.journal.push(`${address} started ${context.incarnation}`);
    world.refs.set(address, context.self);
    return { world, sum: 0 };
  },
  receive: {
    add(_, state, { by }) {
      state.sum += by;
      return { kind: "reply", value: state.sum };
    },
    async crash(_, { world }, { afterMs }) {
      if (afterMs > 0) await world.sleep(afterMs);
      world.crashes++;
      throw new Error("crash");
    },
    async nap(_, { world }, { ms }) {
      await world.sleep(ms);
      return { kind: "reply", value: "rested" };
    },
    end: (context) => context.stopSelf(),
    async askOn(context, _, { other }) {
      const answer = await other.ask.askOn({ other: context.self }, { timeoutMs: 200 });
      return { kind: "reply", value: answer.ok ? answer.value : answer.code };
    },
  },
  async stopped(context, { world }) {
    if (world.random.chance(0.2)) await world.sleep(world.random.between(0, 30));
    world.journal.push(`${context.self.address} stopped ${context.incarnation}`);
  },
});

async function runSeed(seed: number): Promise<void> {
  const random = new Random(seed);
  const kit = new ActorTestKit(seed);
  const sleep = (ms: number): Promise<void> => new Promise((resolve) => kit.clock.after(ms, resolve));
  const world: World = { journal: [], random, sleep, refs: new Map(), crashes: 0 };
  const system = await kit.run(ActorSystem.start({ ports: kit.ports, children: [treeOf(world)], supervision: alwaysRestarted }));
  const asks = { made: 0, answered: 0 };
  const count = (ask: Promise<Answer<unknown>>): void => {
    asks.made++;
    void ask.then(() => asks.answered++);
  };
  for (let step = 0; step < STEPS; step++) {
    await kit.advance(random.between(0, 60));
    act(world, count);
  }
  await kit.run(system.stop());
  await kit.advance(10_000);
  // The supervisor above crashes too, with what a child escalated or could not start.
  const thrown = kit.crashes.filter(({ address, doing }) => address.startsWith("/s/") && doing !== "(ended)").length;
  expect({ seed, answered: asks.answered, thrown }).toEqual({ seed, answered: asks.made, thrown: world.crashes });
  expect({ seed, journal: overlapsIn(world.journal) }).toEqual({ seed, journal: [] });
  expect({ seed, timer: kit.clock.nextAtMs, givenUp: kit.givenUp }).toEqual({ seed, timer: null, givenUp: [] });
}

const alwaysRestarted = policy({ restart: { restartsMax: 1_000, jitterRatio: 0.5, backoffMsMin: 5 } });

function treeOf(world: World): ChildSpec {
  const { random } = world;
  const supervision = policy({
    strategy: random.pick<Strategy>(["one-for-one", "rest-for-one", "all-for-one"]),
    restart: { restartsMax: random.between(1, 5), backoffMsMin: 5, jitterRatio: 0.5 },
    decide: () => random.pick<Directive>(["restart", "restart", "restart", "resume", "stop", "escalate"]),
  });
  const mode = random.pick<RestartMode>(["permanent", "transient"]);
  const limits = { stopMsMax: 1_000, handleMsMax: 1_000 };
  const children = ["a", "b", "c"].map((name) => behaviorSpec(chaotic, { name, args: world, mode, limits }));
  return { kind: "supervisor", name: "s", supervision, children };
}

function act({ refs, random }: World, count: (ask: Promise<Answer<unknown>>) => void): void {
  const all = [...refs.values()];
  if (all.length === 0) return;
  const ref = random.pick(all);
  const what = random.between(0, 9);
  if (what <= 2) count(ref.ask.add({ by: 1 }, { timeoutMs: random.between(1, 300) }));
  else if (what <= 4) ref.tell.crash({ afterMs: random.between(0, 40) });
  else if (what <= 6) count(ref.ask.nap({ ms: random.between(0, 100) }));
  else if (what === 7) ref.tell.end();
  else count(ref.ask.askOn({ other: random.pick(all) }));
}

/** Lines that break the rule "an address is started, then stopped, then started again"; and what was not stopped in the end. */
function overlapsIn(journal: readonly string[]): readonly string[] {
  const living = new Map<string, string>();
  const wrong: string[] = [];
  for (const line of journal) {
    const [address = "", what, incarnation = ""] = line.split(" ");
    if (what === "started" ? living.has(address) : living.get(address) !== incarnation) wrong.push(line);
    if (what === "started") living.set(address, incarnation);
    else living.delete(address);
  }
  return [...wrong, ...living.keys()];
}

describe("random runs of a tree", () => {
  it(`DESIGN 4.6: ${SEEDS} seeds keep the rules`, async () => {
    for (let seed = 1; seed <= SEEDS; seed++) await runSeed(seed);
  });
});
