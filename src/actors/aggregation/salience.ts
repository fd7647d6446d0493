import { type Sentence, termsOf, wordsOf } from "./sentence.ts";

/**
 * How much a sentence says of what the conversation is about: how often its terms come up, for its length; that it was said early, where talk
 * names its reason; that it is no scrap, and that it asks, because answers alone lack their topic. The weights were found on the development
 * part of a public set of dialogues, where everything near them is as good.
 */
export function salienceOf({ text, isQuestion, at }: Sentence & { readonly at: number }, terms: ReadonlyMap<string, number>): number {
  const words = wordsOf(text).length;
  let centrality = 0;
  for (const term of termsOf(text)) centrality += Math.log(1 + (terms.get(term) ?? 0));
  return (
    centrality / words + EARLY / (1 + at / EARLY_MESSAGES) + (WHOLE * Math.min(words, WHOLE_WORDS)) / WHOLE_WORDS + (isQuestion ? ASKS : 0)
  );
}

const EARLY = 0.6;
/** After so many messages half of it is left. */
const EARLY_MESSAGES = 3;
const WHOLE = 0.3;
const WHOLE_WORDS = 12;
const ASKS = 0.2;
