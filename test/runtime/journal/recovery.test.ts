/** R1-R3: what a domain starts from, out of the checkpoint's lists and the tail, wherever the history was cut. */
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import {
  type Answer,
  type CheckpointHead,
  type Entry,
  type HandledTell,
  type Json,
  type OpenEffect,
  type Recovered,
  Recovery,
  type StoredRecord,
} from "../../../src/runtime/index.ts";

const done: Answer<Json> = { ok: true, value: "done" };
const EMPTY: CheckpointHead = { positions: [], effects: [], handled: [], at: 0 };
/** Even shards are domain 0, odd ones domain 1. */
const ownedBy = (domain: number) => (shard: number) => shard % 2 === domain;

const recordOf = (seq: number, entries: readonly Entry[]): StoredRecord => ({
  seq,
  domain: (entries[0]?.shard ?? 0) % 2,
  incarnation: 1,
  number: seq,
  time: seq,
  count: entries.length,
  body: JSON.stringify(entries),
});
const entryOf = (shard: number, seq: number, more: Partial<Entry> = {}): Entry => ({
  shard,
  seq,
  entity: `e/${shard}`,
  version: seq,
  at: 100 + seq,
  ...more,
});
const tellOf = (id: string, to: number, answerTo?: string) => ({
  id,
  kind: "tell" as const,
  to: `e/${to}`,
  command: "go",
  body: null,
  hops: 1,
  ...(answerTo === undefined ? {} : { answerTo }),
});
function recover(records: readonly StoredRecord[], domain: number, head: CheckpointHead = EMPTY): Recovered {
  const recovery = new Recovery(head, ownedBy(domain));
  for (const record of records) if (record.seq > recovery.position) recovery.add(record);
  return recovery.finish();
}

describe("Recovery", () => {
  it("R2: an effect is open from the entry that opens it to the entry that closes it", () => {
    const opens = [tellOf("0.1.1.0", 1, "a")];
    const open = recover([recordOf(1, [entryOf(0, 1, { opens })])], 0);
    expect(open.effects).toEqual([{ ...opens[0], from: "e/0", shard: 0 }]);
    const records = [recordOf(1, [entryOf(0, 1, { opens })]), recordOf(2, [entryOf(0, 2, { closes: ["0.1.1.0"] })])];
    expect(recover(records, 0).effects).toEqual([]);
  });

  it("R2, L3: a tell that its receiver closed is closed, also when the receiver's checkpoint is younger than the sender's", () => {
    // One domain had both shards when the receiver's entry closed it. Two have them since, and the receiver's has written a checkpoint.
    const opens = [tellOf("0.1.1.0", 1)];
    const records = [recordOf(1, [entryOf(0, 1, { opens })]), recordOf(2, [entryOf(1, 1, { closes: ["0.1.1.0"] })])];
    const head: CheckpointHead = {
      positions: [
        { shard: 0, seq: 1, position: 1 },
        { shard: 1, seq: 1, position: 2 },
      ],
      effects: [{ ...tellOf("0.1.1.0", 1), from: "e/0", shard: 0 }],
      handled: [],
      at: 0,
    };
    expect(recover(records, 0, head).effects).toEqual([]); // Handed out again, it would be handled twice.
  });

  it("R3: what was handled is not handed out again: the sender finds the answer, the receiver that it handled it", () => {
    const records = [
      recordOf(1, [entryOf(0, 1, { opens: [tellOf("0.1.1.0", 1, "a"), tellOf("0.1.1.1", 1, "a")] })]),
      recordOf(2, [entryOf(1, 1, { handled: [{ cause: "0.1.1.0", answer: done }] })]),
    ];
    expect(recover(records, 0).effects.map(({ id, answer }) => [id, answer])).toEqual([
      ["0.1.1.0", done],
      ["0.1.1.1", undefined],
    ]);
    expect(recover(records, 1).handled).toEqual([{ id: "0.1.1.0", shard: 1, answer: done }]);
  });

  it("R3: a tell of another domain that wants no answer is remembered until its sender closed it: it may be sent again", () => {
    const records = [
      recordOf(1, [entryOf(0, 1, { opens: [tellOf("0.1.1.0", 1)] })]),
      recordOf(2, [entryOf(1, 1, { handled: [{ cause: "0.1.1.0", answer: done }] })]),
    ];
    expect(recover(records, 1).handled.map(({ id }) => id)).toEqual(["0.1.1.0"]);
    expect(recover(records, 0).effects).toMatchObject([{ id: "0.1.1.0", answer: done }]);
    const closed = [...records, recordOf(3, [entryOf(0, 2, { closes: ["0.1.1.0"] })])];
    expect(recover(closed, 1).handled).toEqual([]);
  });

  it("R1: entries at or below their shard's checkpoint change nothing, and the lists hold their outcome", () => {
    const effect: OpenEffect = { ...tellOf("0.1.1.0", 1, "a"), from: "e/0", shard: 0 };
    const handled: HandledTell = { id: "0.1.1.0", shard: 1, answer: done };
    // The receiver's checkpoint is newer than the sender's: its entry is not read again, its list speaks for it.
    const head = {
      positions: [
        { shard: 0, seq: 1, position: 1 },
        { shard: 1, seq: 1, position: 2 },
      ],
      effects: [effect],
      handled: [handled],
      at: 7,
    };
    const records = [
      recordOf(1, [entryOf(0, 1, { opens: [tellOf("0.1.1.0", 1, "a")] })]),
      recordOf(2, [entryOf(1, 1, { handled: [{ cause: "0.1.1.0", answer: done }] })]),
    ];
    expect(recover(records, 0, head).effects).toEqual([{ ...effect, answer: done }]);
    expect(recover(records, 1, head).handled).toEqual([handled]);
    expect(recover(records, 1, head).tail.size).toBe(0);
    expect(recover([], 0, head).at).toBe(7);
  });

  it("the order of a record's entries does not matter: the receiver may stand before the sender", () => {
    const records = [
      recordOf(1, [
        entryOf(2, 1, { handled: [{ cause: "0.1.1.0", answer: done }] }),
        entryOf(0, 1, { opens: [tellOf("0.1.1.0", 2, "a")] }),
      ]),
    ];
    expect(recover(records, 0).effects).toMatchObject([{ id: "0.1.1.0", answer: done }]);
  });

  it("hands out effects in the order of their opening, by number and not by text", () => {
    const opens = (seq: number, count: number) => Array.from({ length: count }, (_, i) => tellOf(`0.1.${seq}.${i}`, 1, "a"));
    const records = [recordOf(1, [entryOf(0, 2, { opens: opens(2, 11) })]), recordOf(2, [entryOf(0, 10, { opens: opens(10, 1) })])];
    const ids = recover(records, 0).effects.map(({ id }) => id);
    expect(ids).toEqual([...opens(2, 11), ...opens(10, 1)].map(({ id }) => id));
  });

  it("any cut of a history into checkpoint and tail gives the same, each domain cut where it likes", () => {
    fc.assert(
      fc.property(historyOf, fc.nat(), fc.nat(), (steps, cut0, cut1) => {
        const records = recordsOf(steps);
        const cuts = [cut0 % (records.length + 1), cut1 % (records.length + 1)];
        const heads = cuts.map((cut, domain) => headAt(records.slice(0, cut), domain, cut));
        const head: CheckpointHead = {
          positions: heads.flatMap(({ positions }) => positions),
          effects: heads.flatMap(({ effects }) => effects),
          handled: heads.flatMap(({ handled }) => handled),
          at: Math.max(0, ...heads.map(({ at }) => at)),
        };
        for (const domain of [0, 1]) {
          const [whole, cutUp] = [recover(records, domain), recover(records, domain, head)];
          expect(cutUp.effects).toEqual(whole.effects);
          expect(sorted(cutUp.handled)).toEqual(sorted(whole.handled));
          expect(Object.fromEntries(cutUp.seqs)).toMatchObject(Object.fromEntries(whole.seqs));
          expect(cutUp.at).toBe(whole.at);
          // The tail is what the checkpoint does not hold.
          const tail = [...cutUp.tail.values()].flat().length;
          const all = [...whole.tail.values()].flat();
          expect(tail).toBe(
            all.filter(({ shard, seq }) => seq > (heads[domain]?.positions.find((p) => p.shard === shard)?.seq ?? 0)).length,
          );
        }
      }),
    );
  });
});

