/** What ports tell while they perform: one entry after the other, of one run of one attempt, until the effect is over (L2, L7, R-CON-9). */
import { describe, expect, it } from "vitest";
import {
  type AnyDefinition,
  accept,
  defineEntity,
  type EffectOutcome,
  type EffectProgress,
  ignore,
  type Json,
} from "../../../src/runtime/index.ts";
import { progressWork } from "../../../src/runtime/shard/at-work.ts";
import { any, DomainBench, recoveredOf } from "./domain-bench.ts";

type StoryEvent =
  | { readonly kind: "asked" }
  | { readonly kind: "heard"; readonly text: string; readonly attempt: number }
  | { readonly kind: "ended"; readonly text: string; readonly attempt: number };

/** Has a story told by the port "mail", piece by piece. */
const reader = defineEntity({
  type: "reader",
  version: 1,
  commands: {
    read: { body: any<{ readonly kind?: "call" | "compute"; readonly progressTo?: string }>(), reply: any<null>() },
    wait: { body: any<object>(), reply: any<string>() },
    stop: { body: any<object>(), reply: any<null>() },
    get: { body: any<object>(), reply: any<readonly string[]>() },
  },
  events: {
    asked: any<{ readonly kind: "asked" }>(),
    heard: any<{ readonly kind: "heard"; readonly text: string; readonly attempt: number }>(),
    ended: any<{ readonly kind: "ended"; readonly text: string; readonly attempt: number }>(),
  },
  initial: (): readonly string[] => [],
  decide: {
    read: (_state, { kind = "call", progressTo = "piece" }) =>
      accept<StoryEvent>([{ kind: "asked" }], {
        effects: [{ kind, to: "mail", command: "tell", body: {}, answerTo: "told", label: "story", progressTo }],
      }),
    wait: () => accept<StoryEvent, string>([{ kind: "asked" }], { isAnsweredLater: true }),
    stop: () => accept<StoryEvent>([], { cancels: ["story"] }),
    get: (state) => ({ kind: "reply", value: state }),
  },
  progress: {
    piece: (_state, value, { attempt = 0 }) => {
      if (value === "dull") return ignore;
      if (value === "boom") throw new Error("boom");
      if (value === "enough") return accept<StoryEvent>([{ kind: "heard", text: "enough", attempt }], { cancels: ["story"] });
      const text = String(value);
      return accept<StoryEvent>([{ kind: "heard", text, attempt }], text === "answer" ? { settle: text } : {});
    },
  },
  answers: {
    told: (_state, answer, { attempt = 0 }) =>
      accept<StoryEvent>([{ kind: "ended", text: answer.ok ? String(answer.value) : answer.code, attempt }]),
  },
  evolve: {
    asked: (state) => state,
    heard: (state, event) => (event.kind === "heard" ? [...state, `${event.attempt}:${event.text}`] : state),
    ended: (state, event) => (event.kind === "ended" ? [...state, `${event.attempt}!${event.text}`] : state),
  },
  snapshot: { encode: (state) => state, decode: (json) => json as unknown as readonly string[] },
}) as unknown as AnyDefinition;

const benchOf = (options: ConstructorParameters<typeof DomainBench>[0] = {}) => new DomainBench({ definitions: [reader], ...options });
/** A reader whose story is being told. */
function reading(): DomainBench {
  const bench = benchOf();
  bench.ask("reader/r", "read");
  return bench;
}
const DONE: EffectOutcome = { kind: "done", value: "the end" };
/** Something of an attempt arrives; nothing is handled yet. */
function tell(bench: DomainBench, outcome: EffectOutcome | EffectProgress, of: number | null = null): void {
  const { id = "", attempt = 0 } = bench.performs.at(-1) ?? {};
  bench.domain.performed({ id, attempt: of ?? attempt, outcome });
}
const piece = (bench: DomainBench, value: Json, of: number | null = null): void => tell(bench, { kind: "progress", value }, of);
function heard(bench: DomainBench): Json {
  const answer = bench.ask("reader/r", "get");
  return answer?.ok === true ? answer.value : null;
}
const recover = (bench: DomainBench, more: ConstructorParameters<typeof DomainBench>[0] = {}): DomainBench =>
  benchOf({ incarnation: 2, records: bench.records, ...more });

