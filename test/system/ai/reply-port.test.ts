/** The port "reply" with a model that a test plays, and with the built-in one: sealing, chunks, stop, and what it is when a conversation was deleted (R-CON-9, TRAPS 27). */
import { describe, expect, it } from "vitest";
import { Fault, type Json, PortFailure } from "../../../src/runtime/index.ts";
import { TEXT_BYTES_MAX, type TextKeys } from "../../../src/system/ai/conversation-text.ts";
import { LocalReplier } from "../../../src/system/ai/local-replier.ts";
import type { Replier } from "../../../src/system/ai/replier.ts";
import { replyPort } from "../../../src/system/ai/reply-port.ts";
import { loadConfig } from "../../../src/system/config/config.ts";

const { ai } = loadConfig({ argv: [], env: {}, cwd: "." });
/** Shows for whom and as what a text was sealed. */
const plainKeys: TextKeys = {
  seal: (id, context, text) => `<${id} ${context}>${text}`,
  reader: () => (sealed) => sealed.replace(/^<[^>]*>/, ""),
};
const goneKeys: TextKeys = {
  seal: () => {
    throw new Fault("not_found", "the key was destroyed");
  },
  reader: () => null,
};
const BODY = {
  conversation: "c",
  user: null,
  turn: 2,
  replyId: "r",
  instructions: "<c i>Be brief.",
  summary: null,
  messages: [
    { role: "user", speaker: "<c s1>Anna", parts: ["<c m1>Good ", "<c m1b>morning"] },
    { role: "assistant", speaker: null, parts: ["<c r1>Hello"] },
    { role: "user", speaker: "<c s2>Ben", parts: ["<c m2>When is lunch?"] },
  ],
  temperature: 0.7,
  maxTokens: 1_000,
  stream: true,
};

/** Performs one attempt; `chunks` is what it told meanwhile. */
async function perform(
  replier: Replier,
  options: { body?: object; keys?: TextKeys; signal?: AbortSignal; progress?: (value: Json) => Promise<void> } = {},
) {
  const { body = {}, keys = plainKeys, signal = new AbortController().signal } = options;
  const chunks: Json[] = [];
  const progress = options.progress ?? (async (value: Json) => void chunks.push(value));
  const port = replyPort({ ai, concurrencyMax: 4, keyRing: keys, replier });
  const request = { id: "1", key: "store.1", command: "reply", body: { ...BODY, ...body } as Json, attempt: 2, from: "conversation/c" };
  const context = { signal, progress };
  return { answer: await port.perform(request, context), chunks };
}
/** Says these words, and what it was asked. */
const saying = (words: readonly string[], asked: unknown[] = []): Replier => ({
  async reply(context, _call, take) {
    asked.push(context);
    if (take !== null) for (const word of words) await take(word);
    return { text: words.join(""), usage: { promptTokens: 1, completionTokens: 2 } };
  },
});

describe("a reply", () => {
  it("is made of opened texts, and sealed; the chunks are sealed each by itself and make the whole", async () => {
    const asked: unknown[] = [];
    const { answer, chunks } = await perform(saying(["At ", "noon", "."], asked));
    expect(asked).toEqual([
      {
        instructions: "Be brief.",
        summary: null,
        messages: [
          { role: "user", speaker: "Anna", text: "Good morning" },
          { role: "assistant", speaker: null, text: "Hello" },
          { role: "user", speaker: "Ben", text: "When is lunch?" },
        ],
        temperature: 0.7,
        maxTokens: 1_000,
      },
    ]);
    expect(answer).toEqual({ text: "<c r>At noon.", chars: 8, usage: { promptTokens: 1, completionTokens: 2 } });
    expect(chunks).toEqual([
      { index: 0, text: "<c r.2.0>At ", chars: 3 },
      { index: 1, text: "<c r.2.1>noon.", chars: 5 },
    ]);
  });

  it("comes whole when nobody wants it in chunks", async () => {
    const { answer, chunks } = await perform(saying(["At ", "noon."]), { body: { stream: false } });
    expect([answer, chunks]).toMatchObject([{ text: "<c r>At noon.", chars: 8 }, []]);
  });

  it("L6: too long to be stored it is refused, and not attempted again", async () => {
    const word = "ä".repeat(1_000);
    const work = perform(saying(Array.from({ length: TEXT_BYTES_MAX / 2_000 + 1 }, () => word)));
    await expect(work).rejects.toMatchObject({ isRetryable: false, code: "UPSTREAM_BAD_RESPONSE" });
    await expect(perform(saying(Array.from({ length: 1_000 }, () => word)))).rejects.toMatchObject({ isRetryable: false });
  });

  it("of a conversation that was deleted meanwhile is refused, and not attempted again", async () => {
    await expect(perform(saying(["no"]), { keys: goneKeys })).rejects.toMatchObject({ isRetryable: false, code: "not_found" });
    const late: TextKeys = { ...plainKeys, seal: goneKeys.seal };
    await expect(perform(saying(["no"]), { keys: late })).rejects.toMatchObject({ isRetryable: false, code: "not_found" });
  });

  it("fails as its model fails, also after chunks; what a chunk is refused with ends it", async () => {
    const failing: Replier = {
      async reply(_context, _call, take) {
        await take?.("One ");
        throw new PortFailure("the endpoint answered 500", { status: 500 });
      },
    };
    await expect(perform(failing)).rejects.toMatchObject({ status: 500 });
    const refusing = perform(saying(["a", "b"]), { progress: () => Promise.reject(new Error("nobody wants it")) });
    await expect(refusing).rejects.toThrow("nobody wants it");
  });
});

describe("the built-in replier", () => {
  it("says what it is, what was said last and by whom, and the summary; the same every time", async () => {
    const { answer } = await perform(new LocalReplier({ wordMs: 0 }), { body: { stream: false, summary: "<c s>They greet each other." } });
    expect(answer).toEqual({
      text: [
        "<c r>No language model is configured here, so this is the built-in replier: it understands nothing and only reads back.",
        'Ben said last: "When is lunch?". Before that, Anna said: "Good morning".',
        "I have 3 messages at hand, with words of Anna, Ben. The summary so far: They greet each other.",
        "Set ai.url to an OpenAI-compatible endpoint for real replies.",
      ].join(" "),
      chars: 344,
    });
    expect(
      (await perform(new LocalReplier({ wordMs: 0 }), { body: { stream: false, summary: "<c s>They greet each other." } })).answer,
    ).toEqual(answer);
  });

  it("streams word by word, with rests when they are configured; the chunks make the whole", async () => {
    const { answer, chunks } = await perform(new LocalReplier({ wordMs: 5 }));
    const texts = (chunks as unknown as readonly { text: string }[]).map(({ text }) => plainKeys.reader("c")?.(text) ?? "");
    expect(texts[0]).toBe("No ");
    expect(texts.length).toBeGreaterThan(2);
    expect(`<c r>${texts.join("")}`).toBe((answer as { text: string }).text);
  });

  it("TRAPS 27: stops when it is stopped", async () => {
    const controller = new AbortController();
    const work = perform(new LocalReplier({ wordMs: 10_000 }), { signal: controller.signal });
    controller.abort(new Error("the effect was cancelled"));
    await expect(work).rejects.toThrow("the effect was cancelled");
  });

  it("keeps to its limit of tokens", async () => {
    const { answer } = await perform(new LocalReplier({ wordMs: 0 }), { body: { stream: false, maxTokens: 10 } });
    expect(answer).toEqual({ text: "<c r>No language model is configured here, s…", chars: 40 });
  });
});
