/** The saga of a transfer without any runtime (R-LED-8): every path by hand, with the world changing between its steps. */
import { describe, expect, it } from "vitest";
import { parseAmount, transfer, transferIdOf, worldAccountIdOf } from "../../../src/actors/index.ts";
import { addressOf, type Json, type Refusal, shardOf } from "../../../src/runtime/index.ts";
import { Books } from "./books.ts";

const refused = (code: string) => ({ ok: false, code });
const addressOfKey = (key: string) => addressOf("transfer", transferIdOf("local", key));
const aliceToBob = { from: "alice", to: "bob", amount: "250" };

/** Alice has 10.00, Bob nothing. */
function booksOfTwo(): Books {
  const books = new Books();
  books.open("alice");
  books.open("bob");
  books.deposit("alice", "1000");
  return books;
}

/** L8 after every step: the books add up, and nothing stays in transit at the end. */
function runAudited(books: Books): void {
  do for (const total of books.totals().values()) expect(total).toBe(0n);
  while (books.step());
  expect(books.inTransit()).toBe(0n);
}

const eventKinds = (books: Books, address: string) =>
  books.entries
    .filter((entry) => entry.entity === address)
    .flatMap((entry) => (entry.events ?? []).map((event) => (event as { kind: string }).kind));

it("TRAPS 17: its outcome is 404, 202 and then the bytes of the first answer; to ask for it runs nothing", () => {
  const books = booksOfTwo();
  const outcome = () => books.send(addressOfKey("k"), "outcome", {});
  expect(outcome()).toMatchObject(refused("transfer_not_found"));
  const before = books.entries.length;
  books.request("k", aliceToBob);
  expect(outcome()).toMatchObject({ ok: true, value: { status: 202, replayed: false, code: null } });
  expect(books.entries).toHaveLength(before + 1);
  books.run();
  const { body } = books.settledOf("k") as { readonly body: string };
  expect(outcome()).toEqual({ ok: true, value: { status: 201, body, replayed: true, code: null } });
  books.request("poor", { ...aliceToBob, amount: "99999" });
  books.run();
  const failed = books.send(addressOfKey("poor"), "outcome", {});
  expect(failed).toMatchObject({ ok: true, value: { status: 422, replayed: true, code: "insufficient_funds" } });
});

describe("a transfer that completes", () => {
  it("R-LED-4: asks, debits, credits, and answers 201 with both legs", () => {
    const books = booksOfTwo();
    expect(books.request("k", aliceToBob)).toBe("later");
    books.at += 1;
    runAudited(books);
    expect(eventKinds(books, addressOfKey("k"))).toEqual(["started", "checked", "debited", "completed"]);
    const outcome = books.settledOf("k") as { body: string };
    expect(outcome).toMatchObject({ status: 201, replayed: false, state: "COMPLETED", code: null });
    expect(JSON.parse(outcome.body)).toEqual({
      id: transferIdOf("local", "k"),
      kind: "transfer",
      status: "COMPLETED",
      from: "alice",
      to: "bob",
      amount: "2.50",
      currency: "CZK",
      legs: [
        { accountId: "alice", amount: "-2.50", balance: "7.50" },
        { accountId: "bob", amount: "2.50", balance: "2.50" },
      ],
      startedAt: "2026-01-02T03:04:05.006Z",
      finishedAt: "2026-01-02T03:04:05.007Z",
      idempotencyKey: "k",
    });
    expect([books.balance("alice"), books.balance("bob")]).toEqual(["7.50", "2.50"]);
  });

  it("R-LED-4: its record shows no leg before both are kept", () => {
    const books = booksOfTwo();
    books.request("k", aliceToBob);
    do {
      const view = books.transferView("k") as { status: string; legs: unknown[] };
      expect(view.legs.length).toBe(view.status === "COMPLETED" ? 2 : 0);
    } while (books.step());
    expect(books.transferView("k")).toMatchObject({ status: "COMPLETED" });
  });

  it("T1: no balance is touched before the destination agreed", () => {
    const books = booksOfTwo();
    const entries = books.entries.length;
    books.request("k", aliceToBob);
    expect(books.effects).toMatchObject([{ effect: { kind: "ask", to: "account/bob", command: "check" } }]);
    expect(books.entries.length).toBe(entries + 1);
    books.step();
    expect(books.effects).toMatchObject([{ effect: { kind: "tell", to: "account/alice", command: "debit" } }]);
    expect(books.balance("alice")).toBe("10.00");
    books.step();
    expect(books.effects).toMatchObject([{ effect: { kind: "tell", to: "account/bob", command: "credit" } }]);
    expect([books.balance("alice"), books.balance("bob"), books.inTransit()]).toEqual(["7.50", "0.00", 250n]);
  });

  it("a deposit comes from the world account in the shard of the account", () => {
    const books = new Books();
    books.open("alice");
    expect(books.deposit("alice", "1000")).toMatchObject({ status: 201 });
    const shard = shardOf("account/alice", books.shardCount);
    const world = worldAccountIdOf("CZK", shard, books.shardCount);
    expect(shardOf(addressOf("account", world), books.shardCount)).toBe(shard);
    expect([books.balance("alice"), books.balance(world), books.inTransit()]).toEqual(["10.00", "-10.00", 0n]);
  });

  it("a withdrawal goes to the world account in the shard of the account", () => {
    const books = booksOfTwo();
    books.request("w", { kind: "withdrawal", from: "alice", amount: "400" });
    runAudited(books);
    const world = worldAccountIdOf("CZK", shardOf("account/alice", books.shardCount), books.shardCount);
    expect(books.transferView("w")).toMatchObject({ kind: "withdrawal", status: "COMPLETED", from: "alice", to: world });
    expect([books.balance("alice"), books.balance(world)]).toEqual(["6.00", "-6.00"]);
  });

  it.each([
    ["JPY", "7", "7"],
    ["HUF", "7", "0.07"],
    ["BHD", "7", "0.007"],
  ])("amounts of %s have its scale", (currency, amount, shown) => {
    const books = new Books();
    books.open("alice", { currency });
    const outcome = books.deposit("alice", amount, currency) as { body: string };
    expect(JSON.parse(outcome.body)).toMatchObject({ amount: shown, legs: [{ amount: `-${shown}` }, { amount: shown, balance: shown }] });
    expect(parseAmount(shown, currency)).toEqual({ ok: true, minor: BigInt(amount) });
  });
});

