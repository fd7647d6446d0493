import { z } from "zod";
import type { Json, PortDefinition } from "../../runtime/index.ts";
import type { Config } from "../config/config.ts";
import { summaryPolicy } from "./ai-policy.ts";
import type { ChatClient } from "./chat-client.ts";
import { ConversationText, openedOrNull, openedParts, type TextKeys } from "./conversation-text.ts";
import { summaryPrompt } from "./prompt.ts";
import { type BeginReading, turnRange, turnTextsOf } from "./turn-texts.ts";

const summaryRequest = turnRange.extend({
  previous: z.string().nullable(),
  temperature: z.number(),
  maxTokens: z.int().positive(),
});

export interface RemoteSummaryPortOptions {
  readonly ai: Config["ai"];
  /** Summaries under way at once. */
  readonly concurrencyMax: number;
  readonly keyRing: TextKeys;
  readonly client: ChatClient;
  readonly beginReading: BeginReading;
  /** Longest wait for a read model that is behind: it mostly is, by some milliseconds, and that must not cost an attempt at the endpoint. */
  readonly viewWaitMsMax: number;
}

/** The port "summary" where a model of an endpoint makes it, from the summary before and what was said since: `{text, memory: null}`, the text sealed. */
export function remoteSummaryPort({
  ai,
  concurrencyMax,
  keyRing,
  client,
  beginReading,
  viewWaitMsMax,
}: RemoteSummaryPortOptions): PortDefinition {
  return {
    name: "summary",
    kind: "call",
    policy: summaryPolicy(ai, concurrencyMax),
    async perform({ body, key, trace }, { signal }): Promise<Json> {
      const request = summaryRequest.parse(body);
      const { conversation, fromTurn, toTurn, temperature, maxTokens } = request;
      const text = new ConversationText(keyRing, conversation);
      text.reader(); // One that was deleted is not waited for.
      const turns = await turnTextsOf(request, beginReading(), { waitMsMax: viewWaitMsMax, signal });
      const open = text.reader();
      const previous = openedOrNull(open, request.previous);
      const said = turns.map(({ role, speaker, parts }) => ({
        role,
        speaker: openedOrNull(open, speaker),
        text: openedParts(open, parts),
      }));
      const messages = summaryPrompt(previous, said, ai.promptCharsMax);
      const { content } = await client.complete({ messages, temperature, maxTokens }, { signal, key, trace });
      return { text: text.seal(`summary.${fromTurn}-${toTurn}`, content), memory: null };
    },
  };
}
