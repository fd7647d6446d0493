import { FILLERS, OPENERS, STOP_WORDS } from "./stop-words.ts";

/** A sentence of somebody's message, without what only fills it. */
export interface Sentence {
  readonly text: string;
  readonly isQuestion: boolean;
}

/**
 * The sentences of a message that say something: markup, fillers and openers are gone, greetings and "yes" with them. A sentence has at most
 * `WORDS_MAX` words, a message at most `SENTENCES_MAX` sentences; what is beyond is left out.
 */
export function sentencesOf(text: string): Sentence[] {
  const sentences: Sentence[] = [];
  for (const part of tidy(text).split(END)) {
    if (sentences.length === SENTENCES_MAX) break;
    const said = trimmed(part);
    if (said !== null) sentences.push(said);
  }
  return sentences;
}

/** Words in lower case; a sign of a script without spaces is a word. */
export const wordsOf = (text: string): string[] => text.toLowerCase().match(WORD) ?? [];

/** The words that may say what it is about. */
export const termsOf = (text: string): string[] => [
  ...new Set(wordsOf(text).filter((word) => !STOP_WORDS.has(word) && !/^[a-z0-9]$/.test(word))),
];

/** Apostrophes and commas stand as usual, whatever stood between braces or brackets is gone, and so are control characters. */
function tidy(text: string): string {
  return text
    .slice(0, CHARS_MAX)
    .replace(/[\p{Cc}\p{Cs}]+/gu, " ")
    .replace(/\{[^{}]*\}|\[[^[\]]*\]|<[^<>]*>/g, " ")
    .replace(/\s+/g, " ") // First: what follows looks back over blanks again and again.
    .replace(/[‘’]/g, "'")
    .replace(/(?<=\w) ?' ?(?=(?:s|t|m|d|re|ve|ll)\b)/gi, "'")
    .replace(/ ([,.!?;:])/g, "$1");
}

function trimmed(part: string): Sentence | null {
  const isQuestion = /[?？]\s*$/u.test(part);
  const words = part
    .replace(/[\s.!?。！？]+$/u, "")
    .trim()
    .split(" ")
    .filter((word) => !FILLERS.has(bare(word)));
  let from = 0;
  while (from < words.length && OPENERS.has(bare(words[from] ?? ""))) from++;
  const kept = words.slice(from, from + WORDS_MAX);
  const text = kept
    .join(" ")
    .slice(0, SENTENCE_CHARS_MAX)
    .toWellFormed()
    .replace(/^[\s,;:–-]+|[\s,;:–-]+$/g, "");
  return termsOf(text).length === 0 || wordsOf(text).length < WORDS_MIN ? null : { text, isQuestion };
}

const bare = (word: string): string => word.toLowerCase().replace(/[^\p{L}\p{N}]+/gu, "");

const WORD =
  /[\p{Script=Han}\p{Script=Hiragana}\p{Script=Katakana}]|(?:(?![\p{Script=Han}\p{Script=Hiragana}\p{Script=Katakana}])[\p{L}\p{N}])+/gu;
/** Where a sentence ends; not after a title. */
const END = /(?<!\b(?:Mr|Mrs|Ms|Dr|St|vs)\.)(?<=[.!?]["')]?) +|(?<=[。！？])/u;
const CHARS_MAX = 100_000;
const SENTENCE_CHARS_MAX = 400;
const SENTENCES_MAX = 200;
const WORDS_MAX = 40;
const WORDS_MIN = 3;
