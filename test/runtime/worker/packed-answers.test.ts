/** Answers on their way from a shard thread to the doors: whatever they hold, they arrive as they left. */
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { type PackedAnswer, packAnswers, unpackAnswers } from "../../../src/runtime/index.ts";

const there = (answers: readonly PackedAnswer[]) => unpackAnswers(packAnswers(answers));
const long = (text: string): string => text.repeat(Math.ceil(200 / text.length));

describe("packed answers", () => {
  it("of no, short and long texts, in any order, arrive as they left", () => {
    const document = JSON.stringify({ id: "t", lines: ['"', "\\", "\n", long("x")] });
    const answers: readonly PackedAnswer[] = [
      [1, { ok: true, value: { status: 201, body: document, code: null } }],
      [2, { ok: false, code: "OVERLOADED", detail: long("full ") }],
      [3, { ok: true, value: { status: 200, body: "short" } }],
      [4, { ok: true, value: long('two\nlines "quoted" ') }],
      [5, { ok: true, value: [long("in a list")] }],
      [6, { ok: true, value: { a: long("ä"), b: long("😀"), c: long("\ud800") } }],
      [7, { ok: true, value: null }],
      [8, { ok: true, value: { status: 200, body: document }, isRepeat: true }],
      [9, { ok: true, value: { status: 200, body: "short" }, isRepeat: true }],
      [10, { ok: false, code: "account_frozen", detail: long("frozen "), isRepeat: true }],
    ];
    expect(there(answers)).toEqual(answers);
    expect(there([])).toEqual([]);
  });

  it("of any JSON arrive as JSON would bring them", () => {
    const text = fc.oneof(fc.string(), fc.string({ minLength: 128, maxLength: 300, unit: "binary" }), fc.json());
    const value = fc.oneof(
      text,
      fc.dictionary(fc.oneof(fc.string(), fc.constant("__proto__")), fc.oneof(text, fc.integer(), fc.jsonValue())),
    );
    const isRepeat = fc.constant(true as const);
    const answer = fc.oneof(
      fc.record({ ok: fc.constant(true as const), value, isRepeat }, { requiredKeys: ["ok", "value"] }),
      fc.record({ ok: fc.constant(false as const), code: fc.string(), detail: text, isRepeat }, { requiredKeys: ["ok", "code", "detail"] }),
    );
    fc.assert(
      fc.property(fc.array(fc.tuple(fc.nat(), answer), { maxLength: 20 }), (made) => {
        const answers = made as unknown as readonly PackedAnswer[];
        expect(JSON.stringify(there(answers))).toBe(JSON.stringify(answers));
      }),
      { numRuns: 500 },
    );
  });
});
