/** What is done with a durable command by what came of it (issue 5 C; TRAPS 1, 9). */
import { describe, expect, it } from "vitest";
import { type Code, STATUS_OF_CODE } from "../../../src/runtime/index.ts";
import { refuse } from "../../../src/system/ingress/ledger-door.ts";
import { asFarAsKnown, verdictOf, whyGivenTooOften, whyNotDurable } from "../../../src/system/nats/durable-verdict.ts";

const deposit = { type: "transfer", command: "deposit" };
const kindOf = (code: Code, given = 1): string => verdictOf(refuse(code, ""), { given, attemptsMax: 3 }).kind;

describe("a refusal", () => {
  it("every code has one end, and no code is tried again for ever but those of the whole node", () => {
    const ends = Object.groupBy(Object.keys(STATUS_OF_CODE) as Code[], (code) => kindOf(code));
    expect(ends.held).toEqual(["OVERLOADED", "JOURNAL_UNAVAILABLE", "NOT_OWNER", "SHUTTING_DOWN"]);
    expect(ends.again).toEqual([
      "key_in_progress",
      "rate_limited",
      "INTERNAL_ERROR",
      "ENTITY_FAILED",
      "UPSTREAM_BAD_RESPONSE",
      "MAILBOX_FULL",
      "VIEW_BEHIND",
      "DEADLINE_EXCEEDED",
      "OUTCOME_UNKNOWN",
      "UPSTREAM_TIMEOUT",
    ]);
    expect(ends.done).toBeUndefined();
    for (const code of ends.again ?? []) expect([code, kindOf(code, 2), kindOf(code, 3)]).toEqual([code, "again", "dead"]);
    for (const code of ends.held ?? []) expect(kindOf(code, 100)).toBe("held");
  });
});

it("an answer is done, also one that says no: it is durable", () => {
  const answer = { status: 422, body: "{}", isReplayed: false, code: "insufficient_funds", detail: null };
  expect(verdictOf(answer, { given: 9, attemptsMax: 3 })).toEqual({ kind: "done", answer });
});

it("what came to no end often enough is not begun once more, and what could do harm when it is given twice not at all", () => {
  expect([whyGivenTooOften(19, 3), whyGivenTooOften(20, 3)?.code]).toEqual([null, "INTERNAL_ERROR"]);
  expect([whyNotDurable(deposit), whyNotDurable({ type: "conversation", command: "stop" })?.code]).toEqual([null, "validation_failed"]);
});

it("a deadline that had passed says that nothing was begun only of a command that was given once", () => {
  const late = refuse("DEADLINE_EXCEEDED", "");
  expect([asFarAsKnown(late, 1).code, asFarAsKnown(late, 2).code]).toEqual(["DEADLINE_EXCEEDED", "OUTCOME_UNKNOWN"]);
  expect(asFarAsKnown(refuse("amount_invalid", ""), 2).code).toBe("amount_invalid");
});
