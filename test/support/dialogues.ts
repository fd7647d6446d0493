/** Dialogues with human summaries, read from the folder of the test data: no part of them is in the project. */
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { gunzipSync } from "node:zlib";

export interface DialogueTurn {
  readonly speaker: string;
  readonly text: string;
}
export interface Dialogue {
  readonly name: string;
  readonly turns: readonly DialogueTurn[];
  /** What people wrote; at least one. */
  readonly references: readonly string[];
}
/** One file of dialogues, in its own order. */
export interface DialogueSet {
  readonly name: "dev" | "test_a" | "qmsum";
  readonly dialogues: readonly Dialogue[];
  /** A summary is compared with so many turns of the beginning. */
  readonly leadTurns: number;
  /** Whether those turns name who spoke, as they do in the figures that came with the data. */
  readonly leadNames: boolean;
}

/** The sets in a folder: `conv-dialogsum` (dev.jsonl, test_a.jsonl) or `conv-qmsum` (val.jsonl.gz). @throws Error when it holds none. */
export function dialogueSetsIn(folder: string): DialogueSet[] {
  const sets: DialogueSet[] = [];
  for (const name of ["dev", "test_a"] as const) {
    const file = join(folder, `${name}.jsonl`);
    if (existsSync(file)) sets.push({ name, dialogues: linesOf(readFileSync(file)).map(dialogueOf), leadTurns: 3, leadNames: true });
  }
  const meetings = join(folder, "val.jsonl.gz");
  if (existsSync(meetings))
    sets.push({ name: "qmsum", dialogues: linesOf(gunzipSync(readFileSync(meetings))).map(meetingOf), leadTurns: 10, leadNames: false });
  if (sets.length === 0) throw new Error(`${folder}: expected dev.jsonl, test_a.jsonl or val.jsonl.gz`);
  return sets;
}

/** The first turns as they were said, which is what a summary has to beat. */
export const leadOf = ({ turns }: Dialogue, count: number, hasNames: boolean): string =>
  turns
    .slice(0, count)
    .map(({ speaker, text }) => (hasNames ? `${speaker}: ${text}` : text))
    .join(" ");

type Fields = Readonly<Record<string, unknown>>;

const linesOf = (bytes: Buffer): Fields[] =>
  bytes
    .toString("utf8")
    .split("\n")
    .filter((line) => line.trim() !== "")
    .map((line) => JSON.parse(line) as Fields);

function dialogueOf(fields: Fields): Dialogue {
  const turns = textOf(fields.dialogue, "dialogue").split("\n").map(turnOf);
  const references = ["summary", "summary1", "summary2", "summary3"].map((key) => fields[key]).filter((text) => typeof text === "string");
  return { name: textOf(fields.fname, "fname"), turns, references };
}

/** `#Person1#: what was said`. */
function turnOf(line: string): DialogueTurn {
  const at = line.indexOf(":");
  return { speaker: line.slice(0, at), text: line.slice(at + 1).trim() };
}

function meetingOf(fields: Fields, index: number): Dialogue {
  const turns = listOf(fields.meeting_transcripts, "meeting_transcripts").map(({ speaker, content }) => ({
    speaker: textOf(speaker, "speaker"),
    text: textOf(content, "content"),
  }));
  const [whole] = listOf(fields.general_query_list, "general_query_list");
  return { name: `meeting_${index + 1}`, turns, references: [textOf(whole?.answer, "answer")] };
}

function textOf(value: unknown, name: string): string {
  if (typeof value !== "string") throw new Error(`expected a text as ${name}, not ${typeof value}`);
  return value;
}
function listOf(value: unknown, name: string): readonly Fields[] {
  if (!Array.isArray(value)) throw new Error(`expected a list as ${name}, not ${typeof value}`);
  return value as readonly Fields[];
}
