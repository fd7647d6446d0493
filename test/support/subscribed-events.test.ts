/** R-SYS-3, seen without a stream: repeats are the same event, and nothing of an entity comes first after a later one, unless it was missed before. */
import { expect, it } from "vitest";
import type { HeardEvent } from "./heard-event.ts";
import type { SubscribedEvent } from "./plain-nats-subscriber.ts";
import { subscribedView } from "./subscribed-events.ts";

const event = (number: number, life = 0, body = "{}", account = "a"): SubscribedEvent => ({
  subject: "troupe.events.account.entry-posted",
  attributes: { id: `store.0.${number}.0`, subject: account },
  body,
  life,
});
function judged(events: readonly SubscribedEvent[], stream: readonly HeardEvent[] = []) {
  const defects: string[] = [];
  const view = subscribedView(events, new Map(stream.map((one) => [one.attributes.id ?? "", one])), defects);
  return { ...view, isFound: defects.length > 0 };
}
const nothing = { repeatsChanged: 0, subscribedOutOfOrder: 0, isFound: false };

it("finds nothing in events in order, in repeats of them, and in what was missed while it was away and came again", () => {
  expect(judged([event(1), event(2), event(3, 0, "{}", "b"), event(4)])).toEqual({ subscribed: 4, repeats: 0, ...nothing });
  expect(judged([event(1), event(2), event(1), event(2), event(4)])).toEqual({ subscribed: 5, repeats: 2, ...nothing });
  // 2 and 3 were published while it was away; the service died, and sent all again.
  const again = [event(1, 1), event(2, 1), event(3, 1), event(4, 1), event(5, 1)];
  expect(judged([event(1), event(4, 1), ...again])).toEqual({ subscribed: 7, repeats: 2, ...nothing });
});

it.each([
  ["another body under the same id", [event(1), event(1, 0, '{"x":1}')], { repeats: 1, repeatsChanged: 1 }],
  ["an event before one that it stands behind", [event(1), event(3), event(2)], { subscribedOutOfOrder: 1 }],
  ["the same on a later connection", [event(1), event(2, 1), event(4, 1), event(3, 1)], { subscribedOutOfOrder: 1 }],
  [
    "an event that came too late, although something was missed before",
    [event(1), event(3, 1), event(5, 1), event(2, 1), event(4, 1)],
    { subscribedOutOfOrder: 1 },
  ],
] as const)("notices %s", (_, events, figures) => {
  expect(judged(events)).toMatchObject({ ...figures, isFound: true });
});

it("notices an event that is another one in the stream", () => {
  expect(judged([event(1)], [event(1, 0, "{}")])).toMatchObject(nothing);
  expect(judged([event(1)], [event(1, 0, '{"x":1}')])).toMatchObject({ repeatsChanged: 1, isFound: true });
});
