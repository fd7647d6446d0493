import { reported } from "./reported-speech.ts";
import { salienceOf } from "./salience.ts";
import { type Sentence, termsOf, wordsOf } from "./sentence.ts";
import { type Candidate, Recollection, type SpokenMessage, type SummaryMemory, summaryMemorySchema } from "./summary-memory.ts";

export interface RollingSummary {
  /** At most `SUMMARY_CHARS_MAX` characters; empty while nothing was said that is worth it. */
  readonly text: string;
  /** For the next summary: JSON of at most `MEMORY_BYTES_MAX`. */
  readonly memory: SummaryMemory;
  /** How many messages it covers that the one before did not. */
  readonly messageCount: number;
}

/**
 * The extractive summary of a conversation after some more of it: f(previous summary, new messages). It picks sentences that were said and reports
 * them; it makes nothing up and understands nothing. The same messages in the same order give the same text and memory, whatever the batches they
 * came in. Never throws: a memory that it does not know (from another summarizer) is given up, and the text before it becomes the beginning.
 */
export function summarize(
  previous: { readonly text: string | null; readonly memory: unknown },
  messages: readonly SpokenMessage[],
): RollingSummary {
  const known = summaryMemorySchema.safeParse(previous.memory);
  const recollection = new Recollection(known.success ? known.data : null);
  if (!known.success && previous.text !== null) recollection.begin(previous.text);
  for (const message of messages) recollection.take(message);
  const memory = recollection.look();
  return { text: textOf(memory), memory, messageCount: messages.length };
}

function textOf(memory: SummaryMemory): string {
  const { words, stopWords } = memory;
  const chosen = chosenOf(memory).sort((a, b) => a.at - b.at || a.nth - b.nth);
  const isEnglish = stopWords >= words * ENGLISH_SHARE_MIN;
  const sentences = chosen.map((candidate) => (isEnglish ? sentenceOf(candidate, memory) : quoted(candidate, memory)));
  const text = sentences.join(" ");
  return text.length <= SUMMARY_CHARS_MAX ? text : `${text.slice(0, SUMMARY_CHARS_MAX - 1).toWellFormed()}…`;
}

/** The most salient ones, each a little less the more of it was said by those before, until there are words enough. */
function chosenOf({ candidates, terms, words }: SummaryMemory): Candidate[] {
  const counts = new Map(terms);
  const left = new Set(
    candidates.map((candidate) => ({ candidate, terms: termsOf(candidate.text), salience: salienceOf(candidate, counts) })),
  );
  const wordsMax = Math.min(WORDS_MAX, Math.max(WORDS_MIN, words * WORDS_SHARE));
  const said = new Set<string>();
  const chosen: Candidate[] = [];
  const worth = (item: { readonly terms: readonly string[]; readonly salience: number }): number =>
    item.salience - (REPEATED * item.terms.filter((term) => said.has(term)).length) / item.terms.length;
  for (let length = 0; left.size > 0 && length < wordsMax; ) {
    const best = [...left].reduce((one, other) => (worth(other) > worth(one) ? other : one));
    left.delete(best);
    if (best.terms.every((term) => said.has(term))) continue; // It would only repeat.
    const size = wordsOf(best.candidate.text).length;
    if (chosen.length > 0 && length + size > wordsMax * OVERRUN) continue;
    chosen.push(best.candidate);
    length += size + REPORT_WORDS;
    for (const term of best.terms) said.add(term);
  }
  return chosen;
}

function sentenceOf(candidate: Candidate, { speakers }: SummaryMemory): string {
  if (candidate.by === null) return ended(candidate.text);
  const speaker = speakers[candidate.by] ?? SOMEBODY;
  const listener = speakers.length === 2 ? (speakers[1 - candidate.by] ?? null) : null;
  const report = reported(candidate, { speaker, listener });
  if (candidate.isQuestion)
    return `${speaker} asks${listener === null ? "" : ` ${listener}`}${/^(?:if|wh\w+|how) /i.test(report) ? "" : ":"} ${ended(report)}`;
  if (report.startsWith(`${speaker} `) || report.startsWith(`${speaker}'s `)) return ended(report);
  return `${speaker} ${listener === null ? "says" : `tells ${listener}`}: ${ended(report)}`;
}

/** A language whose pronouns it does not know is not touched. */
function quoted({ by, text, isQuestion }: Candidate, { speakers }: SummaryMemory): string {
  const said = `${text}${isQuestion ? "?" : "."}`;
  return by === null ? said : `${speakers[by] ?? SOMEBODY}: ${said}`;
}

const ended = (text: Sentence["text"]): string => `${text}.`;

export const SUMMARY_CHARS_MAX = 4_000;
/** Words of a summary, of those of the conversation: what people write about a short talk, and at most a paragraph about a long one. */
const WORDS_SHARE = 0.19;
const WORDS_MIN = 8;
const WORDS_MAX = 110;
/** A sentence may go so far beyond; a longer one is passed over. */
const OVERRUN = 1.25;
/** What "Ann tells Bob" adds to a sentence. */
const REPORT_WORDS = 3;
const REPEATED = 0.25;
/** In English talk about half of the words are stop words; in other languages less than a sixth happens to be spelt like one. */
const ENGLISH_SHARE_MIN = 0.3;
const SOMEBODY = "Somebody";
