/** Every strategy and directive, intensity, back-off, death watch, in virtual time (DESIGN 4.6). */
import { describe, expect, it } from "vitest";
import {
  ActorSystem,
  behaviorSpec,
  type ChildSpec,
  type Component,
  type ComponentContext,
  type Crash,
  DEFAULT_SUPERVISION,
  type Directive,
  defineBehavior,
  Escalation,
  type Ref,
  RestartWindow,
  type RunningComponent,
  type Supervision,
  type Terminated,
} from "../../../src/runtime/index.ts";
import { ActorTestKit, Random } from "../../../src/runtime/testing/index.ts";
import { type Flaky, flaky, type Journal, policy } from "../actor/flaky.ts";

/** Children a, b, c of one parent, which answers their references. */
interface Family {
  child(body: { name: string }): Ref<Flaky> | null;
}
const family = (supervision: Supervision, journal: Journal) =>
  defineBehavior<Family>()({
    type: "family",
    supervision,
    async started(context) {
      journal.push(`family:started#${context.incarnation}`);
      const refs = new Map<string, Ref<Flaky>>();
      for (const name of ["a", "b", "c"]) refs.set(name, await context.spawn(flaky, name, { journal }));
      return { refs };
    },
    receive: { child: (_, { refs }, { name }) => ({ kind: "reply", value: refs.get(name) ?? null }) },
    stopped: (context) => void journal.push(`family:stopped#${context.incarnation}`),
  });

async function familyOf(supervision: Supervision) {
  const kit = await ActorTestKit.start({ supervision: policy() });
  const journal: Journal = [];
  const parent = await kit.run(kit.system.spawn(family(supervision, journal), "f", undefined));
  const child = async (name: string): Promise<Ref<Flaky>> => {
    const answer = await kit.run(parent.ask.child({ name }));
    if (!answer.ok || answer.value === null) throw new Error(`no ${name}`);
    return answer.value;
  };
  const refs = { a: await child("a"), b: await child("b"), c: await child("c") };
  const since = (): string[] => journal.splice(0).map((line) => line.replace("/f/", ""));
  expect(since()).toEqual(["family:started#1", "a:started#1", "b:started#1", "c:started#1"]);
  return { kit, refs, since, [Symbol.asyncDispose]: () => kit[Symbol.asyncDispose]() };
}

describe("strategies: whom a restart and a stop hit, stopped in reverse and started in order", () => {
  it.each<[Supervision["strategy"], string[], string[]]>([
    ["one-for-one", ["b:stopped#1"], ["b:started#2"]],
    ["rest-for-one", ["c:stopped#1", "b:stopped#1"], ["b:started#2", "c:started#2"]],
    ["all-for-one", ["c:stopped#1", "b:stopped#1", "a:stopped#1"], ["a:started#2", "b:started#2", "c:started#2"]],
  ])("%s", async (strategy, stopped, started) => {
    await using restarting = await familyOf(policy({ strategy }));
    restarting.refs.b.tell.crash({ why: "bad luck" });
    await restarting.kit.settle();
    expect(restarting.since()).toEqual(stopped);
    await restarting.kit.advance(99);
    expect(restarting.since()).toEqual([]);
    await restarting.kit.advance(1);
    expect(restarting.since()).toEqual(started);

    await using stopping = await familyOf(policy({ strategy, decide: () => "stop" }));
    stopping.refs.b.tell.crash({ why: "bad luck" });
    await stopping.kit.advance(5_000);
    expect(stopping.since()).toEqual(stopped);
  });

  it("a sibling that waits keeps its own back-off when an earlier one crashes", async () => {
    await using it = await familyOf(policy({ strategy: "rest-for-one", restart: { backoffMsMin: 100, backoffMsMax: 1_000 } }));
    for (const delayMs of [100, 200]) {
      it.refs.c.tell.crash({ why: "again" });
      await it.kit.advance(delayMs);
    }
    it.refs.c.tell.crash({ why: "third: 400 ms" });
    await it.kit.advance(50);
    it.since();
    it.refs.b.tell.crash({ why: "first: 100 ms" });
    await it.kit.advance(349);
    expect(it.since()).toEqual(["b:stopped#1"]);
    await it.kit.advance(1);
    expect(it.since()).toEqual(["b:started#2", "c:started#4"]);
  });
});

