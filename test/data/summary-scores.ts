/**
 * R-CON-2: the built-in summarizer by itself against summaries that people wrote, rolling in the batches that the service makes of a backlog
 * (200 turns) and turn by turn. The first turns are scored beside it, and have to score what the data's own README says, to 0.1.
 */
import { join } from "node:path";
import { type RollingSummary, summarize } from "../../src/actors/aggregation/rolling-summary.ts";
import { type Dialogue, type DialogueSet, dialogueSetsIn } from "../support/dialogues.ts";
import { scoreLine, scoreOf } from "../support/summary-score.ts";

/** ROUGE-1, -2, -L of the first turns. */
const README_FIGURES: Readonly<Record<DialogueSet["name"], readonly [number, number, number]>> = {
  dev: [26.77, 7.16, 20.57],
  test_a: [24.93, 6.01, 19.26],
  qmsum: [16.32, 2.61, 9.68],
};
const BATCH_TURNS = 200;

/** `<dataPath>/<folder>`: `conv-dialogsum` or `conv-qmsum`. @throws Error that says what is not as it should be. */
export function checkSummaryScores(dataPath: string, folder: string): { readonly scores: readonly string[] } {
  const scores = dialogueSetsIn(join(dataPath, folder)).map((set) => {
    const stored = new Map(set.dialogues.map((dialogue) => [dialogue.name, rolled(dialogue, BATCH_TURNS)]));
    const score = scoreOf(stored, set);
    const line = scoreLine(set.name, score);
    const { rouge1, rouge2, rougeL } = score.lead;
    const isAsWritten = [rouge1, rouge2, rougeL].every((value, index) => Math.abs(value - (README_FIGURES[set.name][index] ?? 0)) <= 0.1);
    if (!isAsWritten) throw new Error(`${line}: the README says ${README_FIGURES[set.name].join("/")} of the first turns`);
    if (!score.isBetter || score.missing.length > 0) throw new Error(`${line}; missing: ${score.missing.join(", ")}`);
    for (const dialogue of set.dialogues.slice(0, TURN_BY_TURN)) {
      if (rolled(dialogue, 1) !== stored.get(dialogue.name)) throw new Error(`${dialogue.name}: turn by turn it is another summary`);
    }
    return line;
  });
  return { scores };
}

function rolled({ turns }: Dialogue, batch: number): string {
  let summary: Pick<RollingSummary, "text"> & { readonly memory: unknown } = { text: "", memory: null };
  for (let from = 0; from < turns.length; from += batch) {
    summary = JSON.parse(JSON.stringify(summarize(summary, turns.slice(from, from + batch))));
  }
  return summary.text;
}

/** A meeting has a thousand turns. */
const TURN_BY_TURN = 3;
