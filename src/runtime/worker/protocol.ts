import type { Group } from "../journal/record.ts";
import type { RecordPointers } from "../journal/record-pointers.ts";
import type { CheckpointEnd, Snapshot } from "../journal/snapshots.ts";
import type { Answer } from "../kernel/decision.ts";
import type { Json } from "../kernel/json.ts";
import type { CommandMessage, DomainMessage } from "../shard/message.ts";

/**
 * All that crosses a MessagePort of the data plane. Between ingress and shard threads, and between shard threads, a flush is one JSON
 * string, because that is 5 times faster than posting the objects (measured: 2.4-4.7 M against 0.41 M messages/s).
 * Groups and snapshots carry their large texts as strings already and are posted as they are.
 */
export type PackedCommand = readonly [
  caller: number,
  to: string,
  command: string,
  body: Json,
  id: string | null,
  deadlineAt: number,
  trace: string | null,
];
/** A command whose client went away before its answer. */
export type CancelledCommand = readonly [caller: number, to: string];
/** A door to a shard thread: commands (`packCommands`), or which of those sent before need not begin any more. */
export type FromIngress = string | readonly CancelledCommand[];
export type PackedAnswer = readonly [caller: number, answer: Answer<Json>];

export const packCommands = (commands: readonly PackedCommand[]): string => JSON.stringify(commands);
export const unpackCommands = (text: string): readonly CommandMessage[] =>
  (JSON.parse(text) as PackedCommand[]).map(([caller, to, command, body, id, deadlineAt, trace]) => ({
    kind: "command",
    caller,
    to,
    command,
    body,
    id,
    deadlineAt,
    trace,
  }));

/**
 * Answers of a flush: a line of JSON, and behind it the long texts of their values as they are. Most are documents of JSON themselves, whose every quote would
 * be escaped here and put back there (3.8 against 1.8 us for both ends of a deposit's). Unpacked, such a text is a part of the message, which stays in memory as long as it does.
 */
export function packAnswers(answers: readonly PackedAnswer[]): string {
  const moved: MovedText[] = [];
  const texts: string[] = [];
  const rest = answers.map((packed, index): PackedAnswer => {
    const [caller, answer] = packed;
    const name = answer.ok ? longTextOf(answer.value) : null;
    if (name === null) return packed;
    const { value } = answer as { readonly value: Readonly<Record<string, string>> };
    const text = value[name] as string;
    moved.push([index, name, text.length]);
    texts.push(text);
    return [caller, { ...answer, value: { ...value, [name]: "" } } as Answer<Json>];
  });
  return `${JSON.stringify([rest, moved])}\n${texts.join("")}`;
}

export function unpackAnswers(message: string): readonly PackedAnswer[] {
  let at = message.indexOf("\n"); // It never stands inside a JSON string.
  const [answers, moved] = JSON.parse(message.slice(0, at)) as [PackedAnswer[], MovedText[]];
  at++;
  for (const [index, name, length] of moved) {
    const { value } = (answers[index] as PackedAnswer)[1] as { readonly value: Record<string, string> };
    value[name] = message.slice(at, at + length);
    at += length;
  }
  return answers;
}

/** A member of the value of an answer that stands behind the line. */
type MovedText = readonly [index: number, name: string, length: number];

/** The member of the value that is a long text; null when there is none. */
function longTextOf(value: Json): string | null {
  if (typeof value !== "object" || value === null || Array.isArray(value)) return null;
  const members: Readonly<Record<string, Json | undefined>> = value as Readonly<Record<string, Json | undefined>>;
  for (const name in members) {
    const member = members[name];
    if (typeof member === "string" && member.length >= LONG_CHARS) return name;
  }
  return null;
}
const LONG_CHARS = 128;

export const packMessages = (messages: readonly DomainMessage[]): string => JSON.stringify(messages);
export const unpackMessages = (text: string): readonly DomainMessage[] => JSON.parse(text) as DomainMessage[];

/** Snapshots by column: posting six arrays costs a third of posting as many objects as there are rows. */
export interface PackedSnapshots {
  readonly entities: readonly string[];
  readonly shards: readonly number[];
  readonly seqs: readonly number[];
  readonly versions: readonly number[];
  readonly definitions: readonly number[];
  readonly bodies: readonly string[];
  readonly firsts: readonly boolean[];
}
export const packSnapshots = (rows: readonly Snapshot[]): PackedSnapshots => ({
  entities: rows.map(({ entity }) => entity),
  shards: rows.map(({ shard }) => shard),
  seqs: rows.map(({ seq }) => seq),
  versions: rows.map(({ version }) => version),
  definitions: rows.map(({ definition }) => definition),
  bodies: rows.map(({ body }) => body),
  firsts: rows.map(({ isFirst }) => isFirst === true),
});
export const unpackSnapshots = (packed: PackedSnapshots): readonly Snapshot[] =>
  packed.entities.map((entity, i) => ({
    entity,
    shard: packed.shards[i] ?? 0,
    seq: packed.seqs[i] ?? 0,
    version: packed.versions[i] ?? 0,
    definition: packed.definitions[i] ?? 0,
    body: packed.bodies[i] ?? "",
    isFirst: packed.firsts[i] === true,
  }));

/** A shard thread to the journal thread. */
export type ToJournal = Group;
/** The journal thread to a shard thread. `down` and `up`: the disk stopped or began again to take writes. */
export type FromJournal =
  | { readonly kind: "committed"; readonly number: number; readonly seq: number }
  | { readonly kind: "refused" }
  | { readonly kind: "down" | "up" };

/**
 * A shard thread to the checkpoint thread: any number of `rows`, then `end` (null when the positions must stay); or, while no checkpoint is under
 * way, `apart`: finished entities that need not wait for one.
 */
export type ToCheckpoint<Rows = readonly Snapshot[]> =
  | { readonly kind: "rows"; readonly rows: Rows; readonly pointers: RecordPointers }
  | { readonly kind: "apart"; readonly rows: Rows; readonly pointers: RecordPointers }
  | { readonly kind: "end"; readonly end: CheckpointEnd | null };
/** The checkpoint thread to a shard thread: the answer to `end`, and to `apart`. */
export type FromCheckpoint =
  | { readonly kind: "ended" }
  | { readonly kind: "failed"; readonly reason: string }
  | { readonly kind: "storedApart" }
  | { readonly kind: "failedApart"; readonly reason: string };
