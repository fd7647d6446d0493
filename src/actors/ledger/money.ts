/**
 * Amounts: decimal text with the currency's scale on the wire ("10.50"), bigint minor units inside (1050n), decimal strings of minor units
 * in the journal and between threads ("1050"). Never a float.
 */
import { scaleOf } from "./currency.ts";

/** The largest amount, and the largest distance of a balance from 0, in minor units: 18 digits, which fit a 64-bit integer with room. */
export const AMOUNT_MINOR_MAX: bigint = 10n ** 18n - 1n;

export type ParsedAmount =
  | { readonly ok: true; readonly minor: bigint }
  | { readonly ok: false; readonly code: "amount_invalid"; readonly detail: string };

const DECIMAL = /^(0|[1-9][0-9]*)(?:\.([0-9]+))?$/;
const MINOR_DIGITS_MAX = 18;

/**
 * Reads an amount above 0 from the wire: digits, then at most as many decimals as the currency has. No sign, exponent, space or leading
 * zero; at most 18 digits in minor units. Never throws.
 */
export function parseAmount(text: string, currency: string): ParsedAmount {
  const parsed = parseLimit(text, currency);
  return parsed.ok && parsed.minor === 0n ? invalid("an amount is above 0") : parsed;
}

/** The same for a limit, which may be 0. */
export function parseLimit(text: string, currency: string): ParsedAmount {
  const scale = scaleOf(currency);
  if (scale === null) return invalid("the currency is no active ISO 4217 code");
  const match = DECIMAL.exec(text);
  if (match === null) return invalid('an amount is a decimal number without sign, exponent, spaces or leading zeros, such as "10.50"');
  const [, whole = "", fraction = ""] = match;
  if (fraction.length > scale) return invalid(`${currency} has ${scale} decimals, the amount has ${fraction.length}`);
  // Counted before the conversion: BigInt of a megabyte of digits would hold the thread for seconds.
  if (whole.length + scale > MINOR_DIGITS_MAX) return invalid(`an amount has at most ${MINOR_DIGITS_MAX} digits, decimals included`);
  return { ok: true, minor: BigInt(whole + fraction.padEnd(scale, "0")) };
}

const invalid = (detail: string): ParsedAmount => ({ ok: false, code: "amount_invalid", detail });

/** Minor units as the wire shows them: 1050 CZK is "10.50", -300 is "-3.00". @throws RangeError for a currency that is none. */
export function formatAmount(minor: bigint, currency: string): string {
  const scale = scaleOf(currency);
  if (scale === null) throw new RangeError(`${currency} is no active ISO 4217 code`);
  const text = minor.toString();
  if (scale === 0) return text;
  const sign = minor < 0n ? "-" : "";
  const digits = text.slice(sign.length).padStart(scale + 1, "0");
  return `${sign}${digits.slice(0, -scale)}.${digits.slice(-scale)}`;
}

/** What `encodeMinor` writes. */
export const MINOR = /^(0|-?[1-9][0-9]*)$/;

/** The one codec of amounts in the journal, in snapshots and between threads: bigint to decimal string and back. */
export const encodeMinor = (minor: bigint): string => minor.toString();

/** @throws RangeError for text that `encodeMinor` never writes: `BigInt("")` would quietly be 0. */
export function decodeMinor(text: string): bigint {
  if (!MINOR.test(text)) throw new RangeError(`"${text}" is no amount in minor units`);
  return BigInt(text);
}
