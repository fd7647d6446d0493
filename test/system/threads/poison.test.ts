/** DESIGN 4.3, the rule of three deaths, with real threads that hang in a handler and are ended by their heartbeat. */
import { describe, expect, it } from "vitest";
import type { Answer, Work } from "../../../src/runtime/index.ts";
import { readWork, WORK_CHARS_MAX, WorkNote, workMemory } from "../../../src/system/threads/at-work.ts";
import { Poison } from "../../../src/system/threads/poison.ts";
import { folder } from "../../support/journal-bench.ts";
import { trap } from "../../support/poison-module.ts";
import { openNode, until } from "../../support/test-node.ts";

const modules = [new URL("../../support/poison-module.ts", import.meta.url)];
const FLAGS = { "--shard.threads": 2, "--threads.heartbeat-ms": 1_000 };
const codeOf = (answer: Answer<unknown>): string => (answer.ok ? "ok" : answer.code);
const POISONED = "this was at work in too many deaths of its thread; it is not done again";

describe("what a thread has at work outlives it", () => {
  it.each<[string, Work]>([
    ["nothing", null],
    ["a command's number", 2 ** 40 + 1],
    ["an effect", "12.345.6789.0"],
    ["an address that is not ASCII", "rebuild account/\u{1f600}é"],
  ])("%s", (_, work) => {
    const memory = workMemory();
    const note = new WorkNote(memory);
    note.write("something longer that was there before");
    note.write(work);
    expect(readWork(memory)).toBe(work);
  });

  it("L6: a text is kept up to its limit", () => {
    const memory = workMemory();
    new WorkNote(memory).write("x".repeat(WORK_CHARS_MAX + 1));
    expect(readWork(memory)).toBe("x".repeat(WORK_CHARS_MAX));
  });
});

describe("counting deaths", () => {
  it("the third one makes poison, which is told once; other works have counts of their own", () => {
    const poison = new Poison();
    expect(["a", "b", "a", "a", "a", "b"].map((work) => poison.died(work))).toEqual([false, false, false, true, false, false]);
    expect(poison.works).toEqual(["a"]);
  });

  it("L6: at most a thousand works are remembered, the oldest are forgotten first", () => {
    const poison = new Poison();
    poison.died("first");
    poison.died("first");
    for (let i = 0; i < 1_000; i++) poison.died(`other-${i}`);
    expect(poison.died("first")).toBe(false);
  });
});

describe("on a node", () => {
  it("a command that hangs its thread is refused after three deaths, and never delivered again; others are served meanwhile and after", async () => {
    using dir = folder();
    const { node, errors } = await openNode(dir.path, FLAGS, modules);
    await using _closed = node;
    const bad = node.entity(trap, "bad");
    const codes: string[] = [];
    for (let deaths = 0; deaths < 3; deaths++) codes.push(codeOf(await bad.ask.loop({}, { id: "hangs" })));
    expect(codes).toEqual(["OUTCOME_UNKNOWN", "OUTCOME_UNKNOWN", "OUTCOME_UNKNOWN"]);
    for (let tries = 0; tries < 2; tries++) expect(codeOf(await bad.ask.loop({}, { id: "hangs" }))).toBe("INTERNAL_ERROR");
    expect(codeOf(await bad.ask.touch({}, { id: "good" }))).toBe("ok");
    expect(errors.filter((text) => text === POISONED)).toHaveLength(1);
    expect(await bad.ask.get({})).toMatchObject({ ok: true, value: { touched: 1 } });
  });

  it("a tell that hangs its receiver is a dead letter after three deaths by itself, and its sender hears it", async () => {
    using dir = folder();
    const { node, errors } = await openNode(dir.path, FLAGS, modules);
    await using _closed = node;
    // From one thread to the other, so that the tell is in the journal before it is handled.
    const [from, to] = ["{a}-from", "{b}-to"];
    expect(codeOf(await node.entity(trap, from).ask.send({ to: `trap/${to}`, command: "loop" }, { id: "send" }))).toBe("ok");
    const told = await until("the sender hears it", async () => {
      const answer = await node.entity(trap, from).ask.get({});
      return answer.ok && answer.value.refusals.length > 0 ? answer.value : null;
    });
    expect(told).toEqual({ touched: 1, refusals: ["INTERNAL_ERROR"] });
    expect(errors.filter((text) => text === POISONED)).toHaveLength(1);
    await until("it is ready", async () => (await node.readiness()).isReady);
    expect(codeOf(await node.entity(trap, to).ask.touch({}, { id: "good" }))).toBe("ok");
    await node.checkpointNow();
  });

  it("a command whose own tell hangs the thread before anything is committed is to blame itself", async () => {
    using dir = folder();
    const { node } = await openNode(dir.path, { ...FLAGS, "--shard.threads": 1 }, modules);
    await using _closed = node;
    const bad = node.entity(trap, "bad");
    const codes: string[] = [];
    // It tells itself: it is in memory, so the tell is handled in the group that opened it.
    for (let tries = 0; tries < 4; tries++) codes.push(codeOf(await bad.ask.send({ to: "trap/bad", command: "loop" }, { id: "one" })));
    expect(codes).toEqual(["OUTCOME_UNKNOWN", "OUTCOME_UNKNOWN", "OUTCOME_UNKNOWN", "INTERNAL_ERROR"]);
    expect(await bad.ask.get({})).toMatchObject({ ok: true, value: { touched: 0 } });
  });
});
