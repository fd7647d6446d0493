/** What `check:turns` holds against a journal (R-CON-2, R-CON-4): each way in which one can be wrong is told as what it is. */
import { expect, it } from "vitest";
import { summaryPrompt } from "../../src/system/ai/prompt.ts";
import { OrderLoad } from "./order-load.ts";
import { chainFindings } from "./summary-chain.ts";
import { promptProof, proofText } from "./summary-proof.ts";
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
  text: "",
  taken: null,
  turnsThen: 3,
  ...more,
});
const linesOf = ({ speaker, text, ends }: TurnStory): readonly string[] => [
  `${speaker}: ${text}`,
  ...ends.slice(0, 1).map((end) => `assistant: ${end.text}`),
];
/** Those without a text get the one of an endpoint that was given the summary before and the messages of the turns. */
function chained({ turns, summaries }: ConversationStory): SummaryStory[] {
  let before: string | null = null;
  return summaries.map((one) => {
    const text: string = one.text || proofText(before, turns.slice(one.fromTurn - 1, one.toTurn).flatMap(linesOf));
    before = text;
    return { ...one, text };
  });
}
const WHOLE: ConversationStory = { opened: 1, turns: [turn(1), turn(2), turn(3)], summaries: [summary(1, 1), summary(2, 3)] };

/** A client that was answered for each of three turns. */
function judged(story: Partial<ConversationStory>) {
  const load = new OrderLoad<TurnOrder>({ next: () => null, connections: 1 });
  for (const number of [1, 2, 3]) {
    const order = { key: `k${number}`, conversation: "c", speaker: "user", content: `text ${number}`, wantsReply: true, after: number - 1 };
    const answer = { messageId: `m${number}`, replyId: `r${number}`, turn: number, content: `reply ${number}`, status: "complete" };
    load.acknowledged.set(order.key, { order, status: 201, body: JSON.stringify(answer) });
  }
  const told = { ...WHOLE, ...story };
  const { lost, duplicated, outOfOrder, defects } = turnPromises(
    { records: 1, findings: [], conversations: new Map([["c", { ...told, summaries: chained(told) }]]) },
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

const FIRST = proofText(null, linesOf(turn(1)));
const LINES = [2, 3].flatMap((number) => linesOf(turn(number)));
/** Turn 1 and then turns 2 and 3, the second made of this. */
const second = (more: Partial<SummaryStory>, first: Partial<SummaryStory> = {}): Partial<ConversationStory> => ({
  summaries: [summary(1, 1, first), summary(2, 3, more)],
});
const regenerated = turn(3, {
  begun: ["r3", "r3b"],
  ends: [...turn(3).ends, { kind: "replied", replyId: "r3b", text: "another reply" }],
});
const unsaid = turn(2, { ends: [{ kind: "replyStopped", replyId: "r2", text: "" }] });

it.each<[string, Partial<ConversationStory>]>([
  ["of the reply before regenerate", { ...second({ text: proofText(FIRST, LINES) }), turns: [turn(1), turn(2), regenerated] }],
  [
    "of the reply after regenerate",
    { ...second({ text: proofText(FIRST, [...LINES.slice(0, -1), "assistant: another reply"]) }), turns: [turn(1), turn(2), regenerated] },
  ],
  ["after a built-in one, of its text", second({ text: proofText("They met.", LINES) }, { text: "They met.", taken: 2 })],
  ["by the built-in summarizer after an endpoint's", second({ text: "They met.", taken: 4 })],
  ["by the built-in summarizer after its own", second({ text: "They went.", taken: 6 }, { text: "They met.", taken: 2 })],
])("R-CON-2: finds nothing in a summary %s", (_what, story) => {
  expect(judged(story)).toEqual({ lost: 0, duplicated: 0, outOfOrder: 0, isWhole: true });
});

it.each<[string, Partial<ConversationStory>, object]>([
  ["made of nothing", second({ text: proofText(null, []) }), { lost: 2, outOfOrder: 1 }],
  ["without a message of a turn", second({ text: proofText(FIRST, LINES.slice(1)) }), { lost: 1 }],
  ["without the reply of a turn", second({ text: proofText(FIRST, LINES.slice(0, -1)) }), { lost: 1 }],
  ["with messages in another order", second({ text: proofText(FIRST, LINES.toReversed()) }), { lost: 2 }],
  ["with a message of a turn before", second({ text: proofText(FIRST, [...linesOf(turn(1)), ...LINES]) }), {}],
  ["with a message twice", second({ text: proofText(FIRST, [...LINES, ...LINES.slice(-1)]) }), {}],
  ["with a reply that nobody gave", second({ text: proofText(FIRST, [...LINES.slice(0, 3), "assistant: other"]) }), { lost: 1 }],
  ["that forgot the one before", second({ text: proofText(null, LINES) }), { outOfOrder: 1 }],
  ["made of another one than the one before", second({ text: proofText("other", LINES) }), { outOfOrder: 1 }],
  ["made of one where there was none", second({}, { text: proofText("other", linesOf(turn(1))) }), { outOfOrder: 1 }],
  ["of an endpoint that says nothing", second({ text: "They went." }), {}],
  ["not made of the built-in one before", second({ text: proofText(null, LINES) }, { text: "They met.", taken: 2 }), { outOfOrder: 1 }],
  ["of the built-in summarizer without a message", second({ text: "They went.", taken: 3 }), {}],
  ["of the built-in summarizer that read an older one", second({ text: "They went.", taken: 4 }, { text: "They met.", taken: 2 }), {}],
  [
    "that reads the same one as the one before it (TRAPS 5)",
    { summaries: [summary(1, 1), summary(2, 2), summary(3, 3, { text: proofText(FIRST, linesOf(turn(3))) })] },
    { outOfOrder: 1 },
  ],
])("R-CON-2: finds a summary %s", (_what, story, found) => {
  expect(judged(story)).toEqual({ lost: 0, duplicated: 0, outOfOrder: 0, isWhole: false, ...found });
});

it("R-CON-2: leaves out a reply that said nothing", () => {
  const story: ConversationStory = { ...WHOLE, turns: [turn(1), unsaid, turn(3)] };
  const summaries = [summary(1, 1, { text: FIRST }), summary(2, 3, { text: proofText(FIRST, ["user: text 2", ...linesOf(turn(3))]) })];
  expect(chainFindings({ ...story, summaries })).toEqual([]);
});

it("R-CON-2: an endpoint proves what stands in the prompt that the service makes", () => {
  const messages = [
    { role: "user" as const, speaker: "Ana", text: " one \u{1f642} " },
    { role: "assistant" as const, speaker: null, text: "You said: one" },
  ];
  const lines = ["Ana:  one \u{1f642} ", "assistant: You said: one"];
  const proved = (previous: string | null) => promptProof(summaryPrompt(previous, messages, 1_000_000).at(-1)?.content ?? "");
  expect([proved(null), proved("They met.")]).toEqual([proofText(null, lines), proofText("They met.", lines)]);
  expect(promptProof("Say something.")).toBe(proofText(null, []));
});
