import type { Answer, Decision, EventBase } from "../kernel/decision.ts";
import { type Json, unreachable } from "../kernel/json.ts";

/** What a decision answers to who sent the command. */
export function answerOf(decision: Decision<EventBase, Json>): Answer<Json> {
  switch (decision.kind) {
    case "accept":
      return { ok: true, value: decision.reply ?? null };
    case "reply":
      return { ok: true, value: decision.value };
    case "reject":
      return { ok: false, code: decision.code, detail: decision.detail };
    case "ignore":
      return { ok: true, value: null };
    default:
      return unreachable(decision);
  }
}

/** Of a command that is not recorded: whether there is anything to write. */
export const leavesTrace = (decision: Decision<EventBase, Json>): boolean =>
  decision.kind === "accept" && (decision.events.length > 0 || (decision.effects?.length ?? 0) > 0 || (decision.cancels?.length ?? 0) > 0);
