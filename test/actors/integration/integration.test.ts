/** Public events as a pure projection of the journal's (R-SYS-3, R-COM-4): names, payloads, and what must never leave (I2, I3). */
import { describe, expect, it } from "vitest";
import { conversationEvents, integrationEvent, worldAccountIdOf } from "../../../src/actors/index.ts";
import { accountEvents } from "../../../src/actors/ledger/account-schema.ts";
import { transferEvents } from "../../../src/actors/ledger/transfer-schema.ts";
import type { Json } from "../../../src/runtime/index.ts";
import { chunk, deleted, interrupted, posted, replied, replyFailed, stopped, wasOpened } from "../../support/conversation-records.ts";
import { money, opened, TRANSFER, WORLD } from "../../support/ledger-records.ts";

const AT = 1_000;
const of = (type: string, id: string, event: unknown) => integrationEvent({ type, id }, event as Json, AT);

describe("accounts", () => {
  it("an opening leaves without its owner, caller and key", () => {
    const event = { ...(opened() as object), overdraftLimit: "1050", owner: "Alice Small", caller: "somebody", key: "secret-key" };
    expect(of("account", "alice", event)).toEqual({
      name: "opened",
      data: { accountId: "alice", kind: "customer", currency: "CZK", overdraftLimit: "10.50", openedAt: "1970-01-01T00:00:00.000Z" },
    });
    expect(of("account", "bob", { ...(opened("JPY") as object), overdraftLimit: null })?.data.overdraftLimit).toBe(null);
  });

  it.each([
    ["debited", "-2.50"],
    ["credited", "2.50"],
    ["refunded", "2.50"],
  ] as const)("an entry %s has amounts in the currency's scale, as a statement shows them", (kind, amount) => {
    expect(of("account", "alice", money(kind, "250", "-750", 3))).toEqual({
      name: "entry-posted",
      data: {
        accountId: "alice",
        sequence: 3,
        transferId: TRANSFER,
        reason: kind,
        amount,
        balance: "-7.50",
        currency: "CZK",
        at: "1970-01-01T00:00:01.000Z",
      },
    });
  });

  it.each(["frozen", "unfrozen", "closed"])("%s leaves by its name", (kind) => {
    expect(of("account", "alice", { kind })).toEqual({ name: kind, data: { accountId: "alice" } });
  });

  it("world accounts say nothing", () => {
    expect(of("account", WORLD, money("debited", "900", "-900", 1))).toBe(null);
    expect(of("account", worldAccountIdOf("USD", 0, 64), { kind: "frozen" })).toBe(null);
  });
});

describe("transfers", () => {
  const view = { id: TRANSFER, kind: "transfer", status: "COMPLETED", from: "a", to: "b", amount: "2.00", currency: "CZK", legs: [] };

  it("a completed one leaves as HTTP shows it, without the client's key", () => {
    const body = JSON.stringify({ ...view, idempotencyKey: "secret-key" });
    expect(of("transfer", TRANSFER, { kind: "completed", status: 201, body })).toEqual({ name: "completed", data: view });
  });

  it("a failed one leaves with its code and sentence", () => {
    const body = JSON.stringify({ code: "insufficient_funds", detail: "a has too little", instance: "/v1/transfers/x" });
    expect(of("transfer", TRANSFER, { kind: "failed", code: "insufficient_funds", finishedAt: AT, status: 422, body })).toEqual({
      name: "failed",
      data: {
        id: TRANSFER,
        status: "FAILED",
        code: "insufficient_funds",
        detail: "a has too little",
        finishedAt: "1970-01-01T00:00:01.000Z",
      },
    });
  });

  it.each(["started", "checked", "debited", "credit-refused", "refund-refused"])("I3: on its way (%s) it says nothing", (kind) => {
    expect(of("transfer", TRANSFER, { kind })).toBe(null);
  });
});

describe("conversations", () => {
  const ids = { conversationId: "c" };

  it("I2: ids, turns and counts leave, and no text or name", () => {
    expect(of("conversation", "c", { ...wasOpened, user: "ann@example" })).toEqual({ name: "opened", data: { ...ids, onBusy: "enqueue" } });
    const text = "s1.a-sealed-text";
    expect(of("conversation", "c", posted(2, text))).toEqual({
      name: "message-posted",
      data: { ...ids, messageId: "m2", turn: 2, role: "user", chars: text.length, wantsReply: true },
    });
    expect(of("conversation", "c", deleted)).toEqual({ name: "deleted", data: ids });
    for (const event of [
      wasOpened,
      posted(1),
      chunk(1, 0),
      replied(1),
      stopped(1, ["s1.a"]),
      interrupted(1, ["s1.a"], true),
      replyFailed(1),
    ])
      expect(JSON.stringify(of("conversation", "c", event))).not.toContain("s1.");
  });

  it("a reply leaves when it ends, however it does", () => {
    const end = (event: unknown) => of("conversation", "c", event)?.data;
    expect(of("conversation", "c", replied(1))?.name).toBe("reply-finished");
    expect(end(replied(1, "r1b", "r1"))).toEqual({
      ...ids,
      replyId: "r1b",
      turn: 1,
      status: "complete",
      chars: 6,
      code: null,
      supersedes: "r1",
    });
    expect(end(stopped(1, ["s1.a"]))).toMatchObject({ status: "stopped" });
    expect(end(interrupted(1, [], true))).toMatchObject({ status: "interrupted" });
    expect(end(replyFailed(1))).toMatchObject({ status: "failed", chars: 0, code: "UPSTREAM_TIMEOUT" });
    expect(of("conversation", "c", interrupted(1, [], false))).toBe(null);
    expect(of("conversation", "c", chunk(1, 0))).toBe(null);
  });
});

it("every event that these entities can record is decided about; others are not guessed at, and of other entities nothing leaves", () => {
  const decided = (type: string, kind: string): boolean => {
    try {
      of(type, "x", { kind, body: "{}" });
    } catch (cause) {
      return !String(cause).includes("has no event");
    }
    return true;
  };
  const all = { account: accountEvents, transfer: transferEvents, conversation: conversationEvents };
  for (const [type, events] of Object.entries(all))
    for (const kind of Object.keys(events)) expect([type, kind, decided(type, kind)]).toEqual([type, kind, true]);
  for (const type of Object.keys(all)) expect(() => of(type, "x", { kind: "enlarged" })).toThrow('has no event "enlarged"');
  expect(of("summary", "c", { kind: "summarized" })).toBe(null);
});
