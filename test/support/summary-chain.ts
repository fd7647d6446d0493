/**
 * Judges whether each summary was made of the one before it and of exactly the messages of its turns (R-CON-2; TRAPS 5). One of the endpoint says so in its
 * text (`summary-proof.ts`). What the built-in summarizer writes nobody can foretell: it remembers how many messages it took, and the endpoint's next
 * one must be made of its very text.
 */
import { markOf, proofOf, type SummaryProof } from "./summary-proof.ts";
import type { ConversationStory, SummaryStory, TurnStory } from "./turn-journal.ts";

export interface ChainFinding {
  /** "lost": the summary lacks a message of the turn; "outOfOrder": it was made of another summary than the one before; else it is merely wrong. */
  readonly kind: "lost" | "outOfOrder" | "wrong";
  /** The turn of what was lost, else the summary's first. */
  readonly turn: number;
  readonly why: string;
}

/** What is wrong with the summaries of a conversation; none when all is as it must be. */
export function chainFindings({ turns, summaries }: ConversationStory): readonly ChainFinding[] {
  return summaries.flatMap((summary, at) => {
    const before = summaries[at - 1] ?? null;
    const covered = turns.slice(summary.fromTurn - 1, summary.toTurn);
    return summary.taken === null ? provenFindings(summary, before, covered) : takenFindings(summary, summary.taken, before, covered);
  });
}

function provenFindings(summary: SummaryStory, before: SummaryStory | null, turns: readonly TurnStory[]): readonly ChainFinding[] {
  const { fromTurn, toTurn, text } = summary;
  const range = `the summary of turns ${fromTurn} to ${toTurn}`;
  const proof = proofOf(text);
  if (proof === null) return [{ kind: "wrong", turn: fromTurn, why: `${range} does not say what it was made of` }];
  const isChained = proof.before === (before === null ? null : markOf(before.text));
  const messages = messageFindings(range, proof, turns);
  if (isChained) return messages;
  const madeOf = proof.before === null ? "no summary before it" : "another summary";
  const why = `${range} was made of ${madeOf}, not of ${before === null ? "none" : `the one to turn ${before.toTurn}`}`;
  return [{ kind: "outOfOrder", turn: fromTurn, why }, ...messages];
}

/** Each turn's message and then its reply, and nothing else. */
function messageFindings(range: string, { messages }: SummaryProof, turns: readonly TurnStory[]): readonly ChainFinding[] {
  let next = 0;
  let found = 0;
  const lost = turns.flatMap(expectedOf).flatMap(({ turn, what, marks, isOptional }): readonly ChainFinding[] => {
    const at = messages.findIndex((mark, place) => place >= next && marks.includes(mark));
    if (at < 0) return isOptional ? [] : [{ kind: "lost", turn, why: `its ${what} is not in ${range}` }];
    next = at + 1;
    found++;
    return [];
  });
  const others = messages.length - found;
  if (others === 0) return lost;
  return [...lost, { kind: "wrong", turn: turns[0]?.turn ?? 0, why: `${range} has ${others} messages that do not belong there` }];
}

interface Expected {
  readonly turn: number;
  readonly what: "message" | "reply";
  /** One of them. */
  readonly marks: readonly string[];
  readonly isOptional: boolean;
}

function expectedOf(story: TurnStory): readonly Expected[] {
  const { turn, speaker, text } = story;
  const replies = standingReplies(story);
  const marks = replies.flatMap((reply) => (reply === null ? [] : [markOf(`assistant: ${reply}`)]));
  return [
    { turn, what: "message", marks: [markOf(`${speaker}: ${text}`)], isOptional: false },
    { turn, what: "reply", marks, isOptional: replies.includes(null) },
  ];
}

/** The built-in summarizer begins to count anew after a summary that is not its own. */
function takenFindings(
  { fromTurn, toTurn }: SummaryStory,
  taken: number,
  before: SummaryStory | null,
  turns: readonly TurnStory[],
): readonly ChainFinding[] {
  const count = taken - (before?.taken ?? 0);
  const counts = turns.map((turn) => standingReplies(turn).map((text) => (text === null ? 1 : 2)));
  const min = counts.reduce((sum, of) => sum + Math.min(...of), 0);
  const max = counts.reduce((sum, of) => sum + Math.max(...of), 0);
  if (count >= min && count <= max) return [];
  const expected = min === max ? min : `${min} to ${max}`;
  const why = `the built-in summary of turns ${fromTurn} to ${toTurn} took ${count} messages after the one before, not ${expected}`;
  return [{ kind: "wrong", turn: fromTurn, why }];
}

/**
 * The texts of the replies that stood in the turn at any time since it was over; null = none did. A reply that ended without a text leaves the one before it;
 * one that regenerate made may have come before the summary or after.
 */
function standingReplies({ ends }: TurnStory): readonly (string | null)[] {
  const standing: (string | null)[] = [];
  for (const { text } of ends) standing.push(text === "" ? (standing.at(-1) ?? null) : text);
  return standing.length === 0 ? [null] : standing;
}
