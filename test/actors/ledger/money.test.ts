/** Money: the table of scales, reading and writing amounts, and the codec (L8). */
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import {
  AMOUNT_MINOR_MAX,
  currencies,
  decodeMinor,
  encodeMinor,
  formatAmount,
  parseAmount,
  parseLimit,
  scaleOf,
} from "../../../src/actors/index.ts";

const currency = fc.constantFrom(...currencies);

describe("currencies", () => {
  it.each([
    ["JPY", 0],
    ["KRW", 0],
    ["CLP", 0],
    ["ISK", 0],
    ["HUF", 2],
    ["CZK", 2],
    ["EUR", 2],
    ["USD", 2],
    ["MGA", 2],
    ["BHD", 3],
    ["KWD", 3],
    ["TND", 3],
    ["CLF", 4],
    ["UYW", 4],
    ["XXX", null],
    ["XAU", null],
    ["BGN", null],
    ["czk", null],
    ["", null],
    ["constructor", null],
  ])("%s has the scale %s", (code, scale) => {
    expect(scaleOf(code)).toBe(scale);
  });

  it("are three capital letters each, without doubles", () => {
    expect(new Set(currencies).size).toBe(currencies.length);
    for (const code of currencies) expect(code).toMatch(/^[A-Z]{3}$/);
  });
});

describe("amounts on the wire", () => {
  it.each([
    ["10.50", "CZK", 1050n],
    ["10.5", "CZK", 1050n],
    ["10", "CZK", 1000n],
    ["0.01", "CZK", 1n],
    ["7", "JPY", 7n],
    ["1.234", "BHD", 1234n],
    ["0.1", "BHD", 100n],
    ["0.0001", "CLF", 1n],
    ["9999999999999999.99", "CZK", AMOUNT_MINOR_MAX],
    ["999999999999999999", "JPY", AMOUNT_MINOR_MAX],
  ])("%s %s is read as %s minor units", (text, code, minor) => {
    expect(parseAmount(text, code)).toEqual({ ok: true, minor });
  });

  it.each([
    ["", "CZK"],
    [" 1", "CZK"],
    ["1 ", "CZK"],
    ["1\n", "CZK"],
    ["+1", "CZK"],
    ["-1", "CZK"],
    ["1e3", "CZK"],
    ["1e400", "CZK"],
    ["0x10", "CZK"],
    ["1.", "CZK"],
    [".5", "CZK"],
    ["01", "CZK"],
    ["1,50", "CZK"],
    ["1.234", "CZK"],
    ["1.000", "CZK"],
    ["1.0", "JPY"],
    ["1.2345", "BHD"],
    ["NaN", "CZK"],
    ["Infinity", "CZK"],
    ["\u0661", "CZK"],
    ["0", "CZK"],
    ["0.00", "CZK"],
    ["10000000000000000.00", "CZK"],
    ["10000000000000000", "CZK"],
    ["1000000000000000000", "JPY"],
    ["9".repeat(1_000_000), "CZK"],
    ["1", "XXX"],
  ])("R-LED-5, trap 13, trap 44: %.30j %s is amount_invalid", (text, code) => {
    expect(parseAmount(text, code)).toMatchObject({ ok: false, code: "amount_invalid", detail: expect.stringMatching(/./) });
  });

  it("a limit may be 0, an amount may not", () => {
    expect(parseLimit("0", "CZK")).toEqual({ ok: true, minor: 0n });
    expect(parseLimit("0.00", "CZK")).toEqual({ ok: true, minor: 0n });
    expect(parseLimit("-1", "CZK")).toMatchObject({ ok: false });
    expect(parseAmount("0", "CZK")).toMatchObject({ ok: false });
  });

  it.each([
    [1050n, "CZK", "10.50"],
    [-300n, "CZK", "-3.00"],
    [-1n, "CZK", "-0.01"],
    [0n, "CZK", "0.00"],
    [5n, "BHD", "0.005"],
    [-7n, "JPY", "-7"],
    [1n, "CLF", "0.0001"],
  ])("%s minor units of %s are written %s", (minor, code, text) => {
    expect(formatAmount(minor, code)).toBe(text);
  });

  it("no amount of what is no currency is written", () => {
    expect(() => formatAmount(1n, "XXX")).toThrow(RangeError);
  });

  it("L8: what is written is read back, for every currency and amount", () => {
    fc.assert(
      fc.property(currency, fc.bigInt({ min: 1n, max: AMOUNT_MINOR_MAX }), (code, minor) => {
        expect(parseAmount(formatAmount(minor, code), code)).toEqual({ ok: true, minor });
      }),
    );
  });

  it("any text is read or refused, and what is read is in bounds", () => {
    fc.assert(
      fc.property(currency, fc.oneof(fc.string(), fc.double().map(String), fc.stringMatching(/^[0-9.+\-e ]{0,24}$/)), (code, text) => {
        const parsed = parseAmount(text, code);
        if (parsed.ok) expect(parsed.minor > 0n && parsed.minor <= AMOUNT_MINOR_MAX).toBe(true);
      }),
    );
  });
});

describe("the codec of minor units", () => {
  it("L8: gives back every bigint, through JSON too", () => {
    fc.assert(
      fc.property(fc.bigInt(), (minor) => {
        expect(decodeMinor(JSON.parse(JSON.stringify(encodeMinor(minor))) as string)).toBe(minor);
      }),
    );
  });

  it.each(["", " ", "1 ", "0x10", "1.5", "-0", "00", "+1", "1n"])("refuses %j, which it never writes", (text) => {
    expect(() => decodeMinor(text)).toThrow(RangeError);
  });
});
