/** What one behavior actor does: its messages, hooks, stash, timeouts, and its end (DESIGN 4.1, 4.2), in virtual time. */
import { describe, expect, it } from "vitest";
import { ActorSystem, type Answer, defineBehavior, type Ref, reply, type StartContext, type TreeNode } from "../../../src/runtime/index.ts";
import { ActorTestKit } from "../../../src/runtime/testing/index.ts";
import { type Flaky, flaky, type Journal, policy } from "./flaky.ts";

const codeOf = (answer: Answer<unknown>): string => (answer.ok ? "ok" : answer.code);
const spawnFlaky = (kit: ActorTestKit, name: string, options = {}, journal: Journal = []): Promise<Ref<Flaky>> =>
  kit.run(kit.system.spawn(flaky, name, { journal }, options));
const childrenOf = (node: TreeNode): readonly string[] => [node.address, ...node.children.flatMap(childrenOf)];

describe("addresses", () => {
  it("names are unique among living siblings, free again after an end, and checked", async () => {
    await using kit = await ActorTestKit.start();
    const first = await spawnFlaky(kit, "a");
    await expect(spawnFlaky(kit, "a")).rejects.toThrow("/a is not started: a living child has this name");
    await expect(spawnFlaky(kit, "a/b")).rejects.toThrow("a name has no control character and no '/'");
    await expect(spawnFlaky(kit, "")).rejects.toThrow("a name has at least 1 character");
    first.tell.end();
    await kit.settle();
    const second = await spawnFlaky(kit, "a");
    expect([first.address, second.address]).toEqual(["/a", "/a"]);
    expect([first.tell.add({ by: 1 }), second.tell.add({ by: 1 })]).toEqual([false, true]);
  });
});

describe("mailbox", () => {
  it("not reentrant: while a handler awaits, messages wait, in their order", async () => {
    await using kit = await ActorTestKit.start();
    const ref = await spawnFlaky(kit, "a");
    const gate = Promise.withResolvers<void>();
    const order: string[] = [];
    void ref.ask.wait({ gate: gate.promise }).then(() => order.push("wait"));
    for (const by of [1, 10]) void ref.ask.add({ by }).then((answer) => order.push(JSON.stringify(answer)));
    await kit.advance(1_000);
    expect(order).toEqual([]);
    gate.resolve();
    await kit.settle();
    expect(order).toEqual(["wait", '{"ok":true,"value":1}', '{"ok":true,"value":11}']);
  });

  it("R-SYS-1, TRAPS 21: full is a value for asks and false for tells, counted, and never thrown", async () => {
    await using kit = await ActorTestKit.start();
    const ref = await spawnFlaky(kit, "a", { mailboxMax: 2 });
    expect([1, 2, 3].map((by) => ref.tell.add({ by }))).toEqual([true, true, false]);
    expect(codeOf(await ref.ask.add({ by: 1 }))).toBe("MAILBOX_FULL");
    await kit.settle();
    expect(await kit.run(ref.ask.add({ by: 0 }))).toEqual({ ok: true, value: 3 });
    expect(kit.system.figures()).toMatchObject({ messagesRefused: 2, messagesHandled: 3 });
  });

  it("a busy actor does not starve the others", async () => {
    await using kit = await ActorTestKit.start();
    interface Endless {
      go(): void;
    }
    const endless = defineBehavior<Endless>()({
      type: "endless",
      started: () => ({ left: 5_000 }),
      receive: { go: (context, state) => void (state.left-- > 0 && context.self.tell.go()) },
    });
    const busy = await kit.run(kit.system.spawn(endless, "busy", undefined));
    const other = await spawnFlaky(kit, "other");
    busy.tell.go();
    let handledBefore = -1;
    void other.ask.add({ by: 1 }).then(() => {
      handledBefore = kit.system.figures().messagesHandled;
    });
    await kit.settle();
    expect(handledBefore).toBeGreaterThan(0);
    expect(handledBefore).toBeLessThanOrEqual(1_100);
    expect(kit.system.figures().messagesHandled).toBe(5_002);
  });

  it("what nobody takes is a dead letter, counted, and kept up to a limit", async () => {
    await using kit = await ActorTestKit.start({ deadLettersMax: 3 });
    const ref = await spawnFlaky(kit, "a");
    ref.tell.end();
    await kit.settle();
    for (let by = 0; by < 5; by++) expect(ref.tell.add({ by })).toBe(false);
    expect(codeOf(await ref.ask.add({ by: 1 }))).toBe("not_found");
    expect(kit.system.figures().deadLetters).toBe(5);
    expect(kit.system.deadLetters).toEqual(Array(3).fill({ to: "/a", kind: "add", reason: "gone", atMs: 0 }));
  });
});

