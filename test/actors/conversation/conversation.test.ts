/** A conversation by hand, without any runtime: what it keeps, what it asks for, and what it answers to whom (R-CON-1, R-CON-2, R-CON-9, C1-C6). */
import { describe, expect, it, test } from "vitest";
import type { PostReply } from "../../../src/actors/index.ts";
import { Chat, type Client, ID, joined, opened, outcomeOf, sealed } from "./chat.ts";

const viewOf = (chat: Chat) => chat.command("get").answers[0];
const refusedWith = (code: string) => [{ ok: false, code, detail: expect.any(String) }];
const repeatOf = (outcome: PostReply): PostReply => ({ ...outcome, parts: null, isRepeat: true });
const ten = Array.from({ length: 10 }, (_, n) => `k${n + 1}`);

describe("opening", () => {
  it("L3: the same body gets the same answer, another one already_exists", () => {
    const chat = Chat.opened();
    const body = { onBusy: "enqueue", instructions: sealed("be brief"), user: "ann" };
    expect(chat.command("open", body).answers).toEqual([{ ok: true, value: { id: ID } }]);
    expect(chat.command("open", { ...body, onBusy: "reject" }).answers).toEqual(refusedWith("already_exists"));
    expect(chat.command("open", { ...body, instructions: null }).answers).toEqual(refusedWith("already_exists"));
    expect(chat.kinds()).toEqual(["opened"]);
  });

  it("before it, everything is not_found", () => {
    const chat = new Chat();
    for (const command of ["get", "stop", "delete"]) expect(chat.command(command).answers).toEqual(refusedWith("not_found"));
    expect(chat.post("k1").answers).toEqual(refusedWith("not_found"));
    expect(chat.command("regenerate", { replyId: "r1-1" }, "k2").answers).toEqual(refusedWith("not_found"));
  });
});

