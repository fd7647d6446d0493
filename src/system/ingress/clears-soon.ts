import { type Code, STATUS_OF_CODE } from "../../runtime/index.ts";

/** Whether the same request has a chance in a second. Not `keys_exhausted`: keys are kept for 24 hours, and who came again each second until then would never be told anything else. */
export function clearsSoon(code: Code): boolean {
  const status = STATUS_OF_CODE[code];
  return (status === 503 || status === 429 || code === "key_in_progress") && code !== "keys_exhausted";
}
