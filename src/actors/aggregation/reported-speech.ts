import type { Sentence } from "./sentence.ts";
import { STOP_WORDS } from "./stop-words.ts";

/** Who said it, and to whom when that is beyond doubt. */
export interface Talk {
  readonly speaker: string;
  readonly listener: string | null;
}

/**
 * English direct speech as a report: "I need a ride" of Ann's becomes "Ann needs a ride". Only pronouns and the verbs beside them change. Without a
 * listener "you" stays as it is.
 */
export function reported({ text, isQuestion }: Sentence, { speaker, listener }: Talk): string {
  const words = isQuestion ? asClause(text.split(" ")) : text.split(" ");
  const out: string[] = [];
  for (let at = 0; at < words.length; at++) {
    const [, before = "", word = "", after = ""] = /^([^\p{L}\p{N}]*)(.*?)([^\p{L}\p{N}]*)$/u.exec(words[at] ?? "") ?? [];
    const subject = subjectOf(word, out.at(-1), { speaker, listener });
    if (subject === null) {
      out.push(`${before}${objectOf(word, { speaker, listener })}${after}`);
      continue;
    }
    const previous = out.at(-1)?.toLowerCase();
    const inverted = previous === undefined ? undefined : SINGULAR.get(previous);
    if (inverted !== undefined && after === "") out[out.length - 1] = inverted;
    out.push(`${before}${subject}${after}`);
    if (after !== "" || word.includes("'") || (previous !== undefined && INVERTERS.has(previous))) continue;
    while (ADVERBS.has(words[at + 1] ?? "")) out.push(words[++at] ?? "");
    const verb = words[at + 1];
    if (verb === undefined) continue;
    out.push(thirdPerson(verb));
    at++;
  }
  const [first = ""] = out;
  // A name keeps its capital.
  if (STOP_WORDS.has(first.toLowerCase().replace(/'.*|[^\p{L}].*/u, "")) && first !== "I")
    out[0] = first.charAt(0).toLowerCase() + first.slice(1);
  return out.join(" ");
}

/** A question in the order of a statement: "where do you live" is "where you live", "are you well" is "if you are well". */
function asClause(words: readonly string[]): readonly string[] {
  const at = words.findIndex(
    (word, index) => INVERTERS.has(word.toLowerCase()) && SUBJECTS.has((words[index + 1] ?? "").toLowerCase().replace(/[^a-z]/g, "")),
  );
  const [verb = "", subject = ""] = words.slice(at, at + 2);
  const first = (words[0] ?? "").toLowerCase();
  if (at < 0 || at > 5 || (at > 0 && !ASKERS.has(first))) return words;
  const rest = words.slice(at + 2);
  const statement = verb.toLowerCase() === "do" ? [subject, ...rest] : [subject, verb.toLowerCase(), ...rest];
  return [...(at === 0 ? ["if"] : words.slice(0, at)), ...statement];
}

/** The subject with what hangs on it ("I'm"), or null when the word is none. */
function subjectOf(word: string, previous: string | undefined, { speaker, listener }: Talk): string | null {
  const [stem = "", tail] = word.toLowerCase().split("'");
  const who = word === "I" || word.startsWith("I'") ? speaker : stem === "you" ? listener : null;
  if (who === null) return null;
  if (tail === undefined) return stem === "you" && previous !== undefined && BEFORE_OBJECTS.has(previous.toLowerCase()) ? null : who;
  const full = TAILS[tail];
  return full === undefined ? null : `${who} ${full}`;
}

function objectOf(word: string, { speaker, listener }: Talk): string {
  const lower = word.toLowerCase();
  if (lower === "me" || lower === "myself") return speaker;
  if (lower === "my" || lower === "mine") return `${speaker}'s`;
  if (listener === null) return word;
  if (lower === "you" || lower === "yourself") return listener;
  if (lower === "your" || lower === "yours") return `${listener}'s`;
  return PLURAL.get(lower) ?? word;
}

function thirdPerson(verb: string): string {
  const irregular = SINGULAR.get(verb.toLowerCase());
  if (irregular !== undefined) return irregular;
  return /^[a-z]+$/.test(verb) && VERBS.has(verb) ? (/(?:s|x|ch|sh|o)$/.test(verb) ? `${verb}es` : `${verb}s`) : verb;
}

const TAILS: Readonly<Record<string, string>> = { m: "is", re: "is", ve: "has", ll: "will", d: "would" };
const SINGULAR: ReadonlyMap<string, string> = new Map([
  ["am", "is"],
  ["are", "is"],
  ["aren't", "isn't"],
  ["have", "has"],
  ["haven't", "hasn't"],
  ["do", "does"],
  ["don't", "doesn't"],
  ["were", "was"],
  ["weren't", "wasn't"],
]);
const INVERTERS: ReadonlySet<string> = new Set(
  "am are is was were do does did don't doesn't didn't have has had can could will would should may might must can't won't couldn't wouldn't shouldn't".split(
    " ",
  ),
);
const SUBJECTS: ReadonlySet<string> = new Set("i you he she it we they there this that".split(" "));
const ASKERS: ReadonlySet<string> = new Set("what when where which who whom whose why how".split(" "));
const ADVERBS: ReadonlySet<string> = new Set("also always just never often only really still usually".split(" "));
const BEFORE_OBJECTS: ReadonlySet<string> = new Set(
  "to for with of at from about tell ask help thank give show let see call on by after than like".split(" "),
);
const PLURAL: ReadonlyMap<string, string> = new Map([
  ["we", "they"],
  ["we're", "they're"],
  ["we've", "they've"],
  ["we'll", "they'll"],
  ["we'd", "they'd"],
  ["us", "them"],
  ["our", "their"],
  ["ours", "theirs"],
]);
/** Those that are common in talk: a verb that is not here stays as it is, because a noun or an adverb must. */
const VERBS: ReadonlySet<string> = new Set(
  `agree ask believe bring buy call care come cost decide drink drive eat enjoy expect feel find forget get give go guess hate hear help hope keep know
  leave like live look lose love make mean meet miss need offer order own pay plan play prefer promise read recommend remember run say see sell send
  show sleep speak spend start stay stop study suggest suppose swim take talk teach tell think travel understand use wait walk want wear wish wonder
  work worry write`.split(/\s+/),
);