describe("a turn", () => {
  it("R-CON-1: is answered when the reply is there; the summary is told in the same entry and nobody waits for it", () => {
    const chat = Chat.opened();
    const client = chat.post("k1");
    expect(client.answers).toEqual([]);
    const entries = chat.entries;
    chat.reply("hello");
    expect(chat.entries).toBe(entries + 1);
    expect(outcomeOf(client)).toEqual({
      messageId: "m-k1",
      turn: 1,
      replyId: "r1-1",
      parts: [sealed("hello")],
      chars: 5,
      status: "complete",
      code: null,
      at: chat.at,
    });
    expect(chat.tells).toMatchObject([{ to: `summary/${ID}`, command: "take", body: { turn: 1, messages: 2, user: "ann" } }]);
    expect(chat.kinds()).toEqual(["opened", "posted", "replyBegun", "replied"]);
  });

  it("R-CON-2: the reply reads instructions, summary and recent turns, with the settings of the requirement", () => {
    const chat = Chat.opened();
    chat.post("k1");
    chat.reply("one");
    chat.post("k2", { speaker: sealed("bob"), wantsReply: false });
    chat.finish();
    chat.post("k3", { stream: true });
    expect(chat.request).toEqual({
      conversation: ID,
      user: "ann",
      turn: 3,
      replyId: "r3-1",
      instructions: sealed("be brief"),
      summary: sealed("1-1 2-2"),
      messages: [
        { role: "user", speaker: sealed("ann"), parts: [sealed("text of k1")] },
        { role: "assistant", speaker: null, parts: [sealed("one")] },
        { role: "user", speaker: sealed("bob"), parts: [sealed("text of k2")] },
        { role: "user", speaker: sealed("ann"), parts: [sealed("text of k3")] },
      ],
      temperature: 0.7,
      maxTokens: 1000,
      stream: true,
    });
    expect(chat.call("reply")?.effect).toMatchObject({
      kind: "call",
      to: "reply",
      command: "reply",
      answerTo: "replied",
      progressTo: "chunk",
    });
  });

  it("a message that wants no reply is a turn of its own, answered at once", () => {
    const chat = Chat.opened();
    const stored = { messageId: "m-k1", turn: 1, replyId: null, parts: [], chars: 0, status: "stored", code: null, at: chat.at };
    expect(outcomeOf(chat.post("k1", { wantsReply: false }))).toEqual(stored);
    expect(chat.tells).toMatchObject([{ command: "take", body: { turn: 1, messages: 1 } }]);
    expect(outcomeOf(chat.post("k1", { wantsReply: false }))).toEqual({ ...stored, isRepeat: true });
    expect(chat.post("k2", { role: "assistant" }).answers).toEqual(refusedWith("validation_failed"));
    chat.post("k3", { wantsReply: false, role: "assistant", speaker: sealed("bot") });
    chat.post("k4");
    expect(chat.request.messages.map(({ role }) => role)).toEqual(["user", "assistant", "user"]);
    expect(viewOf(chat)).toMatchObject({ value: { turns: 3, messages: 3, isReplying: true, replyId: "r3-1", queued: 0 } });
  });

  it("a message without a reply that overtakes one under way is told to the summary behind it", () => {
    const chat = Chat.opened();
    chat.post("k1");
    chat.post("k2", { wantsReply: false });
    expect(chat.tells).toEqual([]);
    chat.reply("late");
    expect(chat.tells).toMatchObject([{ body: { turn: 2, messages: 3 } }]);
    chat.post("k3");
    expect(chat.request.messages.map(({ parts }) => joined(parts))).toEqual(["text of k1", "late", "text of k2", "text of k3"]);
  });

  it("C5: a reply that fails says why; the message stands and the turn counts", () => {
    const chat = Chat.opened();
    const client = chat.post("k1");
    chat.refuse("reply");
    expect(outcomeOf(client)).toMatchObject({ status: "failed", code: "UPSTREAM_TIMEOUT", parts: [], replyId: "r1-1" });
    expect(chat.tells).toMatchObject([{ body: { turn: 1, messages: 1 } }]);
    expect(viewOf(chat)).toMatchObject({ value: { turns: 1, messages: 1, isReplying: false } });
    expect(outcomeOf(chat.post("k1"))).toEqual({ ...outcomeOf(client), isRepeat: true });
  });

  it("R-API-3: what came of a post can be looked at meanwhile and later, which begins nothing and waits for nothing", () => {
    const chat = Chat.opened();
    const first = chat.post("k1");
    const queued = chat.post("k2");
    const look = (id: string) => chat.command("outcome", { id }).answers;
    expect(look("k1")).toMatchObject([{ ok: true, value: { messageId: "m-k1", turn: 1, outcome: null } }]);
    expect(look("k2")).toMatchObject([{ ok: true, value: { messageId: "m-k2", turn: 2, outcome: null } }]);
    expect(look("k3")).toEqual(refusedWith("not_found"));
    const { entries } = chat;
    chat.reply("hello");
    expect(look("k1")).toMatchObject([{ ok: true, value: { outcome: { ...outcomeOf(first), parts: null } } }]);
    expect([chat.entries, queued.answers]).toEqual([entries + 1, []]);
  });

  it("an answer of the port that is no reply is a failure, not a reply that never ends", () => {
    for (const value of [null, {}, { text: "not sealed", chars: 3 }, { text: sealed(""), chars: 0 }]) {
      const chat = Chat.opened();
      const client = chat.post("k1");
      chat.end("reply", { ok: true, value });
      expect(outcomeOf(client)).toMatchObject({ status: "failed", code: "UPSTREAM_BAD_RESPONSE" });
    }
  });
});

