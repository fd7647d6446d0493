import type { Code } from "../../runtime/index.ts";

/** Why a message has no reply, by the code that its conversation keeps. Of attempts nothing is said: a refusal ends a reply with the first, a deadline before any. */
export function whyNoReply(code: Code): string {
  switch (code) {
    case "UPSTREAM_TIMEOUT":
      return "the model gave no answer in time";
    case "OVERLOADED":
      return "the model had too much to do";
    case "UPSTREAM_BAD_RESPONSE":
      return "the model refused, or gave no answer that can be used";
    default:
      return `what was to make it ended with ${code}`;
  }
}
