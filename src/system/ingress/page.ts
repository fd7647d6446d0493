/** Where a page of a list begins and how long it may be, as every door reads it. */
import type { Refusal } from "../../runtime/index.ts";
import type { JsonObject } from "./json-body.ts";
import { refuse } from "./ledger-door.ts";

export type Page = { readonly ok: true; readonly after: number; readonly limit: number } | Refusal;
const LIMIT_MAX = 200;
const LIMIT_DEFAULT = 50;

/** `after` is the cursor of the page before (a sequence), `limit` 1 to 200. */
export function pageOf(query: JsonObject): Page {
  for (const name in query)
    if (name !== "after" && name !== "limit")
      return refuse("validation_failed", `the page has ${name.slice(0, 60)}; expected only after and limit`);
  const after = query.after === undefined ? 0 : wholeNumber(query.after);
  const limit = query.limit === undefined ? LIMIT_DEFAULT : wholeNumber(query.limit);
  if (after === null)
    return refuse("validation_failed", "after is no cursor; send the `next` of the page before, or leave it out to begin");
  if (limit === null || limit < 1 || limit > LIMIT_MAX)
    return refuse("validation_failed", `limit is refused; expected a whole number from 1 to ${LIMIT_MAX}`);
  return { ok: true, after, limit };
}

/** In a query it is text, in a JSON body it may be a number. */
function wholeNumber(text: unknown): number | null {
  if (typeof text === "number") return Number.isSafeInteger(text) && text >= 0 ? text : null;
  return typeof text === "string" && /^\d{1,15}$/.test(text) ? Number(text) : null;
}
