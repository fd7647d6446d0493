import { runInNewContext } from "node:vm";
import { describe, expect, it } from "vitest";
import { keyOfField, keyOfHeader, parseStringItem } from "../../../src/system/ingress/idempotency-key.ts";

const keyOf = (value: string | undefined): string => {
  const result = keyOfHeader(value);
  return result.ok ? `key ${result.key}` : result.code;
};

/** What ends takes microseconds; this only keeps an endless one from holding the test run. */
const ENDLESS_MS = 30_000;

describe("R-LED-1: the Idempotency-Key", () => {
  it.each([
    ["8e03978e-40d5-43dd-bc93-6894a57f9324", "8e03978e-40d5-43dd-bc93-6894a57f9324"],
    ["a", "a"],
    ['"a"', "a"],
    ["!#$%&'()*+-./:;<=>?@[\\]^_`{|}~", "!#$%&'()*+-./:;<=>?@[\\]^_`{|}~"],
    ["x".repeat(255), "x".repeat(255)],
    ['"two words"', "two words"],
    ['"a, b"', "a, b"],
    [String.raw`"say \"hi\" \\ bye"`, String.raw`say "hi" \ bye`],
    ['"a";p', "a"],
    ['"a"; p=1;q=-2.5;*r="x;y";s=tok/en:1;t=:aGk=:;u=?0;v=@1659578233;w=%"f%c3%bc"', "a"],
    ['""', ""],
    [`"${"x".repeat(1024)}"`, "x".repeat(1024)],
  ])("%#: %.40s is the key %.20s", (value, key) => {
    expect(keyOf(value)).toBe(`key ${key}`);
  });

  it.each([
    ["", "idempotency_key_invalid"],
    ["a b", "idempotency_key_invalid"],
    ["a,b", "idempotency_key_invalid"],
    ['a"b', "idempotency_key_invalid"],
    ["a\tb", "idempotency_key_invalid"],
    ["schlüssel", "idempotency_key_invalid"],
    ["x".repeat(256), "idempotency_key_invalid"],
    ['"', "idempotency_key_invalid"],
    ['"a', "idempotency_key_invalid"],
    ['"a" b', "idempotency_key_invalid"],
    ['"a", "b"', "idempotency_key_invalid"],
    [String.raw`"a\b"`, "idempotency_key_invalid"],
    ['"a\u007f"', "idempotency_key_invalid"],
    ['"ä"', "idempotency_key_invalid"],
    ['"a";', "idempotency_key_invalid"],
    ['"a";P', "idempotency_key_invalid"],
    ['"a";p=', "idempotency_key_invalid"],
    ['"a" ;p', "idempotency_key_invalid"],
    ['"a";p="', "idempotency_key_invalid"],
    ['"a";p=1.', "idempotency_key_invalid"],
    ['"a";p=1234567890123456', "idempotency_key_invalid"],
    [`"${"x".repeat(1025)}"`, "idempotency_key_invalid"],
    [undefined, "idempotency_key_missing"],
  ])("%#: %.40s is refused with %s", (value, code) => {
    expect(keyOf(value)).toBe(code);
  });

  it("an Item may stand between spaces (RFC 9651, 4.2)", () => {
    expect(parseStringItem(' "a" ')).toBe("a");
  });

  it("a hostile value ends: a pattern that tries every way of reading it never would, so it is given up by name", () => {
    const parsed = (text: string): unknown => runInNewContext("parse(text)", { parse: parseStringItem, text }, { timeout: ENDLESS_MS });
    expect(parsed(`"${"\\\\".repeat(8000)}`)).toBeNull();
    expect(parsed(`"a"${";a=1".repeat(4000)}!`)).toBeNull();
  });

  it("in a field of JSON is 1 to 1,024 printable ASCII characters, missing and malformed told apart", () => {
    expect(keyOfField("trans:17 adj")).toEqual({ ok: true, key: "trans:17 adj" });
    for (const value of ["", "ü", "a\n", 7, null, {}, "x".repeat(1025)])
      expect(keyOfField(value)).toMatchObject({ ok: false, code: "idempotency_key_invalid" });
    expect(keyOfField(undefined)).toMatchObject({ ok: false, code: "idempotency_key_missing" });
  });
});