describe("ask (TRAPS 22: every wait has a deadline)", () => {
  it("not begun at the deadline: DEADLINE_EXCEEDED, and it never runs; being handled: OUTCOME_UNKNOWN", async () => {
    await using kit = await ActorTestKit.start();
    const ref = await spawnFlaky(kit, "a");
    const gate = Promise.withResolvers<void>();
    const begun = ref.ask.wait({ gate: gate.promise }, { timeoutMs: 100 });
    const waiting = ref.ask.add({ by: 1 }, { timeoutMs: 100 });
    expect((await Promise.all([kit.run(begun), waiting])).map(codeOf)).toEqual(["OUTCOME_UNKNOWN", "DEADLINE_EXCEEDED"]);
    expect(kit.clock.nowMs).toBeGreaterThanOrEqual(100);
    expect(kit.clock.nowMs).toBeLessThanOrEqual(120);
    gate.resolve();
    expect(await kit.run(ref.ask.add({ by: 0 }))).toEqual({ ok: true, value: 0 });
    expect(kit.system.figures().messagesExpired).toBe(1);
  });

  it("the default deadline holds for asks without one; a timeout that is none is a programmer's error", async () => {
    await using kit = await ActorTestKit.start({ askMsDefault: 700 });
    const ref = await spawnFlaky(kit, "a");
    expect(codeOf(await kit.run(ref.ask.wait({ gate: new Promise(() => {}) })))).toBe("OUTCOME_UNKNOWN");
    expect(kit.clock.nowMs).toBe(700);
    for (const timeoutMs of [0, -1, Number.NaN, Number.POSITIVE_INFINITY, 2 ** 31]) {
      await expect(ref.ask.add({ by: 1 }, { timeoutMs })).rejects.toThrow(RangeError);
    }
  });

  it("a thousand asks of one deadline set one timer", async () => {
    await using kit = await ActorTestKit.start();
    let timers = 0;
    const { after } = kit.ports;
    const counting = {
      ...kit.ports,
      after(delayMs: number, run: () => void) {
        timers++;
        return after(delayMs, run);
      },
    };
    const system = await kit.run(ActorSystem.start({ ports: counting }));
    const ref = await kit.run(system.spawn(flaky, "a", { journal: [] }, { mailboxMax: 2_000 }));
    void ref.ask.wait({ gate: new Promise(() => {}) }, { timeoutMs: 500 });
    const before = timers;
    const asks = Array.from({ length: 1_000 }, () => ref.ask.add({ by: 1 }, { timeoutMs: 500 }));
    expect(timers - before).toBe(0);
    expect(new Set((await kit.run(Promise.all(asks))).map(codeOf))).toEqual(new Set(["DEADLINE_EXCEEDED"]));
    await kit.run(system.stop());
  });

  it("the asked actor ends or crashes: answered at once", async () => {
    await using kit = await ActorTestKit.start({ supervision: policy({ decide: () => "stop" }) });
    const ref = await spawnFlaky(kit, "a");
    interface Boom {
      boom(): string;
      later(): string;
    }
    const bomb = defineBehavior<Boom>()({
      type: "bomb",
      started: () => null,
      receive: {
        boom: () => {
          throw new Error("secret");
        },
        later: () => reply("never"),
      },
    });
    const b = await kit.run(kit.system.spawn(bomb, "b", undefined));
    const [boom, later] = [b.ask.boom(), b.ask.later()];
    expect(codeOf(await kit.run(boom))).toBe("INTERNAL_ERROR");
    expect(JSON.stringify(await boom)).not.toContain("secret");
    expect([codeOf(await kit.run(later)), kit.clock.nowMs]).toEqual(["not_found", 0]);
    const waiting = ref.ask.wait({ gate: new Promise(() => {}) });
    await kit.settle();
    await kit.run(kit.system.stop(50));
    expect(codeOf(await kit.run(waiting))).toBe("OUTCOME_UNKNOWN");
    expect(codeOf(await ref.ask.add({ by: 1 }))).toBe("SHUTTING_DOWN");
  });
});

