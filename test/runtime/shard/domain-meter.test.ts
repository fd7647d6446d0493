/** What a domain counts (issue 3 G): sampled times by a clock of the test's, and the hottest entities in bounded memory. */
import { expect, test } from "vitest";
import { DomainMeter, HotEntities, SAMPLE_EVERY } from "../../../src/runtime/index.ts";

const countOf = ({ counts }: { readonly counts: readonly number[] }): number => counts.reduce((a, b) => a + b, 0);

test("one message in SAMPLE_EVERY is timed, from its mailbox to its turn and in its turn, in seconds", () => {
  let nowMs = 1_000;
  const meter = new DomainMeter(() => nowMs);
  const messages = Array.from({ length: SAMPLE_EVERY * 3 }, () => ({}));
  for (const message of messages) {
    meter.queued(message);
    nowMs += 500;
    const begunMs = meter.began(message);
    nowMs += 250;
    if (begunMs !== null) meter.ended(begunMs, "account/a");
  }
  const { waits, handles } = meter.look();
  expect([countOf(waits), waits.sum]).toEqual([3, 1.5]);
  expect([countOf(handles), handles.sum]).toEqual([3, 0.75]);
});

test("a message whose wait is measured and that never comes leaves the others to be handled", () => {
  const meter = new DomainMeter(() => 0);
  meter.queued({});
  const other = {};
  for (let i = 0; i < SAMPLE_EVERY * 2; i++) meter.queued(other);
  meter.began(other);
  expect(countOf(meter.look().waits)).toBe(0);
});

test("L6: an entity with more than a capacity-th of the messages is found in the memory of capacity addresses", () => {
  const hot = new HotEntities(4);
  for (let i = 0; i < 1_000; i++) hot.add(i % 3 === 0 ? "account/hot" : `account/${i}`);
  const { entities, samples, errorMax } = hot.take(10);
  expect(entities.length).toBeLessThanOrEqual(4);
  expect(samples).toBe(1_000);
  expect(entities[0]?.address).toBe("account/hot");
  expect(334 - (entities[0]?.samples ?? 0)).toBeLessThanOrEqual(errorMax);
  expect(hot.take(10)).toEqual({ entities: [], samples: 0, errorMax: 0 });
});
