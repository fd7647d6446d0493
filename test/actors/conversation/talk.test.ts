/** Conversations and summaries on the real shard, commit, recovery and performer code, in virtual time, with ports that stand for an AI. */
import { describe, expect, it } from "vitest";
import { conversation, type PostReply, type ReplyRequest, reachedIdOf, type SummaryRequest, summary } from "../../../src/actors/index.ts";
import { type Answer, PortFailure } from "../../../src/runtime/index.ts";
import { EntityTestKit, type KitPort, Random } from "../../../src/runtime/testing/index.ts";
import { joined, opened, sealed } from "./chat.ts";

interface Ai {
  replyMs: number;
  summaryMs: number;
  /** Summaries fail as long as it is set. */
  isSummaryDown: boolean;
  /** Replies fail for good. */
  isReplyDown: boolean;
  replies: number;
  destroyed: string[];
}

function kitOf(given: Partial<Ai> = {}, threadCount = 2) {
  const ai: Ai = { replyMs: 32, summaryMs: 152, isSummaryDown: false, isReplyDown: false, replies: 0, destroyed: [], ...given };
  const down = { failure: new PortFailure("no", { status: 503, code: "UPSTREAM_TIMEOUT" }) };
  const backoff = { backoffMsMin: 2_000, backoffMsMax: 30_000, jitterRatio: 0.5, attemptsMax: 4, breaker: null };
  const ports: readonly KitPort[] = [
    {
      name: "reply",
      kind: "call",
      policy: { ...backoff, concurrencyMax: 50 },
      attempt: ({ body }) => {
        ai.replies++;
        const { replyId } = body as ReplyRequest;
        const words = ["one ", "two ", "three ", replyId];
        const tells = words.map((word, index) => ({ index, text: sealed(word), chars: word.length }));
        const text = words.join("");
        return { ms: ai.replyMs, tells, end: ai.isReplyDown ? down : { answer: { text: sealed(text), chars: text.length } } };
      },
    },
    {
      name: "summary",
      kind: "call",
      policy: { ...backoff, concurrencyMax: 8, deadlineMs: null },
      attempt: ({ body }) => {
        const { previous, fromTurn, toTurn } = body as SummaryRequest;
        const turns = Array.from({ length: toTurn - fromTurn + 1 }, (_, at) => `${fromTurn + at}`).join(" ");
        const text = previous === null ? turns : `${opened(previous)} ${turns}`;
        return { ms: ai.summaryMs, end: ai.isSummaryDown ? down : { answer: { text: sealed(text), memory: null } } };
      },
    },
    {
      name: "conversation-keys",
      kind: "call",
      attempt: ({ body }) => {
        ai.destroyed.push((body as { readonly conversation: string }).conversation);
        return { ms: 1, end: { answer: null } };
      },
    },
  ];
  return { ai, kit: new EntityTestKit({ definitions: [conversation, summary], answering: ports, threadCount }) };
}

type Kit = EntityTestKit;
type OnBusy = "enqueue" | "reject" | "interrupt";

async function open(kit: Kit, id: string, onBusy: OnBusy = "enqueue"): Promise<void> {
  expect(await kit.entity(conversation, id).ask.open({ onBusy, instructions: null, user: "ann" })).toMatchObject({ ok: true });
}
const post = (kit: Kit, id: string, key: string, more: { readonly wantsReply?: boolean; readonly stream?: boolean } = {}) =>
  kit
    .entity(conversation, id)
    .ask.post(
      { messageId: `m-${key}`, speaker: sealed("ann"), text: sealed(`text of ${key}`), chars: 9, wantsReply: true, ...more },
      { id: key, timeoutMs: 500_000 },
    );
const statusesOf = (answers: ReadonlyArray<Answer<PostReply>>) => answers.map((answer) => (answer.ok ? answer.value.status : answer.code));
const keys = (count: number) => Array.from({ length: count }, (_, n) => `k${n + 1}`);

/** The turns that the summary says it covers, as the ports wrote them down one after the other. */
function summarizedTurns(kit: Kit, id: string): string {
  const state = kit.state(summary, id);
  return state.phase === "kept" && state.text !== null ? opened(state.text) : "";
}
const countTo = (turns: number) => Array.from({ length: turns }, (_, n) => `${n + 1}`).join(" ");