describe("caller chain (TRAPS 14)", () => {
  interface Chain {
    /** Asks the first of the path to ask on with the rest. */
    via(body: { path: ReadonlyArray<Ref<Chain>>; before?: Promise<unknown> }): string;
  }
  const link = defineBehavior<Chain>()({
    type: "link",
    started: () => null,
    receive: {
      async via(_, _state, { path, before }) {
        await before;
        const [next, ...rest] = path;
        if (next === undefined) return reply("end");
        const answer = await next.ask.via({ path: rest });
        return reply(answer.ok ? answer.value : `${answer.code} ${answer.detail}`);
      },
    },
  });
  const chainOf = async (kit: ActorTestKit) => {
    const spawn = (name: string) => kit.run(kit.system.spawn(link, name, undefined));
    return { a: await spawn("a"), b: await spawn("b"), c: await spawn("c") };
  };

  it("an ask to an actor that waits in the chain fails at once, with the cycle printed", async () => {
    await using kit = await ActorTestKit.start();
    const { a, b, c } = await chainOf(kit);
    expect(await kit.run(a.ask.via({ path: [b, c] }))).toEqual({ ok: true, value: "end" });
    const answer = await kit.run(a.ask.via({ path: [b, c, a] }));
    expect(JSON.stringify(answer)).toContain("INTERNAL_ERROR This ask would wait for itself: /c > /a > /b > /c");
    expect(await kit.run(a.ask.via({ path: [a] }))).toMatchObject({ value: expect.stringContaining("/a > /a") });
    expect(kit.clock.nowMs).toBe(0);
  });

  it("two actors that ask each other at the same time: the second ask closes the cycle and fails", async () => {
    await using kit = await ActorTestKit.start();
    const { a, b } = await chainOf(kit);
    const gate = Promise.withResolvers<void>();
    const asks = [a.ask.via({ path: [b], before: gate.promise }), b.ask.via({ path: [a], before: gate.promise })];
    await kit.settle();
    gate.resolve();
    const values = (await kit.run(Promise.all(asks))).map((answer) => (answer.ok ? answer.value : answer.code));
    expect(values[1]).toContain("/b > /a > /b");
    expect(values[0]).toBe("end");
    expect(kit.clock.nowMs).toBe(0);
  });

  it("a child that asks its parent from `started` would wait for itself", async () => {
    await using kit = await ActorTestKit.start({ supervision: policy({ decide: () => "stop" }) });
    interface Parent {
      go(): string;
    }
    const child = defineBehavior<Record<never, never>>()({
      type: "child",
      async started(_, { parent, heard }: { parent: Ref<Parent>; heard: string[] }) {
        const answer = await parent.ask.go();
        heard.push(answer.ok ? "ok" : answer.detail);
        return null;
      },
      receive: {},
    });
    const heard: string[] = [];
    const parent = defineBehavior<Parent>()({
      type: "parent",
      started: () => null,
      receive: {
        async go(context) {
          await context.spawn(child, "c", { parent: context.self, heard });
          return reply("spawned");
        },
      },
    });
    const ref = await kit.run(kit.system.spawn(parent, "p", undefined));
    expect(await kit.run(ref.ask.go())).toEqual({ ok: true, value: "spawned" });
    expect(heard).toEqual([expect.stringContaining("/p/c > /p > /p/c")]);
  });

  it("an actor whose handler has ended waits for nobody", async () => {
    await using kit = await ActorTestKit.start();
    interface Asker {
      go(body: { other: Ref<Asker> }): void;
      get(): number;
    }
    const asker = defineBehavior<Asker>()({
      type: "asker",
      started: () => ({ answers: [] as unknown[] }),
      receive: {
        // Not awaited: its answer comes when this handler has long ended.
        go: (_, state, { other }) => void other.ask.get().then((answer) => state.answers.push(answer)),
        async get(_, state) {
          return reply(state.answers.length);
        },
      },
    });
    const [a, b] = [await kit.run(kit.system.spawn(asker, "a", undefined)), await kit.run(kit.system.spawn(asker, "b", undefined))];
    a.tell.go({ other: b });
    b.tell.go({ other: a });
    await kit.settle();
    expect(await kit.run(a.ask.get())).toEqual({ ok: true, value: 1 });
  });
});

