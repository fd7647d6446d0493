import { z } from "zod";
import { type Json, type PortDefinition, PortFailure, type PortRequest } from "../../runtime/index.ts";
import type { Config } from "../config/config.ts";
import { replyPolicy } from "./ai-policy.ts";
import { ConversationText, openedOrNull, openedParts, TEXT_BYTES_MAX, type TextKeys } from "./conversation-text.ts";
import type { Replier, Reply, ReplyContext } from "./replier.ts";
import { TextCoalescer } from "./text-coalescer.ts";

const sealed = z.string();
const replyRequest = z.object({
  conversation: z.string(),
  replyId: z.string(),
  instructions: sealed.nullable(),
  summary: sealed.nullable(),
  messages: z.array(z.object({ role: z.enum(["user", "assistant"]), speaker: sealed.nullable(), parts: z.array(sealed) })).min(1),
  temperature: z.number(),
  maxTokens: z.int().positive(),
  stream: z.boolean(),
});
type ReplyRequest = z.infer<typeof replyRequest>;

export interface ReplyPortOptions {
  readonly ai: Config["ai"];
  /** Replies under way at once. */
  readonly concurrencyMax: number;
  readonly keyRing: TextKeys;
  readonly replier: Replier;
}
/** Hands a chunk over; resolves when the next one may come. */
type Progress = (value: Json) => Promise<void>;

/**
 * The port "reply": `{text, chars, usage?}`, the text sealed. When the request says `stream` it tells `{index, text, chars}` by `progress` meanwhile, each
 * sealed by itself, `index` from 0; the answer holds the whole text all the same.
 */
export function replyPort({ ai, concurrencyMax, keyRing, replier }: ReplyPortOptions): PortDefinition {
  return {
    name: "reply",
    kind: "call",
    policy: replyPolicy(ai, concurrencyMax),
    async perform(request, { signal, progress }) {
      const body = replyRequest.parse(request.body);
      const text = new ConversationText(keyRing, body.conversation);
      const call = { signal, key: request.key, trace: request.trace };
      const context = contextOf(body, text);
      if (!body.stream) return answer(await replier.reply(context, call, null), body.replyId, text);
      const sealChunk = (index: number, chunk: string): string => text.seal(chunkContext(request, body.replyId, index), chunk);
      const reply = await streamed(progress, sealChunk, (take) => replier.reply(context, call, take));
      return answer(reply, body.replyId, text);
    },
  };
}

/** Attempts say different things, so their chunks are different texts. */
const chunkContext = ({ attempt }: PortRequest, replyId: string, index: number): string => `${replyId}.${attempt}.${index}`;

async function streamed(
  progress: Progress,
  sealChunk: (index: number, chunk: string) => string,
  reply: (take: (part: string) => Promise<void>) => Promise<Reply>,
): Promise<Reply> {
  let count = 0;
  let chars = 0;
  const chunks = new TextCoalescer({
    everyMs: CHUNK_MS,
    charsMin: CHUNK_CHARS_MIN,
    charsMax: CHUNK_CHARS_MAX,
    async send(chunk) {
      const index = count++;
      await progress({ index, text: sealChunk(index, chunk), chars: chunk.length });
    },
  });
  try {
    const whole = await reply(async (part) => {
      chars += part.length;
      if (chars > TEXT_BYTES_MAX)
        throw new PortFailure(`the model's text has more than ${TEXT_BYTES_MAX} characters`, { isRetryable: false });
      await chunks.add(part);
    });
    await chunks.end();
    return whole;
  } finally {
    chunks.close();
  }
}

function contextOf({ instructions, summary, messages, temperature, maxTokens }: ReplyRequest, text: ConversationText): ReplyContext {
  const open = text.reader();
  return {
    instructions: openedOrNull(open, instructions),
    summary: openedOrNull(open, summary),
    messages: messages.map(({ role, speaker, parts }) => ({ role, speaker: openedOrNull(open, speaker), text: openedParts(open, parts) })),
    temperature,
    maxTokens,
  };
}

function answer({ text: content, usage }: Reply, replyId: string, text: ConversationText): Json {
  return { text: text.seal(replyId, content), chars: content.length, ...(usage === null ? {} : { usage: { ...usage } }) };
}

const CHUNK_MS = 50;
const CHUNK_CHARS_MIN = 1_024;
const CHUNK_CHARS_MAX = 16_384;
