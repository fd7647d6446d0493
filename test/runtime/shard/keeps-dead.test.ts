/** Effects that want an answer and keep their dead letters: nothing is given up without a person (R-CON-5, L4). */
import { describe, expect, it } from "vitest";
import { type AnyDefinition, accept, defineEntity, type EffectOutcome } from "../../../src/runtime/index.ts";
import { any, DomainBench, recoveredOf } from "./domain-bench.ts";

type Heard = { readonly kind: "asked" } | { readonly kind: "heard"; readonly text: string };

/** Sends a letter of which it must hear how it went. */
const writer = defineEntity({
  type: "writer",
  version: 1,
  commands: { mail: { body: any<object>(), reply: any<null>() }, stop: { body: any<object>(), reply: any<null>() } },
  events: { asked: any<{ readonly kind: "asked" }>(), heard: any<{ readonly kind: "heard"; readonly text: string }>() },
  initial: () => 0,
  decide: {
    mail: () =>
      accept<Heard>([{ kind: "asked" }], {
        effects: [{ kind: "call", to: "mail", command: "send", body: {}, answerTo: "mailed", label: "mail", keepsDead: true }],
      }),
    stop: () => accept<Heard>([], { cancels: ["mail"] }),
  },
  answers: {
    mailed: (_state, answer) => accept<Heard>([{ kind: "heard", text: answer.ok ? String(answer.value) : answer.code }]),
  },
  evolve: { asked: (state) => state, heard: (state) => state + 1 },
  snapshot: { encode: (state) => state, decode: (json) => Number(json) },
}) as unknown as AnyDefinition;

const DEAD = { kind: "dead", code: "UPSTREAM_TIMEOUT", error: "4 attempts failed", attempts: 4 } as const;
const heard = (bench: DomainBench): readonly string[] =>
  bench.entries.flatMap(({ events = [] }) => events.flatMap((event) => (event as { readonly text?: string }).text ?? []));
const looks = (bench: DomainBench) => bench.domain.effectLooks({ after: null, limit: 9, state: null });

function tell(bench: DomainBench, outcome: EffectOutcome): void {
  const { id = "", attempt = 0 } = bench.performs.at(-1) ?? {};
  bench.domain.performed({ id, attempt, outcome });
  bench.drive();
}
function resolve(bench: DomainBench, action: "replay" | "drop"): void {
  bench.domain.resolve({ caller: -1, id: bench.performs.at(-1)?.id ?? "", action });
  bench.drive();
  expect(bench.answers.get(-1)).toMatchObject({ ok: true });
}
/** A dead letter, as it is in memory, after a crash, and after a crash with a checkpoint. */
function dead(outcome: EffectOutcome = DEAD): readonly DomainBench[] {
  const bench = new DomainBench({ definitions: [writer] });
  bench.ask("writer/w", "mail");
  tell(bench, outcome);
  const recovered = new DomainBench({ definitions: [writer], incarnation: 2, records: bench.records });
  recovered.performs.push(...bench.performs);
  const end = bench.checkpoint().end();
  const fromCheckpoint = new DomainBench({
    definitions: [writer],
    incarnation: 2,
    records: bench.records,
    snapshots: bench.snapshots,
    recovered: { ...recoveredOf(bench.records), effects: JSON.parse(JSON.stringify(end.effects)), tail: new Map() },
  });
  fromCheckpoint.performs.push(...bench.performs);
  return [bench, recovered, fromCheckpoint];
}

describe("keepsDead", () => {
  it("R-CON-5: after the last attempt the entity hears nothing, the dead letter is open, and a replay that works is the answer", () => {
    for (const bench of dead()) {
      expect([heard(bench), looks(bench)]).toMatchObject([[], [{ state: "dead", lastError: "4 attempts failed", attempts: 4 }]]);
      resolve(bench, "replay");
      expect(bench.performs.at(-1)).toMatchObject({ attempt: 1, id: bench.performs[0]?.id, keepsDead: true });
      tell(bench, { kind: "done", value: "sent" });
      expect([heard(bench), looks(bench)]).toEqual([["sent"], []]);
    }
  });

  it("a replay that dies is a dead letter again", () => {
    for (const bench of dead()) {
      resolve(bench, "replay");
      tell(bench, DEAD);
      expect([heard(bench), looks(bench)]).toMatchObject([[], [{ state: "dead" }]]);
    }
  });

  it("what the port refuses, which no attempt would change, is kept too: a wrong key of the port's loses nothing", () => {
    for (const bench of dead({ kind: "refused", code: "UPSTREAM_BAD_RESPONSE", detail: "status 401" })) {
      expect([heard(bench), looks(bench)]).toMatchObject([[], [{ state: "dead", lastError: "status 401", attempts: 1 }]]);
      resolve(bench, "replay");
      tell(bench, { kind: "done", value: "sent" });
      expect(heard(bench)).toEqual(["sent"]);
    }
  });

  it("who drops it answers the entity with a refusal; an entity that cancels it hears nothing", () => {
    for (const bench of dead()) {
      resolve(bench, "drop");
      expect([heard(bench), looks(bench)]).toEqual([["INTERNAL_ERROR"], []]);
    }
    for (const bench of dead()) {
      bench.ask("writer/w", "stop");
      expect([heard(bench), looks(bench)]).toEqual([[], []]);
    }
  });
});
