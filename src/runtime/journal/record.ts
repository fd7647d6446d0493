import { partsOf } from "../kernel/address.ts";
import type { Answer, OutsideKind } from "../kernel/decision.ts";
import type { Code } from "../kernel/fault.ts";
import type { Json } from "../kernel/json.ts";
import type { TimerSet } from "./timer.ts";

/** Version of the record format. A store with a higher `minReader` than this is refused by name (`FORMAT_UNSUPPORTED`). */
export const RECORD_FORMAT = 1;
export const RECORD_MIN_READER = 1;

/**
 * What one commit group did to one entity, as the journal keeps it (JSON). Keys that would be empty are left out. `seq` counts the entries
 * of a shard from 1 without a gap; `version` counts the events of the entity.
 *
 * E1. An entity has at most one entry in a record: whatever it handled in the group, in order.
 * E2. An effect that was opened and closed in one record is not written. A record is there as a whole or not at all, so after a crash such an
 *     effect either never was or is done; only what is still open at the end of a record must be found again. (A transfer inside one
 *     domain then takes 3 entries and 1.4 kB instead of 6 and 2.4 kB.)
 */
export interface Entry {
  readonly shard: number;
  readonly seq: number;
  /** Address `type/id`. */
  readonly entity: string;
  readonly version: number;
  /** Milliseconds since 1970, the same for all entries of a record; never goes back within a shard. */
  readonly at: number;
  readonly events?: readonly Json[];
  /** Ids of the clients' commands that were accepted here. */
  readonly ids?: readonly string[];
  /** Commands whose id the runtime remembers for the entity (`repeats: "recorded"`). */
  readonly keys?: readonly RecordedKey[];
  /** Tells that were handled here and are not yet closed: the proof that they are not to be handled again (L3). */
  readonly handled?: readonly HandledCause[];
  /** Effects opened here and still open at the end of the record, in order; the id is `shard.incarnation.seq.index`. */
  readonly opens?: readonly OpenedEffect[];
  /** Ids of effects of earlier records that are closed here. */
  readonly closes?: readonly string[];
  /** Failed attempts at open outside effects of this entity. */
  readonly attempts?: readonly FailedAttempt[];
  /** Outside effects of this entity whose last attempt failed. One that wants an answer is closed here too, unless it keeps its dead; the others stay open. */
  readonly deadEffects?: readonly DeadEffect[];
  /** Attempts of which the entity handled progress for the first time: after a crash none of that number begins again. */
  readonly progressed?: ReadonlyArray<{ readonly id: string; readonly attempt: number }>;
  /** Dead letters that begin anew, their attempts counted from 0. */
  readonly replays?: readonly string[];
  /** Timers of this entity as they stand after the record; `timersOver` are labels of those that fired or were cancelled. */
  readonly timers?: readonly TimerSet[];
  readonly timersOver?: readonly string[];
  readonly traces?: readonly string[];
}

export interface RecordedKey {
  readonly id: string;
  /** Fingerprint of command and body. */
  readonly print: string;
  readonly answer: Answer<Json>;
}

export interface HandledCause {
  readonly cause: string;
  readonly answer: Answer<Json>;
  /** The entity did not take it: it crashed, or the chain of causes was too long. */
  readonly isDeadLetter?: true;
}

/** `attempt` counts from 1; the next one is not begun before `nextAt`, milliseconds since 1970. */
export interface FailedAttempt {
  readonly id: string;
  readonly attempt: number;
  readonly error: string;
  readonly nextAt: number;
}
export interface DeadEffect {
  readonly id: string;
  readonly code: Code;
  readonly error: string;
  /** That were made, the last one with them; absent in what older programs wrote. */
  readonly attempts?: number;
}

/** An effect as its entry opens it. `hops` counts the causes since an outside input. */
export interface OpenedEffect {
  readonly id: string;
  readonly kind: "tell" | "ask" | OutsideKind;
  /** Address of an entity, or the name of a port. */
  readonly to: string;
  readonly command: string;
  readonly body: Json;
  readonly answerTo?: string;
  readonly isOrdered?: boolean;
  readonly label?: string;
  readonly keepsDead?: true;
  readonly progressTo?: string;
  readonly hops: number;
  readonly trace?: string;
}

/**
 * The body of a record: a JSON array with one entry a line. Any JSON parser reads it; who wants the entries of some entities only need not
 * parse the others, because a line break never stands inside a JSON string.
 */
export const packEntries = (entries: readonly Entry[]): Uint8Array => encoder.encode(textOf(entries));
const encoder = new TextEncoder();

/**
 * All entries in one call, because a call for each takes a third more for such as a transfer makes (docs/decisions.md 17), and cut between them afterwards. "shard" is the
 * first key of every entry (`PendingEntry.toEntry`), so one cut more than there are ends of entries was made inside one: into what an event or an effect holds. Inside
 * a JSON string none is made, because its quotes are escaped.
 */
