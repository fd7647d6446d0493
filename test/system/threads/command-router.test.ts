/** Real ports carry commands and answers; deadlines are on a clock that the test owns. */
import { once } from "node:events";
import { MessageChannel, type MessagePort } from "node:worker_threads";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import {
  type Answer,
  type CancelledCommand,
  type CommandMessage,
  type FromIngress,
  packAnswers,
  unpackCommands,
} from "../../../src/runtime/index.ts";
import { CommandRouter } from "../../../src/system/threads/command-router.ts";

const TIMEOUT_MS = 1_000;
/** An answer at the deadline may come late by the time between two looks, and waits as long for the thread's own. */
const LATE_MS_MAX = 300;
const COMMANDS_MAX = 3;

const ends: Array<() => void> = [];
beforeEach(() => {
  vi.useFakeTimers({ toFake: ["setTimeout", "clearTimeout", "setInterval", "clearInterval", "Date", "performance"] });
});
afterEach(() => {
  for (const end of ends.splice(0)) end();
  vi.useRealTimers();
});

function commandRouter(threadCount = 2): CommandRouter {
  const router = new CommandRouter({ threadCount, commandsMax: COMMANDS_MAX });
  ends.push(() => router.close());
  return router;
}

/** A shard thread's end of the port, which answers when it is told to. */
class Thread {
  readonly got: CommandMessage[] = [];
  readonly cancelled: CancelledCommand[] = [];
  readonly #port: MessagePort;

  constructor(router: CommandRouter, thread: number) {
    const { port1, port2 } = new MessageChannel();
    this.#port = port2;
    port2.on("message", (message: FromIngress) => {
      if (typeof message === "string") this.got.push(...unpackCommands(message));
      else this.cancelled.push(...message);
    });
    router.attach(thread, port1);
    ends.push(() => port2.close());
  }