describe("a transfer that fails", () => {
  const refusals: readonly [string, number, (books: Books) => void, { readonly [name: string]: Json }][] = [
    ["account_not_found", 404, () => {}, { to: "nobody" }],
    ["account_not_found", 404, () => {}, { from: "nobody" }],
    ["account_frozen", 422, (books) => books.account("bob", "freeze"), {}],
    ["account_frozen", 422, (books) => books.account("alice", "freeze"), {}],
    ["account_closed", 422, (books) => books.account("bob", "close"), {}],
    ["currency_mismatch", 400, (books) => books.open("euro", { currency: "EUR" }), { to: "euro" }],
    ["currency_mismatch", 400, (books) => books.open("euro", { currency: "EUR" }), { from: "euro" }],
    ["insufficient_funds", 422, () => {}, { amount: "1001" }],
  ];
  it.each(refusals)("R-LED-5: %s is %i, and nothing is written to any balance", (code, status, prepare, fields) => {
    const books = booksOfTwo();
    prepare(books);
    const entries = books.entries.length;
    expect(books.request("k", { ...aliceToBob, ...fields })).toBe("later");
    runAudited(books);
    const outcome = books.settledOf("k") as { body: string };
    expect(outcome).toMatchObject({ status, state: "FAILED", code, replayed: false });
    expect(JSON.parse(outcome.body)).toEqual({
      type: `urn:troupe:problem:${code}`,
      title: expect.stringMatching(/\.$/),
      status,
      code,
      detail: expect.stringMatching(/./),
      instance: `/v1/transfers/${transferIdOf("local", "k")}`,
      timestamp: "2026-01-02T03:04:05.006Z",
    });
    expect(books.entries.slice(entries).every((entry) => entry.entity.startsWith("transfer/"))).toBe(true);
    expect(books.transferView("k")).toMatchObject({ status: "FAILED", code, legs: [], finishedAt: "2026-01-02T03:04:05.006Z" });
  });

  it("R-LED-5: a full destination is limit_exceeded, and the source gets its money back", () => {
    const books = booksOfTwo();
    books.deposit("bob", "999999999999999999");
    books.request("k", aliceToBob);
    runAudited(books);
    expect(books.settledOf("k")).toMatchObject({ status: 422, code: "limit_exceeded" });
    expect(books.balance("alice")).toBe("10.00");
  });

  it.each(["freeze", "close"])("T2: a destination that a %s meets between check and credit is refunded", (command) => {
    const books = booksOfTwo();
    books.request("k", aliceToBob);
    books.step();
    books.step();
    expect([books.balance("alice"), books.inTransit()]).toEqual(["7.50", 250n]);
    books.account("bob", command);
    books.account("alice", "freeze");
    runAudited(books);
    expect(eventKinds(books, addressOfKey("k"))).toEqual(["started", "checked", "debited", "credit-refused", "failed"]);
    const code = command === "freeze" ? "account_frozen" : "account_closed";
    expect(books.settledOf("k")).toMatchObject({ status: 422, state: "FAILED", code });
    expect(books.transferView("k")).toMatchObject({ status: "FAILED", code, legs: [] });
    expect([books.balance("alice"), books.balance("bob")]).toEqual(["10.00", "0.00"]);
  });

  it("T4: a refused refund leaves it PENDING and says so", () => {
    const books = booksOfTwo();
    books.request("k", aliceToBob);
    books.step();
    books.step();
    books.account("bob", "freeze");
    books.step();
    const fault: Refusal = { ok: false, code: "ENTITY_FAILED", detail: "the account cannot be rebuilt" };
    books.step(fault);
    expect(eventKinds(books, addressOfKey("k")).at(-1)).toBe("refund-refused");
    expect(books.transferView("k")).toMatchObject({
      status: "PENDING",
      finishedAt: null,
      legs: [],
      refundRefused: { code: fault.code, detail: fault.detail },
    });
    expect(books.settledOf("k")).toBeNull();
    expect(books.inTransit()).toBe(250n);
    expect(books.request("k", aliceToBob)).toMatchObject(refused("key_in_progress"));
    books.answer(addressOfKey("k"), "refunded", { ok: true, value: { balance: "1000" } });
    expect(books.transferView("k")).toMatchObject({ status: "PENDING" });
    expect(transfer.isFinished?.(books.state(addressOfKey("k")) as never)).toBe(false);
  });
});

