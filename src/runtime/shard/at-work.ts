import type { LiveEffect, Work } from "./effect-table.ts";
import type { Message } from "./message.ts";

/**
 * The work of a message. An effect of a group that is not committed is gone with the thread, and its successor would be another one by another
 * name: so the work is that of whoever caused it, who comes again.
 */
export function workOf(message: Message, committedLast: number): Work {
  switch (message.kind) {
    case "command":
      return message.id === null ? null : message.caller;
    case "tell":
    case "ask":
      if (message.live !== null && isNew(message.live, committedLast)) return message.live.work;
      return effectWork(message.effect.id);
    case "timer":
      return timerWork(message.timer);
    case "progress":
      return progressWork(message.live.opened.id);
    default:
      return isNew(message.live, committedLast) ? message.live.work : answerWork(message.live.opened.id);
  }
}

const isNew = (live: LiveEffect, committedLast: number): boolean => live.openedIn > committedLast;

/** How a command of a client is known again: by its entity and its id. */
export const commandWork = (to: string, id: string): string => `command ${id} to ${to}`;
/** To be told or asked is one thing, to be answered another: who told what is poison must still hear that nobody took it. */
export const effectWork = (id: string): string => id;
export const answerWork = (id: string): string => `answer to ${id}`;
/** What is told meanwhile may be poison where the answer is none. */
export const progressWork = (id: string): string => `progress of ${id}`;
export const timerWork = ({ entity, label, at }: { readonly entity: string; readonly label: string; readonly at: number }): string =>
  `timer ${label} of ${entity} at ${at}`;
export const rebuildWork = (address: string): string => `rebuild ${address}`;
