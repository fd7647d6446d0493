/** A summary by hand, without any runtime: in turn order, one at a time, each turn once (R-CON-2, R-CON-5, S1-S4). */
import { describe, expect, it } from "vitest";
import { reachedIdOf } from "../../../src/actors/index.ts";
import { Chat, ID, sealed } from "./chat.ts";

/** A conversation with so many turns of one message, none of them told yet. */
function chatOf(turns: number): Chat {
  const chat = Chat.opened();
  for (let n = 1; n <= turns; n++) chat.post(`k${n}`, { wantsReply: false });
  return chat;
}
const rangesOf = (chat: Chat) =>
  chat.summaryEvents.flatMap((event) => (event.kind === "summarized" ? [[event.fromTurn, event.toTurn, event.messageCount]] : []));
const reached = (chat: Chat, turn: number) => chat.askSummary("reached", { turn }, reachedIdOf(turn));
const refusedWith = (code: string) => [{ ok: false, code, detail: expect.any(String) }];

describe("a summary", () => {
  it("R-CON-2: is made from the one before, with the settings of the requirement, and is told to the conversation", () => {
    const chat = chatOf(1);
    chat.finish();
    chat.post("k2");
    chat.reply("hello");
    chat.tellAll();
    expect(chat.call("summary")?.effect).toMatchObject({
      kind: "call",
      to: "summary",
      command: "summarize",
      answerTo: "made",
      keepsDead: true,
    });
    expect(chat.summaryRequest).toEqual({
      conversation: ID,
      user: "ann",
      fromTurn: 2,
      toTurn: 2,
      previous: sealed("1-1"),
      memory: sealed("memory 1"),
      messageCount: 3,
      temperature: 0.3,
      maxTokens: 500,
    });
    chat.finish();
    expect(chat.events.at(-1)).toEqual({ kind: "summarized", upToTurn: 2, text: sealed("1-1 2-2") });
    expect(chat.askSummary("get").answers).toEqual([
      { ok: true, value: { content: sealed("1-1 2-2"), upToTurn: 2, messageCount: 3, knownTurn: 2 } },
    ]);
  });

  it("S2: what comes while one is made is coalesced, 200 turns at most", () => {
    const chat = chatOf(450);
    chat.finish();
    expect(rangesOf(chat)).toEqual([
      [1, 1, 1],
      [2, 201, 201],
      [202, 401, 401],
      [402, 450, 450],
    ]);
  });

  it("many turns that end at once are told in pieces of 200, each with its own count of messages", () => {
    const chat = Chat.opened();
    chat.post("k0");
    for (let n = 1; n <= 449; n++) chat.post(`k${n}`, { wantsReply: false });
    chat.reply("at last");
    expect(chat.tells.map(({ body }) => body)).toMatchObject([
      { turn: 200, messages: 201 },
      { turn: 400, messages: 401 },
      { turn: 450, messages: 451 },
    ]);
    chat.finish();
    expect(rangesOf(chat)).toEqual([
      [1, 200, 201],
      [201, 400, 401],
      [401, 450, 451],
    ]);
  });

  it("a turn that is told twice, or late, changes nothing", () => {
    const chat = chatOf(2);
    const again = chat.tells.slice();
    chat.tellAll();
    const events = chat.summaryEvents.length;
    chat.tells.push(...again);
    chat.tellAll();
    expect(chat.summaryEvents.length).toBe(events);
    chat.finish();
    expect(rangesOf(chat)).toEqual([
      [1, 1, 1],
      [2, 2, 2],
    ]);
  });

  it("S4: one that was dropped, or came back as nothing usable, is done with the next turn: none is skipped", () => {
    const chat = chatOf(1);
    chat.tellAll();
    chat.refuse("summary");
    expect(chat.call("summary")).toBeUndefined();
    expect(chat.askSummary("get").answers).toMatchObject([{ value: { upToTurn: 0, knownTurn: 1, content: null } }]);
    chat.post("k2", { wantsReply: false });
    chat.tellAll();
    chat.end("summary", { ok: true, value: { text: "not sealed" } });
    expect(chat.summaryEvents.at(-1)).toEqual({ kind: "summaryRefused", fromTurn: 1, toTurn: 2, code: "UPSTREAM_BAD_RESPONSE" });
    chat.post("k3", { wantsReply: false });
    chat.finish();
    expect(rangesOf(chat)).toEqual([[1, 3, 3]]);
  });

  it("R-CON-7: who waits for a turn is answered when it is covered, or when it was refused, or erased", () => {
    const chat = chatOf(3);
    const [first, third] = [reached(chat, 1), reached(chat, 3)];
    expect(chat.askSummary("reached", { turn: 3 }, "other").answers).toEqual(refusedWith("validation_failed"));
    chat.tellAll();
    chat.summarize();
    expect([first.answers, third.answers]).toEqual([[{ ok: true, value: { upToTurn: 1, messageCount: 1, code: null } }], []]);
    chat.refuse("summary");
    expect(third.answers).toEqual([{ ok: true, value: { upToTurn: 1, messageCount: 1, code: "UPSTREAM_TIMEOUT" } }]);
    expect(reached(chat, 1).answers).toMatchObject([{ value: { upToTurn: 1 } }]);
    const fourth = reached(chat, 4);
    chat.command("delete");
    chat.tellAll();
    expect(fourth.answers).toMatchObject([{ ok: true, value: { code: "not_found" } }]);
    expect(reached(chat, 4).answers).toEqual(refusedWith("not_found"));
  });
});
