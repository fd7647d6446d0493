/** Effects that leave the runtime: when they are handed out, what the journal keeps of them, and what a crash leaves (L2, L4, R-SYS-3). */
import { describe, expect, it } from "vitest";
import { type Answer, type AnyDefinition, accept, defineEntity, type EffectOutcome, type Json } from "../../../src/runtime/index.ts";
import { any, DomainBench, recoveredOf } from "./domain-bench.ts";

interface Letters {
  readonly sent: readonly string[];
}
type LetterEvent = { readonly kind: "asked"; readonly text: string } | { readonly kind: "answered"; readonly with: string };

/** Sends mail by the port "mail" and events by the port "bus". */
const writer = defineEntity({
  type: "writer",
  version: 1,
  commands: {
    mail: { body: any<{ readonly text: string; readonly label?: string }>(), reply: any<null>() },
    publish: { body: any<{ readonly text: string }>(), reply: any<null>() },
    stop: { body: any<{ readonly label: string }>(), reply: any<null>() },
    lost: { body: any<object>(), reply: any<null>() },
    get: { body: any<object>(), reply: any<Letters>() },
  },
  events: {
    asked: any<{ readonly kind: "asked"; readonly text: string }>(),
    answered: any<{ readonly kind: "answered"; readonly with: string }>(),
  },
  initial: (): Letters => ({ sent: [] }),
  decide: {
    mail: (_state, { text, label }) =>
      accept<LetterEvent>([{ kind: "asked", text }], {
        effects: [
          { kind: "call", to: "mail", command: "send", body: { text }, answerTo: "mailed", ...(label === undefined ? {} : { label }) },
        ],
      }),
    publish: (_state, { text }) =>
      accept<LetterEvent>([{ kind: "asked", text }], {
        effects: [{ kind: "publish", to: "bus", command: "said", body: { text }, isOrdered: true }],
      }),
    stop: (_state, { label }) => accept<LetterEvent>([{ kind: "answered", with: `stopped ${label}` }], { cancels: [label] }),
    lost: () =>
      accept<LetterEvent>([{ kind: "asked", text: "lost" }], { effects: [{ kind: "call", to: "nobody", command: "x", body: {} }] }),
    get: (state) => ({ kind: "reply", value: state }),
  },
  answers: {
    mailed: (_state: Letters, answer: Answer<Json>) =>
      accept<LetterEvent>([{ kind: "answered", with: answer.ok ? String(answer.value) : `${answer.code}: ${answer.detail}` }]),
  },
  evolve: {
    asked: (state) => state,
    answered: (state, event) => ({ sent: [...state.sent, event.kind === "answered" ? event.with : ""] }),
  },
  snapshot: { encode: (state) => state as unknown as Json, decode: (json) => json as unknown as Letters },
}) as unknown as AnyDefinition;

const benchOf = (options: ConstructorParameters<typeof DomainBench>[0] = {}) => new DomainBench({ definitions: [writer], ...options });

/** Tells how the attempt that was handed out last went, and lets everything happen. */
function tell(bench: DomainBench, outcome: EffectOutcome): void {
  const last = bench.performs.at(-1);
  if (last === undefined) throw new Error("nothing was handed out");
  bench.domain.performed({ id: last.id, attempt: last.attempt, outcome });
  bench.drive();
}
const sentOf = (bench: DomainBench): Json => {
  const answer = bench.ask("writer/w", "get");
  return answer?.ok === true ? (answer.value as unknown as Letters).sent.join(" | ") : null;
};
const again = (bench: DomainBench, ms: number): void => {
  bench.nowMs += ms;
  bench.drive();
};

