/** The outbox on a real journal, with a broker that fails on purpose (R-SYS-3, R-COM-4, TRAPS 6, 7): O1 to O5. */
import { describe, expect, it } from "vitest";
import type { EventMessage } from "../../../src/system/outbox/event-message.ts";
import type { Sent } from "../../../src/system/outbox/event-port.ts";
import { folder } from "../../support/journal-bench.ts";
import { openOutbox, subjectOf } from "../../support/outbox-bench.ts";
import { randomOf } from "../../support/seeded-random.ts";
import { until } from "../../support/test-node.ts";

const acknowledged: Sent = { kind: "acknowledged" };
const isOf = (message: EventMessage, account: string): boolean => subjectOf(message) === `account/${account}`;
const sequenceOf = ({ headers }: EventMessage): string => headers["ce-sequence"] ?? "";

/** Every entity's events were kept in order; a repeat has the id of what was there. */
function isInOrder(kept: readonly EventMessage[]): boolean {
  const last = new Map<string, string>();
  const seen = new Set<string>();
  return kept.every((message) => {
    const [subject, sequence] = [subjectOf(message), sequenceOf(message)];
    if (seen.has(message.id)) return true;
    seen.add(message.id);
    const isNext = sequence > (last.get(subject) ?? "");
    last.set(subject, sequence);
    return isNext;
  });
}

describe("what leaves", () => {
  it("O1, O2: every event once, many entities at once, one event of an entity at a time; the position passes what is acknowledged", async () => {
    using dir = folder();
    await using bench = openOutbox(dir.path, 8);
    const names = Array.from({ length: 20 }, (_, i) => `a${i}`);
    for (let i = 0; i < 30; i++) bench.commit(...names);
    bench.outbox.start();
    const last = bench.commit("a0", ["world-CZK-{0}", { kind: "frozen" }]);
    await until("all are kept", () => bench.outbox.figures.position === last);
    const { kept, inFlightHigh, perEntityHigh } = bench.broker;
    expect(kept.length).toBe(20 * 30 + 1);
    expect(new Set(kept.map(({ id }) => id)).size).toBe(kept.length);
    expect(isInOrder(kept)).toBe(true);
    expect([inFlightHigh, perEntityHigh]).toEqual([8, 1]);
    expect(bench.outbox.figures).toMatchObject({ lagRecords: 0, lagMs: 0, held: 0, inFlight: 0, waiting: 0, trouble: null });
  });

  it("O3: what was under way at a crash is sent again with its id, and nothing is missing", async () => {
    using dir = folder();
    await using bench = openOutbox(dir.path, 8);
    const names = Array.from({ length: 10 }, (_, i) => `a${i}`);
    for (let i = 0; i < 50; i++) bench.commit(...names);
    bench.outbox.start();
    await until("some are kept", () => bench.broker.kept.length > 100);
    bench.broker.answer = () => new Promise(() => undefined); // Nothing is answered any more.
    await until("a position is kept", () => bench.store.progress().position > 0);
    await bench.reopen("crashed");
    expect(bench.outbox.figures.position).toBeLessThan(50);
    bench.broker.answer = () => acknowledged;
    bench.outbox.start();
    await until("all are kept", () => bench.outbox.figures.lagRecords === 0);
    expect(new Set(bench.broker.kept.map(({ id }) => id)).size).toBe(500);
    expect(isInOrder(bench.broker.kept)).toBe(true);
  });

  it("O5: a broker that is down holds nobody, and memory stays bounded; what waits leaves when it is back", async () => {
    using dir = folder();
    await using bench = openOutbox(dir.path, 64);
    const names = Array.from({ length: 500 }, (_, i) => `a${i}`);
    for (let i = 0; i < 12; i++) bench.commit(...names);
    bench.broker.isUp = false;
    bench.outbox.start();
    await until("the window is full", () => bench.outbox.figures.waiting >= 4_096);
    expect(bench.outbox.figures.waiting).toBeLessThan(4_096 + 500);
    expect(bench.broker.sent).toEqual([]);
    bench.broker.isUp = true;
    bench.broker.answer = () => ({ kind: "failed", why: "timeout" }); // Up, and takes nothing.
    bench.outbox.portIsUp();
    await until("it was tried some times", () => bench.outbox.figures.counts.failed > 66);
    expect(bench.outbox.figures).toMatchObject({ held: 0, position: 0, trouble: "timeout" });
    bench.broker.answer = () => acknowledged;
    await until("all are kept", () => bench.outbox.figures.lagRecords === 0);
    expect([bench.broker.kept.length, isInOrder(bench.broker.kept), bench.broker.perEntityHigh]).toEqual([6_000, true, 1]);
  });
});

