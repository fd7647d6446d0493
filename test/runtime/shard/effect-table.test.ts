import { describe, expect, it } from "vitest";
import type { OpenEffect } from "../../../src/runtime/index.ts";
import { EffectTable, LiveEffect } from "../../../src/runtime/shard/effect-table.ts";
import { codeOf, DomainBench } from "./domain-bench.ts";

const OWN = 0;
const FOREIGN = 1;
const tableOf = (messagesMax = 10): EffectTable => new EffectTable({ messagesMax, peerOf: (shard) => (shard === OWN ? null : 7) });

function tell(id: string, { toShard = OWN, ...more }: { readonly toShard?: number } & Partial<OpenEffect> = {}): LiveEffect {
  const effect: OpenEffect = { id, kind: "tell", to: "a/1", command: "c", body: null, hops: 1, from: "a/2", shard: OWN, ...more };
  return new LiveEffect({ effect, toShard, openedIn: 1 });
}
const OUTSIDE = { kind: "call", outside: { openedAt: 1, attempts: 0, nextAt: 0, lastError: null, dead: null } } as const;
const idsOf = (table: EffectTable): readonly string[] => table.all().map(({ opened }) => opened.id);

describe("EffectTable", () => {
  it("keeps them in the order of their opening, whichever is closed, and one that is closed twice once", () => {
    const table = tableOf();
    const effects = ["a", "b", "c", "d", "e"].map((id) => tell(id));
    for (const effect of effects) table.open(effect);
    const [a, , c, , e] = effects;
    for (const effect of [c, a, e, c, a]) if (effect !== undefined) table.close(effect);
    expect(idsOf(table)).toEqual(["b", "d"]);
    expect(table.count).toBe(2);
    table.open(tell("f"));
    expect(idsOf(table)).toEqual(["b", "d", "f"]);
    for (const effect of table.all()) table.close(effect);
    expect([table.count, idsOf(table)]).toEqual([0, []]);
    table.open(tell("g"));
    expect(idsOf(table)).toEqual(["g"]);
  });

  it("one that is over holds none of those that it stood beside", () => {
    const table = tableOf();
    const [old, young] = [tell("old"), tell("young")];
    table.open(old);
    table.open(young);
    table.close(old);
    expect([old.before, old.after, young.before]).toEqual([null, null, null]);
  });

  it("finds what leaves the domain by its id, and anything for people", () => {
    const table = tableOf();
    const [own, foreign, call] = [tell("own"), tell("foreign", { toShard: FOREIGN }), tell("call", OUTSIDE)];
    for (const effect of [own, foreign, call]) table.open(effect);
    expect(["own", "foreign", "call", "none"].map((id) => table.find(id))).toEqual([undefined, foreign, call, undefined]);
    expect(["own", "foreign", "call", "none"].map((id) => table.lookFor(id))).toEqual([own, foreign, call, undefined]);
    for (const effect of [own, foreign, call]) table.close(effect);
    expect(["own", "foreign", "call"].map((id) => table.lookFor(id))).toEqual([undefined, undefined, undefined]);
  });

  it("an answered one of another domain is found after a recovery too, and takes no credit", () => {
    const table = tableOf(1);
    const answered = tell("answered", { toShard: FOREIGN, answer: { ok: true, value: null } });
    table.open(answered);
    expect(table.isPortSpent).toBe(false);
    expect(table.find("answered")).toBe(answered);
    const waiting = tell("waiting", { toShard: FOREIGN });
    table.open(waiting);
    expect(table.isPortSpent).toBe(true);
    table.close(waiting);
    expect(table.isPortSpent).toBe(false);
  });
});

describe("a message inside its domain, while it is open", () => {
  it("is shown to people by its id, and cannot be resolved by them", () => {
    const bench = new DomainBench();
    bench.ask("counter/a", "add", { by: 1 });
    bench.send("counter/a", "tell", { to: "counter/b", command: "add", by: 1, isAnswered: true });
    bench.domain.run(10); // The receiver is not in memory, and nobody loads it.
    const [open] = bench.domain.effectLooks({ after: null, limit: 10, state: null });
    if (open === undefined) throw new Error("a message was to be open");
    expect(bench.domain.effectLook(open.id)).toMatchObject({ from: "counter/a", to: "counter/b", state: "open" });
    bench.domain.resolve({ caller: -1, id: open.id, action: "drop" });
    expect(codeOf(bench.answers.get(-1))).toBe("illegal_transition");
    bench.drive();
    expect(bench.domain.effectLook(open.id)).toBeNull();
    bench.domain.resolve({ caller: -2, id: open.id, action: "drop" });
    expect(codeOf(bench.answers.get(-2))).toBe("EFFECT_CLOSED");
  });
});