describe("become, stash, receive timeout", () => {
  interface Door {
    open(): void;
    close(): void;
    enter(body: { who: string }): string;
    crash(): void;
  }
  const door = defineBehavior<Door>()({
    type: "door",
    started: (context, quiet: { ms: number | null; heard: string[] }) => {
      context.setReceiveTimeout(quiet.ms);
      return quiet;
    },
    receive: {
      open(context) {
        context.become({ close: (inner) => inner.unbecome(), enter: (_, _state, { who }) => reply(`hello ${who}`) });
        context.unstashAll();
      },
      close: () => undefined,
      enter: (context) => context.stash(),
      crash: () => {
        throw new Error("slammed");
      },
    },
    receiveTimeout: (context, { heard }) => void heard.push(`quiet at ${context.nowMs()}`),
  });
  const doorOf = (kit: ActorTestKit, options = {}, args: { ms: number | null; heard: string[] } = { ms: null, heard: [] }) =>
    kit.run(kit.system.spawn(door, "door", args, options));

  it("what was put aside comes next, in its order, and is answered then; other kinds are refused meanwhile", async () => {
    await using kit = await ActorTestKit.start();
    const ref = await doorOf(kit);
    const [ann, bob] = [ref.ask.enter({ who: "Ann" }), ref.ask.enter({ who: "Bob" })];
    await kit.settle();
    ref.tell.open();
    const late = ref.ask.enter({ who: "Eve" });
    expect((await kit.run(Promise.all([ann, bob, late]))).map((answer) => (answer.ok ? answer.value : answer.code))).toEqual([
      "hello Ann",
      "hello Bob",
      "hello Eve",
    ]);
    ref.tell.open(); // Not taken while it is open.
    await kit.settle();
    expect(kit.system.deadLetters.map(({ kind, reason }) => [kind, reason])).toEqual([["open", "unhandled"]]);
    ref.tell.close();
    ref.tell.close();
    await kit.settle();
    expect(kit.system.figures().deadLetters).toBe(1);
  });

  it("L6: a full stash refuses as a full mailbox does; what is in it shows in the tree", async () => {
    await using kit = await ActorTestKit.start();
    const ref = await doorOf(kit, { stashMax: 1 });
    const kept = ref.ask.enter({ who: "Ann" }, { timeoutMs: 50 });
    const refused = ref.ask.enter({ who: "Bob" });
    ref.tell.enter({ who: "Eve" });
    await kit.settle();
    expect(codeOf(await refused)).toBe("MAILBOX_FULL");
    expect(kit.system.deadLetters).toMatchObject([{ kind: "enter", reason: "stash-full" }]);
    await kit.advance(30);
    expect(kit.system.tree().children).toMatchObject([{ address: "/door", mailbox: 1, oldestMessageMs: 30 }]);
    expect(codeOf(await kit.run(kept))).toBe("OUTCOME_UNKNOWN"); // A handler has seen it.
  });

  it("what was put aside survives a restart: the next incarnation gets it first", async () => {
    await using kit = await ActorTestKit.start({ supervision: policy() });
    const ref = await doorOf(kit);
    const ann = ref.ask.enter({ who: "Ann" });
    ref.tell.crash();
    await kit.advance(1_000);
    ref.tell.open();
    expect(await kit.run(ann)).toEqual({ ok: true, value: "hello Ann" });
    expect(kit.system.tree().children).toMatchObject([{ restarts: 1, state: "running" }]);
  });

  it("a receive timeout fires after each quiet time, not before", async () => {
    await using kit = await ActorTestKit.start();
    const heard: string[] = [];
    const ref = await doorOf(kit, {}, { ms: 100, heard });
    await kit.advance(60);
    ref.tell.close();
    await kit.advance(300);
    expect(heard).toEqual(["quiet at 160", "quiet at 260", "quiet at 360"]);
  });
});

