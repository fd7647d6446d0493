import { answered, answerOf, type ChatAnswer, deltaOf, reasonOf, type Usage } from "./chat-answer.ts";
import { eventsOf } from "./event-stream.ts";
import type { Secret } from "./secret.ts";
import { Upstream, type UpstreamAnswer, type UpstreamLimits } from "./upstream.ts";
import { broken, statusFailure } from "./upstream-failure.ts";

export interface ChatMessage {
  readonly role: "system" | "user" | "assistant";
  readonly content: string;
}
export interface ChatRequest {
  readonly messages: readonly ChatMessage[];
  readonly temperature: number;
  readonly maxTokens: number;
}
/** What belongs to one call and not to what is asked. */
export interface ChatCall {
  /** Aborted, it ends the connection to the endpoint at once; the call throws its reason. */
  readonly signal: AbortSignal;
  /** Sent as `Idempotency-Key`: the same for every attempt. */
  readonly key: string;
  /** W3C traceparent, sent along. */
  readonly trace?: string | undefined;
}
/** Gets the text of a streamed answer as it comes; what it returns is waited for before more is read. */
export type TakeText = (text: string) => unknown;

export interface ChatClientOptions {
  /** Found to be allowed by `allowedUrl`. `/chat/completions` is added to its path. */
  readonly url: URL;
  readonly model: string;
  readonly key: Secret | null;
  readonly limits: UpstreamLimits;
}

/**
 * A client of one OpenAI-compatible endpoint, with the limits of R-CON-6. It makes one attempt: who calls it decides about another by the
 * `PortFailure` that it throws, which carries the endpoint's own status (TRAPS 1). No text of the conversation and no key is in any error.
 */
export class ChatClient {
  readonly #options: ChatClientOptions;
  readonly #upstream: Upstream;

  constructor(options: ChatClientOptions) {
    this.#options = options;
    this.#upstream = new Upstream(options.url, options.limits);
  }

  /** The whole answer at once. @throws PortFailure; the reason of `call.signal`. */
  complete(request: ChatRequest, call: ChatCall): Promise<ChatAnswer> {
    return this.#post(this.#bodyOf(request), "application/json", call, plainAnswer);
  }

  /** The answer in parts, and whole at the end. An endpoint that does not stream hands its answer over as one part. @throws PortFailure; the reason of `call.signal`. */
  stream(request: ChatRequest, call: ChatCall, take: TakeText): Promise<ChatAnswer> {
    const body = { ...this.#bodyOf(request), stream: true, stream_options: { include_usage: true } };
    return this.#post(body, "text/event-stream", call, async (answer) => {
      if (isEventStream(answer)) return await streamedAnswer(answer, take, this.#options.limits.bodyBytesMax);
      const plain = await plainAnswer(answer);
      await take(plain.content);
      return plain;
    });
  }

  /** Breaks off what is under way. */
  async [Symbol.asyncDispose](): Promise<void> {
    await this.#upstream.close();
  }

  #bodyOf({ messages, temperature, maxTokens }: ChatRequest): object {
    return { model: this.#options.model, messages, temperature, max_tokens: maxTokens };
  }

  #post(body: object, accept: string, call: ChatCall, read: (answer: UpstreamAnswer) => Promise<ChatAnswer>): Promise<ChatAnswer> {
    const { key } = this.#options;
    const headers = {
      accept,
      "user-agent": "troupe",
      "idempotency-key": call.key,
      ...(call.trace === undefined ? {} : { traceparent: call.trace }),
      ...(key === null ? {} : { authorization: `Bearer ${key.reveal()}` }),
    };
    const options = { json: JSON.stringify(body), headers, signal: call.signal };
    return this.#upstream.post("/chat/completions", options, async (answer) => {
      if (answer.status !== 200) throw await refusal(answer);
      return await read(answer);
    });
  }
}

async function plainAnswer(answer: UpstreamAnswer): Promise<ChatAnswer> {
  const parts: Buffer[] = [];
  for await (const part of answer.body) parts.push(part);
  return answerOf(Buffer.concat(parts).toString());
}

async function streamedAnswer(answer: UpstreamAnswer, take: TakeText, eventCharsMax: number): Promise<ChatAnswer> {
  let content = "";
  let usage: Usage | null = null;
  let finishReason: string | null = null;
  let isDone = false;
  for await (const { data } of eventsOf(answer.body, eventCharsMax)) {
    isDone = data === "[DONE]";
    if (isDone) break;
    const delta = deltaOf(data);
    content += delta.text;
    usage = delta.usage ?? usage;
    finishReason = delta.finishReason ?? finishReason;
    if (delta.text !== "") await take(delta.text);
  }
  // Some endpoints leave out the last line; one that gave no reason for its end either was cut off.
  if (!isDone && finishReason === null) throw broken(new Error("the stream ended before its end was told"));
  return answered(content, { usage, finishReason });
}

const isEventStream = (answer: UpstreamAnswer): boolean => (answer.header("content-type") ?? "").startsWith("text/event-stream");

/** Looks for a reason in as much of the body as a reason takes; what is wrong with the body itself says less than the status. */
async function refusal(answer: UpstreamAnswer): Promise<Error> {
  let text = "";
  try {
    for await (const part of answer.body) {
      text += part.toString("latin1");
      if (text.length > REFUSAL_BYTES_MAX) break;
    }
  } catch {
    text = "";
  }
  return statusFailure(answer.status, answer.header("retry-after"), reasonOf(text));
}

const REFUSAL_BYTES_MAX = 16_384;