describe("what is refused", () => {
  it("O4: only its entity is held, durably; it goes on by itself when the broker takes it, in order", async () => {
    using dir = folder();
    await using bench = openOutbox(dir.path);
    for (let i = 0; i < 5; i++) bench.commit("good", "bad");
    bench.broker.answer = (message) => (isOf(message, "bad") ? { kind: "refused", why: "too large" } : acknowledged);
    bench.outbox.start();
    const last = bench.commit("good", "bad");
    await until("the good one has left", () => bench.outbox.figures.position === last);
    expect(bench.broker.idsOf("account/good").length).toBe(6);
    expect(bench.outbox.figures).toMatchObject({ held: 1, lagRecords: 0, waiting: 0 });
    expect(bench.outbox.heldPage("", 10)).toMatchObject([{ entity: "account/bad", place: { seq: 1, index: 0 }, why: "too large" }]);
    expect(bench.troubles).toMatchObject([[{ entity: "account/bad", record: 1, why: "too large" }, expect.stringContaining("held")]]);

    await bench.reopen("closed");
    bench.outbox.start();
    bench.commit("bad", "good");
    await until("it is refused again", () => (bench.outbox.heldPage("", 10)[0]?.attempts ?? 0) > 1);
    expect(bench.outbox.figures.held).toBe(1);
    bench.broker.answer = () => acknowledged;
    bench.commit("bad", "good");
    await until("nothing is held", () => bench.outbox.figures.held === 0);
    bench.commit("bad", "good");
    await until("all are kept", () => bench.broker.idsOf("account/bad").length === 9 && bench.outbox.figures.lagRecords === 0);
    expect(isInOrder(bench.broker.kept)).toBe(true);
  });

  it("O4: a person gives up the one event, and the later ones go on", async () => {
    using dir = folder();
    await using bench = openOutbox(dir.path);
    bench.commit("bad", ["other", { kind: "closed" }]);
    for (let i = 0; i < 5; i++) bench.commit("bad");
    const bad = { first: "" };
    bench.broker.answer = (message) => {
      if (bad.first === "" && isOf(message, "bad")) bad.first = message.id;
      return message.id === bad.first ? { kind: "refused", why: "too large" } : acknowledged;
    };
    bench.outbox.start();
    await until("it is held", () => bench.outbox.figures.held === 1);
    expect(() => bench.outbox.skip("account/other")).toThrow("account/other is not held");
    expect(bench.outbox.skip("account/bad")).toMatchObject({ eventId: bad.first });
    await until("nothing is held", () => bench.outbox.figures.held === 0);
    expect(bench.broker.idsOf("account/bad").length).toBe(5);
    expect(bench.broker.idsOf("account/bad")).not.toContain(bad.first);
    expect(bench.outbox.figures.counts.skipped).toBe(1);
    expect(isInOrder(bench.broker.kept)).toBe(true);
  });

  it("TRAPS 7: a hundred poison events at the head hold their entities and nobody else", async () => {
    using dir = folder();
    await using bench = openOutbox(dir.path);
    bench.commit(...Array.from({ length: 100 }, (_, i) => `bad${i}`));
    const last = bench.commit(...Array.from({ length: 100 }, (_, i) => `good${i}`));
    bench.broker.answer = (message) => (subjectOf(message).startsWith("account/bad") ? { kind: "refused", why: "no" } : acknowledged);
    bench.outbox.start();
    await until("the good ones have left", () => bench.outbox.figures.position === last);
    expect([bench.broker.kept.length, bench.outbox.figures.held]).toEqual([100, 100]);
    bench.broker.answer = () => acknowledged;
    await until("all have left", () => bench.outbox.figures.held === 0);
    expect(bench.broker.kept.length).toBe(200);
  });

  it("O4: one that fails again and again while others get through is taken for refused", async () => {
    using dir = folder();
    await using bench = openOutbox(dir.path);
    bench.broker.answer = (message) => (isOf(message, "bad") ? { kind: "failed", why: "timeout" } : acknowledged);
    bench.outbox.start();
    bench.commit("bad");
    await until("it is held", () => {
      bench.commit("good");
      return bench.outbox.figures.held === 1;
    });
    expect(bench.outbox.heldPage("", 1)[0]?.why).toContain("while others got through: timeout");
    bench.broker.answer = () => acknowledged;
    await until("nothing is held", () => bench.outbox.figures.held === 0 && bench.outbox.figures.lagRecords === 0);
    expect(bench.broker.idsOf("account/bad").length).toBe(1);
  });

  it("an event of a newer program holds its entity behind the events before it", async () => {
    using dir = folder();
    await using bench = openOutbox(dir.path);
    bench.commit(["bad", { kind: "frozen" }, { kind: "enlarged" }, { kind: "unfrozen" }]);
    bench.outbox.start();
    await until("it is held", () => bench.outbox.figures.held === 1);
    expect(bench.broker.idsOf("account/bad").length).toBe(1);
    expect(bench.outbox.heldPage("", 1)).toMatchObject([{ place: { seq: 1, index: 1 }, why: expect.stringContaining('"enlarged"') }]);
    bench.outbox.skip("account/bad");
    await until("nothing is held", () => bench.outbox.figures.held === 0);
    expect(bench.broker.idsOf("account/bad").length).toBe(2);
  });
});

