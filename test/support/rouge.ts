/**
 * ROUGE-1, -2 and -L as F1 x 100, as the figures that come with the data were made: tokens are runs of a-z and 0-9 in lower case, there is no
 * stemming, a summary is one sequence (L looks for the longest common subsequence of all of it), and several references give their mean.
 */
export interface Rouge {
  readonly rouge1: number;
  readonly rouge2: number;
  readonly rougeL: number;
}

export const NO_ROUGE: Rouge = { rouge1: 0, rouge2: 0, rougeL: 0 };

/** @throws RangeError when there is no reference: a mean over none says nothing. */
export function rougeOf(candidate: string, references: readonly string[]): Rouge {
  const tokens = tokensOf(candidate);
  return meanOf(references.map((reference) => against(tokens, tokensOf(reference))));
}

/** @throws RangeError when there is none. */
export function meanOf(scores: readonly Rouge[]): Rouge {
  if (scores.length === 0) throw new RangeError("there is no score to make a mean of");
  const mean = (name: keyof Rouge): number => scores.reduce((sum, score) => sum + score[name], 0) / scores.length;
  return { rouge1: mean("rouge1"), rouge2: mean("rouge2"), rougeL: mean("rougeL") };
}

export const tokensOf = (text: string): string[] => text.toLowerCase().match(/[a-z0-9]+/g) ?? [];

function against(candidate: readonly string[], reference: readonly string[]): Rouge {
  const f1 = (common: number, n: number): number => {
    const sum = Math.max(0, candidate.length - n + 1) + Math.max(0, reference.length - n + 1);
    return sum === 0 ? 0 : (200 * common) / sum; // 2PR / (P + R), without its division by zero.
  };
  return {
    rouge1: f1(overlap(candidate, reference), 1),
    rouge2: f1(overlap(pairsOf(candidate), pairsOf(reference)), 2),
    rougeL: f1(longestCommonSubsequence(candidate, reference), 1),
  };
}

const pairsOf = (tokens: readonly string[]): string[] => tokens.slice(1).map((token, index) => `${tokens[index]} ${token}`);

/** A token counts as often as it is in both. */
function overlap(candidate: readonly string[], reference: readonly string[]): number {
  const left = new Map<string, number>();
  for (const token of reference) left.set(token, (left.get(token) ?? 0) + 1);
  let common = 0;
  for (const token of candidate) {
    const count = left.get(token) ?? 0;
    if (count === 0) continue;
    left.set(token, count - 1);
    common++;
  }
  return common;
}

function longestCommonSubsequence(one: readonly string[], other: readonly string[]): number {
  let above: number[] = new Array(other.length + 1).fill(0);
  for (const token of one) {
    const row = [0];
    for (let at = 0; at < other.length; at++) {
      row.push(token === other[at] ? (above[at] ?? 0) + 1 : Math.max(above[at + 1] ?? 0, row[at] ?? 0));
    }
    above = row;
  }
  return above[other.length] ?? 0;
}
