/** Random talk: whatever is posted, stopped, regenerated, told, refused and lost in any order, what a conversation and its summary promise holds. */
import fc from "fast-check";
import { expect, test } from "vitest";
import type { ConversationEvent, SummaryEvent } from "../../../src/actors/index.ts";
import { Chat, type Client } from "./chat.ts";

type Step =
  | { readonly do: "post"; readonly onBusy: "enqueue" | "reject" | "interrupt"; readonly wantsReply: boolean }
  | { readonly do: "repeat"; readonly of: number }
  | { readonly do: "regenerate"; readonly of: number }
  | { readonly do: "chunk"; readonly index: number; readonly attempt: number }
  | { readonly do: "reply" | "replyLost" | "stop" | "tell" | "tellAgain" | "summarize" | "summaryDropped" | "wait" | "delete" };

const stepOf = (canDelete: boolean): fc.Arbitrary<Step> =>
  fc.oneof(
    {
      weight: 8,
      arbitrary: fc.record({
        do: fc.constant("post" as const),
        onBusy: fc.constantFrom("enqueue" as const, "enqueue" as const, "reject" as const, "interrupt" as const),
        wantsReply: fc.boolean(),
      }),
    },
    { weight: 2, arbitrary: fc.record({ do: fc.constant("repeat" as const), of: fc.nat(30) }) },
    { weight: 2, arbitrary: fc.record({ do: fc.constant("regenerate" as const), of: fc.nat(30) }) },
    { weight: 4, arbitrary: fc.record({ do: fc.constant("chunk" as const), index: fc.nat(3), attempt: fc.integer({ min: 1, max: 3 }) }) },
    { weight: 6, arbitrary: fc.constant({ do: "reply" as const }) },
    { weight: 6, arbitrary: fc.constant({ do: "tell" as const }) },
    { weight: 4, arbitrary: fc.constant({ do: "summarize" as const }) },
    {
      weight: 4,
      arbitrary: fc.record({
        do: fc.constantFrom("replyLost" as const, "stop" as const, "tellAgain" as const, "summaryDropped" as const, "wait" as const),
      }),
    },
    { weight: canDelete ? 1 : 0, arbitrary: fc.constant({ do: "delete" as const }) },
  );

/** A chat and everybody who ever sent it a command that may be answered later. */
class Talk {
  readonly chat = Chat.opened();
  readonly clients: Client[] = [];
  readonly bodies = new Map<string, () => Client>();
  #lastTell: Chat["tells"][number] | undefined;

  step(step: Step): void {
    const { chat } = this;
    switch (step.do) {
      case "post": {
        const id = `k${this.bodies.size}`;
        return this.#send(id, () =>
          chat.post(id, { onBusy: step.onBusy, wantsReply: step.wantsReply, ...(step.wantsReply ? { stream: true } : {}) }),
        );
      }
      case "repeat": {
        const [id, again] = [...this.bodies][step.of] ?? [];
        if (id === undefined || again === undefined) return;
        return this.#send(id, again);
      }
      case "regenerate": {
        const begun = chat.events.flatMap((event) => (event.kind === "replyBegun" ? [event.replyId] : []));
        const id = `k${this.bodies.size}`;
        return this.#send(id, () => chat.command("regenerate", { replyId: begun.at(-1 - (step.of % 3)) ?? "r9-9", stream: true }, id));
      }
      case "chunk":
        return chat.call("reply") === undefined ? undefined : chat.chunk(step.index, "piece ", step.attempt);
      case "reply":
        return chat.call("reply") === undefined ? undefined : chat.reply("whole");
      case "replyLost":
        return chat.call("reply") === undefined ? undefined : chat.refuse("reply");
      case "summarize":
        return chat.call("summary") === undefined ? undefined : chat.summarize();
      case "summaryDropped":
        return chat.call("summary") === undefined ? undefined : chat.refuse("summary");
      case "tell":
        this.#lastTell = chat.tells[0] ?? this.#lastTell;
        return void chat.tell();
      case "tellAgain":
        // No runtime does this; the entities do not count on it.
        if (this.#lastTell !== undefined && this.#lastTell.command !== "erase") chat.tells.unshift(this.#lastTell);
        return;
      case "wait":
        chat.at += 1_000;
        return;
      case "stop":
      case "delete":
        return void chat.command(step.do);
    }
  }

  #send(id: string, send: () => Client): void {
    this.bodies.set(id, send);
    this.clients.push(send());
  }
}