describe("progress", () => {
  it("is handled in order, before the outcome, and room is given when what came of it is committed", () => {
    const bench = reading();
    expect(bench.performs).toMatchObject([{ attempt: 1, wantsProgress: true }]);
    for (const text of ["a", "b"]) piece(bench, text);
    tell(bench, DONE);
    bench.settle();
    expect(bench.credits).toEqual([]);
    bench.commit();
    expect(bench.credits.length).toBe(2);
    expect(heard(bench)).toEqual(["1:a", "1:b", "1!the end"]);
    expect(bench.domain.outsideOpen).toBe(0);
  });

  it("says in the journal once an attempt that something of it was heard", () => {
    const bench = reading();
    for (const text of ["a", "b", "c"]) {
      piece(bench, text);
      bench.drive();
    }
    const { id = "" } = bench.performs[0] ?? {};
    expect(bench.entries.flatMap(({ progressed = [] }) => progressed)).toEqual([{ id, attempt: 1 }]);
  });

  it("costs nothing where nobody wants it: neither in the journal nor in what is handed out", () => {
    const plain = { ...reader, decide: { ...reader.decide, read: () => accept([{ kind: "asked" }], { effects: [PLAIN] }) } };
    const bench = benchOf({ definitions: [plain as AnyDefinition] });
    bench.ask("reader/r", "read");
    tell(bench, DONE);
    bench.drive();
    expect(JSON.stringify([bench.performs, bench.entries])).not.toMatch(/progress/i);
  });

  it("wakes its entity, may settle, and what is ignored writes nothing", () => {
    const bench = reading();
    const caller = bench.send("reader/r", "wait");
    bench.drive();
    const entries = bench.entries.length;
    piece(bench, "dull");
    bench.drive();
    expect([bench.entries.length, bench.credits.length]).toEqual([entries, 1]);
    bench.checkpoint();
    piece(bench, "answer");
    bench.drive();
    expect(bench.answers.get(caller)).toEqual({ ok: true, value: "answer" });
    bench.checkpoint();
    bench.nowMs += 10_000;
    expect(bench.domain.passivate({ idleSince: bench.nowMs, stepsMax: 10 })).toBe(1);
    piece(bench, "b");
    bench.drive();
    expect(heard(bench)).toEqual(["1:answer", "1:b"]);
  });

  it("L7: of an older attempt, or of what is over, nothing is heard", () => {
    const bench = reading();
    piece(bench, "a");
    tell(bench, { kind: "failed", error: "reset", afterMs: 5 });
    bench.drive();
    bench.nowMs += 5;
    bench.drive();
    piece(bench, "late", 1);
    piece(bench, "b");
    bench.drive();
    expect(heard(bench)).toEqual(["1:a", "2:b"]);
    bench.send("reader/r", "stop");
    piece(bench, "waits behind the stop");
    bench.drive();
    piece(bench, "after it");
    tell(bench, DONE);
    bench.drive();
    expect([heard(bench), bench.cancels]).toEqual([["1:a", "2:b"], [bench.performs[0]?.id]]);
  });

  it("an entity that has heard enough cancels: nothing more is heard", () => {
    const bench = reading();
    for (const text of ["enough", "more"]) piece(bench, text);
    bench.drive();
    expect([heard(bench), bench.cancels.length, bench.domain.outsideOpen]).toEqual([["1:enough"], 1, 0]);
    expect(recover(bench).performs).toEqual([]);
  });

  it("a handler that throws is a crash in the log: the state is as it was, and room is given", () => {
    const bench = reading();
    for (const text of ["boom", "b"]) piece(bench, text);
    bench.drive();
    expect([heard(bench), bench.credits.length, bench.crashes]).toEqual([["1:b"], 2, ["reader/r progress.piece: boom"]]);
  });

  it("while the journal is down it waits, in order, before its outcome", () => {
    const bench = reading();
    bench.domain.journalDown(true);
    for (const text of ["a", "b"]) piece(bench, text);
    tell(bench, DONE);
    bench.settle();
    expect(bench.credits).toEqual([]);
    bench.domain.journalDown(false);
    expect(heard(bench)).toEqual(["1:a", "1:b", "1!the end"]);
  });

  it("a handler that is not there, and a task of the pool, are crashes of who opens the effect", () => {
    const bench = benchOf();
    for (const body of [{ progressTo: "nobody" }, { kind: "compute" }]) {
      expect(bench.ask("reader/r", "read", body)).toMatchObject({ ok: false, code: "INTERNAL_ERROR" });
    }
    expect(bench.crashes).toEqual([
      'reader/r evolve: reader has no handler "nobody" in progress',
      "reader/r evolve: a task of the pool tells no progress",
    ]);
  });

  it("S9: progress that ended its thread too often is not given to the entity any more; the answer is", () => {
    const before = reading();
    const { id = "" } = before.performs[0] ?? {};
    const bench = recover(before, { poison: [progressWork(id)] });
    bench.drive();
    piece(bench, "a");
    bench.drive();
    expect([heard(bench), bench.credits]).toEqual([[], [id]]);
    tell(bench, DONE);
    bench.drive();
    expect(heard(bench)).toEqual(["1!the end"]);
  });
});

