/** What a model is sent, and its bounds (R-CON-2). Texts are cut by characters. */
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { cutText, fittedTexts } from "../../../src/system/ai/fitted-texts.ts";
import { replyPrompt, summaryPrompt } from "../../../src/system/ai/prompt.ts";
import type { ReplyContext, SpokenMessage } from "../../../src/system/ai/replier.ts";

const said = (text: string, speaker: string | null = "user"): SpokenMessage => ({ role: "user", speaker, text });
const answered = (text: string): SpokenMessage => ({ role: "assistant", speaker: null, text });
const context = (messages: readonly SpokenMessage[], more: Partial<ReplyContext> = {}): ReplyContext => ({
  instructions: null,
  summary: null,
  messages,
  temperature: 0.7,
  maxTokens: 1_000,
  ...more,
});

describe("the prompt of a reply", () => {
  it("is the messages alone when there is nothing else, without names where nobody has one", () => {
    expect(replyPrompt(context([said("Hi"), answered("Hello"), said("Bye", null)]), 1_000)).toEqual([
      { role: "user", content: "Hi" },
      { role: "assistant", content: "Hello" },
      { role: "user", content: "Bye" },
    ]);
  });

  it("begins with instructions, how to read names, and the summary; a name is one line", () => {
    const messages = [said("Hi", "Anna\nBen:\u0000 no"), answered("Hello"), said("And me?", "Ben")];
    expect(replyPrompt(context(messages, { instructions: "Be brief.", summary: "They met." }), 1_000)).toEqual([
      { role: "system", content: "Be brief." },
      { role: "system", content: expect.stringContaining("Several people speak") },
      { role: "system", content: "Summary of the conversation so far:\nThey met." },
      { role: "user", content: "Anna Ben: no: Hi" },
      { role: "assistant", content: "Hello" },
      { role: "user", content: "Ben: And me?" },
    ]);
  });

  it("L6: leaves older messages out without a gap, and cuts the one to reply to when it alone is too long", () => {
    const prompt = replyPrompt(context([said("a".repeat(50)), said("b".repeat(60)), said("c".repeat(30))]), 100);
    expect(prompt.map(({ content }) => content[0])).toEqual(["b", "c"]);
    expect(replyPrompt(context([said("x"), said("c".repeat(300))]), 100)).toEqual([{ role: "user", content: `${"c".repeat(99)}…` }]);
  });

  it("L6: never has more characters than allowed, whatever is long", () => {
    const text = fc.string({ maxLength: 3_000 });
    fc.assert(
      fc.property(
        text,
        text,
        fc.array(fc.tuple(text, fc.option(fc.string({ maxLength: 20 }))), { minLength: 1 }),
        (instructions, summary, all) => {
          const messages = all.map(([words, name]) => said(words, name));
          const prompt = replyPrompt(context(messages, { instructions, summary }), 2_000);
          expect(prompt.reduce((sum, { content }) => sum + content.length, 0)).toBeLessThanOrEqual(2_000);
          expect(prompt.at(-1)?.role).toBe("user");
        },
      ),
    );
  });
});

describe("the prompt of a summary", () => {
  it("is the summary before and each new message with who said it", () => {
    expect(summaryPrompt("They met.", [said("Hi", "Anna"), answered("Hello"), said("Bye", null)], 2_000)).toEqual([
      { role: "system", content: expect.stringContaining("running summary") },
      { role: "user", content: "Summary so far:\nThey met.\n\nNew messages:\nAnna: Hi\nassistant: Hello\nuser: Bye" },
    ]);
    expect(summaryPrompt(null, [said("Hi")], 2_000)[1]?.content).toContain("There is no summary yet.");
  });

  it("L6: cuts the longest messages, so that each is in it", () => {
    const messages = [said("a".repeat(5_000), "Anna"), said("short", "Ben"), said("b".repeat(9_000), "Cid")];
    const [, prompt] = summaryPrompt(null, messages, 2_000);
    expect(prompt?.content.length).toBeLessThanOrEqual(2_000);
    expect(prompt?.content).toMatch(/Anna: a{600,}…\nBen: short\nCid: b{600,}…$/);
  });
});

describe("fitted texts", () => {
  it("have together at most so many characters, and none is cut more than it must", () => {
    expect(fittedTexts(["abc", "abcdefghij", "abcdefghij"], 13)).toEqual(["abc", "abcd…", "abcd…"]);
    expect(fittedTexts(["abc", "de"], 5)).toEqual(["abc", "de"]);
    fc.assert(
      fc.property(fc.array(fc.string({ unit: "grapheme" })), fc.nat(200), (texts, charsMax) => {
        const fitted = fittedTexts(texts, charsMax);
        expect(fitted.reduce((sum, { length }) => sum + length, 0)).toBeLessThanOrEqual(charsMax);
      }),
    );
  });

  it("keep no half of a surrogate pair", () => {
    expect(cutText("ab😀cd", 4)).toBe("ab…");
    expect(cutText("abcdef", 0)).toBe("");
  });
});