describe("repeats (L3)", () => {
  it("while the reply is under way a repeat waits too; afterwards it gets the same answer, but for the text, which the read model has", () => {
    const chat = Chat.opened();
    const first = chat.post("k1");
    const entries = chat.entries;
    const second = chat.post("k1", { stream: true });
    expect([second.answers, chat.entries]).toEqual([[], entries]);
    chat.reply("hello");
    expect(outcomeOf(second)).toEqual(outcomeOf(first));
    expect(outcomeOf(chat.post("k1"))).toEqual(repeatOf(outcomeOf(first)));
    expect(chat.kinds().filter((kind) => kind === "posted").length).toBe(1);
  });

  it("another body under the same id is key_reused, without an id nothing is posted", () => {
    const chat = Chat.opened();
    chat.post("k1");
    for (const changed of [
      { text: sealed("other") },
      { wantsReply: false },
      { speaker: sealed("bob") },
      { speaker: null },
      { onBusy: "reject" },
    ]) {
      expect(chat.post("k1", changed).answers).toEqual(refusedWith("key_reused"));
    }
    expect(chat.command("regenerate", { replyId: "r1-1" }, "k1").answers).toEqual(refusedWith("key_reused"));
    expect(chat.post("").answers).toEqual(refusedWith("idempotency_key_missing"));
  });

  it("5,000 ids are kept for 24 hours, then refused with keys_exhausted, never forgotten early (DESIGN 4.5)", () => {
    const chat = Chat.opened();
    const definition = chat.state() as object;
    const keys = Array.from({ length: 5_000 }, (_, n) => ({ id: `old${n}`, print: "p", at: chat.at + n, outcome: {} }));
    Object.assign(definition, { keys }); // Five thousand posts by hand would take minutes.
    expect(chat.post("k1", { wantsReply: false }).answers).toEqual(refusedWith("keys_exhausted"));
    chat.at += 24 * 3_600_000 - 1;
    expect(chat.post("k1", { wantsReply: false }).answers).toEqual(refusedWith("keys_exhausted"));
    chat.at += 1;
    outcomeOf(chat.post("k1", { wantsReply: false }));
    expect(chat.post("k2", { wantsReply: false }).answers).toEqual(refusedWith("keys_exhausted"));
    expect(chat.post("old1", { wantsReply: false }).answers).toEqual(refusedWith("key_reused"));
  });
});

test("L3: an id whose reply is still waited for is kept, however long that takes", () => {
  const chat = Chat.opened();
  const first = chat.post("k1");
  chat.at += 48 * 3_600_000;
  outcomeOf(chat.post("k2", { wantsReply: false }));
  const again = chat.post("k1");
  chat.reply("at last");
  expect(outcomeOf(again)).toEqual(outcomeOf(first));
  expect(chat.kinds().filter((kind) => kind === "posted").length).toBe(2);
});

describe("10 posts at once (R-CON-9)", () => {
  it("enqueue: each gets its own reply, in order, one call at a time", () => {
    const chat = Chat.opened("enqueue");
    const clients = ten.map((id) => chat.post(id));
    expect(viewOf(chat)).toMatchObject({ value: { turns: 10, queued: 9, replyId: "r1-1" } });
    for (const id of ten) {
      expect(joined(chat.request.messages.at(-1)?.parts ?? null)).toBe(`text of ${id}`);
      chat.reply(`to ${id}`);
    }
    expect(clients.map((client) => joined(outcomeOf(client).parts))).toEqual(ten.map((id) => `to ${id}`));
    expect(chat.tells.map(({ body }) => body)).toMatchObject(ten.map((_, n) => ({ turn: n + 1, messages: 2 * (n + 1) })));
  });

  it("enqueue: as many as the queue holds, then rate_limited, and the id stays free", () => {
    const chat = Chat.opened("enqueue");
    for (let n = 0; n < 101; n++) expect(chat.post(`k${n}`).answers).toEqual([]);
    expect(chat.post("late").answers).toEqual(refusedWith("rate_limited"));
    chat.reply("one");
    expect(chat.post("late").answers).toEqual([]);
    const large = Chat.opened("enqueue");
    const text = `s1.${"A".repeat(131_000)}`;
    for (let n = 0; n < 9; n++) expect(large.post(`k${n}`, { text }).answers).toEqual([]);
    expect(large.post("k9", { text }).answers).toEqual(refusedWith("rate_limited"));
  });

  it("reject: the first is answered, nine are illegal_transition and write nothing", () => {
    const chat = Chat.opened("reject");
    const clients = ten.map((id) => chat.post(id));
    for (const { answers } of clients.slice(1)) expect(answers).toEqual(refusedWith("illegal_transition"));
    chat.reply("hello");
    expect(outcomeOf(clients[0] as Client).status).toBe("complete");
    expect(chat.post("k2").answers).toEqual([]);
    expect(viewOf(chat)).toMatchObject({ value: { turns: 2 } });
  });

  it("interrupt: each ends the one before it; the last is answered", () => {
    const chat = Chat.opened("interrupt");
    const clients = ten.map((id) => {
      const client = chat.post(id, { stream: true });
      chat.chunk(0, `begin of ${id}`);
      return client;
    });
    chat.reply("hello");
    expect(clients.map((client) => outcomeOf(client).status)).toEqual([...ten.slice(1).map(() => "interrupted"), "complete"]);
    expect(clients.slice(0, 9).map((client) => joined(outcomeOf(client).parts))).toEqual(ten.slice(0, 9).map((id) => `begin of ${id}`));
    expect(viewOf(chat)).toMatchObject({ value: { turns: 10, messages: 20, isReplying: false } });
    expect(chat.tells.map(({ body }) => body)).toMatchObject(ten.map((_, n) => ({ turn: n + 1, messages: 2 * (n + 1) })));
  });

  it("interrupt ends those that wait too: turns end in their order", () => {
    const chat = Chat.opened("enqueue");
    const before = ["k1", "k2", "k3"].map((id) => chat.post(id));
    const last = chat.post("k4", { onBusy: "interrupt" });
    expect(before.map((client) => outcomeOf(client))).toMatchObject([1, 2, 3].map((turn) => ({ status: "interrupted", turn, parts: [] })));
    expect(chat.tells).toMatchObject([{ body: { turn: 3, messages: 3 } }]);
    chat.reply("hello");
    expect(outcomeOf(last)).toMatchObject({ status: "complete", replyId: "r4-1" });
    expect(chat.calls).toEqual([]);
  });
});

