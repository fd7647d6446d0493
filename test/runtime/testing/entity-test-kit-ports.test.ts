/** The kit's ports: a test performs what its entities hand out, tells progress and outcomes, and sees what they cancel (L2, L4, R-CON-9). */
import { describe, expect, it } from "vitest";
import { accept, defineEntity, reply } from "../../../src/runtime/index.ts";
import { EntityTestKit } from "../../../src/runtime/testing/index.ts";
import { any } from "../shard/domain-bench.ts";

type ChatEvent =
  | { readonly kind: "asked"; readonly by: string }
  | { readonly kind: "heard"; readonly text: string }
  | { readonly kind: "answered"; readonly text: string };
type Chat = { readonly by: string; readonly texts: readonly string[] };

const chat = defineEntity({
  type: "chat",
  version: 1,
  commands: {
    ask: { body: any<object>(), reply: any<string>() },
    stop: { body: any<object>(), reply: any<null>() },
    get: { body: any<object>(), reply: any<Chat>() },
  },
  events: {
    asked: any<{ readonly kind: "asked"; readonly by: string }>(),
    heard: any<{ readonly kind: "heard"; readonly text: string }>(),
    answered: any<{ readonly kind: "answered"; readonly text: string }>(),
  },
  initial: (): Chat => ({ by: "", texts: [] }),
  decide: {
    ask: (_state, _body, { id }) =>
      accept<ChatEvent, string>([{ kind: "asked", by: id }], {
        isAnsweredLater: true,
        effects: [{ kind: "call", to: "reply", command: "reply", body: {}, label: "reply", answerTo: "replied", progressTo: "chunk" }],
      }),
    stop: ({ by }) =>
      accept<ChatEvent, null>([{ kind: "answered", text: "stopped" }], {
        reply: null,
        cancels: ["reply"],
        settles: [{ id: by, value: "stopped" }],
      }),
    get: (state) => reply(state),
  },
  progress: { chunk: (_state, value, { attempt }) => accept<ChatEvent>([{ kind: "heard", text: `${attempt}:${value}` }]) },
  answers: {
    replied: ({ by }, answer) => {
      const text = answer.ok ? String(answer.value) : answer.code;
      return accept<ChatEvent>([{ kind: "answered", text }], { settles: [{ id: by, value: text }] });
    },
  },
  evolve: {
    asked: ({ texts }, { by }) => ({ by, texts }),
    heard: ({ by, texts }, { text }) => ({ by, texts: [...texts, text] }),
    answered: ({ by, texts }, { text }) => ({ by, texts: [...texts, text] }),
  },
  snapshot: { encode: (state) => state, decode: (json) => json as Chat },
});
const kitOf = (seed = 1) => new EntityTestKit({ definitions: [chat], ports: ["reply"], threadCount: 2, seed });

describe("the kit's ports", () => {
  it("an attempt is the test's: progress is handled when it resolves, the outcome answers who waits", async () => {
    const kit = kitOf();
    const asked = kit.entity(chat, "c").ask.ask({}, { id: "q" });
    const attempt = await kit.attempt("reply");
    expect(attempt.effect).toMatchObject({ to: "reply", from: "chat/c", attempt: 1, wantsProgress: true });
    for (const text of ["a", "b"]) await attempt.progress(text);
    expect(kit.state(chat, "c").texts).toEqual(["1:a", "1:b"]);
    await attempt.end({ kind: "done", value: "hello" });
    expect([await asked, attempt.ended, kit.violations]).toEqual([{ ok: true, value: "hello" }, "ended", []]);
    await kit.settle();
  });

  it("a failed attempt is followed by the next one after its rest, and a crash by one with another number when something was heard", async () => {
    const kit = kitOf();
    const asked = kit.entity(chat, "c").ask.ask({}, { id: "q" });
    const first = await kit.attempt("reply");
    await first.end({ kind: "failed", error: "reset", afterMs: 5_000 });
    const before = kit.nowMs;
    const second = await kit.attempt("reply");
    expect([second.effect.attempt, kit.nowMs - before >= 4_900]).toEqual([2, true]);
    await second.progress("a");
    await kit.crash();
    expect([second.ended, await asked]).toMatchObject(["lost", { ok: false, code: "OUTCOME_UNKNOWN" }]);
    await expect(second.progress("b")).rejects.toThrow("was lost: nobody hears of it");
    const third = await kit.attempt("reply");
    expect(third.effect.attempt).toBe(3);
    await third.end({ kind: "refused", code: "UPSTREAM_BAD_RESPONSE", detail: "no" });
    expect(kit.state(chat, "c").texts).toEqual(["2:a", "UPSTREAM_BAD_RESPONSE"]);
    expect(kit.violations).toEqual([]);
  });

  it.each([1, 2, 3, 4, 5, 6, 7, 8])(
    "what an entity cancels is seen, and several wait for replies of their own at once: seed %i",
    async (seed) => {
      const kit = kitOf(seed);
      const asked = ["c", "d"].map((id) => kit.entity(chat, id).ask.ask({}, { id: `q-${id}` }));
      const attempts = [await kit.attempt("reply"), await kit.attempt("reply")];
      expect(await kit.entity(chat, "c").ask.stop({})).toEqual({ ok: true, value: null });
      await kit.settle();
      await kit.advance(10);
      const stateOf = Object.fromEntries(attempts.map(({ effect, ended }) => [effect.from, ended]));
      expect(stateOf).toEqual({ "chat/c": "cancelled", "chat/d": null });
      await attempts.find(({ ended }) => ended === null)?.end({ kind: "done", value: "hello" });
      expect(await Promise.all(asked)).toEqual([
        { ok: true, value: "stopped" },
        { ok: true, value: "hello" },
      ]);
    },
  );

  it("an attempt that never comes is said to be waited for in vain", async () => {
    await expect(kitOf().attempt("reply")).rejects.toThrow("for an attempt at the port reply, in vain");
  });
});