function textOf(entries: readonly Entry[]): string {
  const lines = JSON.stringify(entries).split(NEXT_ENTRY, entries.length + 1);
  if (lines.length === entries.length) return lines.join(NEXT_LINE);
  return `[${entries.map((entry) => JSON.stringify(entry)).join(",\n")}]`; // A line is taken for an entry, so what is inside one must not get a line.
}
const NEXT_ENTRY = '},{"shard":';
const NEXT_LINE = '},\n{"shard":';

export const unpackEntries = (body: string | Uint8Array): readonly Entry[] =>
  JSON.parse(typeof body === "string" ? body : decoder.decode(body)) as Entry[];
const decoder = new TextDecoder();

/**
 * The entries of entities of these types, in order. Only the lines of such entities are parsed; a body that does not have one entry a line as
 * `packEntries` writes it, by whatever program it was written, is parsed as a whole. @throws SyntaxError when it is no JSON.
 */
export function entriesOfTypes({ body, count }: Pick<Group, "body" | "count">, types: ReadonlySet<string>): readonly Entry[] {
  const text = typeof body === "string" ? body : decoder.decode(body);
  return (
    linesOfTypes(text, count, types) ?? unpackEntries(text).filter(({ entity }) => entity.includes("/") && types.has(partsOf(entity).type))
  );
}

/**
 * The entry of one entity (E1); null when it has none. Of a body that has one entry a line only that line is parsed. @throws SyntaxError when a body that
 * has no such line is no JSON.
 */
export function entryOf(body: string | Uint8Array, address: string): Entry | null {
  const text = typeof body === "string" ? body : decoder.decode(body);
  return lineOf(text, address) ?? unpackEntries(text).find(({ entity }) => entity === address) ?? null;
}

/** Null when there is none, or another layout: the first line of ours is a whole entry. */
function lineOf(text: string, address: string): Entry | null {
  const first = text.indexOf("\n");
  if (!text.startsWith("[{") || text[(first < 0 ? text.length : first) - 2] !== "}") return null;
  const mark = `"entity":${JSON.stringify(address)}`; // Inside a JSON string its quotes would be escaped.
  for (let at = text.indexOf(mark); at >= 0; at = text.indexOf(mark, at + mark.length)) {
    const from = Math.max(text.lastIndexOf("\n", at) + 1, 1);
    const newline = text.indexOf("\n", at);
    const entry = parsed(text.slice(from, (newline < 0 ? text.length : newline) - 1));
    if (entry === null) return null;
    if (entry.entity === address) return entry; // An event's own field may be called "entity".
  }
  return null;
}

/** Null when the body has another layout than `packEntries` gives it. */
function linesOfTypes(text: string, count: number, types: ReadonlySet<string>): readonly Entry[] | null {
  const entries: Entry[] = [];
  let lines = 0;
  for (let from = 1; from < text.length; ) {
    ENTRY_BEGINS.lastIndex = from;
    const type = ENTRY_BEGINS.exec(text)?.[1];
    if (type === undefined) return null;
    const newline = text.indexOf("\n", from); // It never stands inside a JSON string.
    const end = newline < 0 ? text.length : newline;
    if (types.has(type)) {
      const entry = parsed(text.slice(from, end - 1)); // A line ends with ",", the last one with "]".
      if (entry === null) return null;
      entries.push(entry);
    }
    from = end + 1;
    lines++;
  }
  return lines === count ? entries : null;
}
/** As `PendingEntry.toEntry` orders them: nothing that a program or a client names stands before the address. */
const ENTRY_BEGINS = /\{"shard":\d+,"seq":\d+,"entity":"([^/"\\]+)\//y;

function parsed(line: string): Entry | null {
  try {
    return JSON.parse(line) as Entry;
  } catch {
    return null; // The body parsed as a whole says whether it is another layout or no JSON.
  }
}

/** One commit group of one commit domain, before the journal gives it its sequence. `body` is what `packEntries` makes of its entries. */
export interface Group {
  readonly domain: number;
  /** Fencing token of the domain: only the newest one registered may append. */
  readonly incarnation: number;
  /** Counts from 1 within an incarnation; the journal takes only the next. */
  readonly number: number;
  readonly time: number;
  readonly count: number;
  /** JSON text, or its UTF-8 bytes: what crosses threads is bytes, because they can be handed over without a copy. */
  readonly body: string | Uint8Array;
  /** Sampled traces of its entries, for the journal's log. Not stored: the entries hold them. */
  readonly traces?: readonly string[];
}

/** A committed group. `seq` counts the records of the journal from 1 without a gap. */
export interface StoredRecord extends Group {
  readonly seq: number;
}
