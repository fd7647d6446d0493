/** The state of a summary, how events change it, and how a snapshot keeps it. */
import type { Json } from "../../runtime/index.ts";
import { SUMMARY_TURNS_MAX, type SummaryEvent, type SummaryEventNamed } from "./summary-schema.ts";

export type Summary = Kept | { readonly phase: "erased" };

export interface Kept {
  readonly phase: "kept";
  readonly user: string | null;
  readonly upToTurn: number;
  readonly messageCount: number;
  readonly text: string | null;
  readonly memory: string | null;
  /** What the effect under way covers. */
  readonly underWay: Stretch | null;
  /** What is not covered yet, oldest first: each is one effect. */
  readonly backlog: readonly Stretch[];
}

/** The turns to `toTurn` that are not in the stretch before it. */
export interface Stretch {
  readonly toTurn: number;
  /** Messages from the first turn of all to `toTurn`. */
  readonly messageCount: number;
}

/** Stretches that are remembered; what exceeds them makes the last one longer than it should be, and loses nothing. */
export const BACKLOG_MAX = 1_000;

export const initialSummary = (): Summary => ({
  phase: "kept",
  user: null,
  upToTurn: 0,
  messageCount: 0,
  text: null,
  memory: null,
  underWay: null,
  backlog: [],
});

/** The last turn that it was told of. */
export const knownTurn = ({ upToTurn, underWay, backlog }: Kept): number => backlog.at(-1)?.toTurn ?? underWay?.toTurn ?? upToTurn;

type EventNamed<Kind extends SummaryEvent["kind"]> = SummaryEventNamed<Kind>;

/** Applies an event. @throws Error for a history that no summary writes; the runtime then names the entity as failed. */
export const summaryEvolve = {
  taken(before: Summary, { turn, messages, user }: EventNamed<"taken">): Kept {
    const state = kept(before);
    const backlog = coalesced(state.backlog, { toTurn: turn, messageCount: messages }, state.underWay?.toTurn ?? state.upToTurn);
    return { ...state, user, backlog };
  },
  summaryBegun(before: Summary): Kept {
    const state = kept(before);
    return { ...state, underWay: state.backlog[0] ?? null, backlog: state.backlog.slice(1) };
  },
  summarized(before: Summary, { toTurn, text, memory, messageCount }: EventNamed<"summarized">): Kept {
    return { ...kept(before), upToTurn: toTurn, text, memory, messageCount, underWay: null };
  },
  summaryRefused(before: Summary): Kept {
    const state = kept(before);
    return { ...state, underWay: null, backlog: state.underWay === null ? state.backlog : [state.underWay, ...state.backlog] };
  },
  erased: (): Summary => ({ phase: "erased" }),
};

/** The stretches with more turns at their end: the last one takes them as long as it has room. `from`: the last turn before all of them. */
function coalesced(backlog: readonly Stretch[], added: Stretch, from: number): readonly Stretch[] {
  const begin = backlog.at(-2)?.toTurn ?? from;
  const hasRoom = backlog.length > 0 && (added.toTurn - begin <= SUMMARY_TURNS_MAX || backlog.length >= BACKLOG_MAX);
  return hasRoom ? [...backlog.slice(0, -1), added] : [...backlog, added];
}

function kept(state: Summary): Kept {
  if (state.phase === "erased") throw new Error("an erased summary has no further events");
  return state;
}

/** A state in a snapshot: it is JSON as it is. */
export const summarySnapshot = {
  encode: (state: Summary): Json => state as unknown as Json,
  decode: (json: Json): Summary => json as unknown as Summary,
};