describe("directives", () => {
  const one = async (directive: Directive) => {
    const decide = ({ cause }: { cause: unknown }): Directive => (String(cause).includes("planned") ? directive : "restart");
    return await familyOf(policy({ decide }));
  };

  it("resume: goes on with the state as it is", async () => {
    await using it = await one("resume");
    await it.kit.run(it.refs.a.ask.add({ by: 2 }));
    it.refs.a.tell.crash({ why: "planned" });
    expect(await it.kit.run(it.refs.a.ask.add({ by: 3 }))).toEqual({ ok: true, value: 5 });
    expect(it.since()).toEqual([]);
    expect(it.kit.crashes).toMatchObject([{ address: "/f/a", doing: "crash", directive: "resume", incarnation: 1 }]);
  });

  it("restart: a new state after the back-off, the same reference, and what waited is handled", async () => {
    await using it = await one("restart");
    it.refs.a.tell.add({ by: 2 });
    it.refs.a.tell.crash({ why: "planned" });
    const answer = it.refs.a.ask.add({ by: 3 });
    expect(await it.kit.run(answer)).toEqual({ ok: true, value: 3 });
    expect(it.kit.crashes).toMatchObject([{ address: "/f/a", doing: "crash", directive: "restart", delayMs: 100 }]);
  });

  it("stop: what waited is answered, and counted", async () => {
    await using it = await one("stop");
    it.refs.a.tell.crash({ why: "planned" });
    it.refs.a.tell.add({ by: 1 });
    expect(await it.kit.run(it.refs.a.ask.add({ by: 3 }))).toMatchObject({ ok: false, code: "not_found" });
    expect(it.refs.a.tell.add({ by: 1 })).toBe(false);
    expect(it.kit.system.deadLetters.map(({ to, kind, reason }) => [to, kind, reason])).toEqual([
      ["/f/a", "add", "stopped"],
      ["/f/a", "add", "gone"],
    ]);
  });

  it("escalate: the parent crashes with a cause that names the child, and is restarted with all its children", async () => {
    await using it = await one("escalate");
    it.refs.b.tell.crash({ why: "planned" });
    await it.kit.advance(100);
    expect(it.since()).toEqual([
      "b:stopped#1",
      "c:stopped#1",
      "a:stopped#1",
      "family:stopped#1",
      "family:started#2",
      "a:started#1",
      "b:started#1",
      "c:started#1",
    ]);
    expect(it.kit.crashes).toMatchObject([
      { address: "/f/b", doing: "crash", directive: "escalate" },
      { address: "/f", doing: "(escalated)", directive: "restart" },
    ]);
    expect(String(it.kit.crashes[1]?.cause)).toMatch(/\/f\/b escalated.*planned/);
  });

  it("a decision that throws escalates", async () => {
    await using it = await familyOf(
      policy({
        decide: () => {
          throw new Error("undecided");
        },
      }),
    );
    it.refs.a.tell.crash({ why: "x" });
    await it.kit.settle();
    expect(it.kit.crashes.map(({ directive }) => directive)).toEqual(["escalate", "restart"]);
  });

  it("at the root: the system stops, and `failed` tells who and why", async () => {
    const journal: Journal = [];
    const supervision = policy({ decide: () => "escalate" });
    const children = ["a", "b"].map((name) => behaviorSpec(flaky, { name, args: { journal } }));
    await using kit = await ActorTestKit.start({ supervision, children });
    const c = await kit.run(kit.system.spawn(flaky, "c", { journal }));
    c.tell.crash({ why: "fatal" });
    const failure = await kit.run(kit.system.failed);
    expect(failure).toBeInstanceOf(Escalation);
    expect([failure.address, failure.message]).toEqual(["/c", expect.stringContaining("fatal")]);
    await kit.settle();
    expect(journal.slice(3)).toEqual(["/c:stopped#1", "/b:stopped#1", "/a:stopped#1"]);
    expect(kit.crashes.map(({ address }) => address)).toEqual(["/c", "/"]);
    await expect(kit.system.spawn(flaky, "late", { journal })).rejects.toMatchObject({ code: "SHUTTING_DOWN" });
  });
});

