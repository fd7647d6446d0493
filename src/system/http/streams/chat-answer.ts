/** Answers in the words of the OpenAI chat protocol: whole, and in chunks. */
import { type Code, type Refusal, STATUS_OF_CODE } from "../../../runtime/index.ts";
import { whyNoReply } from "../../ingress/conversation-shown.ts";
import { isJsonObject, type JsonObject } from "../../ingress/json-body.ts";
import type { ClientEvent } from "./client-event.ts";

export interface ChatAnswerOf {
  readonly model: string;
  readonly messageId: string;
}
/** `length`: it was cut off, by somebody who stopped it or a later message that interrupted it. */
export type FinishReason = "stop" | "length";

const head = ({ model, messageId }: ChatAnswerOf, object: string, createdMs: number) => ({
  id: `chatcmpl-${messageId}`,
  object,
  created: Math.floor(createdMs / 1_000),
  model,
});

/** `usage` as the events have it; left out when the model told none. */
export function completionBody(
  of: ChatAnswerOf,
  {
    text,
    finish,
    usage,
    createdMs,
  }: { readonly text: string; readonly finish: FinishReason; readonly usage: unknown; readonly createdMs: number },
): string {
  const message = { role: "assistant", content: text, refusal: null };
  return JSON.stringify({
    ...head(of, "chat.completion", createdMs),
    choices: [{ index: 0, message, logprobs: null, finish_reason: finish }],
    ...usageField(usage),
  });
}

function usageField(usage: unknown): object {
  if (!isJsonObject(usage)) return {};
  const { promptTokens, completionTokens } = usage;
  if (typeof promptTokens !== "number" || typeof completionTokens !== "number") return {};
  return { usage: { prompt_tokens: promptTokens, completion_tokens: completionTokens, total_tokens: promptTokens + completionTokens } };
}

/** A refusal as clients of the protocol read it; in an answer it stands beside the fields of the problem. */
export const chatError = ({ code, detail }: Pick<Refusal, "code" | "detail">): { readonly error: JsonObject } => ({
  error: { message: detail, type: STATUS_OF_CODE[code] < 500 ? "invalid_request_error" : "server_error", param: null, code },
});

/**
 * A turn's events as the data of a chat stream. The protocol cannot take words back: when an attempt at the reply was void and the next one says the same
 * again, only what is new is sent; when it says something else the stream ends with an error.
 */
export class ChatChunks {
  readonly #of: ChatAnswerOf;
  readonly #wantsUsage: boolean;
  #createdMs = 0;
  #sent = "";
  #heard = "";
  #isOver = false;

  constructor(of: ChatAnswerOf & { readonly wantsUsage: boolean }) {
    this.#of = of;
    this.#wantsUsage = of.wantsUsage;
  }

  /** Nothing follows. */
  get isOver(): boolean {
    return this.#isOver;
  }

  /** What the event adds to the stream. */
  of({ event, data }: ClientEvent): string {
    if (this.#isOver) return "";
    switch (event) {
      case "posted":
        this.#createdMs = Date.parse(String(data.at));
        return this.#chunk({ role: "assistant", content: "" });
      case "replyChunk":
        return this.#heardMore(this.#heard + textOf(data));
      case "replied":
        return this.#end(textOf(data), "stop", data.usage);
      case "replyStopped":
        return this.#end(textOf(data), "length", null);
      case "replyFailed":
        return this.failed(failedReply(data.code));
      case "replyInterrupted":
        if (data.isOver === true) return this.#end(textOf(data), "length", null);
        this.#heard = "";
        return "";
      default:
        return "";
    }
  }

  deleted(): string {
    return this.failed({ code: "not_found", detail: "the conversation was deleted" });
  }

  /** All that was said up to now, by the attempt that speaks. */
  #heardMore(whole: string): string {
    this.#heard = whole;
    if (this.#sent.startsWith(whole)) return "";
    if (!whole.startsWith(this.#sent)) return this.failed(SAID_OTHERWISE);
    const content = whole.slice(this.#sent.length);
    this.#sent = whole;
    return this.#chunk({ content });
  }

  #end(whole: string, finish: FinishReason, usage: unknown): string {
    const rest = whole.length >= this.#sent.length ? this.#heardMore(whole) : this.failed(SAID_OTHERWISE);
    if (this.#isOver) return rest;
    this.#isOver = true;
    const told = this.#wantsUsage ? dataOf({ ...this.#head, choices: [], ...usageField(usage) }) : "";
    return rest + this.#chunk({}, finish) + told + DONE;
  }

  /** Ends the stream with an error. */
  failed(error: Pick<Refusal, "code" | "detail">): string {
    this.#isOver = true;
    return dataOf(chatError(error));
  }

  #chunk(delta: object, finish: FinishReason | null = null): string {
    return dataOf({ ...this.#head, choices: [{ index: 0, delta, logprobs: null, finish_reason: finish }] });
  }

  get #head() {
    return head(this.#of, "chat.completion.chunk", this.#createdMs);
  }
}

const dataOf = (data: object): string => `data: ${JSON.stringify(data)}\n\n`;
const DONE = "data: [DONE]\n\n";
const SAID_OTHERWISE = {
  code: "UPSTREAM_BAD_RESPONSE",
  detail: "the reply broke off and was begun anew with other words; what came is void, and the conversation has the new one",
} as const;

const textOf = ({ text }: JsonObject): string => (typeof text === "string" ? text : "");
const codeOf = (code: unknown): Code =>
  typeof code === "string" && Object.hasOwn(STATUS_OF_CODE, code) ? (code as Code) : "UPSTREAM_BAD_RESPONSE";

/** What a client is told of a reply that failed; `code` as the event has it. */
export function failedReply(given: unknown): Refusal {
  const code = codeOf(given);
  return { ok: false, code, detail: `the message is stored, but it has no reply: ${whyNoReply(code)}; ask again` };
}
