import { unreachable } from "../kernel/json.ts";
import { isSampledTrace } from "../kernel/trace.ts";
import type { Outcome } from "./domain-meter.ts";
import type { Message } from "./message.ts";

/** A hop of a sampled trace. */
export interface TracedMessage {
  readonly trace: string;
  readonly address: string;
  readonly kind: Message["kind"];
  /** The command, or the handler of the answer. */
  readonly doing: string;
  readonly outcome: Outcome;
}

/** What is told of a message that was handled; null when it came by no trace, or by one that is not sampled. */
export function tracedOf(address: string, message: Message, outcome: Outcome): TracedMessage | null {
  const { trace, doing } = originOf(message);
  return trace === null || !isSampledTrace(trace) ? null : { trace, address, kind: message.kind, doing, outcome };
}

/** By what trace a message came, and what it asks for. */
function originOf(message: Message): { readonly trace: string | null; readonly doing: string } {
  switch (message.kind) {
    case "command":
      return { trace: message.trace, doing: message.command };
    case "tell":
    case "ask":
      return { trace: message.effect.trace ?? null, doing: message.effect.command };
    case "answer":
      return { trace: message.live.opened.trace ?? null, doing: message.live.opened.answerTo ?? "closed" };
    case "progress":
      return { trace: message.live.opened.trace ?? null, doing: message.live.opened.progressTo ?? "dropped" };
    case "outcome":
      return { trace: message.live.opened.trace ?? null, doing: message.outcome.kind };
    case "resolve":
      return { trace: message.live.opened.trace ?? null, doing: message.action };
    case "timer":
      return { trace: message.timer.trace ?? null, doing: message.timer.command };
    default:
      return unreachable(message);
  }
}
