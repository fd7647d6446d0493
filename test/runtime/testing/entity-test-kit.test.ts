/** The kit and the simulation for entities of anybody (issue 3 H): what they promise, shown with entities that keep it and entities that do not. */
import { describe, expect, it } from "vitest";
import { accept, type Decision, defineEntity, entityProtocol, PortFailure, reply } from "../../../src/runtime/index.ts";
import {
  commandOf,
  EntityTestKit,
  type KitPort,
  runSimulation,
  type Scenario,
  type SimulationStage,
} from "../../../src/runtime/testing/index.ts";
import { any, counter } from "../shard/domain-bench.ts";

describe("EntityTestKit", () => {
  it("answers typed asks in virtual time, keeps what was committed over a crash, and repeats a recorded answer", async () => {
    const kit = new EntityTestKit({ definitions: [counter] });
    const { ask } = kit.entity(counter, "a");
    const both = await Promise.all([ask.add({ by: 1 }), ask.addOnce({ by: 2 }, { id: "k" })]);
    expect(both).toEqual([1, 3].map((total) => ({ ok: true, value: { total } })));
    await kit.crash();
    expect(await ask.addOnce({ by: 2 }, { id: "k" })).toEqual({ ok: true, value: { total: 3 }, isRepeat: true });
    expect(kit.state(counter, "a").total).toBe(3);
    expect(kit.events(counter, "a")).toEqual([
      { kind: "added", by: 1 },
      { kind: "added", by: 2 },
    ]);
    expect(kit.violations).toEqual([]);
  });

  it("a crash before the commit leaves nothing, and the caller does not know", async () => {
    const kit = new EntityTestKit({ definitions: [counter] });
    await kit.entity(counter, "a").ask.get({});
    const asked = kit.entity(counter, "a").ask.add({ by: 1 });
    await Promise.resolve(); // The body is checked; the command is under way.
    await kit.crash();
    expect(await asked).toMatchObject({ ok: false, code: "OUTCOME_UNKNOWN" });
    await kit.settle();
    expect(kit.events(counter, "a")).toEqual([]);
  });

  it("time passes when the test says so; handlers see it", async () => {
    const kit = new EntityTestKit({ definitions: [counter] });
    const before = kit.nowMs;
    await kit.advance(3_600_000);
    const seen = await kit.entity(counter, "a").ask.get({});
    expect(seen.ok && seen.value.at - before).toBeGreaterThanOrEqual(3_600_000);
  });

  it("a tell goes to another domain and back; a handler that throws is named", async () => {
    const kit = new EntityTestKit({ definitions: [counter], threadCount: 3 });
    for (const to of ["b", "c", "d"]) {
      await kit.entity(counter, "a").ask.tell({ to: `counter/${to}`, command: "add", by: 5, isAnswered: true });
    }
    await kit.settle();
    expect(kit.state(counter, "a").total).toBe(300);
    expect(["b", "c", "d"].map((id) => kit.state(counter, id).total)).toEqual([5, 5, 5]);
    expect(await kit.entity(counter, "a").ask.boom({})).toMatchObject({ ok: false, code: "INTERNAL_ERROR" });
    expect(kit.violations.join()).toContain("counter/a crashed in boom: Error: boom");
  });
});

/** Sends what it is told to a port, and counts what it hears of it. */
const caller = defineEntity({
  ...entityProtocol("caller", {
    call: { body: any<{ readonly label: string }>(), reply: any<null>() },
    cancel: { body: any<{ readonly label: string }>(), reply: any<null>() },
  }),
  version: 1,
  events: { heard: any<{ readonly what: string }>() },
  initial: (): { readonly heard: readonly string[] } => ({ heard: [] }),
  decide: {
    call: (_state, { label }) =>
      accept([{ kind: "heard", what: "" }], {
        effects: [
          { kind: "call", to: "line", command: "call", body: { label }, label, answerTo: "over", progressTo: "said", keepsDead: true },
        ],
      }),
    cancel: (_state, { label }) => accept([{ kind: "heard", what: "cancelled" }], { cancels: [label] }),
  },
  answers: {
    over: (_state, answer, { attempt }) => accept([{ kind: "heard", what: `${answer.ok ? answer.value : answer.code} ${attempt}` }]),
  },
  progress: { said: (_state, value, { attempt }) => accept([{ kind: "heard", what: `${value} ${attempt}` }]) },
  evolve: { heard: ({ heard }, { what }) => ({ heard: [...heard, what] }) },
  snapshot: { encode: ({ heard }) => [...heard], decode: (json) => ({ heard: json as unknown as readonly string[] }) },
});