describe("intensity and back-off", () => {
  it("the delay doubles up to its maximum; more crashes in the window than restarts escalate", async () => {
    await using it = await familyOf(policy({ restart: { restartsMax: 5, backoffMsMax: 500, windowMs: 10_000 } }));
    for (let crash = 1; crash <= 6; crash++) {
      it.refs.a.tell.crash({ why: "always" });
      await it.kit.advance(500);
    }
    const ofA = it.kit.crashes.filter(({ address }) => address === "/f/a");
    expect(ofA.map(({ delayMs, directive }) => delayMs ?? directive)).toEqual([100, 200, 400, 500, 500, "escalate"]);
  });

  it("a crash that does not count uses up no restart, and lengthens no delay", async () => {
    const counts = ({ cause }: Crash): boolean => !String(cause).includes("elsewhere");
    await using it = await familyOf(policy({ restart: { restartsMax: 2, windowMs: 10_000 }, counts }));
    for (const why of ["elsewhere", "own", "elsewhere", "elsewhere", "elsewhere", "own", "elsewhere", "own"]) {
      it.refs.a.tell.crash({ why });
      await it.kit.advance(300);
    }
    const ofA = it.kit.crashes.filter(({ address }) => address === "/f/a");
    expect(ofA.map(({ delayMs, directive }) => delayMs ?? directive)).toEqual([100, 100, 100, 100, 100, 200, 100, "escalate"]);
  });

  it("`counts` that throws escalates, as `decide` does", async () => {
    const counts = (): boolean => {
      throw new Error("no idea");
    };
    await using it = await familyOf(policy({ counts }));
    it.refs.a.tell.crash({ why: "always" });
    await it.kit.settle();
    expect(it.kit.crashes[0]).toMatchObject({ address: "/f/a", directive: "escalate" });
  });

  it("a crash that has left the window does not count", () => {
    const window = new RestartWindow(policy({ restart: { restartsMax: 2, windowMs: 1_000 } }).restart);
    expect([0, 999, 1_998, 1_998, 5_000].map((nowMs) => window.crashed(nowMs, 0))).toEqual([100, 200, 200, null, 100]);
  });

  it("jitter keeps the delay between minimum and maximum, spread at the maximum too", () => {
    const random = new Random(4);
    const { restart } = DEFAULT_SUPERVISION;
    const delays = Array.from({ length: 200 }, () => {
      const window = new RestartWindow({ ...restart, restartsMax: 50 });
      return Array.from({ length: 50 }, () => window.crashed(0, random.next()) ?? 0);
    });
    for (const delay of delays.flat()) expect(delay >= restart.backoffMsMin && delay <= restart.backoffMsMax).toBe(true);
    expect(new Set(delays.map((ofOne) => ofOne[49])).size).toBeGreaterThan(150);
  });

  it.each([
    [{ restartsMax: -1 }, "restartsMax"],
    [{ windowMs: 0 }, "windowMs"],
    [{ backoffMsMin: 2_000 }, "backoffMsMin"],
    [{ jitterRatio: 2 }, "jitterRatio"],
  ])("a policy that cannot be meant is refused by name: %o", async (restart, name) => {
    await expect(ActorTestKit.start({ supervision: policy({ restart }) })).rejects.toThrow(name);
  });
});

describe("modes", () => {
  it("permanent comes back from an end of its own, transient only from a crash, temporary never", async () => {
    await using kit = await ActorTestKit.start({ supervision: policy() });
    const journal: Journal = [];
    for (const mode of ["permanent", "transient", "temporary"] as const) {
      for (const act of ["end", "crash"] as const) {
        const ref = await kit.run(kit.system.spawn(flaky, `${mode}-${act}`, { journal }, { mode }));
        if (act === "end") ref.tell.end();
        else ref.tell.crash({ why: "x" });
      }
    }
    await kit.advance(1_000);
    expect(journal.filter((line) => line.endsWith("started#2")).sort()).toEqual([
      "/permanent-crash:started#2",
      "/permanent-end:started#2",
      "/transient-crash:started#2",
    ]);
  });
});