describe("R-CON-1: a turn's time is the reply's", () => {
  it.each([
    ["slow", { summaryMs: 15_200 }],
    ["failing", { isSummaryDown: true }],
  ])("whatever the summary does: %s", async (_name, given) => {
    const timeOf = async (ai: Partial<Ai>): Promise<number> => {
      const { kit } = kitOf(ai);
      await open(kit, "c");
      const before = kit.nowMs;
      for (const key of keys(10)) expect(statusesOf([await post(kit, "c", key)])).toEqual(["complete"]);
      return kit.nowMs - before;
    };
    // Virtual time: the two differ by what commits take.
    expect((await timeOf(given)) / (await timeOf({}))).toBeCloseTo(1, 1);
  });

  it("R-CON-7: who wants the summary too waits for it by itself", async () => {
    const { kit } = kitOf();
    await open(kit, "c");
    const replied = await post(kit, "c", "k1");
    const before = kit.nowMs;
    const reached = await kit.entity(summary, "c").ask.reached({ turn: 1 }, { id: reachedIdOf(1) });
    expect([statusesOf([replied]), reached]).toEqual([["complete"], { ok: true, value: { upToTurn: 1, messageCount: 2, code: null } }]);
    expect(kit.nowMs - before).toBeGreaterThan(140);
  });
});

describe("R-CON-9: 10 posts at once", () => {
  it.each<[OnBusy, readonly string[], number]>([
    ["enqueue", keys(10).map(() => "complete"), 10],
    ["reject", ["complete", ...keys(9).map(() => "illegal_transition")], 1],
    ["interrupt", [...keys(9).map(() => "interrupted"), "complete"], 10],
  ])("%s", async (onBusy, expected, turns) => {
    const { kit } = kitOf();
    await open(kit, "c", onBusy);
    const answers = await Promise.all(keys(10).map((key) => post(kit, "c", key)));
    // Which one comes first is up to the way there; how they end is not.
    expect(statusesOf(answers).sort()).toEqual([...expected].sort());
    await kit.settle();
    const view = await kit.entity(conversation, "c").ask.get({});
    expect(view).toMatchObject({ value: { turns, isReplying: false, queued: 0, summarizedTurn: turns } });
    expect([summarizedTurns(kit, "c"), kit.violations]).toEqual([countTo(turns), []]);
  });

  it("a conversation that is never idle goes on: a reply is an outside input, not a link of a chain without one", async () => {
    const { ai, kit } = kitOf();
    await open(kit, "c");
    const answers: Array<Promise<Answer<PostReply>>> = [];
    for (const key of keys(300)) {
      answers.push(post(kit, "c", key));
      if (answers.length > 50) await kit.advance(45);
    }
    expect(new Set(statusesOf(await Promise.all(answers)))).toEqual(new Set(["complete"]));
    await kit.settle();
    expect([ai.replies, summarizedTurns(kit, "c"), kit.violations]).toEqual([300, countTo(300), []]);
  });
});

describe("stop, crash, delete", () => {
  it("stop keeps the chunks so far and ends the call; the repeat gets the same", async () => {
    const { ai, kit } = kitOf({ replyMs: 1_000 });
    await open(kit, "c");
    const posted = post(kit, "c", "k1", { stream: true });
    await Promise.resolve();
    await kit.advance(650);
    expect(await kit.entity(conversation, "c").ask.stop({})).toEqual({ ok: true, value: { replyId: "r1-1" } });
    const answer = await posted;
    expect(answer).toMatchObject({ ok: true, value: { status: "stopped", code: null } });
    const parts = answer.ok ? answer.value.parts : null;
    expect("one two three ").toContain(joined(parts));
    expect(parts?.length).toBeGreaterThan(0);
    await kit.settle();
    expect([kit.effectsOpen, ai.replies, kit.violations]).toEqual([[], 1, []]);
    expect(await post(kit, "c", "k1", { stream: true })).toEqual({
      ok: true,
      value: { ...(answer.ok ? answer.value : {}), parts: null, isRepeat: true },
    });
  });

  it("a crash in the middle of a reply closes what was said as interrupted; the reply comes, and the repeat waits for it", async () => {
    const { kit } = kitOf({ replyMs: 1_000 });
    await open(kit, "c");
    const posted = post(kit, "c", "k1", { stream: true });
    await Promise.resolve();
    await kit.advance(650);
    await kit.crash();
    expect(statusesOf([await posted])).toEqual(["OUTCOME_UNKNOWN"]);
    const again = await post(kit, "c", "k1", { stream: true });
    expect(again).toMatchObject({ ok: true, value: { status: "complete", replyId: "r1-1" } });
    expect(joined(again.ok ? again.value.parts : null)).toBe("one two three r1-1");
    const events = kit.events(conversation, "c");
    const interrupted = events.filter((event) => event.kind === "replyInterrupted");
    expect(interrupted).toMatchObject([{ attempt: 1, isOver: false }]);
    const chunks = events.flatMap((event) => (event.kind === "replyChunk" ? [`${event.attempt}.${event.index}`] : []));
    expect(chunks.slice(-4)).toEqual(["2.0", "2.1", "2.2", "2.3"]);
    await kit.settle();
    expect([summarizedTurns(kit, "c"), kit.violations]).toEqual(["1", []]);
  });

  it("C6: delete answers who waits, ends the calls, and destroys the key", async () => {
    const { ai, kit } = kitOf({ replyMs: 60_000, summaryMs: 60_000 });
    await open(kit, "c");
    await post(kit, "c", "k0", { wantsReply: false });
    const waiting = keys(3).map((key) => post(kit, "c", key));
    await Promise.resolve();
    await kit.advance(1_000);
    expect(await kit.entity(conversation, "c").ask.delete({})).toMatchObject({ ok: true });
    expect(await Promise.all(waiting)).toMatchObject(waiting.map(() => ({ value: { status: "failed", code: "not_found" } })));
    await kit.settle();
    expect([ai.destroyed, kit.effectsOpen, kit.state(summary, "c"), kit.violations]).toEqual([["c"], [], { phase: "erased" }, []]);
    expect(statusesOf([await post(kit, "c", "k1")])).toEqual(["not_found"]);
  });
});

