/** Dead letters of durable commands as messages: what they keep, and what a replay publishes (issue 5 C). */
import { headers } from "nats";
import { expect, it } from "vitest";
import { refuse } from "../../../src/system/ingress/ledger-door.ts";
import { deadMessageOf, deathOf, headersAgain } from "../../../src/system/nats/dead-message.ts";

const SUBJECT = "troupe.durable.v1.transfer.deposit";
const refusal = refuse("validation_failed", "no\r\nTroupe-Dead-Code: other é");
const facts = { attempts: 2, at: Date.UTC(2030, 0, 31), bytesMax: 1024 * 1024 };
const said = (words: Readonly<Record<string, string>>) => {
  const all = headers();
  for (const [name, value] of Object.entries(words)) all.set(name, value);
  return all;
};

it("keeps headers and body, and says why, when and where from", () => {
  const original = said({ "Idempotency-Key": "k", "Troupe-Id": "a%20b", "X-Own": "x", "Troupe-Dead-Code": "forged", "Nats-Msg-Id": "m" });
  const dead = deadMessageOf({ subject: SUBJECT, headers: original, data: Buffer.from("{}") }, refusal, facts);
  expect([dead.subject, Buffer.from(dead.body).toString()]).toEqual(["troupe.dead.transfer.deposit", "{}"]);
  expect(deathOf(dead.headers)).toEqual({
    code: "validation_failed",
    detail: "no??Troupe-Dead-Code: other ?",
    attempts: 2,
    at: facts.at,
    subject: SUBJECT,
    cutBytes: null,
    isHeadless: false,
  });
  expect([...headersAgain(dead.headers)].toSorted()).toEqual([
    ["Idempotency-Key", ["k"]],
    ["Troupe-Id", ["a%20b"]],
    ["X-Own", ["x"]],
  ]);
});

it("a replay has no deadline: it has passed, and whoever replays wants it done", () => {
  const dead = deadMessageOf(
    { subject: SUBJECT, headers: said({ "troupe-deadline": "2030-01-01T00:00:00Z" }), data: Buffer.from("") },
    refusal,
    facts,
  );
  expect([...headersAgain(dead.headers)]).toEqual([]);
});

it("what does not fit with its reason is cut, and says how large it was; key and id stay", () => {
  const large = said({ "idempotency-key": "k", "X-Own": "x".repeat(3_000) });
  const dead = deadMessageOf({ subject: SUBJECT, headers: large, data: Buffer.alloc(2_000) }, refusal, { ...facts, bytesMax: 8_192 });
  expect([dead.body.byteLength, deathOf(dead.headers).cutBytes, dead.headers.has("X-Own")]).toEqual([0, 2_000, false]);
  expect([...dead.headers].filter(([name]) => /key/i.test(name))).toEqual([["idempotency-key", ["k"]]]);
});

it("a subject that is none and headers that cannot be read have a dead letter too", () => {
  const dead = deadMessageOf({ subject: "troupe.durable.v1.a b.c\u0001", headers: null, data: Buffer.from("x") }, refusal, facts);
  expect(deathOf(dead.headers).isHeadless).toBe(true);
  expect([dead.subject, deathOf(dead.headers).subject]).toEqual(["troupe.dead.unknown.unknown", "troupe.durable.v1.a b.c?"]);
});