describe("an end has a deadline (TRAPS 22)", () => {
  it("a handler that does not end is given up at a stop, named, and what it does afterwards does not leave (TRAPS 18)", async () => {
    await using kit = await ActorTestKit.start();
    const journal: Journal = [];
    const target = await spawnFlaky(kit, "target", {}, journal);
    const gate = Promise.withResolvers<void>();
    const after: unknown[] = [];
    interface Late {
      go(): void;
    }
    const late = defineBehavior<Late>()({
      type: "late",
      started: () => null,
      receive: {
        async go(context) {
          await gate.promise;
          after.push(target.tell.add({ by: 1 }), codeOf(await target.ask.add({ by: 1 })), context.signal.aborted);
          await context.spawn(flaky, "child", { journal }).catch((cause) => after.push(String(cause)));
        },
      },
      stopped: () => void journal.push("late:stopped"),
    });
    const ref = await kit.run(kit.system.spawn(late, "late", undefined, { stopMsMax: 200 }));
    ref.tell.go();
    await kit.settle();
    await kit.run(kit.system.stop());
    expect(kit.givenUp).toEqual([{ address: "/late", doing: "go", waitedMs: 200 }]);
    expect(journal).toEqual(["/target:started#1", "late:stopped", "/target:stopped#1"]);
    gate.resolve();
    await kit.settle();
    expect(after).toEqual([false, "SHUTTING_DOWN", true, expect.stringContaining("incarnation 1 of /late, which has ended")]);
  });

  it("a handler that takes longer than it may is a crash", async () => {
    await using kit = await ActorTestKit.start({ supervision: policy({ decide: () => "resume" }) });
    const journal: Journal = [];
    const ref = await spawnFlaky(kit, "a", { handleMsMax: 300 }, journal);
    const stuck = ref.ask.wait({ gate: new Promise(() => {}) });
    expect(codeOf(await kit.run(stuck))).toBe("OUTCOME_UNKNOWN");
    expect(await kit.run(ref.ask.add({ by: 1 }))).toEqual({ ok: true, value: 1 });
    // Not resumed: the old handler may still be using the state.
    expect(journal).toEqual(["/a:started#1", "/a:stopped#1", "/a:started#2"]);
    expect(kit.crashes).toMatchObject([{ address: "/a", doing: "wait", directive: "restart" }]);
  });

  it("an overall deadline bounds the stop of a whole tree", async () => {
    await using kit = await ActorTestKit.start();
    for (const name of ["a", "b", "c"]) {
      const ref = await spawnFlaky(kit, name, { stopMsMax: 10_000 });
      ref.tell.wait({ gate: new Promise(() => {}) });
    }
    await kit.settle();
    await kit.run(kit.system.stop(500));
    expect(kit.clock.nowMs).toBeLessThanOrEqual(520);
    expect(kit.givenUp.map(({ address, doing }) => `${address} ${doing}`)).toEqual(["/c wait", "/b wait", "/a wait"]);
  });

  it("`started` and `stopped` that do not end, or throw, are crashes that are named", async () => {
    await using kit = await ActorTestKit.start({ supervision: policy({ decide: () => "stop" }) });
    const never = new Promise<null>(() => {});
    const hooks = defineBehavior<Record<never, never>>()({
      type: "hooks",
      started: (_context: StartContext<Record<never, never>>, args: { start: () => Promise<null>; stop: () => Promise<void> | void }) =>
        args.start().then(() => args),
      receive: {},
      stopped: (_, { stop }) => stop(),
    });
    const spawn = (name: string, start: () => Promise<null>, stop: () => Promise<void> | void) =>
      kit.run(kit.system.spawn(hooks, name, { start, stop }, { startMsMax: 100, stopMsMax: 100 }));
    await expect(
      spawn(
        "a",
        () => never,
        () => {},
      ),
    ).rejects.toThrow("(started) had not ended in time");
    await spawn(
      "b",
      async () => null,
      () => {
        throw new Error("cannot close");
      },
    );
    await spawn(
      "c",
      async () => null,
      async () => void (await never),
    );
    await kit.run(kit.system.stop());
    expect(kit.crashes.map(({ address, doing }) => `${address} ${doing}`)).toEqual(["/a (started)", "/c (stopped)", "/b (stopped)"]);
    expect(childrenOf(kit.system.tree())).toEqual(["/"]);
  });
});