const sorted = (handled: readonly HandledTell[]): readonly HandledTell[] => [...handled].sort((a, b) => (a.id < b.id ? -1 : 1));

/** A checkpoint of a domain after these records: what a recovery there finds. */
function headAt(records: readonly StoredRecord[], domain: number, position: number): CheckpointHead {
  const { effects, handled, seqs, at } = recover(records, domain);
  return {
    positions: [0, 1, 2, 3].filter(ownedBy(domain)).map((shard) => ({ shard, seq: seqs.get(shard) ?? 0, position })),
    effects,
    handled,
    at,
  };
}

type Step = { readonly act: "open" | "handle" | "close"; readonly pick: number; readonly to: number; readonly isAnswered: boolean };
const historyOf = fc.array(
  fc.record({ act: fc.constantFrom("open", "open", "handle", "handle", "close"), pick: fc.nat(), to: fc.nat(3), isAnswered: fc.boolean() }),
  { maxLength: 40 },
) as fc.Arbitrary<Step[]>;

/** A history that a pair of domains could have written: effects are opened, then handled, then closed. */
function recordsOf(steps: readonly Step[]): readonly StoredRecord[] {
  const seqs = [0, 0, 0, 0];
  const open: { id: string; from: number; to: number; isHandled: boolean }[] = [];
  const entries = steps.flatMap(({ act, pick, to, isAnswered }): Entry[] => {
    const next = (shard: number): number => {
      seqs[shard] = (seqs[shard] ?? 0) + 1;
      return seqs[shard] ?? 0;
    };
    if (act === "open") {
      const from = pick % 4;
      const seq = next(from);
      const id = `${from}.1.${seq}.0`;
      open.push({ id, from, to, isHandled: false });
      return [entryOf(from, seq, { opens: [tellOf(id, to, isAnswered ? "a" : undefined)] })];
    }
    const candidates = open.filter(({ isHandled }) => isHandled === (act === "close"));
    const effect = candidates[pick % Math.max(1, candidates.length)];
    if (effect === undefined) return [];
    if (act === "handle") {
      effect.isHandled = true;
      return [entryOf(effect.to, next(effect.to), { handled: [{ cause: effect.id, answer: done }] })];
    }
    open.splice(open.indexOf(effect), 1);
    return [entryOf(effect.from, next(effect.from), { closes: [effect.id] })];
  });
  return entries.map((entry, i) => recordOf(i + 1, [entry]));
}
