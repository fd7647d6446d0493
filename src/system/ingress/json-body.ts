/**
 * JSON at the door. `JSON.parse` alone takes 1e400 (as Infinity), rounds what has too many digits, takes a million levels and keeps the last of
 * two equal keys (TRAPS 44). So the text is scanned once before, without recursion, and the keys are counted again after.
 */
import { isUtf8 } from "node:buffer";
import type { Refusal } from "../../runtime/index.ts";

export interface JsonLimits {
  /** Levels of nesting; a flat object has 1. */
  readonly depthMax: number;
  /** Object keys and array items together; an empty object or array counts as one. */
  readonly keysMax: number;
}
export type JsonObject = Readonly<Record<string, unknown>>;
export type JsonResult = { readonly ok: true; readonly value: JsonObject } | Refusal;

const QUOTE = 0x22;
const BACKSLASH = 0x5c;
const COMMA = 0x2c;
const COLON = 0x3a;
const MINUS = 0x2d;
const ZERO = 0x30;

/** The JSON object that the bytes say, or a refusal with `validation_failed`. Limits on bytes are the caller's. Never throws. */
export function readJsonObject(bytes: Buffer, limits: JsonLimits): JsonResult {
  if (!isUtf8(bytes)) return bad("it is not UTF-8");
  const text = bytes.toString("utf8");
  const scan = scanJson(text, limits);
  if (typeof scan === "string") return bad(scan);
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (error) {
    return bad(`it is not JSON${error instanceof SyntaxError ? whereIn(error.message) : ""}`);
  }
  if (!isJsonObject(value)) return bad("it is not a JSON object");
  // Of two equal keys the parser keeps one, so fewer keys than colons means that one came twice.
  const keys = countKeys(value);
  if (keys === null) return bad("it has a key __proto__");
  if (keys !== scan.colons) return bad("an object in it has the same key twice");
  return { ok: true, value };
}

export function isJsonObject(value: unknown): value is JsonObject {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

function bad(why: string): Refusal {
  return { ok: false, code: "validation_failed", detail: `the body is refused: ${why}; send one JSON object in UTF-8` };
}

/** The parser quotes the input, which may be personal text: only where it stopped is told. */
function whereIn(message: string): string {
  const at = /at position (\d+)/.exec(message)?.[1];
  return at === undefined ? "" : ` (it ends, or goes wrong, at character ${at})`;
}

/** A stranger's text in an answer is kept short. */
const shortened = (text: string): string => (text.length > 120 ? `${text.slice(0, 120)}...` : text);

/** Why the text is refused, or how many colons stand outside its strings. Text that is not JSON may pass: the parser finds it. */
function scanJson(text: string, limits: JsonLimits): string | { readonly colons: number } {
  let depth = 0;
  let keys = 0;
  let colons = 0;
  for (let at = 0; at < text.length; at++) {
    const unit = text.charCodeAt(at);
    if (unit === QUOTE) at = endOfString(text, at);
    else if (unit === COLON) colons++;
    else if (unit === COMMA) keys++;
    else if (unit === 0x7b || unit === 0x5b) {
      keys++;
      if (++depth > limits.depthMax) return `it is nested deeper than ${limits.depthMax} levels`;
    } else if (unit === 0x7d || unit === 0x5d) depth--;
    else if (unit === MINUS || isDigit(unit)) {
      const end = endOfNumber(text, at);
      if (!isNumberKept(text.slice(at, end))) return `the number ${shortened(text.slice(at, end))} cannot be kept exactly`;
      at = end - 1;
    }
    if (keys > limits.keysMax) return `it has more than ${limits.keysMax} keys and items`;
  }
  return { colons };
}

/** Position of the closing quote, or the text's end. */
function endOfString(text: string, open: number): number {
  for (let at = open + 1; at < text.length; at++) {
    const unit = text.charCodeAt(at);
    if (unit === BACKSLASH) at++;
    else if (unit === QUOTE) return at;
  }
  return text.length;
}

function endOfNumber(text: string, start: number): number {
  let at = start + 1;
  for (; at < text.length; at++) {
    const unit = text.charCodeAt(at);
    // Digits, '.', '-', '+', 'e' and 'E' make up a number.
    if (!isDigit(unit) && unit !== 0x2e && unit !== MINUS && unit !== 0x2b && unit !== 0x65 && unit !== 0x45) break;
  }
  return at;
}

/** So many significant digits come out of a double as they went in. */
const DIGITS_KEPT = 15;

/**
 * The double that the parser would make is written with the same digits: it was not rounded, nor lost below the smallest double. Whole numbers
 * stay below 2^53, above which not every one has a double. What is no number at all is left to the parser.
 */
function isNumberKept(text: string): boolean {
  if (text.length <= DIGITS_KEPT && !/[eE]/.test(text)) return true;
  const value = Number(text);
  if (Number.isNaN(value)) return true;
  if (!Number.isFinite(value) || (Number.isInteger(value) && !Number.isSafeInteger(value))) return false;
  return significand(text) === significand(String(value));
}

const NUMBER = /^-?(\d+)(?:\.(\d*))?(?:[eE]([+-]?\d+))?$/;

/** The digits without zeros at either end, and the power of ten they stand at: equal for equal amounts, however they are written. */
function significand(text: string): string {
  const [, whole = "", fraction = "", exponent = "0"] = NUMBER.exec(text) ?? [];
  const digits = whole + fraction;
  let start = 0;
  let end = digits.length;
  while (start < end && digits.charCodeAt(start) === ZERO) start++;
  while (end > start && digits.charCodeAt(end - 1) === ZERO) end--;
  return start === end ? "0" : `${digits.slice(start, end)}e${Number(exponent) + whole.length - start}`;
}

const isDigit = (unit: number): boolean => unit >= 0x30 && unit <= 0x39;

/** Keys of all objects in the value, or null when one is `__proto__`. The depth is bounded by the scan. */
function countKeys(value: unknown): number | null {
  if (typeof value !== "object" || value === null) return 0;
  let count = 0;
  if (Array.isArray(value)) {
    for (const item of value) {
      const inside = countKeys(item);
      if (inside === null) return null;
      count += inside;
    }
    return count;
  }
  for (const [key, field] of Object.entries(value)) {
    if (key === "__proto__") return null;
    const inside = typeof field === "object" ? countKeys(field) : 0;
    if (inside === null) return null;
    count += inside + 1;
  }
  return count;
}
