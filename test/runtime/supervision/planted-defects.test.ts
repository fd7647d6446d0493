/**
 * Each defect of TRAPS 14 and 18-23 that belongs to actors and supervision, planted: the same scenario keeps its promise without the defect and
 * breaks it with the defect, so the check that finds it is alive. A scenario answers what is wrong, one sentence each.
 */
import { describe, expect, it } from "vitest";
import { type Answer, defineBehavior, type PlantedDefect, type Ref, reply, type Supervision } from "../../../src/runtime/index.ts";
import { ActorTestKit } from "../../../src/runtime/testing/index.ts";
import { type Flaky, flaky, policy } from "../actor/flaky.ts";

type Scenario = (kit: ActorTestKit) => Promise<readonly string[]>;
interface Case {
  readonly defect: PlantedDefect;
  readonly trap: string;
  readonly supervision?: Supervision;
  readonly scenario: Scenario;
}

const never = new Promise<never>(() => {});
const spawn = (kit: ActorTestKit, name: string, options = {}): Promise<Ref<Flaky>> =>
  kit.run(kit.system.spawn(flaky, name, { journal: [] }, options));
/** The answer, or null when none comes however long one waits. */
async function answerOf<Reply>(kit: ActorTestKit, ask: Promise<Answer<Reply>>, ms = 600_000): Promise<Answer<Reply> | null> {
  let answer: Answer<Reply> | null = null;
  void ask.then((value) => {
    answer = value;
  });
  await kit.advance(ms);
  return answer;
}
const unless = (isRight: boolean, what: string): readonly string[] => (isRight ? [] : [what]);
const restartsOf = (kit: ActorTestKit, name: string): number =>
  kit.system.tree().children.find(({ address }) => address === `/${name}`)?.restarts ?? 0;

interface Asker {
  go(body: { other: Ref<Asker> | null }): string;
}
const asker = defineBehavior<Asker>()({
  type: "asker",
  started: () => null,
  receive: {
    async go(context, _, { other }) {
      const answer = await other?.ask.go({ other: context.self });
      return reply(answer === undefined || answer.ok ? "ok" : answer.detail);
    },
  },
});