describe("EntityTestKit with ports that answer", () => {
  const failure = () => ({ failure: new PortFailure("no", { status: 503 }) });
  const heard = (kit: EntityTestKit) => kit.state(caller, "a").heard.slice(1);
  const policy = { attemptsMax: 2, backoffMsMin: 100, backoffMsMax: 1_000, breaker: null };

  it("performs effects in virtual time: what a port tells, its failures and its answer, and nothing after a cancel", async () => {
    const line: KitPort = {
      name: "line",
      kind: "call",
      policy,
      attempt: ({ attempt }) => ({ ms: 1_000, tells: ["hm"], end: attempt === 1 ? failure() : { answer: "yes" } }),
    };
    const kit = new EntityTestKit({ definitions: [caller], answering: [line] });
    await kit.entity(caller, "a").ask.call({ label: "x" });
    await kit.settle();
    expect(heard(kit)).toEqual(["hm 1", "hm 2", "yes 2"]);
    await kit.entity(caller, "a").ask.call({ label: "x" });
    await kit.advance(300);
    await kit.entity(caller, "a").ask.cancel({ label: "x" });
    await kit.settle();
    expect([heard(kit).slice(3), kit.effectsOpen, kit.violations]).toEqual([["", "cancelled"], [], []]);
  });

  it("shows dead letters, and lets a person replay them", async () => {
    let isDown = true;
    const line: KitPort = { name: "line", kind: "call", policy, attempt: () => ({ ms: 1, end: isDown ? failure() : { answer: "yes" } }) };
    const kit = new EntityTestKit({ definitions: [caller], answering: [line] });
    await kit.entity(caller, "a").ask.call({ label: "x" });
    await kit.advance(10_000);
    const [dead] = kit.effectsOpen;
    expect([dead?.state, heard(kit)]).toEqual(["dead", []]);
    isDown = false;
    await kit.resolve(dead?.id ?? "", "replay");
    await kit.settle();
    expect([heard(kit), kit.violations]).toEqual([["yes 1"], []]);
  });
});

const cells = entityProtocol("cell", {
  add: { body: any<{ readonly by: number }>(), reply: any<{ readonly total: number }>(), repeats: "recorded" },
  get: { body: any<object>(), reply: any<{ readonly total: number }>() },
});
interface Cell {
  readonly total: number;
}
/** A cell with one handler or codec of the test's. */
const cellWith = (wrong: {
  readonly encode?: (state: Cell) => number;
  readonly add?: (state: Cell, by: number) => Decision<Added, Cell>;
}) =>
  defineEntity({
    ...cells,
    version: 1,
    events: { added: any<{ readonly by: number }>() },
    initial: (): Cell => ({ total: 0 }),
    decide: {
      add: (state, { by }) => wrong.add?.(state, by) ?? accept([{ kind: "added", by }], { reply: { total: state.total + by } }),
      get: (state) => reply(state),
    },
    evolve: { added: ({ total }, { by }) => ({ total: total + by }) },
    snapshot: { encode: wrong.encode ?? (({ total }) => total), decode: (json) => ({ total: Number(json) }) },
  });
type Added = { readonly kind: "added"; readonly by: number };

const scenarioOf =
  (cell: ReturnType<typeof cellWith>) =>
  ({ random, journal, tell }: SimulationStage): Scenario => {
    let count = 0;
    return {
      next: () =>
        commandOf(cell, { to: random.pick(["a", "b"]), command: "add", body: { by: random.between(-5, 9) }, id: `add-${++count}` }),
      look: () => ({ command: "get", body: {} }),
      committed: () => {
        for (const [id, { total }] of journal.states(cell)) if (total > 500) tell(`${id} stands at ${total}`);
      },
    };
  };
const violationsOf = (cell: ReturnType<typeof cellWith>, seed: number) =>
  runSimulation({ seed, operationsCount: 100, definitions: [cell], scenario: scenarioOf(cell) }).violations;
const firstOf = (cell: ReturnType<typeof cellWith>): string | undefined => {
  for (let seed = 1; seed <= 20; seed++) {
    const [first] = violationsOf(cell, seed);
    if (first !== undefined) return first;
  }
  return undefined;
};

describe("runSimulation of entities of anybody", () => {
  it("entities that keep the rules pass, and one seed is one run", () => {
    expect(firstOf(cellWith({}))).toBeUndefined();
    const run = () => runSimulation({ seed: 3, operationsCount: 100, definitions: [cellWith({})], scenario: scenarioOf(cellWith({})) });
    expect(run()).toEqual(run());
    expect(run()).toMatchObject({ operations: 100, violations: [] });
  });

  it("a snapshot that forgets, a broken invariant and a throw are each noticed", () => {
    expect(firstOf(cellWith({ encode: () => 0 }))).toMatch(/^cell\/. is .* from .* in memory$/);
    expect(firstOf(cellWith({ add: (_state, by) => accept([{ kind: "added", by: by + 100 }], { reply: { total: by } }) }))).toContain(
      "stands at",
    );
    const throws = (): never => {
      throw new Error("no");
    };
    expect(firstOf(cellWith({ add: throws }))).toContain("crashed in add: Error: no");
  });
});
