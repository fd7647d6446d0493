/** G1-G3: what is held, in which order it leaves, and what is dropped. */
import { beforeEach, describe, expect, it } from "vitest";
import { unpackEntries } from "../../../src/runtime/index.ts";
import { CommitGate, type Output } from "../../../src/runtime/shard/commit-gate.ts";
import { PendingEntry } from "../../../src/runtime/shard/pending-entry.ts";
import { Slot } from "../../../src/runtime/shard/slot.ts";
import { counter } from "./domain-bench.ts";

const answer = (caller: number): Output => ({ kind: "answer", caller, answer: { ok: true, value: null }, isFinal: true });
const callersOf = (outputs: readonly Output[]): readonly number[] =>
  outputs.flatMap((output) => (output.kind === "answer" ? [output.caller] : []));

describe("CommitGate", () => {
  let gate: CommitGate;
  let seq = 0;
  const add = (): void =>
    gate.add(new PendingEntry(new Slot({ address: "counter/a", shard: 0, definition: counter, mailboxMax: 1 }), ++seq, 5));
  const cut = () => gate.cut(9);

  beforeEach(() => {
    gate = new CommitGate({ domain: 3, incarnation: 7 });
    seq = 0;
  });

  it("G1: groups are numbered 1, 2, 3 and hold the entries since the last; without an entry there is none", () => {
    expect(cut()).toBeNull();
    add();
    add();
    const group = cut();
    expect(group).toMatchObject({ domain: 3, incarnation: 7, number: 1, time: 9, count: 2 });
    expect(unpackEntries(group?.body ?? "[]").map((entry) => entry.seq)).toEqual([1, 2]);
    add();
    expect(cut()).toMatchObject({ number: 2, count: 1 });
    expect([gate.gathering, gate.cutLast, gate.inFlightCount]).toEqual([3, 2, 2]);
  });

  it("G2, G3: outputs leave with the group they were held for, in the order in which they were held", () => {
    add();
    gate.hold(1, answer(1));
    cut();
    add();
    gate.hold(2, answer(2));
    gate.hold(1, answer(3)); // Speaks of a group in flight.
    cut();
    expect(callersOf(gate.commit(1))).toEqual([1, 3]);
    expect(gate.hold(1, answer(4))).toBe(false);
    expect(gate.hold(2, answer(5))).toBe(true);
    expect(callersOf(gate.commit(2))).toEqual([2, 5]);
  });

  it("an answer of the journal out of order is a defect that must not pass", () => {
    add();
    cut();
    expect(() => gate.commit(2)).toThrow("group 2 was committed, 1 was next");
  });

  it("drop gives back what will never leave, in order, and nothing is left", () => {
    add();
    gate.hold(1, answer(1));
    cut();
    add();
    gate.hold(2, answer(2));
    expect(callersOf(gate.drop())).toEqual([1, 2]);
    expect([gate.entriesCount, gate.inFlightCount]).toEqual([0, 0]);
  });
});