it("O4: what is held is tried again also when the last that was tried failed and nothing else is there to show that the broker is back", async () => {
  using dir = folder();
  await using bench = openOutbox(dir.path);
  const said: Sent[] = [
    { kind: "failed", why: "timeout" },
    { kind: "refused", why: "no" },
  ];
  bench.broker.answer = () => said.shift() ?? acknowledged;
  bench.outbox.start();
  bench.commit("a");
  await until("it is held", () => bench.outbox.figures.held === 1);
  await until("it has left", () => bench.outbox.figures.held === 0, 10_000);
  expect(bench.broker.idsOf("account/a").length).toBe(1);
  expect(bench.outbox.figures).toMatchObject({ lagRecords: 0, trouble: null });
});

describe("replays", () => {
  it("everything from a record on is sent again, in order, with the same ids and other message ids; new ones follow", async () => {
    using dir = folder();
    await using bench = openOutbox(dir.path);
    for (let i = 0; i < 10; i++) bench.commit("a", "b");
    bench.outbox.start();
    await until("all are kept", () => bench.outbox.figures.lagRecords === 0);
    const first = bench.broker.kept.splice(0);
    expect(await bench.outbox.replay(6)).toEqual({ from: 6, to: 10 });
    bench.commit("a", "b");
    await until("all are kept again", () => bench.outbox.figures.lagRecords === 0);
    const again = bench.broker.kept.filter(isOfA);
    expect(again.map(({ id }) => id).slice(0, 5)).toEqual(
      first
        .filter(isOfA)
        .map(({ id }) => id)
        .slice(5),
    );
    expect(again.map(({ messageId, id }) => messageId === id)).toEqual([false, false, false, false, false, true]);
    expect(isInOrder(bench.broker.kept)).toBe(true);
  });
  const isOfA = (message: EventMessage): boolean => isOf(message, "a");

  it("a replay that begins during another one tells all that it sends", async () => {
    using dir = folder();
    await using bench = openOutbox(dir.path);
    for (let i = 0; i < 600; i++) bench.commit("a");
    bench.outbox.start();
    await until("all are kept", () => bench.outbox.figures.lagRecords === 0);
    expect(await bench.outbox.replay(1)).toEqual({ from: 1, to: 600 });
    expect(await bench.outbox.replay(1)).toEqual({ from: 1, to: 600 });
  });

  it("a position that is not there is refused with what there is", async () => {
    using dir = folder();
    await using bench = openOutbox(dir.path);
    await expect(bench.outbox.replay(1)).rejects.toThrow("the journal has no record 1; it is empty");
    bench.commit("a");
    bench.commit("a");
    for (const from of [0, 3]) await expect(bench.outbox.replay(from)).rejects.toThrow(`has no record ${from}; it has 1 to 2`);
  });

  it("what is held behind the position is met again, what is held before it stays held", async () => {
    using dir = folder();
    await using bench = openOutbox(dir.path);
    bench.commit("early");
    bench.commit("good");
    bench.commit("late");
    bench.broker.answer = (message) => (isOf(message, "good") ? acknowledged : { kind: "refused", why: "no" });
    bench.outbox.start();
    await until("two are held", () => bench.outbox.figures.held === 2);
    await bench.outbox.replay(2);
    await until("all is sent again", () => bench.outbox.figures.lagRecords === 0);
    expect(bench.outbox.heldPage("", 9).map(({ entity, place }) => [entity, place.seq])).toEqual([
      ["account/early", 1],
      ["account/late", 3],
    ]);
    bench.broker.answer = () => acknowledged;
    await until("nothing is held", () => bench.outbox.figures.held === 0);
    expect(bench.broker.idsOf("account/early").length + bench.broker.idsOf("account/late").length).toBe(2);
  });
});

it.each([1, 2, 3])(
  "O1 to O4 at random (seed %i): failures, refusals, crashes, and replays; all have left in the end, in order",
  async (seed) => {
    using dir = folder();
    await using bench = openOutbox(dir.path, 8);
    const random = randomOf(seed);
    const names = Array.from({ length: 12 }, (_, i) => `a${i}`);
    const answers: readonly Sent[] = [
      { kind: "failed", why: "timeout" },
      { kind: "refused", why: "no" },
    ];
    bench.broker.answer = () => (random() < 0.9 ? acknowledged : (answers[Math.floor(random() * 2)] ?? acknowledged));
    bench.outbox.start();
    let committed = 0;
    for (let round = 0; round < 60; round++) {
      const some = names.filter(() => random() < 0.5);
      if (some.length > 0) bench.commit(...some);
      committed += some.length;
      await new Promise((resolve) => setTimeout(resolve, random() * 60));
      if (random() < 0.1) {
        await bench.reopen(random() < 0.5 ? "crashed" : "closed");
        bench.outbox.start();
      }
      if (random() < 0.05) await bench.outbox.replay(1 + Math.floor(random() * bench.outbox.figures.end)).catch(() => undefined);
    }
    bench.broker.answer = () => acknowledged;
    await until("all have left", () => bench.outbox.figures.held === 0 && bench.outbox.figures.lagRecords === 0, 50_000);
    expect(new Set(bench.broker.kept.map(({ id }) => id)).size).toBe(committed);
    expect(isInOrder(bench.broker.kept)).toBe(true);
    expect(bench.broker.perEntityHigh).toBeLessThanOrEqual(2); // Of a crashed outbox one may still be on its way.
  },
);
