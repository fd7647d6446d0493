/** Accounts without any runtime (R-LED-8): every command, every refusal, and what a repeat gets. */
import { describe, expect, it } from "vitest";
import { AMOUNT_MINOR_MAX, account, worldAccountIdOf } from "../../../src/actors/index.ts";
import { type Code, type Json, STATUS_OF_CODE } from "../../../src/runtime/index.ts";
import { Books, bodyOf, type Told } from "./books.ts";

const openBody = { currency: "CZK", kind: "customer", overdraftLimit: "0", owner: null, caller: "local", key: "k1" };
const movement = (amount: string, currency = "CZK") => ({ transfer: "t1", amount, currency });
const refused = (code: string) => ({ ok: false, code });

function booksWith(id: string, balance: string, fields: { readonly [name: string]: Json } = {}): Books {
  const books = new Books();
  books.open(id, fields);
  if (balance !== "0") expect(books.account(id, "credit", movement(balance))).toMatchObject({ ok: true });
  return books;
}

/** Says that a command is refused and changes nothing. */
function expectRefused(books: Books, id: string, told: () => Told, code: string): void {
  const before = { state: books.state(`account/${id}`), entries: books.entries.length };
  expect(told()).toMatchObject(refused(code));
  expect({ state: books.state(`account/${id}`), entries: books.entries.length }).toEqual(before);
}

/** Says that a change is refused by an outcome, which is what its key keeps, and changes nothing. */
function expectChangeRefused(books: Books, id: string, told: () => Told, code: Code): void {
  const before = { state: books.state(`account/${id}`), entries: books.entries.length };
  const answer = told();
  expect(answer).toMatchObject({ ok: true, value: { status: STATUS_OF_CODE[code], replayed: false } });
  expect(JSON.parse(bodyOf(answer))).toMatchObject({ code, status: STATUS_OF_CODE[code] });
  expect({ state: books.state(`account/${id}`), entries: books.entries.length }).toEqual(before);
}

describe("opening", () => {
  it("answers 201 with the account", () => {
    const told = new Books().account("alice", "open", { ...openBody, overdraftLimit: "5000", owner: "Alice" });
    expect(told).toMatchObject({ ok: true, value: { status: 201, replayed: false } });
    expect(JSON.parse(bodyOf(told))).toEqual({
      id: "alice",
      currency: "CZK",
      kind: "customer",
      owner: "Alice",
      balance: "0.00",
      available: "50.00",
      overdraftLimit: "50.00",
      status: "open",
      version: 1,
      openedAt: "2026-01-02T03:04:05.006Z",
    });
  });

  it("L3: a repeat gets the first bytes again, whatever happened since", () => {
    const books = new Books();
    const body = bodyOf(books.account("alice", "open", openBody));
    books.account("alice", "credit", movement("100"));
    books.account("alice", "freeze");
    books.at += 60_000;
    const entries = books.entries.length;
    for (const key of ["k1", "k2", null]) {
      expect(books.account("alice", "open", { ...openBody, key })).toEqual({
        ok: true,
        value: { status: 201, body, replayed: true },
      });
    }
    expect(books.entries.length).toBe(entries);
  });

  it("TRAPS 17: what the opening was answered is shown to whoever has its key, and opens nothing", () => {
    const books = new Books();
    const opening = (key: string, id = "alice") => books.account(id, "opening", { caller: openBody.caller, key });
    expect(opening("k1")).toMatchObject({ ok: false, code: "account_not_found" });
    const body = bodyOf(books.account("alice", "open", openBody));
    expect(opening(openBody.key)).toEqual({ ok: true, value: { status: 201, body, replayed: true } });
    expect(opening("other")).toMatchObject({ ok: false, code: "not_found" });
    expect(opening("", "world-CZK-0")).toMatchObject({ ok: false });
    expect(books.entries).toHaveLength(1);
  });

  it.each<[string, { readonly [name: string]: Json }]>([
    ["currency", { currency: "EUR" }],
    ["kind", { kind: "system" }],
    ["overdraft limit", { overdraftLimit: "1" }],
    ["overdraft without limit", { overdraftLimit: null }],
    ["owner", { owner: "Bob" }],
  ])("R-LED-2: another %s is key_reused under the same key, else already_exists", (_field, fields) => {
    const books = new Books();
    books.account("alice", "open", openBody);
    expectRefused(books, "alice", () => books.account("alice", "open", { ...openBody, ...fields }), "key_reused");
    expectRefused(books, "alice", () => books.account("alice", "open", { ...openBody, ...fields, key: "k2" }), "already_exists");
    expectRefused(books, "alice", () => books.account("alice", "open", { ...openBody, ...fields, key: null }), "already_exists");
  });

  it("R-LED-2: another caller's equal request is not a repeat", () => {
    const books = new Books();
    books.account("alice", "open", openBody);
    expectRefused(books, "alice", () => books.account("alice", "open", { ...openBody, caller: "eve" }), "already_exists");
  });

  it.each(["world-CZK-{0}", "world-", "in-transit-CZK-3"])("%s is reserved", (id) => {
    expect(new Books().account(id, "open", openBody)).toMatchObject(refused("validation_failed"));
  });

  it("a currency that is none is refused", () => {
    expect(new Books().account("alice", "open", { ...openBody, currency: "XXX" })).toMatchObject(refused("validation_failed"));
  });
});

