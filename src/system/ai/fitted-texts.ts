/** Texts cut so that all together have at most `charsMax` characters: the shortest stay whole, the longest share what is left alike. */
export function fittedTexts(texts: readonly string[], charsMax: number): readonly string[] {
  const cap = capOf(
    texts.map(({ length }) => length),
    charsMax,
  );
  return texts.map((text) => cutText(text, cap));
}

/** At most `charsMax` characters, ending in an ellipsis when some were left out; never half of a surrogate pair. */
export function cutText(text: string, charsMax: number): string {
  if (text.length <= charsMax) return text;
  const kept = text.slice(0, Math.max(0, charsMax - 1));
  return charsMax < 1 ? "" : `${/[\uD800-\uDBFF]$/.test(kept) ? kept.slice(0, -1) : kept}…`;
}

/** The length to which the longest must be cut. */
function capOf(lengths: readonly number[], charsMax: number): number {
  let left = charsMax;
  const ascending = lengths.toSorted((a, b) => a - b);
  for (const [at, length] of ascending.entries()) {
    const share = Math.floor(left / (ascending.length - at));
    if (length > share) return share;
    left -= length;
  }
  return Number.POSITIVE_INFINITY;
}