  async gets(count: number): Promise<readonly CommandMessage[]> {
    while (this.got.length < count) await once(this.#port, "message");
    return this.got;
  }

  answer(value: string, ...commands: readonly CommandMessage[]): void {
    this.#port.postMessage(packAnswers(commands.map(({ caller }) => [caller, { ok: true, value }])));
  }
}

interface Asked {
  readonly thread?: number;
  readonly timeoutMs?: number;
  readonly signal?: AbortSignal;
  readonly waitsOutside?: boolean;
}
const ask = (router: CommandRouter, name: string, { thread = 0, timeoutMs = TIMEOUT_MS, ...more }: Asked = {}): Promise<Answer> =>
  router.ask(thread, { to: "a/1", name, body: { name }, id: null, timeoutMs, trace: null, ...more });
const turns = async (): Promise<void> => {
  for (let turn = 0; turn < 10; turn++) await new Promise((resolve) => setImmediate(resolve));
};
const codeOf = (answer: Answer): string => (answer.ok ? "ok" : answer.code);

describe("the command router", () => {
  it("what one turn brings travels in order to the thread that owns it, and each caller gets its own answer", async () => {
    const router = commandRouter();
    const [first, second] = [new Thread(router, 0), new Thread(router, 1)];
    const asked = [ask(router, "one"), ask(router, "two", { thread: 1 }), ask(router, "three")];
    const [one, three] = await first.gets(2);
    const [two] = await second.gets(1);
    if (one === undefined || two === undefined || three === undefined) throw new Error("three commands were to arrive");
    expect([one.command, two.command, three.command]).toEqual(["one", "two", "three"]);
    expect(one).toMatchObject({ to: "a/1", body: { name: "one" }, deadlineAt: Date.now() + TIMEOUT_MS });
    first.answer("c", three);
    second.answer("b", two);
    first.answer("a", one);
    expect(await Promise.all(asked)).toEqual(["a", "b", "c"].map((value) => ({ ok: true, value })));
    expect(router.inFlight).toBe(0);
  });

  it("D1: a thread's commands are limited; beyond, one is refused at once, and another thread's are not touched", async () => {
    const router = commandRouter();
    const [first, second] = [new Thread(router, 0), new Thread(router, 1)];
    const asked = Array.from({ length: COMMANDS_MAX }, (_, i) => ask(router, `${i}`));
    expect(codeOf(await ask(router, "beyond"))).toBe("OVERLOADED");
    const other = ask(router, "other", { thread: 1 });
    second.answer("b", ...(await second.gets(1)));
    expect(codeOf(await other)).toBe("ok");
    first.answer("a", ...(await first.gets(COMMANDS_MAX)));
    await Promise.all(asked);
    const again = ask(router, "again");
    first.answer("a", ...(await first.gets(COMMANDS_MAX + 1)).slice(-1));
    expect(codeOf(await again)).toBe("ok");
    expect(first.got.map(({ command }) => command)).toEqual(["0", "1", "2", "again"]);
  });

  it("D2, D3: a command that was handed over and not answered in time is OUTCOME_UNKNOWN, and a late answer is nobody's", async () => {
    const router = commandRouter();
    const thread = new Thread(router, 0);
    const asked = ask(router, "one");
    const slow = ask(router, "slow", { timeoutMs: 10 * TIMEOUT_MS });
    await thread.gets(2);
    vi.advanceTimersByTime(TIMEOUT_MS - 1);
    expect(router.inFlight).toBe(2);
    vi.advanceTimersByTime(LATE_MS_MAX);
    expect(codeOf(await asked)).toBe("OUTCOME_UNKNOWN");
    expect(router.inFlight).toBe(1);
    thread.answer("late", ...thread.got);
    expect(await slow).toEqual({ ok: true, value: "late" });
    expect(router.inFlight).toBe(0);
  });

  it("D3, L6: a thread that hangs stays bounded: what was answered at its deadline counts until the thread has answered it", async () => {
    const router = commandRouter();
    const thread = new Thread(router, 0);
    const asked = Array.from({ length: COMMANDS_MAX }, (_, i) => ask(router, `${i}`));
    const [first] = await thread.gets(COMMANDS_MAX);
    vi.advanceTimersByTime(TIMEOUT_MS + LATE_MS_MAX);
    expect((await Promise.all(asked)).map(codeOf)).toEqual(["OUTCOME_UNKNOWN", "OUTCOME_UNKNOWN", "OUTCOME_UNKNOWN"]);
    expect(router.inFlight).toBe(0);
    expect(codeOf(await ask(router, "beyond"))).toBe("OVERLOADED");
    if (first === undefined) throw new Error("a command was to arrive");
    thread.answer("late", first);
    await turns();
    const next = ask(router, "next");
    expect(codeOf(await ask(router, "beyond"))).toBe("OVERLOADED");
    expect((await thread.gets(COMMANDS_MAX + 1)).at(-1)).toMatchObject({ command: "next" });

    router.detach(0); // What it never answered died with it.
    expect(codeOf(await next)).toBe("OUTCOME_UNKNOWN");
    const successor = new Thread(router, 0);
    const after = Array.from({ length: COMMANDS_MAX }, (_, i) => ask(router, `after ${i}`));
    successor.answer("a", ...(await successor.gets(COMMANDS_MAX)));
    expect((await Promise.all(after)).map(codeOf)).toEqual(["ok", "ok", "ok"]);
  });

  it("D3: what a thread had when it died is OUTCOME_UNKNOWN; what was asked since waits for the successor, in order", async () => {
    const router = commandRouter();
    const thread = new Thread(router, 0);
    const lost = ask(router, "lost");
    await thread.gets(1);
    const early = ask(router, "one"); // Of the very turn in which the thread is told to be gone: it was not handed over.
    router.detach(0);
    expect(codeOf(await lost)).toBe("OUTCOME_UNKNOWN");
    const waiting = [early, ask(router, "two")];
    await turns();
    expect(router.inFlight).toBe(2);
    const successor = new Thread(router, 0);
    successor.answer("done", ...(await successor.gets(2)));
    expect((await Promise.all(waiting)).map(codeOf)).toEqual(["ok", "ok"]);
    expect(successor.got.map(({ command }) => command)).toEqual(["one", "two"]);
    expect(thread.got.map(({ command }) => command)).toEqual(["lost"]);
  });

  it("D1: what waits for a successor is limited too, and at its deadline it is surely not run", async () => {
    const router = commandRouter();
    const waiting = Array.from({ length: COMMANDS_MAX }, (_, i) => ask(router, `${i}`, { timeoutMs: (i + 1) * TIMEOUT_MS }));
    expect(codeOf(await ask(router, "beyond"))).toBe("OVERLOADED");
    vi.advanceTimersByTime(TIMEOUT_MS + LATE_MS_MAX);
    expect(codeOf((await waiting[0]) ?? { ok: true, value: null })).toBe("DEADLINE_EXCEEDED");
    const successor = new Thread(router, 0);
    successor.answer("done", ...(await successor.gets(2)));
    expect((await Promise.all(waiting.slice(1))).map(codeOf)).toEqual(["ok", "ok"]);
    expect(successor.got.map(({ command }) => command)).toEqual(["1", "2"]); // Not the one that was answered.
  });

  it("D4: a caller that goes away in the turn of its command takes it back; later, the thread is told and answers", async () => {
    const router = commandRouter();
    const thread = new Thread(router, 0);
    const [soon, later, never] = [new AbortController(), new AbortController(), new AbortController()];
    const taken = ask(router, "taken back", { signal: soon.signal });
    const handed = ask(router, "handed over", { signal: later.signal });
    const kept = ask(router, "kept", { signal: never.signal });
    soon.abort();
    expect(codeOf(await taken)).toBe("DEADLINE_EXCEEDED");
    const [second, third] = await thread.gets(2);
    if (second === undefined || third === undefined) throw new Error("two commands were to arrive");
    expect(thread.got.map(({ command }) => command)).toEqual(["handed over", "kept"]);
    later.abort();
    while (thread.cancelled.length === 0) await turns();
    expect(thread.cancelled).toEqual([[second.caller, "a/1"]]);
    expect(router.inFlight).toBe(2); // It may have begun: what became of it, the thread says.
    thread.answer("begun", second);
    thread.answer("kept", third);
    expect((await Promise.all([handed, kept])).map(codeOf)).toEqual(["ok", "ok"]);
    never.abort(); // After the answer it is nobody's matter.
    expect(codeOf(await ask(router, "after", { signal: never.signal }))).toBe("DEADLINE_EXCEEDED");
    await turns();
    expect(thread.cancelled).toHaveLength(1);
    expect([thread.got.length, router.inFlight]).toEqual([2, 0]);
  });

  it("the oldest command's age is told while somebody waits for it", async () => {
    const router = commandRouter();
    const thread = new Thread(router, 0);
    expect(router.oldestMs).toBe(0);
    const first = ask(router, "first", { timeoutMs: 10 * TIMEOUT_MS });
    vi.advanceTimersByTime(400);
    const second = ask(router, "second");
    vi.advanceTimersByTime(100);
    expect(router.oldestMs).toBe(500);
    const [one] = await thread.gets(2);
    if (one === undefined) throw new Error("a command was to arrive");
    thread.answer("a", one);
    await first;
    expect(router.oldestMs).toBe(100);
    vi.advanceTimersByTime(TIMEOUT_MS + LATE_MS_MAX);
    await second;
    expect(router.oldestMs).toBe(0); // The thread has not answered it, but nobody waits any more.
  });

  it("TRAPS 23: who waits for something outside the node is not among them: a slow model is no sign of a node that is stuck", async () => {
    const router = commandRouter();
    const thread = new Thread(router, 0);
    const outside = ask(router, "outside", { timeoutMs: 10 * TIMEOUT_MS, waitsOutside: true });
    vi.advanceTimersByTime(400);
    const inside = ask(router, "inside", { timeoutMs: 10 * TIMEOUT_MS });
    vi.advanceTimersByTime(100);
    expect([router.oldestMs, router.inFlight]).toEqual([100, 2]);
    for (const command of await thread.gets(2)) thread.answer("a", command);
    await Promise.all([outside, inside]);
  });

  it("a drain finishes what was accepted and refuses what comes, surely not done", async () => {
    const router = commandRouter();
    const thread = new Thread(router, 0);
    const asked = ask(router, "accepted");
    await thread.gets(1);
    let isDrained: boolean | null = null;
    const draining = router.drain(TIMEOUT_MS).then((outcome) => {
      isDrained = outcome;
    });
    expect(codeOf(await ask(router, "late"))).toBe("SHUTTING_DOWN");
    await vi.advanceTimersByTimeAsync(TIMEOUT_MS / 2);
    expect(isDrained).toBeNull();
    thread.answer("done", ...thread.got);
    expect(codeOf(await asked)).toBe("ok");
    await vi.advanceTimersByTimeAsync(10);
    await draining;
    expect(isDrained).toBe(true);
    expect(thread.got).toHaveLength(1);
  });

  it("a drain ends at its deadline, and closing answers who still waits", async () => {
    const router = commandRouter();
    const thread = new Thread(router, 0);
    const asked = ask(router, "stuck", { timeoutMs: 10 * TIMEOUT_MS });
    await thread.gets(1);
    const draining = router.drain(TIMEOUT_MS);
    await vi.advanceTimersByTimeAsync(TIMEOUT_MS + 10);
    expect(await draining).toBe(false);
    expect(router.inFlight).toBe(1);
    router.close();
    expect(codeOf(await asked)).toBe("OUTCOME_UNKNOWN");
    expect(router.inFlight).toBe(0);
    expect(codeOf(await ask(router, "after"))).toBe("SHUTTING_DOWN");
  });
});
