/** The OpenAI client library talks to conversations, unchanged. */
import OpenAI, { APIError } from "openai";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { ConversationServer } from "../../../support/conversation-server.ts";
import { type AiFault, FakeAi } from "../../../support/fake-ai.ts";

let ai: FakeAi;
let server: ConversationServer;
let client: OpenAI;
beforeAll(async () => {
  ai = await FakeAi.start({ partMs: 5 });
  server = await ConversationServer.start({ "--ai.url": ai.url, "--ai.model": "fake-1", "--ai.attempts-max": 1 });
  client = new OpenAI({ baseURL: `${server.url}/v1`, apiKey: "none", maxRetries: 0 });
});
afterAll(async () => {
  await server[Symbol.asyncDispose]();
  await ai[Symbol.asyncDispose]();
  expect(server.defects).toEqual([]);
});

const said = async (id: string) => {
  const page = (await (await fetch(`${server.url}/v1/conversations/${id}/messages`)).json()) as {
    items: { role: string; speaker: string; content: string }[];
  };
  return page.items.map(({ role, content }) => [role, content]);
};

describe("the OpenAI client library", () => {
  it("gets a reply, with its figures, and the conversation holds what was said", async () => {
    const { data, response } = await client.chat.completions
      .create({
        model: "gpt-x",
        temperature: 0.2,
        messages: [
          { role: "system", content: "Be brief." },
          { role: "user", content: "Hi" },
          { role: "assistant", content: "Hello" },
          { role: "user", content: [{ type: "text", text: "How are you?" }] },
        ],
      })
      .withResponse();
    expect(data).toMatchObject({
      object: "chat.completion",
      model: "fake-1",
      choices: [{ index: 0, finish_reason: "stop", message: { role: "assistant", content: "You said: How are you?" } }],
    });
    expect(data.usage?.total_tokens).toBe((data.usage?.prompt_tokens ?? 0) + (data.usage?.completion_tokens ?? 0));
    const id = response.headers.get("x-conversation-id") ?? "";
    expect(await said(id)).toEqual([
      ["user", "Hi"],
      ["assistant", "Hello"],
      ["user", "How are you?"],
      ["assistant", "You said: How are you?"],
    ]);
    expect(ai.calls.findLast(({ kind }) => kind === "reply")?.body.messages[0]).toMatchObject({ role: "system" });
  });

  it("is told in its own words when the conversation is deleted while it listens", async () => {
    ai.set({ partMs: 200 });
    const { data: stream, response } = await client.chat.completions
      .create({
        model: "m",
        stream: true,
        messages: [{ role: "user", content: "Tell me something long enough to be deleted in the midst of it." }],
      })
      .withResponse();
    const heard = (async () => {
      for await (const { choices } of stream)
        if (choices[0]?.delta.content)
          await fetch(`${server.url}/v1/conversations/${response.headers.get("x-conversation-id")}`, { method: "DELETE" });
    })();
    await expect(heard).rejects.toThrow(/deleted/);
    ai.set({ partMs: 5 });
  });

  it("gets it streamed, with the figures that it wants", async () => {
    const stream = await client.chat.completions.create({
      model: "gpt-x",
      stream: true,
      stream_options: { include_usage: true },
      messages: [{ role: "user", content: "Tell me something that takes a while to say, word for word." }],
    });
    const parts: string[] = [];
    const reasons: unknown[] = [];
    let tokens = 0;
    for await (const { choices, usage } of stream) {
      const [choice] = choices;
      if (choice?.delta.content) parts.push(choice.delta.content);
      if (choice?.finish_reason) reasons.push(choice.finish_reason);
      tokens += usage?.total_tokens ?? 0;
    }
    expect(parts.join("")).toBe("You said: Tell me something that takes a while to say, word for word.");
    expect([parts.length > 1, reasons, tokens > 0]).toEqual([true, ["stop"], true]);
  });

  it("continues a conversation by name, and says again nothing that it has heard", async () => {
    const metadata = { conversation_id: "named" };
    const messages: OpenAI.ChatCompletionMessageParam[] = [{ role: "user", content: "One" }];
    for (const next of ["Two", "Three"]) {
      const { choices } = await client.chat.completions.create({ model: "m", metadata, messages });
      messages.push({ role: "assistant", content: choices[0]?.message.content ?? "" }, { role: "user", content: next });
    }
    const stream = client.chat.completions.stream({ model: "m", metadata, messages });
    expect(await stream.finalContent()).toBe("You said: Three");
    expect((await said("named")).map(([, content]) => content)).toEqual([
      "One",
      "You said: One",
      "Two",
      "You said: Two",
      "Three",
      "You said: Three",
    ]);
  });

  it("L3: with an Idempotency-Key a repeat is the same message and gets the same answer", async () => {
    const ask = () =>
      client.chat.completions
        .create(
          {
            model: "m",
            messages: [
              { role: "user", content: "A" },
              { role: "assistant", content: "B" },
              { role: "user", content: "C" },
            ],
          },
          { headers: { "idempotency-key": "one" } },
        )
        .withResponse();
    const [first, second] = [await ask(), await ask()];
    expect(second.data).toEqual(first.data);
    expect(await said(first.response.headers.get("x-conversation-id") ?? "")).toHaveLength(4);
  });

  it("gets errors as it knows them", async () => {
    const bad = await client.chat.completions
      .create({ model: "m", n: 2, messages: [{ role: "user", content: "A" }] })
      .catch((error: unknown) => error);
    expect(bad).toMatchObject({ status: 400, code: "validation_failed", type: "invalid_request_error" });
    // Summaries of the turns ask the same endpoint, and take faults too.
    ai.plant(...new Array<AiFault>(20).fill({ kind: "status", status: 401 }));
    const failed = await client.chat.completions
      .create({ model: "m", messages: [{ role: "user", content: "A" }] })
      .catch((error: unknown) => error);
    expect(failed).toBeInstanceOf(APIError);
    expect((failed as APIError).status).toBeGreaterThanOrEqual(500);
    const stream = await client.chat.completions.create({ model: "m", stream: true, messages: [{ role: "user", content: "A" }] });
    await expect(
      (async () => {
        for await (const _ of stream);
      })(),
    ).rejects.toThrow(/it has no reply: the model refused/);
  });
});
