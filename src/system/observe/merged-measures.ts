import type { HistogramLook } from "../../runtime/index.ts";
import { METRICS, type Measure, type PartMeasures, type TakenMeasures } from "./measure.ts";

/**
 * The measures of all parts as one set, each series once.
 *
 * M1. A counter never goes back when a part ends and its successor begins at 0: what the part had counted at the last look is kept. What it counted
 *     between that look and its end is lost.
 * M2. A part that does not answer is counted as it answered last, for the same reason.
 */
export class MergedMeasures {
  readonly #last = new Map<string, TakenMeasures>();
  /** What parts counted that have ended. */
  readonly #ended = new Map<string, Measure>();

  /** Takes the measures of a new look and answers the sums over all parts and all their lives. */
  merge(parts: readonly PartMeasures[]): readonly Measure[] {
    for (const { part, taken } of parts) {
      if (taken === null) continue;
      const last = this.#last.get(part);
      if (last !== undefined && last.life !== taken.life) {
        for (const measure of last.measures) if (METRICS[measure.name].type !== "gauge") addTo(this.#ended, measure);
      }
      this.#last.set(part, taken);
    }
    const sums = new Map(this.#ended);
    for (const { part, taken } of parts) {
      const measures = taken?.measures ?? this.#last.get(part)?.measures ?? [];
      for (const measure of measures) addTo(sums, measure);
    }
    // A part that is being replaced is not in the list: what it counted must not be missing meanwhile.
    const present = new Set(parts.map(({ part }) => part));
    for (const [part, { measures }] of this.#last) {
      if (present.has(part)) continue;
      for (const measure of measures) if (METRICS[measure.name].type !== "gauge") addTo(sums, measure);
    }
    return [...sums.values()];
  }
}

function addTo(sums: Map<string, Measure>, measure: Measure): void {
  const key = `${measure.name} ${JSON.stringify(measure.labels)}`;
  const sum = sums.get(key);
  sums.set(key, sum === undefined ? measure : { ...measure, value: sumOf(sum.value, measure.value) });
}

/** Series of one name are all numbers or all histograms of the same bounds. */
function sumOf(a: Measure["value"], b: Measure["value"]): Measure["value"] {
  if (typeof a === "number" || typeof b === "number") return Number(a) + Number(b);
  const { bounds, counts, sum }: HistogramLook = a;
  return { bounds, counts: counts.map((count, i) => count + (b.counts[i] ?? 0)), sum: sum + b.sum };
}
