import type { Refusal } from "../kernel/decision.ts";
import type { Code } from "../kernel/fault.ts";
import type { Slot } from "./slot.ts";

/** Deaths of a thread in which one work is found before it is not done any more. */
export const POISON_DEATHS = 3;

/** What a domain refuses is refused in these words. */
export const refusal = (code: Code, detail: string): Refusal => ({ ok: false, code, detail });

export const CANCELLED = refusal("DEADLINE_EXCEEDED", "The client went away before the command began; it was not run.");

export const POISONED = refusal("INTERNAL_ERROR", `It was at work when its thread ended, ${POISON_DEATHS} times; it is not done again.`);

export const entityFailed = (slot: Slot): Refusal =>
  refusal("ENTITY_FAILED", `${slot.address} cannot be rebuilt from the journal: ${slot.failure} Other entities are not affected.`);

export const effectClosed = (id: string): Refusal =>
  refusal("EFFECT_CLOSED", `There is no open effect ${id}: it is done, was dropped, or never was. Nothing was changed.`);