describe("effects that leave the runtime", () => {
  it("L2: an effect is handed out after the commit of the entry that opened it, never before", () => {
    const bench = benchOf();
    bench.send("writer/w", "mail", { text: "hello" });
    bench.settle();
    expect(bench.performs).toEqual([]);
    bench.commit();
    expect(bench.performs).toMatchObject([
      { kind: "call", to: "mail", command: "send", body: { text: "hello" }, from: "writer/w", attempt: 1 },
    ]);
    tell(bench, { kind: "done", value: "sent" });
    expect([sentOf(bench), bench.domain.outsideOpen]).toEqual(["sent", 0]);
  });

  it("S8: a failed attempt is an entry; the next one has the same id, not before its time", () => {
    const bench = benchOf();
    bench.ask("writer/w", "mail", { text: "hello" });
    tell(bench, { kind: "failed", error: "status 500", afterMs: 200 });
    expect(bench.entries.at(-1)?.attempts).toEqual([
      { id: bench.performs[0]?.id, attempt: 1, error: "status 500", nextAt: bench.nowMs + 200 },
    ]);
    again(bench, 199);
    expect(bench.performs.length).toBe(1);
    expect(bench.domain.nextDueMs).toBe(bench.nowMs + 1);
    again(bench, 1);
    expect(bench.performs.map(({ attempt }) => attempt)).toEqual([1, 2]);
    expect(new Set(bench.performs.map(({ id }) => id)).size).toBe(1);
    tell(bench, { kind: "done", value: "sent at last" });
    expect(sentOf(bench)).toBe("sent at last");
  });

  it("an outcome that is told twice, or late, changes nothing", () => {
    const bench = benchOf();
    bench.ask("writer/w", "mail", { text: "hello" });
    tell(bench, { kind: "failed", error: "reset", afterMs: 5 });
    again(bench, 5);
    const id = bench.performs[0]?.id ?? "";
    bench.domain.performed({ id, attempt: 1, outcome: { kind: "done", value: "late" } });
    bench.domain.performed({ id, attempt: 2, outcome: { kind: "done", value: "first" } });
    bench.domain.performed({ id, attempt: 2, outcome: { kind: "done", value: "second" } });
    bench.drive();
    expect(sentOf(bench)).toBe("first");
  });

  it("what was postponed writes nothing and is offered again with the same attempt", () => {
    const bench = benchOf();
    bench.ask("writer/w", "mail", { text: "hello" });
    const entries = bench.entries.length;
    tell(bench, { kind: "postponed", reason: "breaker open", afterMs: 50 });
    again(bench, 50);
    expect(bench.entries.length).toBe(entries);
    expect(bench.performs.map(({ attempt }) => attempt)).toEqual([1, 1]);
  });

  it("the last attempt makes a dead letter: who wants an answer gets a fault, and it is over", () => {
    const bench = benchOf();
    bench.ask("writer/w", "mail", { text: "hello" });
    const id = bench.performs[0]?.id ?? "";
    tell(bench, { kind: "dead", code: "UPSTREAM_TIMEOUT", error: "5 attempts failed", attempts: 5 });
    expect(bench.entries.at(-1)).toMatchObject({
      deadEffects: [{ id, code: "UPSTREAM_TIMEOUT", error: "5 attempts failed", attempts: 5 }],
      closes: [id],
    });
    expect(sentOf(bench)).toBe("UPSTREAM_TIMEOUT: 5 attempts failed");
    bench.domain.resolve({ caller: -1, id, action: "replay" });
    bench.drive();
    expect(bench.answers.get(-1)).toMatchObject({ ok: false, code: "EFFECT_CLOSED" });
  });

  it("TRAPS 7: a dead letter that wants no answer stays open, holds up its own entity's line only, and is replayed in order", () => {
    const bench = benchOf();
    for (const text of ["one", "two"]) bench.ask("writer/w", "publish", { text });
    bench.ask("writer/other", "publish", { text: "else" });
    expect(bench.performs.map(({ body }) => body)).toEqual([{ text: "one" }, { text: "else" }]);
    const id = bench.performs[0]?.id ?? "";
    bench.domain.performed({ id, attempt: 1, outcome: { kind: "dead", code: "UPSTREAM_BAD_RESPONSE", error: "too large", attempts: 1 } });
    bench.drive();
    expect(bench.domain.effectLooks({ after: null, limit: 10, state: "dead" })).toMatchObject([
      { id, state: "dead", lastError: "too large", attempts: 1 },
    ]);
    expect(bench.performs.length).toBe(2);
    bench.domain.resolve({ caller: -1, id, action: "replay" });
    bench.drive();
    expect(bench.answers.get(-1)).toMatchObject({ ok: true });
    expect(bench.performs.at(-1)).toMatchObject({ id, attempt: 1, body: { text: "one" } });
    tell(bench, { kind: "done", value: null });
    expect(bench.performs.at(-1)).toMatchObject({ body: { text: "two" } });
  });

  it("pages go on after an effect that was closed meanwhile, and show one state when asked", () => {
    const bench = benchOf();
    for (let i = 0; i < 5; i++) bench.ask("writer/w", "mail", { text: `${i}` });
    const ids = bench.performs.map(({ id }) => id);
    const page = (after: string | null, limit: number, state: "open" | "resting" | null = null) =>
      bench.domain.effectLooks({ after, limit, state }).map(({ id }) => id);
    expect([page(null, 2), page(ids[1] ?? "", 2), page(ids[4] ?? "", 2)]).toEqual([ids.slice(0, 2), ids.slice(2, 4), []]);
    bench.domain.performed({ id: ids[1] ?? "", attempt: 1, outcome: { kind: "done", value: "sent" } });
    bench.domain.performed({ id: ids[3] ?? "", attempt: 1, outcome: { kind: "failed", error: "reset", afterMs: 50 } });
    bench.drive();
    expect([page(ids[1] ?? "", 9), page(null, 9, "resting"), page(null, 1, "open")]).toEqual([ids.slice(2), [ids[3]], [ids[0]]]);
  });

  it("a replay counts anew: attempts, and the deadline from the replay on, also after a crash", () => {
    const bench = benchOf();
    bench.ask("writer/w", "publish", { text: "one" });
    tell(bench, { kind: "dead", code: "UPSTREAM_TIMEOUT", error: "the deadline passed", attempts: 0 });
    bench.nowMs += 1_000_000;
    bench.domain.resolve({ caller: -1, id: bench.performs[0]?.id ?? "", action: "replay" });
    bench.drive();
    expect(bench.performs.at(-1)).toMatchObject({ attempt: 1, openedAt: bench.nowMs });
    const next = benchOf({ records: bench.records, incarnation: 2, recovered: recoveredOf(bench.records) });
    next.drive();
    expect(next.performs).toMatchObject([{ attempt: 1, openedAt: bench.nowMs }]);
  });

  it("a dead letter that is dropped is over, and the next in line begins", () => {
    const bench = benchOf();
    for (const text of ["one", "two"]) bench.ask("writer/w", "publish", { text });
    tell(bench, { kind: "dead", code: "UPSTREAM_BAD_RESPONSE", error: "too large", attempts: 1 });
    bench.domain.resolve({ caller: -1, id: bench.performs[0]?.id ?? "", action: "cancel" });
    bench.drive();
    expect(bench.answers.get(-1)).toMatchObject({ ok: false, code: "illegal_transition" });
    bench.domain.resolve({ caller: -2, id: bench.performs[0]?.id ?? "", action: "drop" });
    bench.drive();
    expect(bench.answers.get(-2)).toMatchObject({ ok: true });
    expect(bench.performs.at(-1)).toMatchObject({ body: { text: "two" } });
  });

  it("an entity cancels by label: the performer is told after the commit, and no outcome comes back", () => {
    const bench = benchOf();
    bench.ask("writer/w", "mail", { text: "hello", label: "reply" });
    bench.send("writer/w", "stop", { label: "reply" });
    bench.settle();
    expect(bench.cancels).toEqual([]);
    bench.commit();
    expect(bench.cancels).toEqual([bench.performs[0]?.id]);
    tell(bench, { kind: "done", value: "sent" });
    expect([sentOf(bench), bench.domain.outsideOpen]).toEqual(["stopped reply", 0]);
  });

  it("E2: what is opened and cancelled in one group is neither written nor handed out", () => {
    const bench = benchOf();
    bench.send("writer/w", "mail", { text: "hello", label: "reply" });
    bench.send("writer/w", "stop", { label: "reply" });
    bench.drive();
    expect(bench.performs).toEqual([]);
    expect(bench.entries.every(({ opens, closes }) => opens === undefined && closes === undefined)).toBe(true);
  });

  it("an effect to a port that is not there is a crash of the handler, not an effect that nobody performs", () => {
    const bench = benchOf();
    expect(bench.ask("writer/w", "lost")).toMatchObject({ ok: false, code: "INTERNAL_ERROR" });
    expect(bench.crashes).toEqual(['writer/w evolve: there is no port "nobody"']);
    expect(bench.domain.outsideOpen).toBe(0);
  });

  it("who performs was lost: what is under way is handed out again with the same id and attempt", () => {
    const bench = benchOf();
    bench.ask("writer/w", "mail", { text: "hello" });
    bench.domain.performerLost();
    expect(bench.performs.length).toBe(2);
    expect(bench.performs[1]).toEqual(bench.performs[0]);
  });
});

