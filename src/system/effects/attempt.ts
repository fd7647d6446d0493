import {
  type AttemptResult,
  failureOf,
  type Json,
  type PortDefinition,
  type PortRequest,
  PROGRESS_UNHANDLED_MAX,
  type ProgressLine,
  policyOf,
} from "../../runtime/index.ts";

/**
 * Calls a port and says how it went, as data that crosses threads. Never rejects. What the port tells meanwhile goes to the line, null = nobody wants it.
 * The controller's owner aborts the attempt, and so does what the port must not tell.
 */
export function attempt(
  port: PortDefinition,
  request: PortRequest,
  controller: AbortController,
  line: ProgressLine | null,
): Promise<AttemptResult> {
  if (line === null) return performed(port, request, controller.signal, toNobody);
  return new Promise((resolve) => {
    const progress = tellerOf(port, line, (error) => {
      resolve(refused(error));
      controller.abort(new Error(error));
    });
    void performed(port, request, controller.signal, progress).then(resolve);
  });
}

async function performed(
  port: PortDefinition,
  request: PortRequest,
  signal: AbortSignal,
  progress: (value: Json) => Promise<void>,
): Promise<AttemptResult> {
  try {
    const { json, error } = checked(port, "the answer", (await port.perform(request, { signal, progress })) ?? null);
    // Another attempt would bring the same, and a shard thread must not be given what it cannot hold.
    return error === null ? { kind: "done", value: json } : refused(error);
  } catch (thrown) {
    return { kind: "failed", failure: failureOf(thrown, Date.now()) };
  }
}

/** A port that throws away the promise must not end the thread, so a fault is told by `refuse` and never by a rejection. */
function tellerOf(port: PortDefinition, line: ProgressLine, refuse: (error: string) => void): (value: Json) => Promise<void> {
  return (value) => {
    const { json, error } = checked(port, "a value of progress", value);
    const handed = error === null ? line.offer(json) : NOW;
    if (error !== null) refuse(error);
    else if (handed === null) {
      refuse(`the port ${port.name} told more than ${PROGRESS_UNHANDLED_MAX} values without waiting: await each call of progress`);
    }
    return handed ?? NOW;
  };
}

/** The value as JSON brings it, or what is wrong with it. */
function checked(port: PortDefinition, what: string, value: unknown): { readonly json: Json; readonly error: string | null } {
  let text: string | undefined;
  try {
    text = JSON.stringify(value);
  } catch {} // A cycle, or a bigint.
  if (text === undefined) return { json: null, error: `${what} of the port ${port.name} is no JSON` };
  const { answerCharsMax } = policyOf(port);
  if (text.length <= answerCharsMax) return { json: JSON.parse(text) as Json, error: null };
  return { json: null, error: `${what} has ${text.length} characters of JSON; ${answerCharsMax} are allowed` };
}

const refused = (error: string): AttemptResult => ({
  kind: "failed",
  failure: { error, status: 0, isRetryable: false, retryAfterMs: null, code: "UPSTREAM_BAD_RESPONSE" },
});
const NOW = Promise.resolve();
const toNobody = (): Promise<void> => NOW;