describe("requests that are refused at once", () => {
  it.each<[string, { readonly [name: string]: Json }]>([
    ["same_account", { from: "alice", to: "alice" }],
    ["amount_invalid", { amount: "0" }],
    ["amount_invalid", { amount: "-5" }],
    ["amount_invalid", { amount: `${10n ** 18n}` }],
    ["validation_failed", { currency: "XXX" }],
    ["validation_failed", { from: null }],
    ["validation_failed", { to: null }],
    ["validation_failed", { kind: "deposit" }],
    ["validation_failed", { kind: "withdrawal" }],
    ["validation_failed", { kind: "deposit", from: null, to: null }],
    ["validation_failed", { kind: "deposit", from: null, to: worldAccountIdOf("CZK", 1, 64) }],
    ["validation_failed", { kind: "withdrawal", from: "in-transit-CZK-1", to: null }],
    ["validation_failed", { from: worldAccountIdOf("CZK", 1, 64) }],
    ["validation_failed", { to: worldAccountIdOf("CZK", 1, 64) }],
  ])("R-LED-5, trap 13: %s for %j; nothing is written and the key stays free", (code, fields) => {
    const books = booksOfTwo();
    const entries = books.entries.length;
    expect(books.request("k", { ...aliceToBob, ...fields })).toMatchObject(refused(code));
    expect(books.entries.length).toBe(entries);
    expect(books.effects).toEqual([]);
    expect(books.request("k", aliceToBob)).toBe("later");
  });
});