describe("a tree of specs", () => {
  /** A component whose incarnations the test can end. */
  class Parts {
    readonly journal: Journal = [];
    readonly running = new Map<string, { end: (cause: unknown) => void }>();
    failingStarts = 0;
    component(name: string, more: Partial<Component> = {}): ChildSpec {
      const start: Component["start"] = async ({ incarnation }): Promise<RunningComponent> => {
        if (this.failingStarts > 0) {
          this.failingStarts--;
          throw new Error("port in use");
        }
        this.journal.push(`${name}:started#${incarnation}`);
        const { promise, resolve } = Promise.withResolvers<unknown>();
        this.running.set(name, { end: resolve });
        const stop = async (): Promise<void> => {
          this.journal.push(`${name}:stopped#${incarnation}`);
          resolve(null);
        };
        return { stop, ended: promise };
      };
      return { kind: "component", name, component: { type: "part", start, ...more }, limits: { startMsMax: 1_000, stopMsMax: 1_000 } };
    }
    end(name: string, cause: unknown): void {
      this.running.get(name)?.end(cause);
    }
  }

  it("rest-for-one over components: those after the one that died are stopped in reverse, then all start in order", async () => {
    const parts = new Parts();
    const threads: ChildSpec = {
      kind: "supervisor",
      name: "threads",
      supervision: policy({ strategy: "rest-for-one" }),
      children: ["journal", "shard", "views"].map((name) => parts.component(name)),
    };
    await using kit = await ActorTestKit.start({ children: [threads, parts.component("http")] });
    expect(parts.journal.splice(0)).toEqual(["journal:started#1", "shard:started#1", "views:started#1", "http:started#1"]);
    parts.end("shard", new Error("exit with code 1"));
    await kit.advance(100);
    expect(parts.journal.splice(0)).toEqual(["views:stopped#1", "shard:started#2", "views:started#2"]);
    expect(kit.crashes).toMatchObject([{ address: "/threads/shard", doing: "(running)", directive: "restart", delayMs: 100 }]);
    await kit.run(kit.system.stop());
    expect(parts.journal).toEqual(["http:stopped#1", "views:stopped#2", "shard:stopped#2", "journal:stopped#1"]);
  });

  it("children that start together may wait for each other, and are stopped in reverse of their order all the same", async () => {
    const parts = new Parts();
    const { promise: later, resolve } = Promise.withResolvers<void>();
    const waits = parts.component("a");
    const tells = parts.component("b");
    if (waits.kind !== "component" || tells.kind !== "component") throw new Error("these are components");
    const after = { ...waits.component, start: (context: ComponentContext) => later.then(() => waits.component.start(context)) };
    const before = { ...tells.component, start: (context: ComponentContext) => tells.component.start(context).finally(resolve) };
    const children = [
      { ...waits, component: after },
      { ...tells, component: before },
    ];
    const together = { kind: "supervisor", name: "in", supervision: policy(), startsTogether: true, children } as const;
    await using kit = await ActorTestKit.start({ children: [together] });
    expect(parts.journal.splice(0)).toEqual(["b:started#1", "a:started#1"]);
    await kit.run(kit.system.stop());
    expect(parts.journal).toEqual(["b:stopped#1", "a:stopped#1"]);
  });

  it("of children that start together one that cannot is told, and the others are stopped", async () => {
    const parts = new Parts();
    const bad = parts.component("bad", { start: () => Promise.reject(new Error("port in use")) });
    const slow = parts.component("slow", {
      start: ({ signal }) => new Promise((_, reject) => signal.addEventListener("abort", () => reject(new Error("given up")))),
    });
    const children = [parts.component("a"), bad, slow];
    const supervision = policy({ restart: { restartsMax: 0 }, decide: () => "escalate" });
    const kit = new ActorTestKit();
    const together = { kind: "supervisor", name: "in", supervision, startsTogether: true, children } as const;
    await expect(kit.run(ActorSystem.start({ ports: kit.ports, supervision, children: [together] }))).rejects.toThrow(/port in use/);
    expect(parts.journal).toEqual(["a:started#1", "a:stopped#1"]);
    expect(kit.clock.nextAtMs).toBe(null);
  });

  it("a child of the root that is added later is the first to be stopped; one that cannot start is told", async () => {
    const parts = new Parts();
    await using kit = await ActorTestKit.start({ supervision: policy({ decide: () => "stop" }), children: [parts.component("a")] });
    await kit.run(kit.system.add(parts.component("door")));
    parts.failingStarts = 1;
    await expect(kit.run(kit.system.add(parts.component("other")))).rejects.toThrow("port in use");
    await kit.run(kit.system.stop());
    expect(parts.journal).toEqual(["a:started#1", "door:started#1", "door:stopped#1", "a:stopped#1"]);
    await expect(kit.run(kit.system.add(parts.component("late")))).rejects.toMatchObject({ code: "SHUTTING_DOWN" });
  });

  it("a start that fails is tried again after its back-off, before the next sibling starts", async () => {
    const parts = new Parts();
    parts.failingStarts = 2;
    await using kit = await ActorTestKit.start({
      supervision: policy(),
      children: ["a", "b"].map((name) => parts.component(name)),
    });
    expect(parts.journal).toEqual(["a:started#3", "b:started#1"]);
    expect([kit.crashes.length, kit.clock.nowMs]).toEqual([2, 300]);
  });

  it("a start that cannot succeed makes the start of the system fail with its cause, and leaves nothing behind", async () => {
    const parts = new Parts();
    const kit = new ActorTestKit();
    const bad = parts.component("bad", {
      start: async () => {
        throw new Error("port in use");
      },
    });
    const nested: ChildSpec = { kind: "supervisor", name: "in", supervision: policy(), children: [parts.component("b"), bad] };
    const children = [parts.component("a"), nested];
    const supervision = policy({ restart: { restartsMax: 0 } });
    await expect(kit.run(ActorSystem.start({ ports: kit.ports, supervision, children }))).rejects.toThrow(/\/in escalated.*port in use/);
    expect(parts.journal).toEqual(["a:started#1", "b:started#1", "b:stopped#1", "a:stopped#1"]);
    expect(kit.clock.nextAtMs).toBe(null);
  });

  it("TRAPS 19: a start that comes too late is stopped when it comes", async () => {
    const parts = new Parts();
    const gate = Promise.withResolvers<void>();
    let stops = 0;
    const slow = parts.component("slow", {
      start: async () => {
        await gate.promise;
        return { stop: async () => void stops++, ended: new Promise(() => {}) };
      },
    });
    const kit = new ActorTestKit();
    const starting = ActorSystem.start({ ports: kit.ports, supervision: policy({ decide: () => "stop" }), children: [slow] });
    starting.catch(() => undefined);
    await kit.advance(1_100);
    gate.resolve();
    await expect(kit.run(starting)).rejects.toThrow("had not started after");
    expect(stops).toBe(1);
  });

  it("TRAPS 18: a component that does not end gets no successor beside it: it is named and escalates", async () => {
    const parts = new Parts();
    const stubborn = parts.component("stubborn", {
      start: async () => ({ stop: () => new Promise(() => {}), ended: new Promise(() => {}) }),
    });
    const supervision = policy({ strategy: "all-for-one" });
    await using kit = await ActorTestKit.start({ supervision, children: [stubborn, parts.component("other")] });
    parts.end("other", new Error("boom"));
    const failure = await kit.run(kit.system.failed);
    expect(failure.message).toMatch(/\/stubborn escalated: it did not end/);
    expect(kit.givenUp).toMatchObject([{ address: "/stubborn", doing: "(stopped)", waitedMs: 1_000 }]);
  });
});