describe("chunks, stop and attempts (C4)", () => {
  it("stop keeps what was said so far, answers who waits, and the next message's reply begins", () => {
    const chat = Chat.opened();
    const client = chat.post("k1", { stream: true });
    chat.post("k2");
    chat.chunk(0, "one ");
    chat.chunk(1, "two");
    expect(chat.command("stop").answers).toEqual([{ ok: true, value: { replyId: "r1-1" } }]);
    const outcome = outcomeOf(client);
    expect([outcome.status, joined(outcome.parts), outcome.chars]).toEqual(["stopped", "one two", 7]);
    expect(chat.events.at(-2)).toMatchObject({ kind: "replyStopped", parts: [sealed("one "), sealed("two")], chars: 7, supersedes: null });
    expect(chat.request).toMatchObject({ replyId: "r2-1", messages: [{ role: "user" }, { parts: [sealed("one "), sealed("two")] }, {}] });
    expect(outcomeOf(chat.post("k1"))).toEqual(repeatOf(outcome));
  });

  it("stop with nothing under way does nothing; before the first chunk it keeps nothing", () => {
    const chat = Chat.opened();
    expect(chat.command("stop").answers).toEqual([{ ok: true, value: { replyId: null } }]);
    const client = chat.post("k1");
    chat.command("stop");
    expect(outcomeOf(client)).toMatchObject({ status: "stopped", parts: [], chars: 0 });
    expect([chat.calls, viewOf(chat)]).toMatchObject([[], { value: { messages: 1 } }]);
  });

  it("chunks that are not the next of their attempt are left out; the whole reply is what counts", () => {
    const chat = Chat.opened();
    const client = chat.post("k1", { stream: true });
    chat.chunk(0, "a");
    chat.chunk(0, "a");
    chat.chunk(2, "c");
    chat.chunk(1, "b");
    expect(chat.events.filter(({ kind }) => kind === "replyChunk")).toMatchObject([
      { index: 0, attempt: 1 },
      { index: 1, attempt: 1 },
    ]);
    chat.reply("abc");
    expect(joined(outcomeOf(client).parts)).toBe("abc");
  });

  it("another attempt first closes what the one before it said; a late chunk of the old one is left out", () => {
    const chat = Chat.opened();
    const client = chat.post("k1", { stream: true });
    chat.chunk(0, "old ", 1);
    chat.chunk(1, "words", 1);
    chat.chunk(0, "new", 2);
    chat.chunk(2, "late", 1);
    const said = chat.events.slice(-2);
    expect(said).toMatchObject([
      { kind: "replyInterrupted", replyId: "r1-1", attempt: 1, parts: [sealed("old "), sealed("words")], chars: 9, isOver: false },
      { kind: "replyChunk", attempt: 2, index: 0, text: sealed("new") },
    ]);
    expect(client.answers).toEqual([]);
    chat.reply("newer", 3);
    expect(chat.events.slice(-2)).toMatchObject([{ kind: "replyInterrupted", attempt: 2, isOver: false }, { kind: "replied" }]);
    expect(joined(outcomeOf(client).parts)).toBe("newer");
    expect(viewOf(chat)).toMatchObject({ value: { messages: 2 } });
  });

  it("what a reply said that failed in the end is closed too, and is no message", () => {
    const chat = Chat.opened();
    chat.post("k1", { stream: true });
    chat.chunk(0, "half");
    chat.refuse("reply");
    expect(chat.events.slice(-2)).toMatchObject([{ kind: "replyInterrupted", isOver: false }, { kind: "replyFailed" }]);
    expect(viewOf(chat)).toMatchObject({ value: { messages: 1 } });
  });

  it("L6: at most 2,000 chunks are kept", () => {
    const chat = Chat.opened();
    chat.post("k1", { stream: true });
    for (let index = 0; index < 2_010; index++) chat.chunk(index, "x");
    expect(chat.events.filter(({ kind }) => kind === "replyChunk").length).toBe(2_000);
  });
});

