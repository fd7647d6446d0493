import type { ChatCall, TakeText } from "./chat-client.ts";
import { cutText } from "./fitted-texts.ts";
import type { Replier, Reply, ReplyContext, SpokenMessage } from "./replier.ts";

const HONEST = "No language model is configured here, so this is the built-in replier: it understands nothing and only reads back.";
const HINT = "Set ai.url to an OpenAI-compatible endpoint for real replies.";
const QUOTE_CHARS_MAX = 300;
/** About so many characters are a token. */
const TOKEN_CHARS = 4;

/** Answers without key and network: the same conversation gets the same answer. It says what it is, what was said last, by whom, and the summary so far. */
export class LocalReplier implements Replier {
  readonly #wordMs: number;

  /** `wordMs`: rest before each word, so that streaming can be watched; 0 = none. */
  constructor(options: { readonly wordMs: number }) {
    this.#wordMs = options.wordMs;
  }

  async reply(context: ReplyContext, { signal }: ChatCall, take: TakeText | null): Promise<Reply> {
    const text = cutText(localReply(context), context.maxTokens * TOKEN_CHARS);
    if (take === null) {
      await rest(this.#wordMs * wordsOf(text).length, signal);
      return { text, usage: null };
    }
    for (const word of wordsOf(text)) {
      await rest(this.#wordMs, signal);
      await take(word);
    }
    return { text, usage: null };
  }
}

/** Pure. */
export function localReply({ messages, summary }: ReplyContext): string {
  const last = messages.at(-1);
  const earlier = messages.slice(0, -1).findLast(({ role }) => role === "user");
  return [
    HONEST,
    last === undefined ? "Nothing was said yet." : `${nameOf(last)} said last: ${quoted(last.text)}.`,
    ...(earlier === undefined ? [] : [`Before that, ${nameOf(earlier)} said: ${quoted(earlier.text)}.`]),
    countOf(messages),
    ...(summary === null ? [] : [`The summary so far: ${cutText(summary.trim(), QUOTE_CHARS_MAX * 4)}`]),
    HINT,
  ].join(" ");
}

function countOf(messages: readonly SpokenMessage[]): string {
  const names = [...new Set(messages.filter(({ role }) => role === "user").map(nameOf))];
  const shown = names.slice(0, 5).join(", ") + (names.length > 5 ? ` and ${names.length - 5} more` : "");
  return `I have ${messages.length} ${messages.length === 1 ? "message" : "messages"} at hand, with words of ${shown === "" ? "nobody" : shown}.`;
}

const nameOf = ({ role, speaker }: SpokenMessage): string => cutText(speaker?.trim() || role, 60);
const quoted = (text: string): string => `"${cutText(text.replace(/\s+/g, " ").trim(), QUOTE_CHARS_MAX)}"`;
const wordsOf = (text: string): readonly string[] => text.match(/\S+\s*|\s+/g) ?? [];

async function rest(ms: number, signal: AbortSignal): Promise<void> {
  signal.throwIfAborted();
  if (ms === 0) return;
  await new Promise<void>((resolve, reject) => {
    const stop = (): void => {
      clearTimeout(timer);
      reject(signal.reason);
    };
    const timer = setTimeout(() => {
      signal.removeEventListener("abort", stop);
      resolve();
    }, ms);
    signal.addEventListener("abort", stop, { once: true });
  });
}
