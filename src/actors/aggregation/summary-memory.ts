import { z } from "zod";
import { salienceOf } from "./salience.ts";
import { sentencesOf, termsOf, wordsOf } from "./sentence.ts";
import { STOP_WORDS } from "./stop-words.ts";

export interface SpokenMessage {
  readonly speaker: string;
  readonly text: string;
}

const candidateSchema = z.object({
  text: z.string(),
  isQuestion: z.boolean(),
  /** Number of its message in the conversation, from 0. */
  at: z.number(),
  /** Which sentence of its message. */
  nth: z.number(),
  /** Index among the speakers; null = nobody in particular. */
  by: z.number().nullable(),
});

/** What is known of a conversation: JSON of at most `MEMORY_BYTES_MAX` in UTF-8, however long the conversation is. */
export const summaryMemorySchema = z.object({
  format: z.literal(1),
  messages: z.number(),
  words: z.number(),
  /** Those of the words that are English and carry no topic. */
  stopWords: z.number(),
  speakers: z.array(z.string()),
  /** Sentences that may come into a summary, in the order in which they were said. */
  candidates: z.array(candidateSchema),
  /** In how many sentences each term was, the oldest term first. */
  terms: z.array(z.tuple([z.string(), z.number()])),
});
export type SummaryMemory = z.infer<typeof summaryMemorySchema>;
export type Candidate = z.infer<typeof candidateSchema>;

export const MEMORY_BYTES_MAX = 65_536;

/** Takes messages one after the other, so that it does not matter how they were bundled. What it forgets is decided message by message too. */
export class Recollection {
  readonly #speakers: string[];
  readonly #terms: Map<string, number>;
  #candidates: Candidate[];
  #messages: number;
  #words: number;
  #stopWords: number;
  #candidateBytes = 0;
  #termBytes = 0;

  constructor(memory: SummaryMemory | null) {
    this.#speakers = [...(memory?.speakers ?? [])];
    this.#terms = new Map(memory?.terms);
    this.#candidates = [...(memory?.candidates ?? [])];
    this.#messages = memory?.messages ?? 0;
    this.#words = memory?.words ?? 0;
    this.#stopWords = memory?.stopWords ?? 0;
    for (const candidate of this.#candidates) this.#candidateBytes += bytesOf(candidate);
    for (const term of this.#terms.keys()) this.#termBytes += bytesOf(term) + COUNT_BYTES;
  }

  take({ speaker, text }: SpokenMessage): void {
    this.#listen(text, this.#numberOf(speaker));
    this.#messages++;
  }

  /** A summary whose memory is not there: what it says is a beginning that nobody in particular said. */
  begin(summary: string): void {
    this.#listen(summary, null);
  }

  look(): SummaryMemory {
    return {
      format: 1,
      messages: this.#messages,
      words: this.#words,
      stopWords: this.#stopWords,
      speakers: this.#speakers,
      candidates: this.#candidates,
      terms: [...this.#terms],
    };
  }

  #listen(text: string, by: number | null): void {
    const words = wordsOf(text);
    this.#words += words.length;
    this.#stopWords += words.filter((word) => STOP_WORDS.has(word)).length;
    for (const [nth, sentence] of sentencesOf(text).entries()) {
      const candidate: Candidate = { ...sentence, at: this.#messages, nth, by };
      this.#candidates.push(candidate);
      this.#candidateBytes += bytesOf(candidate);
      for (const term of termsOf(sentence.text)) this.#count(term);
    }
    if (this.#termBytes > TERM_BYTES_MAX) this.#forgetTerms();
    if (this.#candidateBytes > CANDIDATE_BYTES_MAX) this.#forgetCandidates();
  }

  #numberOf(speaker: string): number | null {
    const name = speaker
      .slice(0, SPEAKER_CHARS_MAX)
      .toWellFormed()
      .replace(/\p{Cc}+/gu, " ");
    const known = this.#speakers.indexOf(name);
    if (known >= 0) return known;
    return this.#speakers.length === SPEAKERS_MAX ? null : this.#speakers.push(name) - 1;
  }

  #count(term: string): void {
    const count = this.#terms.get(term);
    if (count === undefined) this.#termBytes += bytesOf(term) + COUNT_BYTES;
    this.#terms.set(term, (count ?? 0) + 1);
  }

  /** The rarest go, the oldest of them first; down to less than is allowed, so that it is not done for every message. */
  #forgetTerms(): void {
    for (const [term] of [...this.#terms].sort(([, a], [, b]) => a - b)) {
      if (this.#termBytes <= TERM_BYTES_MAX * KEPT) return;
      this.#terms.delete(term);
      this.#termBytes -= bytesOf(term) + COUNT_BYTES;
    }
  }

  #forgetCandidates(): void {
    const ranked = this.#candidates.map((candidate) => ({ candidate, salience: salienceOf(candidate, this.#terms) }));
    const gone = new Set<Candidate>();
    for (const { candidate } of ranked.sort((a, b) => a.salience - b.salience)) {
      if (this.#candidateBytes <= CANDIDATE_BYTES_MAX * KEPT) break;
      gone.add(candidate);
      this.#candidateBytes -= bytesOf(candidate);
    }
    this.#candidates = this.#candidates.filter((candidate) => !gone.has(candidate));
  }
}

/** As JSON in UTF-8, with the comma behind it. */
function bytesOf(value: Candidate | string): number {
  const text = JSON.stringify(value);
  let bytes = 1;
  for (let at = 0; at < text.length; at++) {
    const unit = text.charCodeAt(at);
    bytes += unit < 0x80 ? 1 : unit < 0x800 ? 2 : 3; // At most, for a pair of surrogates has 4 and not 6.
  }
  return bytes;
}

/** Together with the names less than `MEMORY_BYTES_MAX`. */
const CANDIDATE_BYTES_MAX = 32_768;
const TERM_BYTES_MAX = 16_384;
/** Brackets, comma and a count. */
const COUNT_BYTES = 12;
const KEPT = 0.8;
/** A name has at most 3 bytes a character. */
const SPEAKERS_MAX = 40;
const SPEAKER_CHARS_MAX = 64;