describe("what happens while something else is under way", () => {
  /** Takes its time to start. */
  const slow = defineBehavior<Record<never, never>>()({
    type: "slow",
    async started(context, { journal, gate }: { journal: Journal; gate: Promise<void> }) {
      await gate;
      journal.push(`${context.self.address}:started#${context.incarnation}`);
      return { journal };
    },
    receive: {},
    stopped: (context, { journal }) => void journal.push(`${context.self.address}:stopped#${context.incarnation}`),
  });

  it("a restart that was due while another was decided joins it: the order of the start holds", async () => {
    await using kit = await ActorTestKit.start({ supervision: policy({ strategy: "rest-for-one" }) });
    const journal: Journal = [];
    const a = await kit.run(kit.system.spawn(flaky, "a", { journal }));
    const b = await kit.run(kit.system.spawn(flaky, "b", { journal }));
    b.tell.crash({ why: "due at 100" });
    await kit.settle();
    const gate = Promise.withResolvers<void>();
    const spawned = kit.system.spawn(slow, "x", { journal, gate: gate.promise });
    await kit.advance(50);
    a.tell.crash({ why: "decided at 50, begun when x has started" });
    await kit.advance(100);
    journal.splice(0);
    gate.resolve();
    await kit.run(spawned);
    await kit.advance(100);
    expect(journal).toEqual(["/x:started#1", "/x:stopped#1", "/a:stopped#1", "/a:started#2", "/b:started#2", "/x:started#2"]);
  });

  it("V5: what waits for its start when everything stops is not started any more", async () => {
    await using kit = await ActorTestKit.start({ supervision: policy({ strategy: "all-for-one" }) });
    const journal: Journal = [];
    const gate = Promise.withResolvers<void>();
    const spawns = [kit.system.spawn(slow, "x", { journal, gate: gate.promise }), kit.system.spawn(flaky, "y", { journal })].map((spawn) =>
      spawn.catch((cause: unknown) => cause),
    );
    await kit.settle();
    const stopped = kit.system.stop();
    gate.resolve();
    await kit.run(stopped);
    expect(journal).toEqual(["/x:started#1", "/x:stopped#1"]);
    expect(await kit.run(Promise.all(spawns))).toMatchObject([{ address: "/x" }, { code: "SHUTTING_DOWN" }]);
  });

  it("an end or a crash in the moment of the start is not missed", async () => {
    const causes: unknown[] = [new Error("at once"), null];
    const component: Component = {
      type: "short",
      start: async () => ({ stop: async () => undefined, ended: Promise.resolve(causes.shift() ?? null) }),
    };
    await using kit = await ActorTestKit.start({
      supervision: policy(),
      children: [{ kind: "component", name: "short", component, mode: "transient" }],
    });
    await kit.advance(1_000);
    expect(kit.crashes).toMatchObject([{ address: "/short", doing: "(running)", directive: "restart" }]);
    const self = defineBehavior<Record<never, never>>()({ type: "self", started: (context) => context.stopSelf(), receive: {} });
    await kit.run(kit.system.spawn(self, "self", undefined));
    await kit.settle();
    expect(kit.system.tree().children).toEqual([]);
  });
});

