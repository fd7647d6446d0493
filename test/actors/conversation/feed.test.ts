import { describe, expect, it } from "vitest";
import { feedRows } from "../../../src/actors/index.ts";
import { unpackEntries } from "../../../src/runtime/index.ts";
import {
  begun,
  chunk,
  conversationRecord,
  deleted,
  posted,
  replied,
  replyFailed,
  summarized,
  wasOpened,
} from "../../support/conversation-records.ts";

function rowsOf(entity: string, ...events: readonly (typeof wasOpened)[]) {
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
      data: { messageId: "m1", turn: 1, speaker: "user", text: "question 1", chars: 10, wantsReply: true },
      message: { messageId: "m1", turn: 1, role: "user", speaker: "user", text: "question 1", chars: 10, status: "complete" },
    });
    expect(found?.rows[4]?.message).toEqual({
      messageId: "r1",
      turn: 1,
      role: "assistant",
      speaker: "assistant",
      text: "answer 1",
      chars: 8,
      status: "complete",
    });
  });

  it.each([
    ["replyStopped", "stopped"],
    ["replyInterrupted", "interrupted"],
  ])("TRAPS 27: what had come of a reply at %s is a message that says so", (kind, status) => {
    expect(rowsOf("conversation/c", replied(1, { kind, text: "ans" }))?.rows[0]?.message).toMatchObject({ text: "ans", status });
  });

  it("a reply that failed is told with its code, and is no message", () => {
    const data = { replyId: "r1", turn: 1, code: "UPSTREAM_TIMEOUT" };
    expect(rowsOf("conversation/c", replyFailed(1))?.rows).toEqual([{ kind: "replyFailed", data }]);
  });

  it("R-CON-2: a summary is told once, by its own entry, without what its maker remembers", () => {
    const data = { fromTurn: 1, toTurn: 2, text: "summary to 2", messageCount: 4 };
    expect(rowsOf("summary/c", { kind: "taken", turn: 2 }, summarized(1, 2))?.rows).toEqual([{ kind: "summarized", data }]);
    expect(rowsOf("conversation/c", { kind: "summarized", upToTurn: 2, text: "summary to 2" })).toBeNull();
    expect(rowsOf("summary/c", { kind: "taken", turn: 2 })).toBeNull();
  });

  it("instructions are nobody's to see, and other entities are no conversations", () => {
    expect(rowsOf("conversation/c", wasOpened)?.rows[0]?.data).toEqual({ onBusy: "enqueue", user: null });
    expect(rowsOf("conversation/c", deleted)?.rows).toEqual([{ kind: "deleted", data: {} }]);
    expect(rowsOf("account/conversation", wasOpened)).toBeNull();
    expect(rowsOf("conversation/c")).toBeNull();
  });

  it("an event of a newer program is not passed over", () => {
    expect(() => rowsOf("conversation/c", { kind: "sang" })).toThrow(/a conversation has no event "sang"/);
  });
});
