import { z } from "zod";
import { type Json, type PortDefinition, PortFailure } from "../../runtime/index.ts";
import type { Config } from "../config/config.ts";
import { summaryPolicy } from "./ai-policy.ts";
import type { ChatClient } from "./chat-client.ts";
import { ConversationText, type TextKeys } from "./conversation-text.ts";
import { summaryPrompt } from "./prompt.ts";

const turn = z.int().positive();
const summaryRequest = z.object({
  conversation: z.string(),
  fromTurn: turn,
  toTurn: turn,
  previous: z.string().nullable(),
  temperature: z.number(),
  maxTokens: z.int().positive(),
});
type SummaryRequest = z.infer<typeof summaryRequest>;

/** What was said in a turn, sealed. */
export interface SealedTurnText {
  readonly turn: number;
  readonly role: "user" | "assistant";
  readonly speaker: string | null;
  readonly text: string;
}
/** Reads both turns and all between them from the read model, in order. Rejects while that is behind. */
export type ReadTurns = (
  conversation: string,
  turns: { readonly fromTurn: number; readonly toTurn: number },
) => Promise<readonly SealedTurnText[]>;

export interface RemoteSummaryPortOptions {
  readonly ai: Config["ai"];
  /** Summaries under way at once. */
  readonly concurrencyMax: number;
  readonly keyRing: TextKeys;
  readonly client: ChatClient;
  readonly readTurns: ReadTurns;
}

/** The port "summary" where a model of an endpoint makes it, from the summary before and what was said since: `{text, memory: null}`, the text sealed. */
export function remoteSummaryPort({ ai, concurrencyMax, keyRing, client, readTurns }: RemoteSummaryPortOptions): PortDefinition {
  return {
    name: "summary",
    kind: "call",
    policy: summaryPolicy(ai, concurrencyMax),
    async perform({ body, key, trace }, { signal }): Promise<Json> {
      const request = summaryRequest.parse(body);
      const { conversation, fromTurn, toTurn, temperature, maxTokens } = request;
      const text = new ConversationText(keyRing, conversation);
      const previous = text.openOrNull(request.previous);
      const said = (await turnsOf(request, readTurns)).map(({ role, speaker, text: sealed }) => ({
        role,
        speaker,
        text: text.open(sealed),
      }));
      const messages = summaryPrompt(previous, said, ai.promptCharsMax);
      const { content } = await client.complete({ messages, temperature, maxTokens }, { signal, key, trace });
      return { text: text.seal(`summary.${fromTurn}-${toTurn}`, content), memory: null };
    },
  };
}

/** All turns, or a failure that is attempted again: a summary that lacks one would never be put right. */
async function turnsOf({ conversation, fromTurn, toTurn }: SummaryRequest, readTurns: ReadTurns): Promise<readonly SealedTurnText[]> {
  const texts: SealedTurnText[] = [];
  for (let from = fromTurn; from <= toTurn; from += READ_TURNS_MAX) {
    texts.push(...(await readTurns(conversation, { fromTurn: from, toTurn: Math.min(toTurn, from + READ_TURNS_MAX - 1) })));
  }
  const found = new Set(texts.map(({ turn: number }) => number)).size;
  const expected = toTurn - fromTurn + 1;
  if (found === expected) return texts;
  throw new PortFailure(`the read model has ${found} of the ${expected} turns from ${fromTurn} to ${toTurn}`, { code: "VIEW_BEHIND" });
}

/** Turns that are read in one go. */
const READ_TURNS_MAX = 200;