describe("children", () => {
  interface Nest {
    add(body: { name: string }): Ref<Flaky>;
    stop(body: { child: Ref<Flaky> }): string;
  }
  const nest = defineBehavior<Nest>()({
    type: "nest",
    started: (_, journal: Journal) => ({ journal }),
    receive: {
      add: async (context, { journal }, { name }) => reply(await context.spawn(flaky, name, { journal })),
      async stop(context, _, { child }) {
        await context.stop(child);
        return reply("stopped");
      },
    },
    stopped: (_, { journal }) => void journal.push("nest:stopped"),
  });

  it("are started before spawn answers, and stopped in reverse order before their parent", async () => {
    await using kit = await ActorTestKit.start();
    const journal: Journal = [];
    const parent = await kit.run(kit.system.spawn(nest, "n", journal));
    for (const name of ["a", "b", "c"]) await kit.run(parent.ask.add({ name }));
    expect(journal.splice(0)).toEqual(["/n/a:started#1", "/n/b:started#1", "/n/c:started#1"]);
    expect(childrenOf(kit.system.tree())).toEqual(["/", "/n", "/n/a", "/n/b", "/n/c"]);
    await kit.run(kit.system.stop());
    expect(journal).toEqual(["/n/c:stopped#1", "/n/b:stopped#1", "/n/a:stopped#1", "nest:stopped"]);
  });

  it("can be stopped by their parent only", async () => {
    await using kit = await ActorTestKit.start({ supervision: policy({ decide: () => "resume" }) });
    const journal: Journal = [];
    const [n, m] = [await kit.run(kit.system.spawn(nest, "n", journal)), await kit.run(kit.system.spawn(nest, "m", journal))];
    const added = await kit.run(n.ask.add({ name: "a" }));
    if (!added.ok) throw new Error(added.code);
    expect(codeOf(await kit.run(m.ask.stop({ child: added.value })))).toBe("INTERNAL_ERROR");
    expect(String(kit.crashes[0]?.cause)).toContain("/m cannot stop /n/a, which is no child of it");
    expect(await kit.run(n.ask.stop({ child: added.value }))).toEqual({ ok: true, value: "stopped" });
    expect(await kit.run(n.ask.stop({ child: added.value }))).toEqual({ ok: true, value: "stopped" });
  });
});