describe("death watch", () => {
  interface Watching {
    watch(body: { ref: Ref<Flaky>; times: number }): void;
    unwatch(body: { ref: Ref<Flaky> }): void;
  }
  const watching = (heard: Terminated[]) =>
    defineBehavior<Watching>()({
      type: "watching",
      started: () => null,
      receive: {
        watch(context, _, { ref, times }) {
          for (let i = 0; i < times; i++) context.watch(ref);
        },
        unwatch: (context, _, { ref }) => context.unwatch(ref),
      },
      terminated: (_, _state, signal) => void heard.push(signal),
    });

  it("tells once for each watch, with the cause; on what has gone, at once; not for a restart", async () => {
    await using kit = await ActorTestKit.start({ supervision: policy({ restart: { restartsMax: 1 } }) });
    const heard: Terminated[] = [];
    const watcher = await kit.run(kit.system.spawn(watching(heard), "w", undefined));
    const a = await kit.run(kit.system.spawn(flaky, "a", { journal: [] }));
    watcher.tell.watch({ ref: a, times: 3 });
    a.tell.crash({ why: "first" });
    await kit.advance(1_000);
    expect(heard).toEqual([]);
    a.tell.end();
    await kit.settle();
    expect(heard.splice(0)).toEqual([{ address: "/a", cause: null }]);
    watcher.tell.watch({ ref: a, times: 2 });
    await kit.settle();
    expect(heard.splice(0)).toEqual([{ address: "/a", cause: null }]);
    const b = await kit.run(kit.system.spawn(flaky, "b", { journal: [] }, { mode: "temporary" }));
    watcher.tell.watch({ ref: b, times: 1 });
    b.tell.crash({ why: "for good" });
    await kit.settle();
    expect(heard.splice(0)).toMatchObject([{ address: "/b", cause: new Error("for good") }]);
    const c = await kit.run(kit.system.spawn(flaky, "c", { journal: [] }));
    watcher.tell.watch({ ref: c, times: 1 });
    watcher.tell.unwatch({ ref: c });
    c.tell.end();
    expect(await kit.run(kit.system.watch(c))).toEqual({ address: "/c", cause: null });
    expect(heard).toEqual([]);
  });
});
