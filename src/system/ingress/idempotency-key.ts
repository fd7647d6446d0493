/**
 * The Idempotency-Key of a request (R-LED-1). A value that starts with `"` is an RFC 9651 Item whose bare item is a String; its
 * parameters are parsed and ignored. Any other value is the key as it stands, so `"a"` and `a` are the same key.
 */
import type { Refusal } from "../../runtime/index.ts";

/** RFC 9651 wants parsers to take Strings of at least 1,024 characters; this one takes no more. */
const STRING_CHARS_MAX = 1024;
const PLAIN = /^[\x21\x23-\x2b\x2d-\x7e]{1,255}$/;
const IN_STRING = /^[\x20-\x7e]+$/;

const STRING = String.raw`"(?:[\x20\x21\x23-\x5b\x5d-\x7e]|\\["\\])*"`;
/** Without escapes, blanks and parameters, as nearly every client sends it: read in a third of the time. */
const SIMPLE_ITEM = /^"([\x20\x21\x23-\x5b\x5d-\x7e]*)"$/;
const BARE_ITEM = [
  String.raw`-?\d{1,12}\.\d{1,3}`,
  String.raw`-?\d{1,15}`,
  STRING,
  String.raw`[A-Za-z*][!#$%&'*+\-.^_\x60|~0-9A-Za-z:/]*`, // Token
  ":[A-Za-z0-9+/]*={0,2}:", // Byte Sequence
  String.raw`\?[01]`, // Boolean
  String.raw`@-?\d{1,15}`, // Date
  String.raw`%"(?:[\x20\x21\x23\x24\x26-\x7e]|%[0-9a-f]{2})*"`, // Display String
].join("|");
const STRING_ITEM = new RegExp(String.raw`^ *(${STRING})(?:; *[a-z*][a-z0-9_\-.*]*(?:=(?:${BARE_ITEM}))?)* *$`);

export type KeyResult = { readonly ok: true; readonly key: string } | Refusal;

/** The String of an RFC 9651 Item, or null when the text is none. Parameters are checked and dropped. Never throws. */
export function parseStringItem(text: string): string | null {
  const simple = SIMPLE_ITEM.exec(text)?.[1];
  if (simple !== undefined) return simple;
  const quoted = STRING_ITEM.exec(text)?.[1];
  return quoted === undefined ? null : quoted.slice(1, -1).replace(/\\(["\\])/g, "$1");
}

/**
 * The key that a header's value says; undefined = the header was not sent. Refuses with `idempotency_key_missing` or
 * `idempotency_key_invalid`. The empty String `""` is a key: it is good RFC 9651, and the published vectors say so.
 */
export function keyOfHeader(value: string | undefined): KeyResult {
  if (value === undefined) return KEY_MISSING;
  if (PLAIN.test(value)) return { ok: true, key: value };
  if (!value.startsWith('"')) return invalid("without quotes it has 1 to 255 visible ASCII characters and no '\"' or ','");
  const key = parseStringItem(value);
  if (key === null) return invalid("a value that starts with '\"' is a String of RFC 9651: ASCII in quotes, with \\\" and \\\\ as escapes");
  if (key.length > STRING_CHARS_MAX) return invalid(`a String has at most ${STRING_CHARS_MAX} characters here`);
  return { ok: true, key };
}

/** The key that a field of a JSON body says: what a String can say, and not empty, because an empty field is mostly a mistake. */
export function keyOfField(value: unknown): KeyResult {
  if (value === undefined) return { ...KEY_MISSING, detail: "the line has no key; give it one of its own, a UUID for example" };
  if (typeof value !== "string" || value.length > STRING_CHARS_MAX || !IN_STRING.test(value))
    return invalid(`a key is a JSON string of 1 to ${STRING_CHARS_MAX} printable ASCII characters`);
  return { ok: true, key: value };
}

const KEY_MISSING: Refusal = {
  ok: false,
  code: "idempotency_key_missing",
  detail: "the request has no Idempotency-Key header; send one, a UUID for example, and the same one when you repeat the request",
};

/** Several Idempotency-Key headers in one request: which one counts would be a guess. */
export const KEY_DUPLICATED: Refusal = invalid("the request has more than one Idempotency-Key header; send exactly one");

function invalid(expected: string): Refusal {
  return { ok: false, code: "idempotency_key_invalid", detail: `the idempotency key is malformed: ${expected}` };
}
