/** What a port tells on its way through the performer: bounded, of one run of one attempt, to who handed it out last (L6, L7, P1; R-CON-9, TRAPS 45). */
import { describe, expect, it } from "vitest";
import { type AttemptResult, type FromPerformer, Performer, PROGRESS_UNHANDLED_MAX, ProgressLine } from "../../../src/runtime/index.ts";
import { VirtualClock } from "../../../src/runtime/testing/index.ts";

interface Begun {
  readonly attempt: number;
  readonly settle: (result: AttemptResult) => void;
  readonly line: ProgressLine | null;
  aborted: boolean;
}
function benchOf() {
  const clock = new VirtualClock(0);
  const begun: Begun[] = [];
  const performer = new Performer({
    storeId: "store",
    definitions: [{ name: "mail", kind: "call", perform: () => null, policy: { attemptMsMax: 1_000, attemptsMax: 3, jitterRatio: 0 } }],
    ports: {
      monotonicMs: () => clock.nowMs,
      wallMs: () => clock.wallMs(),
      random: () => 0,
      timer: (delayMs, run) => clock.timer(delayMs, run),
      begin: (_port, { attempt }, settle, line) => {
        const one: Begun = { attempt, settle, line, aborted: false };
        begun.push(one);
        return () => {
          one.aborted = true;
        };
      },
      unknownPort: () => undefined,
    },
  });
  const offer = (attempt = 1, wantsProgress = true): FromPerformer[] => {
    const told: FromPerformer[] = [];
    const effect = { id: "1", kind: "call", to: "mail", command: "send", body: {}, from: "a/b", attempt, openedAt: 0 } as const;
    performer.perform(wantsProgress ? { ...effect, wantsProgress } : effect, (one) => told.push(one));
    return told;
  };
  return { clock, begun, performer, offer };
}
const valuesOf = (told: readonly FromPerformer[]) =>
  told.map(({ outcome }) => (outcome.kind === "progress" ? outcome.value : outcome.kind));

describe("a line of progress", () => {
  it("L6: waits at the limit, goes on when something was handled, and takes nothing from a port that does not wait", async () => {
    const told: unknown[] = [];
    const line = new ProgressLine((value) => told.push(value));
    for (let i = 1; i < PROGRESS_UNHANDLED_MAX; i++) await line.offer(i);
    let goesOn = false;
    const full = line.offer(PROGRESS_UNHANDLED_MAX)?.then(() => {
      goesOn = true;
    });
    await Promise.resolve();
    expect([told.length, goesOn, line.offer("one too many")]).toEqual([PROGRESS_UNHANDLED_MAX, false, null]);
    line.credit(1);
    await full;
    expect([told.length, goesOn]).toEqual([PROGRESS_UNHANDLED_MAX, true]);
    line.credit(1_000);
    for (let i = 1; i < PROGRESS_UNHANDLED_MAX; i++) await line.offer(i);
    expect(told.length).toBe(2 * PROGRESS_UNHANDLED_MAX - 1);
  });

  it("when the attempt is over nobody is left waiting, and nothing is told", async () => {
    const told: unknown[] = [];
    const line = new ProgressLine((value) => told.push(value));
    let last: Promise<void> | null = null;
    for (let i = 0; i < PROGRESS_UNHANDLED_MAX; i++) last = line.offer(i);
    line.close();
    await last;
    await line.offer("late");
    expect(told).not.toContain("late");
  });
});

describe("progress through the performer", () => {
  it("goes to the shard thread with id and attempt, before the outcome; and nobody's is not made", () => {
    const { begun, offer } = benchOf();
    const told = offer(2);
    void begun[0]?.line?.offer("a");
    begun[0]?.settle({ kind: "done", value: "end" });
    expect(told).toEqual([
      { id: "1", attempt: 2, outcome: { kind: "progress", value: "a" } },
      { id: "1", attempt: 2, outcome: { kind: "done", value: "end" } },
    ]);
    offer(1, false);
    expect(begun[1]?.line).toBeNull();
  });

  it("credits are of one attempt", () => {
    const { begun, offer, performer } = benchOf();
    offer(2);
    const line = begun[0]?.line;
    for (let i = 0; i < PROGRESS_UNHANDLED_MAX; i++) void line?.offer(i);
    performer.credit([
      { id: "1", attempt: 1, count: 9 },
      { id: "other", attempt: 2, count: 9 },
    ]);
    expect(line?.offer("x")).toBeNull();
    performer.credit([{ id: "1", attempt: 2, count: 1 }]);
    expect(line?.offer("x")).not.toBeNull();
  });

  it.each(["settled", "timed out", "cancelled", "stopped"])("an attempt that was %s tells nothing any more", (how) => {
    const { begun, clock, offer, performer } = benchOf();
    const told = offer();
    const line = begun[0]?.line;
    void line?.offer("a");
    if (how === "settled") begun[0]?.settle({ kind: "done", value: null });
    else if (how === "timed out") while (clock.nowMs < 1_000) clock.step();
    else if (how === "cancelled") performer.cancel(["1"]);
    else performer.close();
    void line?.offer("late");
    expect(valuesOf(told)).not.toContain("late");
    expect(begun[0]?.aborted).toBe(how !== "settled");
  });

  it("P1: handed out again by a successor, an attempt that has told nothing goes on; one that has is begun anew for the new listener", () => {
    const { begun, offer } = benchOf();
    const [dead, living] = [offer(), offer()];
    void begun[0]?.line?.offer("a");
    expect([begun.length, valuesOf(dead), valuesOf(living)]).toEqual([1, [], ["a"]]);
    const successor = offer();
    expect([begun.length, begun[0]?.aborted]).toEqual([2, true]);
    void begun[0]?.line?.offer("of the run before");
    begun[0]?.settle({ kind: "done", value: null });
    void begun[1]?.line?.offer("a");
    begun[1]?.settle({ kind: "done", value: null });
    expect([valuesOf(living), valuesOf(successor)]).toEqual([["a"], ["a", "done"]]);
  });

  it("P1: handed out again under another number, the attempt is begun anew, whatever it told", () => {
    const { begun, offer } = benchOf();
    const old = offer(1);
    const told = offer(2);
    expect(begun.map(({ attempt, aborted }) => [attempt, aborted])).toEqual([
      [1, true],
      [2, false],
    ]);
    begun[1]?.settle({ kind: "done", value: null });
    expect([valuesOf(old), valuesOf(told)]).toEqual([[], ["done"]]);
  });

  it("P3: of a node that stops, what would have to begin anew is left as it is", () => {
    const { begun, offer, performer } = benchOf();
    offer();
    void begun[0]?.line?.offer("a");
    performer.leave();
    const told = offer();
    expect([begun.length, begun[0]?.aborted, told, performer.runningCount]).toEqual([1, true, [], 0]);
  });
});
