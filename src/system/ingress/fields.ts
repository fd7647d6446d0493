/** What every door says of a client's fields: which are not known, what kind a value is, and how it is shown in a sentence. */
import type { Refusal } from "../../runtime/index.ts";
import type { JsonObject } from "./json-body.ts";

export function unknownField(fields: JsonObject, known: readonly string[], alsoAllowed: readonly string[] = NONE): Refusal | null {
  for (const name in fields)
    if (!known.includes(name) && !alsoAllowed.includes(name)) {
      const expected = [...alsoAllowed, ...known].join(", ") || "none";
      return { ok: false, code: "validation_failed", detail: `the field ${shown(name)} is not known; expected only ${expected}` };
    }
  return null;
}

export function kindOf(value: unknown): string {
  if (value === undefined) return "missing";
  if (value === null) return "null";
  return Array.isArray(value) ? "an array" : typeof value === "object" ? "an object" : `a ${typeof value}`;
}

/** A client's value in a sentence: short, and quoted. */
export function shown(value: unknown): string {
  const text = value === undefined ? "missing" : JSON.stringify(value);
  return text.length > 60 ? `${text.slice(0, 60)}...` : text;
}

const NONE: readonly string[] = [];
