import { type BreakerPolicy, DEFAULT_BREAKER, type PortPolicy } from "../../runtime/index.ts";
import type { Config } from "../config/config.ts";

/**
 * When attempts at a model stop for a while: R-API-9. It counts replies with all their attempts: by single ones an endpoint with 36 % of transient faults would
 * open it by chance every 20 attempts or so, although nearly each reply succeeds within its four. What is too slow fails by its time limit.
 */
const BREAKER: Omit<BreakerPolicy, "openMs"> = { ...DEFAULT_BREAKER, counts: "effects", probesMax: 3 };

/** What the ports of a model have in common (R-CON-6). `concurrencyMax`: their bulkheads are their own (R-CON-3). */
function policy(ai: Config["ai"], concurrencyMax: number): Partial<PortPolicy> {
  const { connectionWaitMs, responseMs, attemptsMax, backoffMsMin, backoffMsMax, jitterPercent, breakerOpenMs } = ai;
  return {
    // The client's own limits pass first, and say which of them it was.
    attemptMsMax: connectionWaitMs + responseMs + LEEWAY_MS,
    attemptsMax,
    backoffMsMin,
    backoffMsMax,
    jitterRatio: jitterPercent / 100,
    concurrencyMax,
    breaker: { ...BREAKER, openMs: breakerOpenMs },
  };
}

/** Somebody waits for a reply, so it has a deadline over all. */
export const replyPolicy = (ai: Config["ai"], concurrencyMax: number): Partial<PortPolicy> => ({
  ...policy(ai, concurrencyMax),
  deadlineMs: ai.deadlineMs,
});

/** Nobody waits for a summary: one that merely waited is as good as ever (TRAPS 9), so its attempts end it and no deadline does. */
export const summaryPolicy = (ai: Config["ai"], concurrencyMax: number): Partial<PortPolicy> => ({
  ...policy(ai, concurrencyMax),
  deadlineMs: null,
});

/** Of the built-in summarizer. A breaker would stop all conversations for what one of them does to its thread. */
export const localSummaryPolicy = (ai: Config["ai"], concurrencyMax: number, attemptMsMax: number): Partial<PortPolicy> => ({
  ...summaryPolicy(ai, concurrencyMax),
  attemptMsMax,
  breaker: null,
});

const LEEWAY_MS = 1_000;
