import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { readJsonObject } from "../../../src/system/ingress/json-body.ts";

const limits = { depthMax: 32, keysMax: 1000 };
const read = (body: string | Buffer) => readJsonObject(Buffer.from(body), limits);
const nested = (depth: number) => `${'{"a":'.repeat(depth)}1${"}".repeat(depth)}`;

describe("TRAPS 44: JSON at the door", () => {
  it.each([
    ["a number beyond a double", '{"a":1e400}', "1e400"],
    ["a negative one", '{"a":-1e400}', "-1e400"],
    ["2^53 + 1", '{"a":9007199254740993}', "9007199254740993"],
    ["2^53 + 1 with a fraction", '{"a":9007199254740993.0}', "9007199254740993"],
    ["a long exponent", '{"a":1e16}', "1e16"],
    ["a fraction that rounds to a whole number", '{"a":9007199254740990.6}', "9007199254740990.6"],
    ["a fraction that vanishes", '{"a":1.00000000000000000001}', "1.00000000000000000001"],
    ["a negative one", '{"a":-2.00000000000000000001}', "-2.00000000000000000001"],
    ["more digits than a double has", '{"a":0.12345678901234567891}', "0.12345678901234567891"],
    ["a number below the smallest double", '{"a":1e-400}', "1e-400"],
    ["one that a double reaches roughly", '{"a":3e-324}', "3e-324"],
    ["one of many digits below the smallest double", `{"a":0.${"0".repeat(400)}1}`, "0.000"],
    ["a number in an array", '{"a":[1,2,1E999]}', "1E999"],
    ["depth 33", nested(33), "32 levels"],
    ["depth 10,000", nested(10_000), "32 levels"],
    ["depth 1,000,000 of arrays", "[".repeat(1_000_000), "32 levels"],
    ["1,001 keys", `{${Array.from({ length: 1001 }, (_, n) => `"${n}":1`).join(",")}}`, "1000 keys"],
    ["1,001 items", `{"a":[${"1,".repeat(1000)}1]}`, "1000 keys"],
    ["the same key twice", '{"a":1,"a":2}', "twice"],
    ["the same key twice, one escaped", '{"a":1,"\\u0061":2}', "twice"],
    ["the same key twice inside", '{"b":[{"a":1,"a":2}]}', "twice"],
    ["__proto__", '{"__proto__":{"x":1}}', "__proto__"],
    ["__proto__, escaped", '{"\\u005f_proto__":1}', "__proto__"],
    ["an array", "[]", "not a JSON object"],
    ["null", "null", "not a JSON object"],
    ["text", '"a"', "not a JSON object"],
    ["nothing", "", "not JSON"],
    ["half an object", '{"a":', "not JSON"],
    ["an open string", '{"a', "not JSON"],
    ["two objects", "{}{}", "not JSON"],
    ["a byte order mark", "\ufeff{}", "not JSON"],
    ["NaN", '{"a":NaN}', "not JSON"],
    ["a number that is none", '{"a":1.2.3}', "not JSON"],
  ])("refuses %s", (_name, body, why) => {
    const result = read(body);
    expect(result).toMatchObject({ ok: false, code: "validation_failed" });
    expect(result).toHaveProperty("detail", expect.stringContaining(why));
  });

  it("refuses bytes that are not UTF-8", () => {
    expect(read(Buffer.from([0x7b, 0x22, 0xff, 0x22, 0x3a, 0x31, 0x7d]))).toMatchObject({
      ok: false,
      detail: expect.stringContaining("UTF-8"),
    });
  });

  it("takes what stands at the limits, and numbers and brackets inside strings", () => {
    expect(read(nested(32)).ok).toBe(true);
    expect(read('{"a":9007199254740991,"b":-9007199254740991,"c":1e15,"d":0.1,"e":5e-324}').ok).toBe(true);
    expect(read('{"a":"1e400 [[[[ 9007199254740993 \\" : , {","b":"\\\\"}').ok).toBe(true);
    expect(read(`{"a":[${"1,".repeat(998)}1]}`).ok).toBe(true);
  });

  it.each([
    "-0",
    "0e999999999999",
    "0.00000000000000000000",
    "-0.00000000000000000000",
    "1.0000000000000000000000",
    "9007199254740991.0000",
    "9007199254740991000e-3",
    "0.1000000000000000000000",
    "1E+15",
    "12.5e-1",
    "2.2250738585072014e-308",
  ])("takes %s, which a double keeps as it is written", (number) => {
    expect(read(`{"a":${number}}`)).toEqual({ ok: true, value: { a: Number(number) } });
  });

  it("takes every double as stringify writes it, and refuses it with a digit more that a double cannot hold", () => {
    const double = fc
      .double({ noNaN: true, noDefaultInfinity: true })
      .filter((value) => value !== 0 && (!Number.isInteger(value) || Number.isSafeInteger(value)));
    fc.assert(
      fc.property(double, fc.integer({ min: 1, max: 9 }), (value, digit) => {
        expect(read(`{"a":${JSON.stringify(value)}}`).ok).toBe(true);
        const [digits = "", exponent] = String(value).split("e");
        const longer = `${digits}${digits.includes(".") ? "" : "."}${"0".repeat(25)}${digit}${exponent === undefined ? "" : `e${exponent}`}`;
        expect([longer, read(`{"a":${longer}}`).ok]).toEqual([longer, false]);
      }),
    );
  });

  it("a literal as long as a body may be costs one pass", () => {
    const zeros = "0".repeat(500_000);
    expect(read(`{"a":1${zeros}1${zeros}.5}`).ok).toBe(false);
    expect(read(`{"a":0.${zeros}1${zeros}}`).ok).toBe(false);
    expect(read(`{"a":1.${zeros}${zeros}}`).ok).toBe(true);
  });

  it("reads every object that stringify writes within the limits, unchanged", () => {
    const value = fc.letrec((tie) => ({
      any: fc.oneof(
        { depthSize: "small", withCrossShrink: true },
        fc.string({ unit: "binary" }),
        fc.maxSafeInteger(),
        fc.boolean(),
        fc.constant(null),
        fc.array(tie("any")),
        tie("object"),
      ),
      object: fc.dictionary(
        fc.string({ unit: "binary" }).filter((key) => key !== "__proto__"),
        tie("any"),
        { noNullPrototype: true },
      ),
    })).object;
    fc.assert(
      fc.property(value, (object) => {
        const text = JSON.stringify(object);
        fc.pre(Buffer.from(text).toString() === text);
        expect(readJsonObject(Buffer.from(text), { depthMax: 1000, keysMax: 1_000_000 })).toEqual({ ok: true, value: JSON.parse(text) });
      }),
    );
  });
});