describe("failures", () => {
  it("R-CON-6: upstream down: the answer says so, nothing is lost, and another reply can be asked for", async () => {
    const { ai, kit } = kitOf({ isReplyDown: true });
    await open(kit, "c");
    const failed = await post(kit, "c", "k1");
    expect(failed).toMatchObject({ ok: true, value: { status: "failed", code: "UPSTREAM_TIMEOUT", parts: [] } });
    expect(ai.replies).toBe(4);
    ai.isReplyDown = false;
    const again = await kit.entity(conversation, "c").ask.regenerate({ replyId: "r1-1" }, { id: "g1" });
    expect(again).toMatchObject({ ok: true, value: { status: "complete", replyId: "r1-2", messageId: "m-k1" } });
  });

  it("R-CON-5: a summary that fails for good is a dead letter; replayed, it and all after it are made, in order", async () => {
    const { ai, kit } = kitOf({ isSummaryDown: true });
    await open(kit, "c");
    for (const key of keys(5)) expect(statusesOf([await post(kit, "c", key)])).toEqual(["complete"]);
    await kit.advance(120_000);
    const dead = kit.effectsOpen;
    expect(dead).toMatchObject([{ state: "dead", to: "summary", attempts: 4 }]);
    await kit.crash();
    expect(statusesOf([await post(kit, "c", "k6")])).toEqual(["complete"]);
    ai.isSummaryDown = false;
    await kit.resolve(dead[0]?.id ?? "", "replay");
    await kit.settle();
    expect([summarizedTurns(kit, "c"), kit.violations]).toEqual([countTo(6), []]);
    const made = kit.events(summary, "c").flatMap((event) => (event.kind === "summarized" ? [[event.fromTurn, event.toTurn]] : []));
    expect(made).toEqual([
      [1, 1],
      [2, 6],
    ]);
  });

  it.each([1, 2, 3, 4, 5])(
    "R-CON-4: crashes at any moment (seed %i): every message and reply once, every turn in one summary, in order",
    async (seed) => {
      const TURNS = 12;
      const { kit } = kitOf({ replyMs: 30, summaryMs: 100 }, 3);
      const random = new Random(seed);
      const talks = keys(8).map((key) => ({ id: `conversation-${key}`, turns: 0 }));
      for (const { id } of talks) await open(kit, id);
      let unknown = 0;
      while (talks.some(({ turns }) => turns < TURNS)) {
        const open = talks.filter(({ turns }) => turns < TURNS);
        const asked = open.map(({ id, turns }) => post(kit, id, `k${turns + 1}`, { wantsReply: turns % 4 !== 3, stream: true }));
        await new Promise((resolve) => queueMicrotask(() => resolve(null)));
        await kit.advance(random.between(1, 60));
        if (random.chance(0.5)) await kit.crash();
        const statuses = statusesOf(await Promise.all(asked));
        for (const [at, talk] of open.entries()) {
          // A client that was told that the outcome is unknown asks again under the same key.
          if (statuses[at] === "complete" || statuses[at] === "stored") talk.turns++;
          else expect(["OUTCOME_UNKNOWN", "SHUTTING_DOWN", "JOURNAL_UNAVAILABLE"]).toContain(statuses[at]);
          if (statuses[at] === "OUTCOME_UNKNOWN") unknown++;
        }
      }
      await kit.settle();
      expect(unknown).toBeGreaterThan(5);
      for (const { id } of talks) {
        const kinds = kit.events(conversation, id).map(({ kind }) => kind);
        const countOf = (wanted: string) => kinds.filter((kind) => kind === wanted).length;
        expect([countOf("posted"), countOf("replied"), countOf("replyFailed")]).toEqual([TURNS, 9, 0]);
        expect(summarizedTurns(kit, id)).toBe(countTo(TURNS));
        expect(kit.state(summary, id)).toMatchObject({ messageCount: TURNS + 9, backlog: [], underWay: null });
      }
      expect(kit.violations).toEqual([]);
    },
  );
});