describe("X4: an attempt of which something was heard is not made again by its number", () => {
  it("who performed was lost: what was heard is of the lost attempt, what waited of it is dropped, the next one has another number", () => {
    const bench = reading();
    piece(bench, "a");
    bench.drive();
    piece(bench, "arrived, not handled");
    bench.domain.performerLost();
    bench.drive();
    expect(bench.performs.map(({ attempt }) => attempt)).toEqual([1, 2]);
    piece(bench, "b");
    tell(bench, DONE);
    bench.drive();
    expect(heard(bench)).toEqual(["1:a", "2:b", "2!the end"]);
  });

  it("lost before anything was heard, it is the same attempt", () => {
    const bench = reading();
    bench.domain.performerLost();
    expect(bench.performs.map(({ attempt }) => attempt)).toEqual([1, 1]);
  });

  it("a crash after the commit of what was heard: the next attempt has another number, from the tail and from a checkpoint", () => {
    const bench = reading();
    piece(bench, "a");
    bench.drive();
    const fromTail = recover(bench);
    const end = bench.checkpoint().end();
    const recovered = { ...recoveredOf(bench.records), effects: JSON.parse(JSON.stringify(end.effects)), tail: new Map() };
    for (const next of [fromTail, recover(bench, { snapshots: bench.snapshots, recovered })]) {
      next.drive();
      expect(next.performs).toMatchObject([{ attempt: 2 }]);
      piece(next, "b");
      tell(next, { kind: "failed", error: "reset", afterMs: 1 });
      next.drive();
      next.nowMs += 1;
      next.drive();
      expect(next.performs.at(-1)).toMatchObject({ attempt: 3 });
      expect(heard(next)).toEqual(["1:a", "2:b"]);
    }
  });

  it("a crash before that commit: it is told from the beginning, and nothing of it was there", () => {
    const bench = reading();
    piece(bench, "a");
    bench.settle();
    const next = recover(bench);
    next.drive();
    expect([next.performs, heard(next)]).toMatchObject([[{ attempt: 1 }], []]);
  });

  it("a dead letter that is replayed counts anew", () => {
    const keeps = { ...reader, decide: { ...reader.decide, read: () => accept([{ kind: "asked" }], { effects: [KEPT] }) } };
    const kept = benchOf({ definitions: [keeps as AnyDefinition] });
    kept.ask("reader/r", "read");
    piece(kept, "a");
    tell(kept, { kind: "dead", code: "UPSTREAM_TIMEOUT", error: "no", attempts: 1 });
    kept.drive();
    kept.domain.resolve({ caller: -1, id: kept.performs[0]?.id ?? "", action: "replay" });
    kept.drive();
    for (const each of [kept, benchOf({ definitions: [keeps as AnyDefinition], incarnation: 2, records: kept.records })]) {
      each.drive();
      expect(each.performs.at(-1)).toMatchObject({ attempt: 1 });
    }
  });
});

const PLAIN = { kind: "call", to: "mail", command: "tell", body: {}, answerTo: "told" } as const;
const KEPT = { ...PLAIN, progressTo: "piece", keepsDead: true } as const;
