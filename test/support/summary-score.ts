import { type Dialogue, type DialogueSet, leadOf } from "./dialogues.ts";
import { meanOf, NO_ROUGE, type Rouge, rougeOf } from "./rouge.ts";

/** How stored summaries compare with what people wrote, and with the first turns. Means over all dialogues of the set; a missing summary scores 0. */
export interface SummaryScore {
  readonly dialogues: number;
  /** Names of dialogues that no summary is stored of, or an empty one. */
  readonly missing: readonly string[];
  readonly summary: Rouge;
  readonly lead: Rouge;
  readonly leadTurns: number;
  /** Summaries are better than the first turns in ROUGE-1 and ROUGE-L. */
  readonly isBetter: boolean;
}

/** `stored`: the last summary of each dialogue, by the dialogue's name. */
export function scoreOf(stored: ReadonlyMap<string, string>, { dialogues, leadTurns, leadNames }: DialogueSet): SummaryScore {
  const summary = meanOf(dialogues.map((dialogue) => scoreOne(stored.get(dialogue.name) ?? "", dialogue)));
  const lead = meanOf(dialogues.map((dialogue) => scoreOne(leadOf(dialogue, leadTurns, leadNames), dialogue)));
  const missing = dialogues.map(({ name }) => name).filter((name) => (stored.get(name) ?? "") === "");
  const isBetter = summary.rouge1 > lead.rouge1 && summary.rougeL > lead.rougeL;
  return { dialogues: dialogues.length, missing, summary, lead, leadTurns, isBetter };
}

const scoreOne = (text: string, { references }: Dialogue): Rouge => (text === "" ? NO_ROUGE : rougeOf(text, references));

/** `test_a (254): summary 30.17/8.46/24.57, lead-3 24.93/6.01/19.26` */
export function scoreLine(name: DialogueSet["name"], { dialogues, summary, lead, leadTurns }: SummaryScore): string {
  const line = ({ rouge1, rouge2, rougeL }: Rouge): string => [rouge1, rouge2, rougeL].map((value) => value.toFixed(2)).join("/");
  return `${name} (${dialogues}): summary ${line(summary)}, lead-${leadTurns} ${line(lead)}`;
}