describe("regenerate", () => {
  it("replaces the reply of the last turn; the summary is not told again", () => {
    const chat = Chat.opened();
    chat.post("k1");
    chat.reply("first");
    chat.post("k2");
    chat.reply("second");
    chat.finish();
    const client = chat.command("regenerate", { replyId: "r2-1", stream: true }, "g1");
    expect(chat.request.messages.map(({ parts }) => joined(parts))).toEqual(["text of k1", "first", "text of k2"]);
    chat.reply("better");
    expect(outcomeOf(client)).toMatchObject({ messageId: "m-k2", turn: 2, replyId: "r2-2", status: "complete" });
    expect(chat.events.at(-1)).toMatchObject({ kind: "replied", supersedes: "r2-1" });
    expect([chat.tells, viewOf(chat)]).toMatchObject([[], { value: { turns: 2, messages: 4 } }]);
    expect(outcomeOf(chat.command("regenerate", { replyId: "r2-1" }, "g1"))).toEqual(repeatOf(outcomeOf(client)));
    chat.post("k3");
    expect(chat.request.messages.map(({ parts }) => joined(parts))).toEqual(["text of k1", "first", "text of k2", "better", "text of k3"]);
  });

  it("the earlier reply stands when the new one has no text, and after a failed one there is a reply at last", () => {
    const chat = Chat.opened();
    chat.post("k1");
    chat.reply("first");
    chat.command("regenerate", { replyId: "r1-1" }, "g1");
    chat.refuse("reply");
    chat.command("regenerate", { replyId: "r1-2" }, "g2");
    chat.command("stop");
    expect(chat.events.filter((event) => "supersedes" in event && event.supersedes !== null)).toEqual([]);
    chat.command("regenerate", { replyId: "r1-1", stream: true }, "g3");
    chat.chunk(0, "part");
    chat.command("stop");
    expect(chat.events.at(-1)).toMatchObject({ kind: "replyStopped", replyId: "r1-4", supersedes: "r1-1" });
    expect(viewOf(chat)).toMatchObject({ value: { messages: 2 } });
    const failed = Chat.opened();
    failed.post("k1");
    failed.refuse("reply");
    failed.command("regenerate", { replyId: "r1-1" }, "g1");
    failed.reply("at last");
    expect(failed.events.at(-1)).toMatchObject({ kind: "replied", supersedes: null });
    expect(viewOf(failed)).toMatchObject({ value: { messages: 2 } });
  });

  it("is refused while a reply is under way and for what is no reply of the last turn; a post interrupts it", () => {
    const chat = Chat.opened();
    expect(chat.command("regenerate", { replyId: "r1-1" }, "g0").answers).toEqual(refusedWith("illegal_transition"));
    chat.post("k1");
    expect(chat.command("regenerate", { replyId: "r1-1" }, "g0").answers).toEqual(refusedWith("illegal_transition"));
    chat.reply("first");
    expect(chat.command("regenerate", { replyId: "r1-2" }, "g0").answers).toEqual(refusedWith("illegal_transition"));
    const again = chat.command("regenerate", { replyId: "r1-1" }, "g0");
    const next = chat.post("k2", { onBusy: "interrupt" });
    expect(outcomeOf(again)).toMatchObject({ status: "interrupted", turn: 1, replyId: "r1-2" });
    chat.reply("second");
    expect(outcomeOf(next)).toMatchObject({ status: "complete", turn: 2 });
    expect(chat.command("regenerate", { replyId: "r1-1" }, "g2").answers).toEqual(refusedWith("illegal_transition"));
  });
});

