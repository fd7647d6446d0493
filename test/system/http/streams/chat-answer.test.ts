/** A turn's events in the words of the OpenAI chat protocol. */
import { describe, expect, it } from "vitest";
import { ChatChunks } from "../../../../src/system/http/streams/chat-answer.ts";
import { newMessages, readChatRequest } from "../../../../src/system/http/streams/chat-request.ts";

const POSTED = { id: "1.0", event: "posted", data: { at: "2026-01-01T00:00:00.000Z" } };
const chunk = (text: string) => ({ id: "2.0", event: "replyChunk", data: { text } });
const event = (kind: string, data: object = {}) => ({ id: "3.0", event: kind, data: { ...data } });
interface Chunk {
  readonly choices?: ReadonlyArray<{ readonly delta: { readonly content?: string }; readonly finish_reason: string | null }>;
  readonly usage?: object;
  readonly error?: { readonly code: string };
}

function streamed(events: ReadonlyArray<{ readonly id: string; readonly event: string; readonly data: object }>, wantsUsage = false) {
  const chunks = new ChatChunks({ model: "m", messageId: "x", wantsUsage });
  const text = events.map((one) => chunks.of(one as never)).join("");
  const lines = text.split("\n\n").filter((line) => line !== "");
  expect(lines.every((line) => line.startsWith("data: "))).toBe(true);
  const all = lines.map((line) => line.slice(6));
  const parsed = all.filter((line) => line !== "[DONE]").map((line) => JSON.parse(line) as Chunk);
  return {
    said: parsed.map((one) => one.choices?.[0]?.delta.content ?? "").join(""),
    finish: parsed.map((one) => one.choices?.[0]?.finish_reason ?? null).filter((reason) => reason !== null),
    usage: parsed.find((one) => one.usage !== undefined)?.usage ?? null,
    error: parsed.at(-1)?.error?.code ?? null,
    isDone: all.at(-1) === "[DONE]",
  };
}
const WELL = { said: "Hello there.", finish: ["stop"], usage: null, error: null, isDone: true };

describe("chunks of a chat stream", () => {
  it("say what the chunks say, then the end", () => {
    expect(streamed([POSTED, event("replyBegun"), chunk("Hello "), chunk("there."), event("replied", { text: "Hello there." })])).toEqual(
      WELL,
    );
  });
  it("say the whole reply when chunks are missing, and the figures when they are wanted and known", () => {
    const usage = { promptTokens: 7, completionTokens: 3 };
    const end = event("replied", { text: "Hello there.", usage });
    const figures = { prompt_tokens: 7, completion_tokens: 3, total_tokens: 10 };
    expect(streamed([POSTED, chunk("Hel"), end], true)).toEqual({ ...WELL, usage: figures });
    expect(streamed([POSTED, end])).toEqual(WELL);
  });
  it("say nothing twice when an attempt was void and the next one says the same", () => {
    const again = [event("replyInterrupted", { isOver: false }), chunk("He"), chunk("llo th"), chunk("ere.")];
    expect(streamed([POSTED, chunk("Hello "), ...again, event("replied", { text: "Hello there." })])).toEqual(WELL);
  });
  it("end with an error when the next attempt says something else: the protocol cannot take words back", () => {
    const other = [
      POSTED,
      chunk("Hello "),
      event("replyInterrupted", { isOver: false }),
      chunk("Good day."),
      chunk("More."),
      event("replied", { text: "Good day." }),
    ];
    expect(streamed(other)).toMatchObject({ said: "Hello ", finish: [], error: "UPSTREAM_BAD_RESPONSE", isDone: false });
  });
  it("say that a reply was cut off, or failed", () => {
    expect(streamed([POSTED, chunk("Hel"), event("replyStopped", { text: "Hello" })])).toMatchObject({
      said: "Hello",
      finish: ["length"],
      isDone: true,
    });
    expect(streamed([POSTED, event("replyFailed", { code: "UPSTREAM_TIMEOUT" })])).toMatchObject({
      error: "UPSTREAM_TIMEOUT",
      isDone: false,
    });
  });
});

describe("a request of the chat protocol", () => {
  const read = (body: object) => readChatRequest(body as never);
  it("is read: instructions, messages in parts, names, streaming, the conversation", () => {
    const parts = [
      { type: "text", text: "How " },
      { type: "text", text: "are you?" },
    ];
    const body = {
      model: "any",
      temperature: 0.2,
      messages: [
        { role: "system", content: "Be kind." },
        { role: "user", content: "Hi", name: "Ann" },
        { role: "assistant", content: "Hello" },
        { role: "user", content: parts },
      ],
      stream: true,
      stream_options: { include_usage: true },
      metadata: { conversation_id: "c" },
    };
    const user = { role: "user", name: null, content: "How are you?" };
    expect(read(body)).toEqual({
      ok: true,
      value: {
        instructions: "Be kind.",
        messages: [{ role: "user", name: "Ann", content: "Hi" }, { role: "assistant", name: null, content: "Hello" }, user],
        isStreamed: true,
        wantsUsage: true,
        user: null,
        conversationId: "c",
      },
    });
    const { value } = read(body) as Extract<ReturnType<typeof readChatRequest>, { ok: true }>;
    expect(newMessages(value.messages)).toEqual([user]);
  });
  it("says in plain words which fields are not supported, all of them at once", () => {
    const messages = [{ role: "user", content: [{ type: "image_url", image_url: { url: "x" } }] }];
    const tools = [{ type: "function", function: { name: "secret" } }];
    const refusal = read({ messages, n: 2, tools, response_format: { type: "json_object" } });
    const details = (refusal as { readonly detail: string }).detail.split("; the field ");
    expect(details.map((detail) => detail.replace("the field ", "")).toSorted()).toEqual([
      "messages.0.content is refused: expected a string or a list of text parts; pictures and the like are not supported",
      "n is refused: more than one answer is not supported; send 1 or leave it out",
      'response_format.type is refused: only "text" is supported; leave it out',
      "tools is refused: tools are not supported; leave it out",
    ]);
  });
  it("takes fields that ask for nothing", () => {
    const nothing = { n: 1, logprobs: false, tools: [], functions: null, modalities: ["text"], response_format: { type: "text" } };
    expect(read({ messages: [{ role: "user", content: "a" }], ...nothing })).toMatchObject({ ok: true });
  });
  it.each<[string, object]>([
    ["no messages", { messages: [] }],
    ["two answers", { messages: [{ role: "user", content: "a" }], n: 2 }],
    ["tools", { messages: [{ role: "user", content: "a" }], tools: [{ type: "function" }] }],
    ["a picture", { messages: [{ role: "user", content: [{ type: "image_url", image_url: { url: "x" } }] }] }],
    ["another role", { messages: [{ role: "tool", content: "a" }] }],
    [
      "an answer last",
      {
        messages: [
          { role: "user", content: "a" },
          { role: "assistant", content: "b" },
        ],
      },
    ],
    ["nothing said", { messages: [{ role: "user", content: "" }] }],
    ["JSON wanted", { messages: [{ role: "user", content: "a" }], response_format: { type: "json_object" } }],
  ])("is refused, with no text in the refusal: %s", (_what, body) => {
    expect(read(body)).toMatchObject({ ok: false, code: "validation_failed" });
  });
});
