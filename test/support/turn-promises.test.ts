/** What `check:turns` holds against a journal: each way in which one can be wrong is told as what it is. */
import { expect, it } from "vitest";
import { OrderLoad } from "./order-load.ts";
import type { ConversationStory, SummaryStory, TurnStory } from "./turn-journal.ts";
import type { TurnOrder } from "./turn-orders.ts";
import { turnPromises } from "./turn-promises.ts";

const turn = (number: number, more: Partial<TurnStory> = {}): TurnStory => ({
  turn: number,
  messageId: `m${number}`,
  speaker: "user",
  text: `text ${number}`,
  wantsReply: true,
  begun: [`r${number}`],
  ends: [{ kind: "replied", replyId: `r${number}`, text: `reply ${number}` }],
  ...more,
});
const summary = (fromTurn: number, toTurn: number, more: Partial<SummaryStory> = {}): SummaryStory => ({
  fromTurn,
  toTurn,
  messageCount: toTurn * 2,
  text: "so far",
  turnsThen: 3,
  ...more,
});
const WHOLE: ConversationStory = { opened: 1, turns: [turn(1), turn(2), turn(3)], summaries: [summary(1, 1), summary(2, 3)] };

/** A client that was answered for each of three turns. */
function judged(story: Partial<ConversationStory>) {
  const load = new OrderLoad<TurnOrder>({ next: () => null, connections: 1 });
  for (const number of [1, 2, 3]) {
    const order = { key: `k${number}`, conversation: "c", speaker: "user", content: `text ${number}`, wantsReply: true, after: number - 1 };
    const answer = { messageId: `m${number}`, replyId: `r${number}`, turn: number, content: `reply ${number}`, status: "complete" };
    load.acknowledged.set(order.key, { order, status: 201, body: JSON.stringify(answer) });
  }
  const { lost, duplicated, outOfOrder, defects } = turnPromises(
    { records: 1, findings: [], conversations: new Map([["c", { ...WHOLE, ...story }]]) },
    load,
    [],
  );
  return { lost, duplicated, outOfOrder, isWhole: defects.length === 0 };
}

it("finds nothing in a journal that keeps every promise", () => {
  expect(judged({})).toEqual({ lost: 0, duplicated: 0, outOfOrder: 0, isWhole: true });
});

it.each<[string, Partial<ConversationStory>, object]>([
  ["a turn that is not there", { turns: [turn(1), turn(2)], summaries: [summary(1, 2, { turnsThen: 2 })] }, { lost: 1 }],
  ["another text", { turns: [turn(1), turn(2, { text: "other" }), turn(3)] }, { lost: 1 }],
  ["another reply", { turns: [turn(1), turn(2, { ends: [{ kind: "replied", replyId: "r2", text: "other" }] }), turn(3)] }, { lost: 1 }],
  ["a reply that never ended", { turns: [turn(1), turn(2), turn(3, { begun: ["r3", "r3b"] })] }, { lost: 1 }],
  [
    "a message that stands there twice",
    { turns: [turn(1), turn(2), turn(3), turn(4, { text: "text 3" })], summaries: [summary(1, 4, { turnsThen: 4 })] },
    { duplicated: 1 },
  ],
  ["a turn in no summary", { summaries: [summary(1, 1), summary(2, 2)] }, { lost: 1 }],
  ["no summary at all", { summaries: [] }, { lost: 3 }],
  ["a turn in two summaries", { summaries: [summary(1, 2), summary(2, 3)] }, { duplicated: 1, outOfOrder: 1 }],
  ["summaries in another order", { summaries: [summary(2, 3), summary(1, 1)] }, { outOfOrder: 2 }],
  ["a summary of a turn that does not exist yet", { summaries: [summary(1, 3, { turnsThen: 2 })] }, { outOfOrder: 1 }],
])("finds %s", (_what, story, found) => {
  expect(judged(story)).toEqual({ lost: 0, duplicated: 0, outOfOrder: 0, isWhole: false, ...found });
});
