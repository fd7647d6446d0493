/** Composition root of a thread of the summary pool: makes one summary after the other. It sees opened texts, and keeps none. */
import { summarize } from "../../actors/aggregation/rolling-summary.ts";
import type { SpokenMessage } from "../../actors/aggregation/summary-memory.ts";
import type { AttemptResult } from "../../runtime/index.ts";

export interface SummaryTask {
  /** JSON of a `Transcript` in UTF-8: bytes move to this thread without a copy. */
  readonly transcript: Uint8Array<ArrayBuffer>;
}
/** What there is to summarize: the summary so far, with its memory as JSON, and what was said since. */
export interface Transcript {
  readonly text: string | null;
  readonly memory: string | null;
  readonly messages: readonly SpokenMessage[];
}
/** `memory`: JSON for the next transcript. */
export type MadeSummary = Readonly<Record<"text" | "memory", string>>;

/** What the pool calls. */
export function perform({ transcript }: SummaryTask): AttemptResult {
  const { text, memory, messages } = JSON.parse(new TextDecoder().decode(transcript)) as Transcript;
  const made = summarize({ text, memory: parsed(memory) }, messages);
  return { kind: "done", value: { text: made.text, memory: JSON.stringify(made.memory) } satisfies MadeSummary };
}

/** What is no JSON is no memory of ours. An error about it would quote from it, and no error holds text of a conversation (R-CON-8). */
function parsed(memory: string | null): unknown {
  try {
    return memory === null ? null : JSON.parse(memory);
  } catch {
    return null;
  }
}