describe("the context", () => {
  it("is at most 50 messages and 32 KiB of sealed text, the newest, and the message in any case", () => {
    const chat = Chat.opened();
    for (let n = 0; n < 80; n++) chat.post(`k${n}`, { wantsReply: false });
    chat.post("last");
    expect(chat.request.messages.length).toBe(50);
    expect(joined(chat.request.messages[0]?.parts ?? null)).toBe("text of k31");
    const large = Chat.opened();
    for (let n = 0; n < 10; n++) large.post(`k${n}`, { wantsReply: false, text: `s1.${"A".repeat(7_000)}` });
    large.post("last", { text: `s1.${"B".repeat(13_000)}` });
    expect(large.request.messages.map(({ parts }) => parts[0]?.length)).toEqual([7_003, 7_003, 13_003]);
    large.command("stop");
    large.post("huge", { text: `s1.${"C".repeat(100_000)}` });
    expect(large.request.messages.length).toBe(1);
  });

  it("lets go what the summary covers, but for the last 10 messages", () => {
    const chat = Chat.opened();
    for (let n = 0; n < 30; n++) chat.post(`k${n}`, { wantsReply: false });
    chat.finish();
    chat.post("last");
    expect(opened(chat.request.summary ?? "s1.")).toMatch(/^1-1 /);
    expect(chat.request.messages.length).toBe(11);
  });
});

describe("delete (C6)", () => {
  it("answers all who wait, cancels the reply, erases the summary, destroys the key, and leaves a tombstone", () => {
    const chat = Chat.opened();
    chat.post("k1");
    chat.reply("hello");
    chat.tellAll();
    const waiting = ["k2", "k3", "k2"].map((id) => chat.post(id));
    expect(chat.command("delete").answers).toEqual([{ ok: true, value: { id: ID } }]);
    for (const client of waiting) expect(outcomeOf(client)).toMatchObject({ status: "failed", code: "not_found", parts: [] });
    expect(chat.call("reply")).toBeUndefined();
    expect(chat.calls.map(({ effect }) => effect).at(-1)).toEqual({
      kind: "call",
      to: "conversation-keys",
      command: "destroy",
      body: { conversation: ID },
    });
    chat.tellAll();
    expect([chat.state(), chat.state("summary")]).toEqual([{ phase: "deleted" }, { phase: "erased" }]);
    expect(chat.call("summary")).toBeUndefined();
    for (const command of ["get", "stop"]) expect(chat.command(command).answers).toEqual(refusedWith("not_found"));
    // Who was not told the first time says it again.
    expect(chat.command("delete")).toMatchObject({ answers: [{ ok: true, value: { id: ID } }] });
    expect(chat.post("k1").answers).toEqual(refusedWith("not_found"));
    expect(chat.askSummary("get").answers).toEqual(refusedWith("not_found"));
    expect(chat.command("open", { onBusy: "enqueue", instructions: null, user: null }).answers).toEqual(refusedWith("already_exists"));
  });
});
