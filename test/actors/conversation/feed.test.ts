import { describe, expect, it } from "vitest";
import { feedRows } from "../../../src/actors/index.ts";
import { unpackEntries } from "../../../src/runtime/index.ts";
import {
  begun,
  type ConversationEvent,
  chunk,
  conversationRecord,
  deleted,
  interrupted,
  posted,
  replied,
  replyFailed,
  stopped,
  summarized,
  wasOpened,
} from "../../support/conversation-records.ts";

function rowsOf(entity: string, ...events: readonly ConversationEvent[]) {
  const [entry] = unpackEntries(conversationRecord(7, [entity, ...events]).body);
  if (entry === undefined) throw new Error("a record has an entry");
  return feedRows(entry);
}

describe("feed rows", () => {
  it("R-CON-1, R-CON-9: every event of a turn is a row, in order; what a person said and each reply are messages", () => {
    const events = [wasOpened, posted(1), begun(1), chunk(1, 0), replied(1)];
    const found = rowsOf("conversation/c/1", ...events);
    expect(found).toMatchObject({ conversation: "c/1", at: 7000 });
    expect(found?.rows.map(({ kind }) => kind)).toEqual(["opened", "posted", "replyBegun", "replyChunk", "replied"]);
    expect(found?.rows.map(({ message }) => message?.role)).toEqual([undefined, "user", undefined, undefined, "assistant"]);
    expect(found?.rows[1]).toEqual({
      kind: "posted",
      data: { messageId: "m1", turn: 1, role: "user", speaker: "s1.Ann", text: "s1.question-1", chars: 13, wantsReply: true },
      message: {
        messageId: "m1",
        turn: 1,
        role: "user",
        speaker: "s1.Ann",
        parts: ["s1.question-1"],
        chars: 13,
        status: "complete",
        code: null,
      },
    });
    expect(found?.rows[4]?.message).toEqual({
      messageId: "r1",
      turn: 1,
      role: "assistant",
      speaker: null,
      parts: ["s1.answer-r1"],
      chars: 6,
      status: "complete",
      code: null,
    });
  });

  it.each([
    [stopped(1, ["s1.an", "s1.sw"]), "stopped"],
    [interrupted(1, ["s1.an", "s1.sw"], true), "interrupted"],
  ] as const)("TRAPS 27: what had come of a reply that was cut off is a message that says so", (event, status) => {
    expect(rowsOf("conversation/c", event)?.rows[0]?.message).toMatchObject({ parts: ["s1.an", "s1.sw"], status, messageId: "r1" });
  });

  it("what an attempt said that others follow is told and is no message, nor is a reply that was cut off before its first word", () => {
    const rows = rowsOf("conversation/c", interrupted(1, ["s1.an"], false), interrupted(1, [], true), stopped(1, []))?.rows ?? [];
    expect(rows.map(({ kind, data, message }) => [kind, data.isOver, message])).toEqual([
      ["replyInterrupted", false, undefined],
      ["replyInterrupted", true, undefined],
      ["replyStopped", undefined, undefined],
    ]);
  });

  it("a reply that was made again names the one whose place it takes", () => {
    expect(rowsOf("conversation/c", replied(1, "r1b", "r1"))?.rows[0]).toMatchObject({ supersedes: "r1", message: { messageId: "r1b" } });
    expect(rowsOf("conversation/c", replied(1))?.rows[0]).not.toHaveProperty("supersedes");
  });

  it("R-CON-5: a reply that failed is told with its code, and stands among the messages without a text", () => {
    const data = { replyId: "r1", turn: 1, code: "UPSTREAM_TIMEOUT" };
    const row = { messageId: "r1", turn: 1, role: "assistant", speaker: null, parts: [], chars: 0, status: "failed", code: data.code };
    expect(rowsOf("conversation/c", replyFailed(1))?.rows).toEqual([{ kind: "replyFailed", data, message: row }]);
  });

  it("R-CON-2: a summary is told once, by its own entry, without what its maker remembers", () => {
    const data = { fromTurn: 1, toTurn: 2, text: "s1.summary-2", messageCount: 4 };
    const taken: ConversationEvent = { kind: "taken", turn: 2, messages: 4, user: null };
    expect(rowsOf("summary/c", taken, summarized(1, 2))?.rows).toEqual([{ kind: "summarized", data }]);
    expect(rowsOf("conversation/c", { kind: "summarized", upToTurn: 2, text: "s1.summary-2" })).toBeNull();
    expect(rowsOf("summary/c", taken)).toBeNull();
  });

  it("instructions are nobody's to see, and other entities are no conversations", () => {
    expect(rowsOf("conversation/c", wasOpened)?.rows[0]?.data).toEqual({ onBusy: "enqueue", user: null });
    expect(rowsOf("conversation/c", deleted)?.rows).toEqual([{ kind: "deleted", data: {} }]);
    expect(rowsOf("account/conversation", wasOpened)).toBeNull();
    expect(rowsOf("conversation/c")).toBeNull();
  });

  it("an event of a newer program is not passed over", () => {
    expect(() => rowsOf("conversation/c", { kind: "sang" } as unknown as ConversationEvent)).toThrow(/a conversation has no event "sang"/);
  });
});
