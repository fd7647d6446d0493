/** What is logged of effects that fail (R-CON-5, TRAPS 46): each dead letter and refusal once, by level, with an allow-list of fields. */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, it } from "vitest";
import type { FromPerformer, PerformEffect } from "../../../src/runtime/index.ts";
import { EffectLog } from "../../../src/system/observe/effect-log.ts";
import { FakeAi } from "../../support/fake-ai.ts";
import { post } from "../../support/http-client.ts";
import { KillableServer } from "../../support/killable-server.ts";
import { until } from "../../support/test-node.ts";

const effect: PerformEffect = {
  id: "1.2.3.0",
  kind: "call",
  from: "order/a",
  to: "payments",
  command: "charge",
  body: { card: "4111" },
  attempt: 2,
  openedAt: 1,
  trace: "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-00",
};
const shown = {
  effect: "1.2.3.0",
  kind: "call",
  port: "payments",
  doing: "charge",
  actor: "order/a",
  traceId: "4bf92f3577b34da6a3ce929d0e0e4736",
  requestId: "00f067aa0ba902b7",
};

it("a dead letter is an error, a refusal a warning, a failed attempt that is made again is for who debugs; all else is no line", () => {
  const lines: unknown[] = [];
  const at = (level: string) => (fields: object) => void lines.push([level, fields]);
  const log = new EffectLog({ debug: at("debug"), warn: at("warn"), error: at("error") });
  const outcomes: readonly FromPerformer["outcome"][] = [
    { kind: "progress", value: "4111" },
    { kind: "postponed", reason: "no room", afterMs: 5 },
    { kind: "failed", error: "status 503", afterMs: 5 },
    { kind: "done", value: "4111" },
    { kind: "refused", code: "UPSTREAM_BAD_RESPONSE", detail: "status 401" },
    { kind: "dead", code: "UPSTREAM_TIMEOUT", error: "the deadline passed", attempts: 1 },
  ];
  for (const outcome of outcomes) log.told(effect, outcome);
  log.told({ ...effect, keepsDead: true }, { kind: "refused", code: "UPSTREAM_BAD_RESPONSE", detail: "status 401" });
  expect(lines).toEqual([
    ["debug", { ...shown, attempts: 2, error: "status 503", afterMs: 5 }],
    ["warn", { ...shown, attempts: 2, code: "UPSTREAM_BAD_RESPONSE", error: "status 401" }],
    ["error", { ...shown, attempts: 1, code: "UPSTREAM_TIMEOUT", error: "the deadline passed" }],
    ["error", { ...shown, attempts: 2, code: "UPSTREAM_BAD_RESPONSE", error: "status 401" }],
  ]);
});

it("R-CON-5, R-CON-8: a server logs a summary that died and a reply that was refused, and no text", async () => {
  const dir = mkdtempSync(join(tmpdir(), "troupe-effect-log-"));
  await using ai = await FakeAi.start({ summaryFault: { kind: "status", status: 400 } });
  ai.plant({ kind: "status", status: 401 });
  const env = { TROUPE_LOG_LEVEL: "warn", TROUPE_AI_URL: ai.url, TROUPE_AI_ATTEMPTS_MAX: "1", TROUPE_SHARD_THREADS: "1" };
  const server = await KillableServer.start({ dataDir: dir, env });
  try {
    await post(server.url, "/v1/conversations", { id: "c", user: "user-7" });
    expect((await post(server.url, "/v1/conversations/c/messages", { content: "zanzibar" }, "k")).status).toBe(502);
    const lines = await until("both are logged", () => {
      const found = server.said.split("\n").flatMap((line) => (line.includes('"port"') ? [JSON.parse(line) as object] : []));
      return found.length >= 2 && found;
    });
    expect(lines).toHaveLength(2);
    expect(lines[0]).toMatchObject({ level: 40, port: "reply", actor: "conversation/c", attempts: 1, code: "UPSTREAM_BAD_RESPONSE" });
    expect(lines).toMatchObject([
      { user: "user-7", conversation: "c", turn: 1 },
      { user: "user-7", conversation: "c", fromTurn: 1, toTurn: 1 },
    ]);
    expect(lines[0]).toHaveProperty("error", expect.stringMatching(/^the endpoint answered 401/));
    expect(lines[1]).toMatchObject({ level: 50, port: "summary", kind: "call", doing: "summarize", actor: "summary/c", attempts: 1 });
    expect(lines[1]).toHaveProperty("error", expect.stringMatching(/^the endpoint answered 400/));
    expect(server.said).not.toContain("zanzibar");
  } finally {
    await server.stop();
    rmSync(dir, { recursive: true, force: true });
  }
});