describe("reading", () => {
  it.each(["get", "check", "debit", "credit", "refund"])("R-LED-5: %s of an unknown account", (command) => {
    const books = new Books();
    const bodies: { readonly [name: string]: Json } = { check: { currency: "CZK" }, debit: movement("1"), credit: movement("1") };
    expectRefused(
      books,
      "nobody",
      () => books.account("nobody", command, bodies[command] ?? (command === "refund" ? movement("1") : {})),
      "account_not_found",
    );
  });

  it("available is the balance and the overdraft, null when that is unlimited", () => {
    const books = booksWith("limited", "1000", { overdraftLimit: "500" });
    expect(books.account("limited", "get")).toMatchObject({ value: { balance: "10.00", available: "15.00", overdraftLimit: "5.00" } });
    books.open("unlimited", { overdraftLimit: null });
    expect(books.account("unlimited", "get")).toMatchObject({ value: { balance: "0.00", available: null, overdraftLimit: null } });
  });

  it("check answers the kind and records nothing", () => {
    const books = booksWith("till", "0", { kind: "system" });
    const entries = books.entries.length;
    expect(books.account("till", "check", { currency: "CZK" })).toEqual({ ok: true, value: { kind: "system" } });
    expect(books.entries.length).toBe(entries);
  });
});

