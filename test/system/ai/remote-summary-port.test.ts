/** The port "summary" where a model of an endpoint makes it, against a real server (R-CON-2, R-CON-5). */
import { afterEach, describe, expect, it } from "vitest";
import { failureOf, type Json } from "../../../src/runtime/index.ts";
import { openModel } from "../../../src/system/ai/model.ts";
import { remoteSummaryPort } from "../../../src/system/ai/remote-summary-port.ts";
import type { ReadTurns, SealedTurnText } from "../../../src/system/ai/turn-texts.ts";
import { loadConfig } from "../../../src/system/config/config.ts";
import { AiAttempts } from "../../support/ai-attempts.ts";
import { FakeAi } from "../../support/fake-ai.ts";

const open: AsyncDisposable[] = [];
afterEach(async () => {
  for (const one of open.splice(0).reverse()) await one[Symbol.asyncDispose]();
});

const said = (turn: number): readonly SealedTurnText[] => [
  { turn, role: "user", speaker: "sealed:Anna", parts: [`sealed:ques`, `sealed:tion ${turn}`] },
  { turn, role: "assistant", speaker: null, parts: [`sealed:answer ${turn}`] },
];
const allTurns: ReadTurns = async (_conversation, { fromTurn, toTurn }) =>
  Array.from({ length: toTurn - fromTurn + 1 }, (_, at) => said(fromTurn + at)).flat();
const bodyOf = (fromTurn: number, toTurn: number, previous: string | null = null): Json => ({
  conversation: "c",
  fromTurn,
  toTurn,
  previous,
  memory: null,
  messageCount: 2 * toTurn,
  temperature: 0.3,
  maxTokens: 500,
});

async function started(readTurns: ReadTurns = allTurns) {
  const ai = await FakeAi.start({ content: "They talked." });
  const config = loadConfig({ argv: ["--ai.url", ai.url], env: {}, cwd: "." });
  const model = openModel(config.ai, {});
  open.push(ai, model);
  if (model.client === null) throw new Error("there is no client");
  const keyRing = {
    seal: (id: string, context: string, text: string) => `${id} ${context}: ${text}`,
    reader: (_id: string) => (sealed: string) => sealed.replace("sealed:", ""),
  };
  const port = remoteSummaryPort({
    ai: config.ai,
    concurrencyMax: 8,
    keyRing,
    client: model.client,
    beginReading: () => readTurns,
    viewWaitMsMax: 100,
  });
  return { ai, port, attempts: new AiAttempts(port, { isVirtual: true, random: () => 0 }) };
}

describe("a summary by an endpoint", () => {
  it("R-CON-2: is made from the summary before and what was said since, at 0.3 with 500 tokens", async () => {
    const { ai, attempts } = await started();
    const told = await attempts.through(attempts.run(bodyOf(3, 4, "sealed:They met.")));
    expect(told).toMatchObject([{ outcome: { kind: "done", value: { text: "c summary.3-4: They talked.", memory: null } } }]);
    expect(ai.calls).toMatchObject([{ kind: "summary", body: { temperature: 0.3, max_tokens: 500 } }]);
    expect(ai.calls[0]?.body.messages[1]?.content).toBe(
      "Summary so far:\nThey met.\n\nNew messages:\nAnna: question 3\nassistant: answer 3\nAnna: question 4\nassistant: answer 4",
    );
  });

  it("L6: reads many turns in pages", async () => {
    const pages: unknown[] = [];
    const { attempts } = await started(async (conversation, turns) => {
      pages.push([turns.fromTurn, turns.toTurn]);
      return await allTurns(conversation, turns);
    });
    await attempts.through(attempts.run(bodyOf(2, 450)));
    expect(pages).toEqual([
      [2, 201],
      [202, 401],
      [402, 450],
    ]);
  });

  it("waits for a read model that is behind, and never leaves a turn out", async () => {
    let reads = 0;
    const { ai, attempts } = await started(async (conversation, turns) => (++reads < 3 ? said(1) : await allTurns(conversation, turns)));
    const told = await attempts.through(attempts.run(bodyOf(1, 2)));
    expect(told.map(({ outcome }) => outcome.kind)).toEqual(["done"]); // Within one attempt: what was behind a moment ago costs no rest of seconds.
    expect(ai.calls.length).toBe(1);
  });

  it("R-CON-5: has no deadline, so one that merely waited is made; and its failures keep the endpoint's status", async () => {
    const { ai, port, attempts } = await started();
    expect(port.policy).toMatchObject({ deadlineMs: null, attemptsMax: 4, concurrencyMax: 8 });
    ai.plant({ kind: "status", status: 422 });
    const thrown = await Promise.resolve(
      port.perform({ id: "1", key: "k", command: "summarize", body: bodyOf(1, 1), attempt: 1, from: "summary/c" }, contextOf()),
    ).catch((error: unknown) => failureOf(error, 0));
    expect(thrown).toMatchObject({ status: 422, isRetryable: false });
    expect((await attempts.through(attempts.run(bodyOf(1, 1)))).length).toBe(1);
  });
});

const contextOf = () => ({ signal: new AbortController().signal, progress: async () => undefined });
