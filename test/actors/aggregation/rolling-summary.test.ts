/** The extractive summary by itself (R-CON-2): what it says, and that batches, length and odd text do not matter to it. */
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { type RollingSummary, SUMMARY_CHARS_MAX, summarize } from "../../../src/actors/aggregation/rolling-summary.ts";
import { MEMORY_BYTES_MAX, type SpokenMessage } from "../../../src/actors/aggregation/summary-memory.ts";

const NOTHING = { text: null, memory: null };
const talk = (...lines: readonly string[]): SpokenMessage[] =>
  lines.map((line) => ({ speaker: line.slice(0, line.indexOf(":")), text: line.slice(line.indexOf(":") + 2) }));

/** As the service does it: batch after batch, the memory stored as JSON in between. */
function rolled(messages: readonly SpokenMessage[], sizes: readonly number[]): Pick<RollingSummary, "text" | "memory"> {
  let summary: { text: string | null; memory: unknown } = NOTHING;
  for (let from = 0, batch = 0; from < messages.length; from += sizes[batch++ % sizes.length] ?? 1) {
    const size = sizes[batch % sizes.length] ?? 1;
    summary = JSON.parse(JSON.stringify(summarize(summary, messages.slice(from, from + size))));
  }
  return summary as RollingSummary;
}

describe("what it says", () => {
  it("reports what two people said, in the third person and in order", () => {
    const { text, messageCount } = summarize(
      NOTHING,
      talk(
        "Ann: Hello! How are you?",
        "Bob: Um, I'm fine, thanks. I need a ticket for the concert on Friday. Do you sell concert tickets?",
        "Ann: Yes. Tickets cost twenty dollars. Would you like a seat near the stage?",
        "Bob: Yes, please. My sister wants a ticket for the concert too.",
        "Ann: Two seats near the stage are left, and I can hold them until tomorrow. Don't you want to pay now?",
        "Bob: I'll pay tomorrow. Thank you.",
        "Ann: OK, bye!",
      ),
    );
    expect(text).toBe("Bob asks Ann if Ann sells concert tickets. Ann tells Bob: Tickets cost twenty dollars.");
    expect(messageCount).toBe(7);
  });
  it("leaves 'you' alone when it may be anybody of several, and says who spoke", () => {
    const { text } = summarize(NOTHING, talk("Ann: You should paint the garage door.", "Bob: OK.", "Cy: Sure."));
    expect(text).toBe("Ann says: you should paint the garage door.");
  });
  it("changes no word of a language that it does not know", () => {
    const { text } = summarize(NOTHING, talk("Anna: Ich möchte am Freitag einen Tisch für vier Personen reservieren.", "Max: Sehr gern!"));
    expect(text).toBe("Anna: Ich möchte am Freitag einen Tisch für vier Personen reservieren.");
  });
  it("says nothing of greetings alone, and nothing twice", () => {
    expect(summarize(NOTHING, talk("Ann: Hello!", "Bob: Hi. How are you?")).text).toBe("");
    const same = "Ann: The server room is flooded again.";
    expect(summarize(NOTHING, talk(...new Array<string>(50).fill(same))).text).toBe("Ann says: the server room is flooded again.");
  });
  it("keeps the text of a summary whose memory it does not know", () => {
    const known = { text: "Ann and Bob plan a bridge over the river.", memory: { format: 99 } };
    expect(summarize(known, talk("Ann: Yes.")).text).toBe("Ann and Bob plan a bridge over the river.");
  });
});

describe("bounds", () => {
  const speech = fc.record({
    speaker: fc.constantFrom("Ann", "Bob", "Cy"),
    text: fc.array(fc.constantFrom("I", "you", "tea", "pay", "my", "rent?", "the", "move.", "Rome", "uh", "12", "é\u{1F600}", "'", "{x"), {
      maxLength: 30,
    }),
  });
  it("the same messages give the same summary and memory, whatever the batches", () => {
    const batches = fc.array(fc.integer({ min: 1, max: 9 }), { minLength: 1, maxLength: 5 });
    fc.assert(
      fc.property(fc.array(speech, { minLength: 1, maxLength: 60 }), batches, (said, sizes) => {
        const messages = said.map(({ speaker, text }) => ({ speaker, text: text.join(" ") }));
        const { text, memory } = summarize(NOTHING, messages);
        const parts = rolled(messages, sizes);
        expect([parts.text, parts.memory]).toEqual([text, memory]);
      }),
      { numRuns: 100 },
    );
  });
  it("also of a conversation that is too long to be remembered; memory and text stay below their limits (L6)", () => {
    const messages = Array.from({ length: 3_000 }, (_, at) => ({
      speaker: `名前${"\u0001".repeat(60)}${at % 70}`,
      text: `中文 quantum${at} \\"\\" entangle${(at * 7) % 1000} measure${at % 37} with ${"é".repeat(60)}${at % 113} today.`,
    }));
    const { text, memory } = summarize(NOTHING, messages);
    expect(rolled(messages, [200, 3])).toMatchObject({ text, memory });
    expect(Buffer.byteLength(JSON.stringify(memory))).toBeLessThanOrEqual(MEMORY_BYTES_MAX);
    expect(text.length).toBeLessThanOrEqual(SUMMARY_CHARS_MAX);
    expect(memory.messages).toBe(3_000);
  });
  it.each([
    ["blanks", " ".repeat(1_000_000)],
    ["braces", "{".repeat(1_000_000)],
    ["full stops", "a. ".repeat(300_000)],
    ["quotes", '" . '.repeat(200_000)],
    ["half characters", "\ud83d word \ude00 ".repeat(50_000)],
    ["one word", "x".repeat(1_000_000)],
  ])("reads a million characters of %s", (_, text) => {
    const { memory } = summarize(NOTHING, [{ speaker: "Ann", text }]);
    expect(Buffer.byteLength(JSON.stringify(memory))).toBeLessThanOrEqual(MEMORY_BYTES_MAX);
  });
});
