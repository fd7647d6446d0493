import { z } from "zod";
import type { Json, PortDefinition } from "../../runtime/index.ts";
import type { Config } from "../config/config.ts";
import type { SummaryPool } from "../pools/summary-pool.ts";
import { localSummaryPolicy } from "./ai-policy.ts";
import { ConversationText, openedOrNull, openedParts, type TextKeys } from "./conversation-text.ts";
import { type BeginReading, turnRange, turnTextsOf } from "./turn-texts.ts";

const summaryRequest = turnRange.extend({ previous: z.string().nullable(), memory: z.string().nullable() });

export interface LocalSummaryPortOptions {
  readonly ai: Config["ai"];
  /** Summaries under way at once; no more than the pool's threads and queue take. */
  readonly concurrencyMax: number;
  readonly keyRing: TextKeys;
  readonly pool: Pick<SummaryPool, "summarize">;
  readonly beginReading: BeginReading;
  /** Longest wait for a read model that is behind; then the attempt has failed. */
  readonly viewWaitMsMax: number;
  /** Longest time for the pool, with the wait for a thread; then the attempt is aborted. */
  readonly poolMsMax: number;
}

/** The port "summary" where nothing leaves the machine: `{text, memory}`, both sealed, picked by the extractive summarizer in a pool of threads. */
export function localSummaryPort(options: LocalSummaryPortOptions): PortDefinition {
  const { ai, concurrencyMax, keyRing, pool, beginReading, viewWaitMsMax, poolMsMax } = options;
  return {
    name: "summary",
    kind: "call",
    policy: localSummaryPolicy(ai, concurrencyMax, viewWaitMsMax + poolMsMax),
    async perform({ body }, { signal }): Promise<Json> {
      const request = summaryRequest.parse(body);
      const text = new ConversationText(keyRing, request.conversation);
      text.reader(); // One that was deleted is not waited for.
      const turns = await turnTextsOf(request, beginReading(), { waitMsMax: viewWaitMsMax, signal });
      const open = text.reader();
      const previous = { text: openedOrNull(open, request.previous), memory: openedOrNull(open, request.memory) };
      const messages = turns.map(({ role, speaker, parts }) => ({
        speaker: openedOrNull(open, speaker) ?? role,
        text: openedParts(open, parts),
      }));
      const made = await pool.summarize({ ...previous, messages }, signal);
      const stretch = `${request.fromTurn}-${request.toTurn}`;
      return { text: text.seal(`summary.${stretch}`, made.text), memory: text.seal(`memory.${stretch}`, made.memory) };
    },
  };
}