describe("a crash, and what the journal still knows of outside effects", () => {
  /** A new domain from the records, without a checkpoint, that loads nothing but what it needs. */
  const recover = (bench: DomainBench): DomainBench => {
    const next = benchOf({ records: bench.records, incarnation: 2, recovered: recoveredOf(bench.records) });
    next.nowMs = bench.nowMs;
    next.drive();
    return next;
  };

  it("R2: before the commit it never was; after it, it is performed", () => {
    const bench = benchOf();
    bench.send("writer/w", "mail", { text: "hello" });
    bench.settle();
    expect(recover(bench).performs).toEqual([]);
    bench.commit();
    expect(recover(bench).performs).toMatchObject([{ id: bench.performs[0]?.id, attempt: 1, openedAt: bench.performs[0]?.openedAt }]);
  });

  it("S8: attempts are counted and rests kept across it, and what is closed is not performed again", () => {
    const bench = benchOf();
    bench.ask("writer/w", "mail", { text: "hello" });
    tell(bench, { kind: "failed", error: "status 500", afterMs: 1_000 });
    const next = recover(bench);
    expect(next.performs).toEqual([]);
    expect(next.domain.effectLooks({ after: null, limit: 1, state: null })).toMatchObject([
      { state: "resting", attempts: 1, lastError: "status 500" },
    ]);
    again(next, 1_000);
    expect(next.performs).toMatchObject([{ attempt: 2 }]);
    tell(next, { kind: "done", value: "sent" });
    expect(recover(next).performs).toEqual([]);
    expect(sentOf(recover(next))).toBe("sent");
  });

  it("dead letters, lines and labels stand again, from the tail and from a checkpoint", () => {
    const bench = benchOf();
    for (const text of ["one", "two"]) bench.ask("writer/w", "publish", { text });
    bench.ask("writer/w", "mail", { text: "hello", label: "reply" });
    const [first] = bench.performs;
    bench.domain.performed({
      id: first?.id ?? "",
      attempt: 1,
      outcome: { kind: "dead", code: "UPSTREAM_BAD_RESPONSE", error: "no", attempts: 1 },
    });
    bench.drive();
    const checkpoint = bench.checkpoint();
    const end = checkpoint.end();
    const fromCheckpoint = benchOf({
      incarnation: 2,
      snapshots: bench.snapshots,
      recovered: { ...recoveredOf(bench.records), effects: JSON.parse(JSON.stringify(end.effects)), tail: new Map() },
    });
    fromCheckpoint.drive();
    for (const next of [recover(bench), fromCheckpoint]) {
      expect(next.performs.map(({ body }) => body)).toEqual([{ text: "hello" }]);
      expect(next.domain.effectLooks({ after: null, limit: 9, state: "dead" }).map(({ id }) => id)).toEqual([first?.id]);
      next.ask("writer/w", "stop", { label: "reply" });
      expect(next.cancels).toEqual([next.performs[0]?.id]);
      next.domain.resolve({ caller: -1, id: first?.id ?? "", action: "replay" });
      next.drive();
      expect(next.performs.at(-1)).toMatchObject({ id: first?.id, attempt: 1 });
    }
  });

  it("L5: the outcome of an effect whose entity type is gone changes nothing and stops nobody, and it is open for a program that has the type", () => {
    const before = benchOf();
    before.ask("writer/w", "mail", { text: "hello" });
    const bench = benchOf({ definitions: [], incarnation: 2, recovered: { ...recoveredOf(before.records), tail: new Map() } });
    expect(bench.performs.length).toBe(1);
    tell(bench, { kind: "done", value: "sent" });
    const id = bench.performs[0]?.id ?? "";
    bench.domain.resolve({ caller: 77, id, action: "cancel" });
    bench.drive();
    expect(bench.answers.get(77)).toMatchObject({ ok: false, code: "ENTITY_FAILED" });
    expect(bench.crashes).toEqual([expect.stringContaining("no definition of the entity type writer")]);
    expect([bench.domain.effectLook(id)?.state, bench.entries.length]).toEqual(["open", 0]);
    const after = benchOf({ incarnation: 3, records: before.records });
    tell(after, { kind: "done", value: "sent" });
    expect(sentOf(after)).toBe("sent");
  });

  it("of two open ones with one label the younger has it, and the older one again when that is over: in memory as after a recovery", () => {
    const bench = benchOf();
    for (const text of ["old", "young"]) bench.ask("writer/w", "mail", { text, label: "draft" });
    tell(bench, { kind: "done", value: "young" });
    const recovered = benchOf({ incarnation: 2, records: bench.records });
    for (const each of [bench, recovered]) {
      each.ask("writer/w", "stop", { label: "draft" });
      expect(each.domain.outsideOpen).toBe(0);
    }
  });

  it("a dead letter whose refusal makes the entity crash is counted once", () => {
    const crashing = {
      ...writer,
      answers: {
        mailed: () => {
          throw new Error("no");
        },
      },
    } as unknown as AnyDefinition;
    const bench = benchOf({ definitions: [crashing] });
    bench.ask("writer/w", "mail", { text: "hello" });
    tell(bench, { kind: "dead", code: "UPSTREAM_TIMEOUT", error: "gone", attempts: 1 });
    expect([bench.domain.figures().deadLetters, bench.domain.outsideOpen]).toEqual([1, 0]);
  });
});