/** Replies one at a time, in the order of turns; chunks of an attempt count 0, 1, 2; what was said is closed once; a turn is posted once. */
function expectOrder(events: readonly ConversationEvent[]): void {
  let underWay: string | null = null;
  let said = 0;
  let attempt = 0;
  let turns = 0;
  let begunTurn = 0;
  for (const event of events) {
    switch (event.kind) {
      case "posted":
        expect(event.turn).toBe(++turns);
        break;
      case "replyBegun":
        expect(underWay).toBeNull();
        if (event.asked === null) expect(event.turn).toBeGreaterThan(begunTurn);
        begunTurn = Math.max(begunTurn, event.turn);
        [underWay, said, attempt] = [event.replyId, 0, 0];
        break;
      case "replyChunk":
        expect([event.replyId, event.index]).toEqual([underWay, said]);
        expect(event.attempt).toBeGreaterThanOrEqual(attempt);
        if (event.attempt > attempt) expect(said).toBe(0);
        [said, attempt] = [said + 1, event.attempt];
        break;
      case "replyStopped":
      case "replyInterrupted":
        if (event.kind === "replyInterrupted" && event.replyId !== underWay) {
          expect([event.isOver, event.parts]).toEqual([true, []]); // It had waited in the queue.
          break;
        }
        expect([event.replyId, event.parts.length]).toEqual([underWay, said]);
        said = 0;
        if (event.kind === "replyStopped" || event.isOver) underWay = null;
        break;
      case "replied":
      case "replyFailed":
        expect(event.replyId).toBe(underWay);
        if (event.kind === "replyFailed") expect(said).toBe(0);
        underWay = null;
        break;
    }
  }
}

/** Each turn in exactly one summary, in order; the counts never go back. */
function expectSummaries(events: readonly SummaryEvent[]): { readonly turn: number; readonly messages: number } {
  let turn = 0;
  let messages = 0;
  for (const event of events) {
    if (event.kind !== "summarized") continue;
    expect(event.fromTurn).toBe(turn + 1);
    expect(event.toTurn).toBeGreaterThanOrEqual(event.fromTurn);
    expect(event.messageCount).toBeGreaterThanOrEqual(messages);
    [turn, messages] = [event.toTurn, event.messageCount];
  }
  return { turn, messages };
}

/** One outcome for each id, whoever asked, whenever. Refusals are not kept: the next one under the id may be taken. */
function expectAnswers(clients: readonly Client[]): void {
  const outcomes = new Map<string, string>();
  for (const { id, answers } of clients) {
    expect(answers.length).toBe(1);
    const [answer] = answers;
    if (answer?.ok !== true) continue;
    const outcome = JSON.stringify({ ...(answer.value as object), parts: null, isRepeat: undefined });
    expect(outcomes.get(id) ?? outcome).toBe(outcome);
    outcomes.set(id, outcome);
  }
}

test("R-CON-2, R-CON-9, L3: order, answers and summaries hold in random talk", { timeout: 60_000 }, () => {
  fc.assert(
    fc.property(fc.array(stepOf(false), { minLength: 1, maxLength: 80 }), (steps) => {
      const talk = new Talk();
      for (const step of steps) {
        talk.step(step);
        for (const { answers } of talk.clients) expect(answers.length).toBeLessThanOrEqual(1);
      }
      talk.chat.finish();
      // A summary that was dropped is done with the next turn.
      talk.step({ do: "post", onBusy: "enqueue", wantsReply: false });
      talk.chat.finish();
      expect(talk.chat.waitingCount).toBe(0);
      expectAnswers(talk.clients);
      expectOrder(talk.chat.events);
      const last = expectSummaries(talk.chat.summaryEvents);
      const view = talk.chat.command("get").answers[0] as unknown as {
        readonly value: { readonly turns: number; readonly messages: number };
      };
      expect(last).toEqual({ turn: view.value.turns, messages: view.value.messages });
    }),
    { numRuns: 300 },
  );
});

test("C6, L3: a conversation that is deleted in random talk leaves nobody waiting and nothing open", { timeout: 60_000 }, () => {
  fc.assert(
    fc.property(fc.array(stepOf(true), { minLength: 1, maxLength: 50 }), (steps) => {
      const talk = new Talk();
      for (const step of steps) talk.step(step);
      talk.chat.command("delete");
      talk.chat.tellAll();
      expect(talk.chat.waitingCount).toBe(0);
      expect(talk.chat.calls.map(({ effect }) => effect.to)).toEqual(["conversation-keys"]);
      expect([talk.chat.state(), talk.chat.state("summary")]).toEqual([{ phase: "deleted" }, { phase: "erased" }]);
      for (const { answers } of talk.clients) expect(answers.length).toBe(1);
      expectOrder(talk.chat.events);
      expectSummaries(talk.chat.summaryEvents);
    }),
    { numRuns: 200 },
  );
});
