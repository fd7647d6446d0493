/**
 * The rolling summary of one conversation: f(previous summary, the turns since). Its invariants:
 *
 * S1. Turns are covered in order, each by exactly one summary; one summary is made at a time (R-CON-2).
 * S2. What is told while one is made waits, and becomes as few further ones as its size allows.
 * S3. Nobody's reply waits for it: it is told of turns that are over, and tells what came of them (R-CON-1).
 * S4. A summary that failed is not skipped: it is a dead letter until it is replayed, and what follows waits (R-CON-5).
 */
import {
  type Answer,
  accept,
  type Decision,
  defineEntity,
  type Effect,
  type Info,
  ignore,
  type Json,
  reject,
  reply,
} from "../../runtime/index.ts";
import { conversations } from "./conversation-schema.ts";
import {
  type ReachedBody,
  type ReachedReply,
  reachedIdOf,
  SUMMARY_LABEL,
  type SummaryEvent,
  type SummaryView,
  summaries,
  summaryCall,
  summaryEvents,
  summaryResultSchema,
  type TakeBody,
} from "./summary-schema.ts";
import { initialSummary, type Kept, knownTurn, type Summary, summaryEvolve, summarySnapshot } from "./summary-state.ts";

type Decided<Reply> = Decision<SummaryEvent, Reply>;

/** The summary entity, type "summary". Its id is the conversation's. */
export const summary = defineEntity({
  ...summaries,
  version: 1,
  events: summaryEvents,
  initial: initialSummary,
  decide: { take, erase, get, reached },
  answers: { made },
  evolve: summaryEvolve,
  snapshot: summarySnapshot,
  isFinished: ({ phase }) => phase === "erased",
});

function take(state: Summary, { turn, messages, user }: TakeBody, info: Info): Decided<null> {
  if (state.phase === "erased" || turn <= knownTurn(state)) return ignore;
  const taken = { kind: "taken" as const, turn, messages, user };
  const next = state.underWay === null ? begin(summaryEvolve.taken(state, taken), info) : NOTHING;
  return accept([taken, ...next.events], { effects: next.effects });
}

interface Begun {
  readonly events: readonly SummaryEvent[];
  readonly effects: readonly Effect[];
}
const NOTHING: Begun = { events: [], effects: [] };

/** Begins the oldest stretch of the backlog, if there is one. */
function begin({ backlog, upToTurn, text, memory, user }: Kept, info: Info): Begun {
  const [stretch] = backlog;
  if (stretch === undefined) return NOTHING;
  const range = { fromTurn: upToTurn + 1, toTurn: stretch.toTurn, messageCount: stretch.messageCount };
  const call = summaryCall({ conversation: info.key, user, previous: text, memory, ...range });
  return { events: [{ kind: "summaryBegun", ...range }], effects: [call] };
}

function made(state: Summary, answer: Answer<Json>, info: Info): Decided<never> {
  if (state.phase === "erased" || state.underWay === null) return ignore;
  const { toTurn, messageCount } = state.underWay;
  const range = { fromTurn: state.upToTurn + 1, toTurn };
  const result = answer.ok ? summaryResultSchema.safeParse(answer.value) : null;
  if (result?.success !== true) {
    const code = answer.ok ? "UPSTREAM_BAD_RESPONSE" : answer.code;
    // Not begun again at once: whoever dropped it would see it come back for ever.
    return accept([{ kind: "summaryRefused", ...range, code }], { settles: settled(range, { ...state, code }) });
  }
  const { text, memory } = result.data;
  const summarized = { kind: "summarized" as const, ...range, text, memory, messageCount };
  const next = begin(summaryEvolve.summarized(state, summarized), info);
  return accept([summarized, ...next.events], {
    effects: [conversations.tell(info.key).summarized({ upToTurn: toTurn, text }), ...next.effects],
    settles: settled(range, { upToTurn: toTurn, messageCount, code: null }),
  });
}

/** The answer for those who wait for one of the turns. */
function settled(
  { fromTurn, toTurn }: { readonly fromTurn: number; readonly toTurn: number },
  { upToTurn, messageCount, code }: ReachedReply,
) {
  return Array.from({ length: toTurn - fromTurn + 1 }, (_, at) => ({
    id: reachedIdOf(fromTurn + at),
    value: { upToTurn, messageCount, code },
  }));
}

function erase(state: Summary): Decided<null> {
  if (state.phase === "erased") return ignore;
  const { upToTurn, messageCount } = state;
  const settle: ReachedReply = { upToTurn, messageCount, code: "not_found" };
  return accept([{ kind: "erased" }], { settle, cancels: [SUMMARY_LABEL] });
}

function get(state: Summary, _body: object, info: Info): Decided<SummaryView> {
  if (state.phase === "erased") return erased(info);
  const { text: content, upToTurn, messageCount } = state;
  return reply({ content, upToTurn, messageCount, knownTurn: knownTurn(state) });
}

function reached(state: Summary, { turn }: ReachedBody, info: Info): Decided<ReachedReply> {
  if (state.phase === "erased") return erased(info);
  const { upToTurn, messageCount } = state;
  if (upToTurn >= turn) return reply({ upToTurn, messageCount, code: null });
  if (info.id !== reachedIdOf(turn)) return reject("validation_failed", `the id of this command must be ${reachedIdOf(turn)}`);
  return accept([], { isAnsweredLater: true });
}

const erased = (info: Info) => reject("not_found", `conversation ${info.key} was deleted`);
