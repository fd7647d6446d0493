/**
 * A summary whose text proves what it was made of: marks of the summary before it and of each new message, as they stand in the prompt. As the mark of a
 * summary covers the mark in it of the one before, the last one proves all. `FakeAi` answers it, `summary-chain.ts` compares it with the journal.
 */
import { createHash } from "node:crypto";

/** `before`: mark of the summary before; null = there was none. `messages`: marks of the new messages in their order, each of its line `name: text`. */
export interface SummaryProof {
  readonly before: string | null;
  readonly messages: readonly string[];
}

/** Twelve characters; two texts of one conversation have never the same. */
export const markOf = (text: string): string => createHash("sha256").update(text).digest("hex").slice(0, 12);

/** The proof of a summary of these lines. One line without a break, of 15 characters a message. */
export function proofText(before: string | null, lines: readonly string[]): string {
  return JSON.stringify({ before: before === null ? null : markOf(before), messages: lines.map(markOf) } satisfies SummaryProof);
}

const BEFORE = "Summary so far:\n";
const NEW = "\n\nNew messages:\n";

/**
 * The proof of what a prompt holds: the one before and each line below "New messages". Messages must be without line breaks, as all those of the checks
 * are. A prompt of another form holds nothing.
 */
export function promptProof(prompt: string): string {
  const at = prompt.indexOf(NEW);
  if (at < 0) return proofText(null, []);
  const before = prompt.startsWith(BEFORE) ? prompt.slice(BEFORE.length, at) : null;
  const lines = prompt.slice(at + NEW.length).split("\n");
  return proofText(
    before,
    lines.filter((line) => line !== ""),
  );
}

/** What such a text says; null for any other. */
export function proofOf(text: string): SummaryProof | null {
  try {
    const { before, messages } = JSON.parse(text) as Partial<SummaryProof>;
    return before === undefined || !Array.isArray(messages) ? null : { before, messages };
  } catch {
    return null;
  }
}