const cases: readonly Case[] = [
  {
    defect: "respawn-without-backoff",
    trap: "TRAPS 19",
    async scenario(kit) {
      const ref = await spawn(kit, "a");
      ref.tell.crash({ why: "x" });
      await kit.advance(50);
      return unless(restartsOf(kit, "a") === 0, "it came back before its back-off");
    },
  },
  {
    defect: "respawn-without-cap",
    trap: "TRAPS 19",
    async scenario(kit) {
      const ref = await spawn(kit, "a");
      for (let i = 0; i < 10; i++) {
        ref.tell.crash({ why: "x" });
        await kit.advance(1_000);
      }
      return unless(kit.crashes.at(-1)?.directive === "stop", "it came back more often than it may");
    },
  },
  {
    defect: "dead-child-counted",
    trap: "TRAPS 19",
    supervision: policy({ decide: () => "stop" }),
    async scenario(kit) {
      const ref = await spawn(kit, "a");
      ref.tell.crash({ why: "x" });
      await kit.settle();
      const isTold = ref.tell.add({ by: 1 });
      return [
        ...unless(kit.system.tree().children.length === 0, "a dead child is counted"),
        ...unless(!isTold && kit.system.figures().deadLetters === 1, "a message to the dead vanished"),
      ];
    },
  },
  {
    defect: "old-incarnation-speaks",
    trap: "TRAPS 18",
    async scenario(kit) {
      const target = await spawn(kit, "target");
      const gate = Promise.withResolvers<void>();
      interface Late {
        go(): void;
      }
      const late = defineBehavior<Late>()({
        type: "late",
        started: () => null,
        receive: {
          async go() {
            await gate.promise;
            target.tell.add({ by: 1 });
          },
        },
      });
      const ref = await kit.run(kit.system.spawn(late, "late", undefined, { handleMsMax: 100 }));
      ref.tell.go();
      await kit.advance(1_000);
      gate.resolve();
      await kit.settle();
      const sum = await kit.run(target.ask.add({ by: 0 }));
      return unless(sum.ok && sum.value === 0, "a handler that was given up still spoke");
    },
  },
  {
    defect: "busy-actor-spins",
    trap: "TRAPS 20",
    async scenario(kit) {
      const ref = await spawn(kit, "a");
      ref.tell.wait({ gate: never });
      ref.tell.add({ by: 1 });
      return await spinning(kit);
    },
  },
  {
    defect: "stopping-actor-spins",
    trap: "TRAPS 20",
    async scenario(kit) {
      const ref = await spawn(kit, "a");
      ref.tell.wait({ gate: never });
      await kit.settle();
      const stopped = kit.system.stop(1_000);
      await kit.settle();
      ref.tell.add({ by: 1 });
      const found = await spinning(kit);
      if (found.length === 0) await kit.run(stopped);
      return found;
    },
  },
  {
    defect: "budget-per-parent",
    trap: "TRAPS 21",
    async scenario(kit) {
      for (const name of ["a", "b", "c", "d", "e"]) (await spawn(kit, name)).tell.crash({ why: "one each" });
      await kit.advance(1_000);
      return unless(kit.system.tree().children.length === 5, "siblings used up each other's restarts");
    },
  },
  {
    defect: "crash-unlogged",
    trap: "TRAPS 21",
    async scenario(kit) {
      const ref = await spawn(kit, "a");
      ref.tell.crash({ why: "why it crashed" });
      await kit.advance(1_000);
      const [crash, ...more] = kit.crashes;
      const isTold = crash?.address === "/a" && crash.doing === "crash" && String(crash.cause) === "Error: why it crashed";
      return unless(isTold && more.length === 0, "a crash was not logged once with address, kind and cause");
    },
  },
  {
    defect: "zombie-start",
    trap: "TRAPS 21",
    async scenario(kit) {
      const args = { journal: [], failingStarts: { left: 1 } };
      const ref = await kit.run(kit.system.spawn(flaky, "a", args));
      const answer = await answerOf(kit, ref.ask.add({ by: 1 }));
      return unless(kit.crashes.length === 1 && answer?.ok === true, "a start that threw left a zombie");
    },
  },
  {
    defect: "overflow-throws",
    trap: "TRAPS 21",
    async scenario(kit) {
      const ref = await spawn(kit, "a", { mailboxMax: 1 });
      try {
        ref.tell.add({ by: 1 });
        return unless(ref.tell.add({ by: 1 }) === false, "a full mailbox took a message");
      } catch {
        return ["a full mailbox threw into the sender"];
      }
    },
  },
  {
    defect: "ask-without-deadline",
    trap: "TRAPS 22",
    async scenario(kit) {
      const ref = await spawn(kit, "a", { handleMsMax: Number.POSITIVE_INFINITY });
      return unless((await answerOf(kit, ref.ask.wait({ gate: never }))) !== null, "an ask waited for ever");
    },
  },
  {
    defect: "wait-without-deadline",
    trap: "TRAPS 22",
    async scenario(kit) {
      const ref = await spawn(kit, "a");
      ref.tell.wait({ gate: never });
      const answer = await answerOf(kit, ref.ask.add({ by: 1 }, { timeoutMs: 300_000 }));
      return unless(answer?.ok === true, "a handler that never ends kept its actor stuck for ever");
    },
  },
  {
    defect: "backoff-blocks-siblings",
    trap: "TRAPS 22",
    supervision: policy({ restart: { backoffMsMin: 60_000, backoffMsMax: 60_000 } }),
    async scenario(kit) {
      const slow = await spawn(kit, "slow");
      slow.tell.crash({ why: "x" });
      await kit.settle();
      const spawned = kit.system.spawn(flaky, "other", { journal: [] });
      await kit.run(spawned);
      return unless(kit.clock.nowMs === 0, `a sibling waited ${kit.clock.nowMs} ms for another's back-off`);
    },
  },
  {
    defect: "cycle-unseen",
    trap: "TRAPS 14",
    async scenario(kit) {
      const [a, b] = [await kit.run(kit.system.spawn(asker, "a", undefined)), await kit.run(kit.system.spawn(asker, "b", undefined))];
      const answer = await kit.run(a.ask.go({ other: b }));
      const isNamed = answer.ok && answer.value === "ok" && kit.clock.nowMs === 0;
      return unless(isNamed, "two actors waited for each other until a deadline");
    },
  },
  {
    defect: "stuck-looks-healthy",
    trap: "TRAPS 23",
    async scenario(kit) {
      const ref = await spawn(kit, "a");
      ref.tell.wait({ gate: never });
      ref.tell.add({ by: 1 });
      await kit.advance(5_000);
      const [named] = kit.system.unhealthy(1_000);
      return unless(
        named === "/a (flaky) has had a message for 5000 ms; it is handling wait, 1 wait.",
        "an actor that is stuck looks healthy",
      );
    },
  },
];

/** With nothing to do but wait, no turn is given. */
async function spinning(kit: ActorTestKit): Promise<readonly string[]> {
  try {
    await kit.settle();
  } catch (cause) {
    return [String(cause)];
  }
  const { turns } = kit.system.figures();
  await kit.advance(50);
  return unless(kit.system.figures().turns === turns, "turns are given although nothing can be done");
}

async function run({ scenario, supervision = policy() }: Case, plantedDefect: PlantedDefect | null): Promise<readonly string[]> {
  // Not disposed: with a defect planted it may never come to rest. It holds nothing but memory.
  return await scenario(await ActorTestKit.start({ supervision, plantedDefect }));
}

describe("planted defects", () => {
  it.each(cases.map((one) => [one.trap, one.defect, one] as const))("%s %s: kept without, noticed with", async (_trap, defect, one) => {
    expect(await run(one, null)).toEqual([]);
    expect(await run(one, defect)).not.toEqual([]);
  });

  it("every defect that can be planted has its scenario", () => {
    const all: Record<PlantedDefect, true> = {
      "respawn-without-backoff": true,
      "respawn-without-cap": true,
      "dead-child-counted": true,
      "old-incarnation-speaks": true,
      "busy-actor-spins": true,
      "stopping-actor-spins": true,
      "budget-per-parent": true,
      "crash-unlogged": true,
      "zombie-start": true,
      "overflow-throws": true,
      "ask-without-deadline": true,
      "wait-without-deadline": true,
      "backoff-blocks-siblings": true,
      "cycle-unseen": true,
      "stuck-looks-healthy": true,
    };
    expect(cases.map(({ defect }) => defect).sort()).toEqual(Object.keys(all).sort());
  });
});
