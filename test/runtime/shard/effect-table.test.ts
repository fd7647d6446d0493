import { describe, expect, it } from "vitest";
import type { OpenEffect } from "../../../src/runtime/index.ts";
import { EffectTable, LiveEffect } from "../../../src/runtime/shard/effect-table.ts";

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
    table.open(tell("answered", { toShard: FOREIGN, answer: { ok: true, value: null } }));
    expect(table.isPortSpent).toBe(false);
    expect(table.find("answered")).toBeDefined();
    const waiting = tell("waiting", { toShard: FOREIGN });
    table.open(waiting);
    expect(table.isPortSpent).toBe(true);
    table.close(waiting);
    expect(table.isPortSpent).toBe(false);
  });
});