describe("moving money", () => {
  it("events carry the balance after them, and count the money entries alone", () => {
    const books = booksWith("alice", "1000");
    books.account("alice", "freeze");
    books.account("alice", "unfreeze");
    expect(books.account("alice", "debit", movement("300"))).toEqual({ ok: true, value: { balance: "700" } });
    expect(books.account("alice", "refund", movement("300"))).toEqual({ ok: true, value: { balance: "1000" } });
    const money = books.entries.flatMap((entry) => entry.events ?? []).filter((event) => Object.hasOwn(event as object, "sequence"));
    expect(money).toEqual([
      { kind: "credited", transfer: "t1", amount: "1000", balance: "1000", currency: "CZK", sequence: 1 },
      { kind: "debited", transfer: "t1", amount: "300", balance: "700", currency: "CZK", sequence: 2 },
      { kind: "refunded", transfer: "t1", amount: "300", balance: "1000", currency: "CZK", sequence: 3 },
    ]);
    expect(books.account("alice", "get")).toMatchObject({ value: { version: 6 } });
  });

  it("R-LED-5: the balance never goes below zero, or the overdraft agreed", () => {
    const plain = booksWith("plain", "1000");
    expectRefused(plain, "plain", () => plain.account("plain", "debit", movement("1001")), "insufficient_funds");
    expect(plain.account("plain", "debit", movement("1000"))).toEqual({ ok: true, value: { balance: "0" } });
    const overdrawn = booksWith("overdrawn", "1000", { overdraftLimit: "500" });
    expectRefused(overdrawn, "overdrawn", () => overdrawn.account("overdrawn", "debit", movement("1501")), "insufficient_funds");
    expect(overdrawn.account("overdrawn", "debit", movement("1500"))).toEqual({ ok: true, value: { balance: "-500" } });
    const unlimited = booksWith("unlimited", "0", { overdraftLimit: null });
    expect(unlimited.account("unlimited", "debit", movement("999"))).toEqual({ ok: true, value: { balance: "-999" } });
  });

  it("R-LED-5: no movement leaves the 18 digits of a balance", () => {
    const books = booksWith("rich", `${AMOUNT_MINOR_MAX}`);
    expectRefused(books, "rich", () => books.account("rich", "credit", movement("1")), "limit_exceeded");
    books.open("poor", { overdraftLimit: null });
    expect(books.account("poor", "debit", movement(`${AMOUNT_MINOR_MAX}`))).toMatchObject({ ok: true });
    expectRefused(books, "poor", () => books.account("poor", "debit", movement("1")), "limit_exceeded");
  });

  it.each(["check", "debit", "credit"])("R-LED-5: %s is refused by name in another currency, frozen and closed", (command) => {
    const books = booksWith("alice", "0", { overdraftLimit: null });
    const say = (currency: string) => books.account("alice", command, command === "check" ? { currency } : movement("1", currency));
    expectRefused(books, "alice", () => say("EUR"), "currency_mismatch");
    books.account("alice", "freeze");
    expectRefused(books, "alice", () => say("CZK"), "account_frozen");
    books.account("alice", "unfreeze");
    books.account("alice", "close");
    expectRefused(books, "alice", () => say("CZK"), "account_closed");
  });

  it("A3: a refund is taken by a frozen account, a closed one and one at its limit", () => {
    const frozen = booksWith("frozen", "100");
    frozen.account("frozen", "freeze");
    expect(frozen.account("frozen", "refund", movement("5"))).toEqual({ ok: true, value: { balance: "105" } });
    const closed = booksWith("closed", "0");
    closed.account("closed", "close");
    expect(closed.account("closed", "refund", movement("5"))).toEqual({ ok: true, value: { balance: "5" } });
    expect(closed.account("closed", "get")).toMatchObject({ value: { status: "closed", balance: "0.05" } });
    const full = booksWith("full", `${AMOUNT_MINOR_MAX}`);
    expect(full.account("full", "refund", movement("1"))).toEqual({ ok: true, value: { balance: `${10n ** 18n}` } });
  });

  it("R-LED-6: credits of 500, 100 and 50 make 650", () => {
    const books = booksWith("hot", "0");
    for (const amount of ["500", "100", "50"]) books.account("hot", "credit", movement(amount));
    expect(books.balance("hot")).toBe("6.50");
  });
});

