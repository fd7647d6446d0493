/** What readiness says of events that leave (issue 5, must show 5: slow is named). */
import { expect, it } from "vitest";
import type { OutboxFigures } from "../../../src/system/outbox/outbox.ts";
import { outboxCheck } from "../../../src/system/outbox/outbox-check.ts";

const counts = { acknowledged: 0, refused: 0, failed: 0, skipped: 0 };
const figures: OutboxFigures = {
  position: 1,
  end: 4,
  lagRecords: 3,
  lagMs: 10_000,
  held: 0,
  inFlight: 1,
  waiting: 3,
  trouble: null,
  counts,
};

it("names events that leave too slowly, by how long the oldest waits", () => {
  expect(outboxCheck(figures)).toMatchObject({ isOk: true });
  expect(outboxCheck({ ...figures, lagMs: 12_345 })).toMatchObject({
    isOk: false,
    detail: expect.stringContaining("more slowly than they come, or not at all: the oldest waits for 12.3 s"),
  });
});
