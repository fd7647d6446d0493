/** The middle value; of an even count the mean of the two in the middle. NaN of nothing. */
export function median(values: readonly number[]): number {
  const sorted = values.toSorted((a, b) => a - b);
  const middle = sorted.length >> 1;
  const upper = sorted[middle] ?? Number.NaN;
  return sorted.length % 2 === 1 ? upper : ((sorted[middle - 1] ?? Number.NaN) + upper) / 2;
}

/** Least and greatest. */
export const spreadOf = (values: readonly number[]): readonly [min: number, max: number] => [Math.min(...values), Math.max(...values)];

/** The value below which `share` (0 to 1) of them lie. Sorts the array in place. */
export function quantile(values: Float64Array, share: number): number {
  values.sort();
  return values[Math.min(Math.floor(values.length * share), values.length - 1)] ?? Number.NaN;
}

/** Three significant digits: more would claim what a shared machine cannot say. */
export const rounded = (value: number): number => (Number.isFinite(value) ? Number(value.toPrecision(3)) : 0);