describe("repeats", () => {
  const phases = ["checking", "debiting", "crediting"];
  it.each(phases)("R-LED-2: while %s it is key_in_progress", (phase) => {
    const books = booksOfTwo();
    books.request("k", aliceToBob);
    for (let i = 0; i < phases.indexOf(phase); i++) books.step();
    expect(books.state(addressOfKey("k"))).toMatchObject({ phase });
    expect(books.request("k", aliceToBob)).toMatchObject(refused("key_in_progress"));
    expect(books.request("k", { ...aliceToBob, amount: "251" })).toMatchObject(refused("key_reused"));
  });

  it.each([
    ["COMPLETED", "250"],
    ["FAILED", "5000"],
  ])("R-LED-2, L3: once %s it gets the same bytes again and writes nothing", (state, amount) => {
    const books = booksOfTwo();
    books.request("k", { ...aliceToBob, amount });
    books.run();
    const first = books.settledOf("k") as { readonly [name: string]: Json };
    expect(first).toMatchObject({ state });
    books.at += 86_400_000;
    const entries = books.entries.length;
    expect(books.request("k", { ...aliceToBob, amount })).toEqual({ ok: true, value: { ...first, replayed: true } });
    expect(books.entries.length).toBe(entries);
    expect(books.effects).toEqual([]);
  });

  it.each<[string, { readonly [name: string]: Json }]>([
    ["amount", { amount: "251" }],
    ["source", { from: "carol" }],
    ["destination", { to: "carol" }],
    ["currency", { currency: "EUR" }],
    ["kind", { kind: "deposit", from: null }],
    ["kind of another side", { kind: "withdrawal", to: null }],
  ])("R-LED-2: another %s under the same key is key_reused", (_field, fields) => {
    const books = booksOfTwo();
    books.request("k", aliceToBob);
    books.run();
    expect(books.request("k", { ...aliceToBob, ...fields })).toMatchObject(refused("key_reused"));
  });

  it("a deposit and a withdrawal are repeated without their world account", () => {
    const books = booksOfTwo();
    for (const fields of [
      { kind: "deposit", to: "alice", amount: "5" },
      { kind: "withdrawal", from: "alice", amount: "5" },
    ]) {
      books.request(fields.kind, fields);
      books.run();
      expect(books.request(fields.kind, fields)).toMatchObject({ ok: true, value: { status: 201, replayed: true } });
      const { from, to } = books.transferView(fields.kind) as { from: string; to: string };
      expect(books.request(fields.kind, { ...fields, from, to })).toMatchObject(refused("key_reused"));
      const another = fields.kind === "deposit" ? { to: "bob" } : { from: "bob" };
      expect(books.request(fields.kind, { ...fields, ...another })).toMatchObject(refused("key_reused"));
    }
  });

  it("L3: an answer that comes twice changes nothing", () => {
    const books = booksOfTwo();
    books.request("k", aliceToBob);
    books.run();
    const entries = books.entries.length;
    for (const answerTo of ["checked", "debited", "credited", "refunded"]) {
      books.answer(addressOfKey("k"), answerTo, { ok: true, value: { balance: "1" } });
      books.answer(addressOfKey("k"), answerTo, { ok: false, code: "account_frozen", detail: "late" });
    }
    expect(books.entries.length).toBe(entries);
    expect(books.transferView("k")).toMatchObject({ status: "COMPLETED" });
  });
});

describe("ids, reading, histories", () => {
  it("R-LED-2: the id is base64url(SHA-256(caller 0x00 key)), 43 characters", () => {
    // printf 'local\0k' | openssl dgst -sha256 -binary | basenc --base64url
    expect(transferIdOf("local", "k")).toBe("k1h8BjHC-E9riLTt27utXHJtFVbmvH4LZuBgzqKbdnk");
    expect(transferIdOf("a", "bc")).not.toBe(transferIdOf("ab", "c"));
    expect(transferIdOf("local", "k")).toMatch(/^[A-Za-z0-9_-]{43}$/);
  });

  it("an unknown transfer is transfer_not_found", () => {
    expect(new Books().send(addressOfKey("k"), "get", {})).toMatchObject(refused("transfer_not_found"));
  });

  it("the view of a completed transfer is its outcome, byte for byte", () => {
    const books = booksOfTwo();
    books.request("k", aliceToBob);
    books.run();
    const { body } = books.settledOf("k") as { body: string };
    expect(books.send(addressOfKey("k"), "get", {})).toEqual({ ok: true, value: { status: 200, body, replayed: false } });
  });

  it("is finished when COMPLETED or FAILED, not before", () => {
    const books = booksOfTwo();
    const isFinished = () => transfer.isFinished?.(books.state(addressOfKey("k")) as never);
    expect(isFinished()).toBe(false);
    books.request("k", aliceToBob);
    while (books.effects.length > 0) {
      expect(isFinished()).toBe(false);
      books.step();
    }
    expect(isFinished()).toBe(true);
  });

  it("L5: events before the first and after the last are no history of a transfer", () => {
    expect(() => transfer.evolve.checked(null, { kind: "checked" })).toThrow("first event");
    const books = booksOfTwo();
    books.request("k", aliceToBob);
    books.run();
    expect(() => transfer.evolve.checked(books.state(addressOfKey("k")) as never, { kind: "checked" })).toThrow("no further events");
    expect(transfer.snapshot.decode(transfer.snapshot.encode(null))).toBeNull();
  });
});
