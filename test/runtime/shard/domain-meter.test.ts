/** What a domain counts (issue 3 G): sampled times by a clock of the test's, and the hottest entities in bounded memory. */
import { expect, test } from "vitest";
import { DomainMeter, HotEntities, SAMPLE_EVERY } from "../../../src/runtime/index.ts";

const countOf = ({ counts }: { readonly counts: readonly number[] }): number => counts.reduce((a, b) => a + b, 0);

test("a sampled message is timed, from its mailbox to its turn and in its turn, in seconds", () => {
  let nowMs = 1_000;
  const meter = new DomainMeter(() => nowMs);
  let sampled = 0;
  for (let i = 0; i < SAMPLE_EVERY * 2 + 1; i++) {
    const message = {};
    meter.queued(message);
    nowMs += 500;
    if (!meter.isSampled(message)) continue;
    sampled++;
    meter.began();
    nowMs += 250;
    meter.ended("account/a");
  }
  const { waits, handles } = meter.look();
  expect([sampled, countOf(waits), waits.sum, countOf(handles), handles.sum]).toEqual([3, 3, 1.5, 3, 0.75]);
  expect(meter.hot.take(1)).toMatchObject({ samples: 3, entities: [{ address: "account/a", samples: 3 }] });
});

test("one message is followed at a time; one whose mailbox is gone does not end the sampling", () => {
  const meter = new DomainMeter(() => 0);
  const [lost, other] = [{}, {}];
  meter.queued(lost);
  for (let i = 0; i < 99_999; i++) meter.queued(other);
  expect([meter.isSampled(lost), meter.isSampled(other)]).toEqual([true, false]);
  meter.queued(other);
  expect([meter.isSampled(lost), meter.isSampled(other)]).toEqual([false, true]);
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
