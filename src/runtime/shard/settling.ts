import type { Accept, Answer, EventBase, Settled } from "../kernel/decision.ts";
import type { Json } from "../kernel/json.ts";
import type { Outputs } from "./outputs.ts";
import type { Slot, Waiter } from "./slot.ts";

/** As many may wait for an entity as messages may (L6): a client that sends a command again and again leaves a waiter each time. */
export const isFullOfWaiters = ({ waiters, mailbox }: Slot): boolean => (waiters?.length ?? 0) >= mailbox.capacity;

/** Answers those who waited for what the decision settles, in the order in which they came. */
export function settle(slot: Slot, decision: Accept<EventBase, Json>, outputs: Outputs): void {
  // Lost together with its acceptance it is surely not done; accepted in an earlier group it goes on after the recovery.
  for (const { waiter, answer } of takeSettled(slot, decision)) {
    outputs.answer(slot.changedIn, waiter.caller, answer, waiter.group === slot.changedIn);
  }
}

/** Takes those out of the slot who are answered by the decision, in the order in which they came. */
function takeSettled(slot: Slot, { settles = NONE, settle }: Accept<EventBase, Json>): readonly Settling[] {
  if (slot.waiters === null || (settles.length === 0 && settle === undefined)) return NOBODY;
  const answers = settles.length === 0 ? null : new Map(settles.map(({ id, value }) => [id, { ok: true, value } as const]));
  const rest = settle === undefined ? undefined : ({ ok: true, value: settle } as const);
  const settled: Settling[] = [];
  const waiting: Waiter[] = [];
  for (const waiter of slot.waiters) {
    const answer = answers?.get(waiter.id) ?? rest;
    if (answer === undefined) waiting.push(waiter);
    else settled.push({ waiter, answer });
  }
  slot.waiters = waiting.length === 0 ? null : waiting;
  return settled;
}
interface Settling {
  readonly waiter: Waiter;
  readonly answer: Answer<Json>;
}
const NOBODY: readonly Settling[] = [];
const NONE: readonly Settled[] = [];
