/** Clients that wait for an entity to settle: by the id of their command or all together, repeats beside the first (L3, L6; R-CON-1). */
import { describe, expect, it } from "vitest";
import { type AnyDefinition, accept, defineEntity, type Json, reply, type Settled } from "../../../src/runtime/index.ts";
import { any, DomainBench } from "./domain-bench.ts";

type DeskEvent = { readonly kind: "asked"; readonly id: string } | { readonly kind: "said" };

/** Takes questions, each under the id of its command, and answers them when it is told what to say. */
const desk = defineEntity({
  type: "desk",
  version: 1,
  commands: {
    question: { body: any<object>(), reply: any<string>() },
    say: { body: any<{ readonly to: readonly Settled[]; readonly rest?: string }>(), reply: any<null>() },
    later: { body: any<object>(), reply: any<null>() },
    stop: { body: any<object>(), reply: any<null>() },
    said: { body: any<object>(), reply: any<number>() },
  },
  events: { asked: any<{ readonly kind: "asked"; readonly id: string }>(), said: any<{ readonly kind: "said" }>() },
  initial: (): { readonly asked: readonly string[]; readonly said: number } => ({ asked: [], said: 0 }),
  decide: {
    question: ({ asked }, _body, { id }) =>
      accept<DeskEvent, string>(asked.includes(id) ? [] : [{ kind: "asked", id }], { isAnsweredLater: true }),
    say: (_state, { to, rest }) => accept<DeskEvent>([{ kind: "said" }], { settles: to, ...(rest === undefined ? {} : { settle: rest }) }),
    later: (_state, _body, { at }) =>
      accept<DeskEvent>([], { effects: [{ kind: "schedule", label: "reminder", at: at + 100, command: "say", body: { to: [] } }] }),
    stop: () => accept<DeskEvent>([], { cancels: ["reminder"] }),
    said: ({ said }) => reply(said),
  },
  evolve: {
    asked: ({ asked, said }, event) => ({ asked: event.kind === "asked" ? [...asked, event.id] : asked, said }),
    said: ({ asked, said }) => ({ asked, said: said + 1 }),
  },
  snapshot: { encode: (state) => state, decode: (json) => json as never },
}) as unknown as AnyDefinition;

const benchOf = () => new DomainBench({ definitions: [desk] });
const question = (bench: DomainBench, id: string): number => bench.send("desk/d", "question", {}, { id });
const say = (bench: DomainBench, to: Json, rest?: string) => bench.ask("desk/d", "say", { to, ...(rest === undefined ? {} : { rest }) });
const heard = (bench: DomainBench, caller: number): Json | undefined => {
  const answer = bench.answers.get(caller);
  return answer?.ok === true ? answer.value : answer?.code;
};

describe("settles", () => {
  it("R-CON-1: answers by the id of the command; who asked something else goes on waiting, and settle answers the rest", () => {
    const bench = benchOf();
    const [a, b, c] = ["a", "b", "c"].map((id) => question(bench, id)) as [number, number, number];
    bench.drive();
    say(bench, [
      { id: "b", value: "to b" },
      { id: "nobody", value: "?" },
    ]);
    expect([a, b, c].map((caller) => heard(bench, caller))).toEqual([undefined, "to b", undefined]);
    say(bench, [{ id: "c", value: "to c" }], "to the rest");
    expect([a, c].map((caller) => heard(bench, caller))).toEqual(["to the rest", "to c"]);
  });

  it("L3: a repeat that writes nothing waits beside the first and gets the same answer", () => {
    const bench = benchOf();
    const first = question(bench, "a");
    bench.drive();
    const entries = bench.entries.length;
    const repeat = question(bench, "a");
    bench.drive();
    expect(bench.entries.length).toBe(entries);
    say(bench, [{ id: "a", value: "hello" }]);
    expect([first, repeat].map((caller) => heard(bench, caller))).toEqual(["hello", "hello"]);
  });

  it("commands without an id are all known as the empty one", () => {
    const bench = benchOf();
    const callers = [bench.send("desk/d", "question"), bench.send("desk/d", "question"), question(bench, "a")];
    bench.drive();
    say(bench, [{ id: "", value: "hello" }]);
    expect(callers.map((caller) => heard(bench, caller))).toEqual(["hello", "hello", undefined]);
  });

  it("L2: the answer leaves after the commit of the entry that settles", () => {
    const bench = benchOf();
    const caller = question(bench, "a");
    bench.drive();
    bench.send("desk/d", "say", { to: [{ id: "a", value: "hello" }] });
    bench.settle();
    expect(bench.answers.has(caller)).toBe(false);
    bench.commit();
    expect(heard(bench, caller)).toBe("hello");
  });

  it("S5: of a lost group the first is surely not done, a repeat of something committed is not said to be", () => {
    const bench = benchOf();
    const first = question(bench, "a");
    bench.drive();
    const repeat = question(bench, "a");
    const other = question(bench, "b");
    bench.settle();
    bench.domain.refused();
    expect([first, repeat, other].map((caller) => heard(bench, caller))).toEqual([
      "OUTCOME_UNKNOWN",
      "OUTCOME_UNKNOWN",
      "JOURNAL_UNAVAILABLE",
    ]);
  });

  it("L6: so many wait for one entity as its mailbox holds; beyond, a command is refused and does nothing", () => {
    const bench = benchOf();
    const callers = Array.from({ length: 6 }, (_, i) => {
      const caller = question(bench, `q${i}`);
      bench.drive();
      return caller;
    });
    expect(callers.map((caller) => heard(bench, caller))).toEqual([...Array(5).fill(undefined), "MAILBOX_FULL"]);
    expect(bench.entries.flatMap(({ ids = [] }) => ids)).not.toContain("q5");
    say(bench, [], "all");
    expect(callers.slice(0, 5).map((caller) => heard(bench, caller))).toEqual(Array(5).fill("all"));
  });
});

it("a command that only cancels is written: what it cancels stays cancelled", () => {
  const bench = benchOf();
  bench.ask("desk/d", "later");
  bench.ask("desk/d", "stop");
  expect(bench.entries.at(-1)).toMatchObject({ timersOver: ["reminder"] });
  bench.nowMs += 1_000;
  bench.drive();
  expect(bench.ask("desk/d", "said")).toEqual({ ok: true, value: 0 });
});