describe("freezing and closing", () => {
  it("answers the account as it is after", () => {
    const books = booksWith("alice", "0");
    for (const [command, status, version] of [
      ["freeze", "frozen", 2],
      ["unfreeze", "open", 3],
      ["close", "closed", 4],
    ] as const) {
      const told = books.account("alice", command);
      expect(told).toMatchObject({ ok: true, value: { status: 200, replayed: false } });
      expect(JSON.parse(bodyOf(told))).toMatchObject({ id: "alice", status, version });
    }
    expect(books.account("alice", "get")).toMatchObject({ ok: true, value: { status: "closed", version: 4 } });
  });

  it.each<[string, readonly string[], string]>([
    ["open", [], "unfreeze"],
    ["frozen", ["freeze"], "freeze"],
    ["frozen", ["freeze"], "close"],
    ["closed", ["close"], "freeze"],
    ["closed", ["close"], "unfreeze"],
    ["closed", ["close"], "close"],
  ])("an account that is %s (after %j) refuses to %s", (_status, before, command) => {
    const books = booksWith("alice", "0");
    for (const each of before) books.account("alice", each);
    expectChangeRefused(books, "alice", () => books.account("alice", command), "illegal_transition");
  });

  it("an account with money, or in debt, is not closed", () => {
    const books = booksWith("alice", "1");
    expectChangeRefused(books, "alice", () => books.account("alice", "close"), "illegal_transition");
    books.open("debtor", { overdraftLimit: null });
    books.account("debtor", "debit", movement("1"));
    expectChangeRefused(books, "debtor", () => books.account("debtor", "close"), "illegal_transition");
  });

  it.each(["freeze", "unfreeze", "close"])("R-LED-8: %s with another expectedVersion is a version_conflict", (command) => {
    const books = booksWith("alice", "1");
    if (command === "unfreeze") books.account("alice", "freeze");
    expectChangeRefused(books, "alice", () => books.account("alice", command, { expectedVersion: 1 }), "version_conflict");
    if (command === "close") books.account("alice", "debit", movement("1"));
    expect(books.account("alice", command, { expectedVersion: command === "freeze" ? 2 : 3 })).toMatchObject({ value: { status: 200 } });
  });

  it.each(["freeze", "unfreeze", "close"])("R-LED-5: %s of an unknown account", (command) => {
    const books = new Books();
    expectChangeRefused(books, "nobody", () => books.account("nobody", command), "account_not_found");
  });

  it("L3: a refusal is a whole problem document, of the moment when it was decided, at the path of the command", () => {
    const told = booksWith("zoë {1}", "0").account("zoë {1}", "unfreeze");
    expect(JSON.parse(bodyOf(told))).toEqual({
      type: "urn:troupe:problem:illegal_transition",
      title: "Its state does not allow this.",
      status: 409,
      code: "illegal_transition",
      detail: "account zoë {1} is open, not frozen",
      instance: `/v1/accounts/${encodeURIComponent("zoë {1}")}/unfreeze`,
      timestamp: "2026-01-02T03:04:05.006Z",
    });
  });

  it("L3: the runtime remembers their keys", () => {
    for (const name of ["freeze", "unfreeze", "close"] as const) expect(account.commands[name].repeats).toBe("recorded");
  });
});

describe("world accounts", () => {
  const world = worldAccountIdOf("CZK", 5, 64);

  it("A4: are open from the start, without a limit", () => {
    const books = new Books();
    expect(books.account(world, "get")).toMatchObject({
      ok: true,
      value: {
        id: world,
        kind: "world",
        currency: "CZK",
        status: "open",
        available: null,
        version: 0,
        openedAt: "1970-01-01T00:00:00.000Z",
      },
    });
    expect(books.account(world, "check", { currency: "CZK" })).toEqual({ ok: true, value: { kind: "world" } });
    expect(books.account(world, "debit", movement("1000"))).toEqual({ ok: true, value: { balance: "-1000" } });
    expectRefused(books, world, () => books.account(world, "debit", movement("1", "EUR")), "currency_mismatch");
  });

  it.each(["freeze", "unfreeze", "close"])("A4: %s is refused", (command) => {
    const books = new Books();
    expectChangeRefused(books, world, () => books.account(world, command), "validation_failed");
    books.account(world, "debit", movement("1"));
    expectChangeRefused(books, world, () => books.account(world, command), "validation_failed");
  });

  it.each(["world-XXX-{0}", "world-CZK", "world-czk-{0}", "in-transit-CZK-0"])("%s is none", (id) => {
    expect(new Books().account(id, "get")).toMatchObject(refused("account_not_found"));
  });
});

describe("histories and snapshots", () => {
  it("an account that is not there has a snapshot too", () => {
    expect(account.snapshot.decode(account.snapshot.encode(null))).toBeNull();
  });

  it("the initial state of a world account survives its snapshot", () => {
    const state = account.initial(worldAccountIdOf("CZK", 5, 64));
    expect(account.snapshot.decode(JSON.parse(JSON.stringify(account.snapshot.encode(state))) as Json)).toEqual(state);
  });

  it("L5: an event before the first is no history of an account", () => {
    expect(() => account.evolve.frozen(null, { kind: "frozen" })).toThrow("first event");
  });
});
