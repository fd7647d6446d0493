import { type AttemptResult, failureOf, type PortDefinition, type PortRequest, policyOf } from "../../runtime/index.ts";

/** Calls a port and says how it went, as data that crosses threads. Never rejects. `isPool`: what a defect of the port's own is called. */
export async function attempt(port: PortDefinition, request: PortRequest, signal: AbortSignal): Promise<AttemptResult> {
  let text: string;
  try {
    text = JSON.stringify((await port.perform(request, { signal })) ?? null);
  } catch (thrown) {
    return { kind: "failed", failure: failureOf(thrown, Date.now()) };
  }
  const { answerCharsMax } = policyOf(port);
  // Another attempt would bring the same, and a shard thread must not be given what it cannot hold.
  if (text === undefined) return refused(`the port ${port.name} answered what is no JSON`);
  if (text.length > answerCharsMax) return refused(`the answer has ${text.length} characters of JSON; ${answerCharsMax} are allowed`);
  return { kind: "done", value: JSON.parse(text) };
}

const refused = (error: string): AttemptResult => ({
  kind: "failed",
  failure: { error, status: 0, isRetryable: false, retryAfterMs: null, code: "UPSTREAM_BAD_RESPONSE" },
});
