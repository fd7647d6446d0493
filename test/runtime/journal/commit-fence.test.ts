/** F1-F3: which groups may be appended (L7, trap 41). */
import { beforeEach, describe, expect, it } from "vitest";
import { CommitFence, type Group } from "../../../src/runtime/index.ts";

const groupOf = (domain: number, incarnation: number, number: number): Group => ({
  domain,
  incarnation,
  number,
  time: 0,
  count: 1,
  body: "[]",
});

describe("CommitFence", () => {
  let fence: CommitFence;
  beforeEach(() => {
    fence = new CommitFence(5);
  });

  it("never gives a token twice, not even across restarts", () => {
    expect([fence.register(0), fence.register(1), fence.register(0)]).toEqual([6, 7, 8]);
    expect(new CommitFence(fence.incarnationHigh).register(0)).toBe(9);
  });

  it("F1: only the newest incarnation of a domain may append, and only a registered one", () => {
    expect(fence.admit(groupOf(0, 5, 1))).toBe(false);
    const old = fence.register(0);
    const young = fence.register(0);
    expect(fence.admit(groupOf(0, old, 1))).toBe(false);
    expect(fence.admit(groupOf(0, young + 1, 1))).toBe(false);
    expect(fence.admit(groupOf(0, young, 1))).toBe(true);
  });

  it("F1: a refused group of an old incarnation does not touch the new one", () => {
    const old = fence.register(0);
    const young = fence.register(0);
    fence.refuse(groupOf(0, old, 1));
    expect(fence.admit(groupOf(0, young, 1))).toBe(true);
  });

  it("F2: takes the groups of an incarnation in the order 1, 2, 3; a repeat or a gap is refused, and all after it", () => {
    const incarnation = fence.register(0);
    expect([1, 2].map((number) => fence.admit(groupOf(0, incarnation, number)))).toEqual([true, true]);
    expect([2, 3].map((number) => fence.admit(groupOf(0, incarnation, number)))).toEqual([false, false]);
    const again = fence.register(0);
    expect([2, 1].map((number) => fence.admit(groupOf(0, again, number)))).toEqual([false, false]);
  });

  it("F3: after a refused group nothing of its incarnation is taken; other domains are not touched", () => {
    const [a, b] = [fence.register(0), fence.register(1)];
    expect(fence.admit(groupOf(0, a, 1))).toBe(true);
    fence.refuse(groupOf(0, a, 1));
    expect(fence.admit(groupOf(0, a, 2))).toBe(false);
    expect(fence.admit(groupOf(1, b, 1))).toBe(true);
    expect(fence.admit(groupOf(0, fence.register(0), 1))).toBe(true);
  });
});
