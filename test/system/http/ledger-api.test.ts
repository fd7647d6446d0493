/** What every route promises, over real sockets, whatever the system behind is made of. */
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { transferIdOf } from "../../../src/actors/index.ts";
import { fieldsOf, get, type HttpAnswer, post, send } from "../../support/http-client.ts";
import { type OpenLedger, openLedger } from "../../support/open-ledger.ts";

let ledger: OpenLedger;
let url: string;
beforeAll(async () => {
  ledger = await openLedger();
  url = ledger.url;
});
afterAll(async () => {
  expect(ledger.defects).toEqual([]);
  await ledger[Symbol.asyncDispose]();
});

let keys = 0;
const newKey = (): string => `key-${++keys}`;
let accounts = 0;
/** Opens an account and pays in what it shall have. */
async function account({
  currency = "CZK",
  balance = "0",
  ...more
}: {
  currency?: string;
  balance?: string;
  overdraftLimit?: string | null;
} = {}): Promise<string> {
  const id = `account-${++accounts}`;
  expect((await post(url, "/v1/accounts", { id, currency, ...more })).status).toBe(201);
  if (balance !== "0") expect((await post(url, "/v1/deposits", { accountId: id, amount: balance, currency }, newKey())).status).toBe(201);
  return id;
}
const balanceOf = async (id: string): Promise<unknown> => fieldsOf(await get(url, `/v1/accounts/${id}`)).balance;
const codeOf = (answer: HttpAnswer): string => `${answer.status} ${String(fieldsOf(answer).code)}`;

/** A refusal in the form that R-API-2 asks for. */
function expectProblem(answer: HttpAnswer, status: number, code: string): void {
  expect(codeOf(answer)).toBe(`${status} ${code}`);
  expect(answer.headers["content-type"]).toBe("application/problem+json");
  const problem = fieldsOf(answer);
  expect(Object.keys(problem)).toEqual(["type", "title", "status", "code", "detail", "instance", "timestamp"]);
  expect(problem).toMatchObject({ type: `urn:troupe:problem:${code}`, status, instance: expect.stringMatching(/^\//) });
  expect(String(problem.detail).length).toBeGreaterThan(10);
  expect(answer.text).not.toMatch(/\bat .*\.[jt]s|node_modules|Error:/);
}

describe("accounts", () => {
  it("R-API-3: opening answers 201 with Location, and a GET of it shows the same bytes", async () => {
    const opened = await post(url, "/v1/accounts", { id: "zoë {1}", currency: "JPY", kind: "system", overdraftLimit: "500", owner: "Zoë" });
    expect(opened.status).toBe(201);
    expect(fieldsOf(opened)).toMatchObject({
      id: "zoë {1}",
      currency: "JPY",
      kind: "system",
      owner: "Zoë",
      balance: "0",
      available: "500",
      overdraftLimit: "500",
      status: "open",
      version: 1,
    });
    const location = opened.headers.location ?? "";
    expect(location).toBe(`/v1/accounts/${encodeURIComponent("zoë {1}")}`);
    expect((await get(url, location)).text).toBe(opened.text);
  });

  it("without an id the key makes one: a repeat opens nothing and gets the first answer; a null limit is no limit", async () => {
    const key = newKey();
    const first = await post(url, "/v1/accounts", { currency: "CZK", overdraftLimit: null }, key);
    expect(fieldsOf(first)).toMatchObject({ available: null, overdraftLimit: null, kind: "customer", owner: null });
    const again = await post(url, "/v1/accounts", { currency: "CZK", overdraftLimit: null }, `"${key}"`);
    expect(again.headers).toEqual({ ...first.headers, "idempotency-replayed": "true" });
    expect(again.bytes.equals(first.bytes)).toBe(true);
    expectProblem(await post(url, "/v1/accounts", { currency: "EUR", overdraftLimit: null }, key), 422, "key_reused");
  });

  it("an id that is taken with other fields is already_exists; with the same fields the first answer comes again", async () => {
    const id = await account();
    expectProblem(await post(url, "/v1/accounts", { id, currency: "EUR" }), 409, "already_exists");
    expect((await post(url, "/v1/accounts", { id, currency: "CZK" })).headers["idempotency-replayed"]).toBe("true");
  });

  it("refuses by name what an opening cannot be", async () => {
    const cases: ReadonlyArray<readonly [unknown, string]> = [
      [{ currency: "CZK" }, "400 idempotency_key_missing"],
      [{ id: "a" }, "400 validation_failed"],
      [{ id: "a", currency: "XXQ" }, "400 validation_failed"],
      [{ id: "a", currency: "czk" }, "400 validation_failed"],
      [{ id: "a", currency: 203 }, "400 validation_failed"],
      [{ id: "a", currency: "CZK", kind: "world" }, "400 validation_failed"],
      [{ id: "a", currency: "CZK", owner: "" }, "400 validation_failed"],
      [{ id: "a", currency: "CZK", owner: 7 }, "400 validation_failed"],
      ['{"id":"a","currency":"CZK","owner":"\\ud800"}', "400 validation_failed"],
      [{ id: "a", currency: "CZK", overdraftLimit: 5 }, "400 amount_invalid"],
      [{ id: "a", currency: "CZK", overdraftLimit: "-5" }, "400 amount_invalid"],
      [{ id: "a", currency: "CZK", overdraftLimit: "0.001" }, "400 amount_invalid"],
      [{ id: "a", currency: "CZK", balance: "5" }, "400 validation_failed"],
      [{ id: "", currency: "CZK" }, "400 validation_failed"],
      [{ id: "a/b", currency: "CZK" }, "400 validation_failed"],
      [{ id: "a\nb", currency: "CZK" }, "400 validation_failed"],
      [{ id: "ä".repeat(101), currency: "CZK" }, "400 validation_failed"],
      [{ id: null, currency: "CZK" }, "400 validation_failed"],
      [{ id: "world-CZK-{0}", currency: "CZK" }, "400 validation_failed"],
      [{ id: "in-transit-CZK-0", currency: "CZK" }, "400 validation_failed"],
    ];
    for (const [body, code] of cases) expect([body, codeOf(await post(url, "/v1/accounts", body))]).toEqual([body, code]);
    expectProblem(await get(url, "/v1/accounts/a"), 404, "account_not_found");
  });

  it("R-LED-10: freeze, unfreeze and close change the status, keep the first answer under the key, and hold expectedVersion (R-LED-8)", async () => {
    const id = await account({ balance: "5" });
    const key = newKey();
    const frozen = await post(url, `/v1/accounts/${id}/freeze`, { expectedVersion: 2 }, key);
    expect([frozen.status, fieldsOf(frozen).status]).toEqual([200, "frozen"]);
    expectProblem(await post(url, "/v1/withdrawals", { accountId: id, amount: "1", currency: "CZK" }, newKey()), 422, "account_frozen");
    expectProblem(await post(url, `/v1/accounts/${id}/unfreeze`, { expectedVersion: 2 }, newKey()), 409, "version_conflict");
    const open = await send(url, "POST", `/v1/accounts/${id}/unfreeze`, [["idempotency-key", newKey()]]);
    expect([open.status, fieldsOf(open).status]).toEqual([200, "open"]);
    const again = await post(url, `/v1/accounts/${id}/freeze`, { expectedVersion: 2 }, key);
    expect(again.text).toBe(frozen.text);
    expect(fieldsOf(await get(url, `/v1/accounts/${id}`)).status).toBe("open");
    expectProblem(await post(url, `/v1/accounts/${id}/freeze`, {}, key), 422, "key_reused");
    expectProblem(await post(url, `/v1/accounts/${id}/close`, {}, newKey()), 409, "illegal_transition");
    await post(url, "/v1/withdrawals", { accountId: id, amount: "5", currency: "CZK" }, newKey());
    expect(fieldsOf(await post(url, `/v1/accounts/${id}/close`, {}, newKey())).status).toBe("closed");
    expectProblem(await post(url, "/v1/deposits", { accountId: id, amount: "1", currency: "CZK" }, newKey()), 422, "account_closed");
    expectProblem(await post(url, `/v1/accounts/${id}/freeze`, {}, newKey()), 409, "illegal_transition");
  });

  it("R-LED-2: with an id of the client's the id makes a repeat: the key is optional, must be well-formed, and is not compared across accounts", async () => {
    const key = newKey();
    const ids = [`mine-${key}-1`, `mine-${key}-2`] as const;
    for (const id of ids) {
      const opened = await post(url, "/v1/accounts", { id, currency: "CZK" }, key);
      expect([opened.status, fieldsOf(opened).id, opened.headers["idempotency-replayed"]]).toEqual([201, id, undefined]);
      for (const other of [key, newKey(), null]) {
        const again = await post(url, "/v1/accounts", { id, currency: "CZK" }, other);
        expect([again.status, again.text, again.headers["idempotency-replayed"]]).toEqual([201, opened.text, "true"]);
      }
    }
    // The key is kept with the account: the same key with other fields is told as what it is.
    expectProblem(await post(url, "/v1/accounts", { id: ids[0], currency: "EUR" }, key), 422, "key_reused");
    expectProblem(await post(url, "/v1/accounts", { id: ids[0], currency: "EUR" }, newKey()), 409, "already_exists");
    expectProblem(await post(url, "/v1/accounts", { id: "mine-3", currency: "CZK" }, "a,b"), 400, "idempotency_key_invalid");
    expectProblem(await get(url, "/v1/accounts/mine-3"), 404, "account_not_found");
    const document = JSON.stringify(fieldsOf(await get(url, "/openapi.json")));
    expect(document).toContain("one key with two ids opens two accounts");
  });

  it("a change needs a key, a known field, a whole expectedVersion, and an account that a client opened", async () => {
    const id = await account();
    expectProblem(await post(url, `/v1/accounts/${id}/freeze`, {}), 400, "idempotency_key_missing");
    expectProblem(await post(url, `/v1/accounts/${id}/freeze`, { version: 1 }, newKey()), 400, "validation_failed");
    for (const expectedVersion of [-1, 1.5, "1", null])
      expectProblem(await post(url, `/v1/accounts/${id}/freeze`, { expectedVersion }, newKey()), 400, "validation_failed");
    expectProblem(await post(url, "/v1/accounts/nobody/freeze", {}, newKey()), 404, "account_not_found");
    expectProblem(await post(url, `/v1/accounts/${encodeURIComponent("world-CZK-{0}")}/freeze`, {}, newKey()), 400, "validation_failed");
  });
});

describe("deposits, withdrawals, transfers", () => {
  it("R-LED-1, R-LED-4: a transfer answers 201 with Location, shows both legs, and a GET shows the same bytes", async () => {
    const [from, to] = [await account({ balance: "100" }), await account()];
    const key = newKey();
    const made = await post(url, "/v1/transfers", { from, to, amount: "40.5", currency: "CZK" }, key);
    expect(made.status).toBe(201);
    expect(made.headers.location).toBe(`/v1/transfers/${transferIdOf("local", key)}`);
    expect(fieldsOf(made)).toMatchObject({
      status: "COMPLETED",
      amount: "40.50",
      idempotencyKey: key,
      legs: [
        { accountId: from, amount: "-40.50", balance: "59.50" },
        { accountId: to, amount: "40.50", balance: "40.50" },
      ],
    });
    expect((await get(url, made.headers.location ?? "")).text).toBe(made.text);
    expect(await Promise.all([balanceOf(from), balanceOf(to)])).toEqual(["59.50", "40.50"]);
  });

  it.each([
    ["deposits", "10.00"],
    ["withdrawals", "0.00"],
  ])(
    "R-LED-2: %s repeated with the same key, plain or quoted, get the same bytes and headers, marked, and nothing moves",
    async (route, after) => {
      const id = await account({ balance: "5" });
      const key = newKey();
      const body = { accountId: id, amount: "5", currency: "CZK" };
      const first = await post(url, `/v1/${route}`, body, key);
      expect(first.status).toBe(201);
      for (const spelled of [key, `"${key}"`, `"${key}";v=1`]) {
        const again = await post(url, `/v1/${route}`, body, spelled);
        expect(again.bytes.equals(first.bytes)).toBe(true);
        expect([again.status, again.headers]).toEqual([201, { ...first.headers, "idempotency-replayed": "true" }]);
      }
      expect(await balanceOf(id)).toBe(after);
    },
  );

  it("R-LED-2: a failed transfer is replayed byte for byte too, and shows as FAILED without legs", async () => {
    const [from, to] = [await account(), await account()];
    const key = newKey();
    const failed = await post(url, "/v1/transfers", { from, to, amount: "1", currency: "CZK" }, key);
    expectProblem(failed, 422, "insufficient_funds");
    await post(url, "/v1/deposits", { accountId: from, amount: "9", currency: "CZK" }, newKey());
    const again = await post(url, "/v1/transfers", { from, to, amount: "1", currency: "CZK" }, key);
    expect([again.status, again.text, again.headers["idempotency-replayed"]]).toEqual([422, failed.text, "true"]);
    const shown = fieldsOf(await get(url, String(fieldsOf(failed).instance)));
    expect(shown).toMatchObject({ status: "FAILED", code: "insufficient_funds", legs: [] });
    expect(await balanceOf(from)).toBe("9.00");
  });

  it("R-LED-2: the same key with another body, amount or kind is key_reused", async () => {
    const [from, to] = [await account({ balance: "9" }), await account()];
    const key = newKey();
    await post(url, "/v1/transfers", { from, to, amount: "1", currency: "CZK" }, key);
    expectProblem(await post(url, "/v1/transfers", { from, to, amount: "2", currency: "CZK" }, key), 422, "key_reused");
    expectProblem(await post(url, "/v1/deposits", { accountId: to, amount: "1", currency: "CZK" }, key), 422, "key_reused");
    expect(await balanceOf(to)).toBe("1.00");
  });

  it("R-LED-3: 100 parallel requests with one key have one effect and equal answers", async () => {
    const id = await account();
    const key = newKey();
    const answers = await Promise.all(
      Array.from({ length: 100 }, () => post(url, "/v1/deposits", { accountId: id, amount: "3", currency: "CZK" }, key)),
    );
    const done = answers.filter(({ status }) => status !== 409);
    expect(new Set(done.map(({ status, text }) => `${status} ${text}`)).size).toBe(1);
    expect(done.length).toBeGreaterThan(0);
    expect(await balanceOf(id)).toBe("3.00");
  });

  it("R-LED-5, TRAPS 13: every refusal has its code and nothing is written to any balance", async () => {
    const [rich, poor, euro, frozen, closed] = [
      await account({ balance: "100" }),
      await account(),
      await account({ currency: "EUR" }),
      await account(),
      await account(),
    ];
    await post(url, `/v1/accounts/${frozen}/freeze`, {}, newKey());
    await post(url, `/v1/accounts/${closed}/close`, {}, newKey());
    const from = (more: object) => ({ from: rich, to: poor, amount: "1", currency: "CZK", ...more });
    const cases: ReadonlyArray<readonly [string, unknown, string]> = [
      ["transfers", from({ amount: "-1" }), "400 amount_invalid"],
      ["transfers", from({ amount: "0" }), "400 amount_invalid"],
      ["transfers", from({ amount: "0.00" }), "400 amount_invalid"],
      ["transfers", from({ amount: "+1" }), "400 amount_invalid"],
      ["transfers", from({ amount: "1e3" }), "400 amount_invalid"],
      ["transfers", from({ amount: " 1" }), "400 amount_invalid"],
      ["transfers", from({ amount: "1,5" }), "400 amount_invalid"],
      ["transfers", from({ amount: "1.005" }), "400 amount_invalid"],
      ["transfers", from({ amount: "١" }), "400 amount_invalid"],
      ["transfers", from({ amount: "" }), "400 amount_invalid"],
      ["transfers", from({ amount: "9".repeat(19) }), "400 amount_invalid"],
      ["transfers", from({ amount: 1 }), "400 amount_invalid"],
      ["transfers", from({ amount: null }), "400 amount_invalid"],
      ["transfers", { from: rich, to: poor, currency: "CZK" }, "400 amount_invalid"],
      ["transfers", from({ to: rich }), "400 same_account"],
      ["transfers", from({ currency: "EUR" }), "400 currency_mismatch"],
      ["transfers", from({ to: euro }), "400 currency_mismatch"],
      ["transfers", from({ currency: "ZZZ" }), "400 validation_failed"],
      ["transfers", from({ note: "hi" }), "400 validation_failed"],
      ["transfers", from({ to: 5 }), "400 validation_failed"],
      ["transfers", from({ to: "" }), "400 validation_failed"],
      ["transfers", from({ to: "world-CZK-{0}" }), "400 validation_failed"],
      ["transfers", from({ from: "in-transit-CZK-0" }), "400 validation_failed"],
      ["transfers", { accountId: rich, amount: "1", currency: "CZK" }, "400 validation_failed"],
      ["transfers", from({ to: "nobody" }), "404 account_not_found"],
      ["transfers", from({ from: "nobody" }), "404 account_not_found"],
      ["transfers", from({ amount: "100.01" }), "422 insufficient_funds"],
      ["transfers", from({ from: frozen, to: rich }), "422 account_frozen"],
      ["transfers", from({ to: frozen }), "422 account_frozen"],
      ["transfers", from({ to: closed }), "422 account_closed"],
      ["deposits", { accountId: frozen, amount: "1", currency: "CZK" }, "422 account_frozen"],
      ["deposits", { accountId: rich, amount: "1", currency: "CZK", from: poor }, "400 validation_failed"],
      ["deposits", { accountId: rich, amount: `${"9".repeat(16)}.99`, currency: "CZK" }, "422 limit_exceeded"],
      ["withdrawals", { accountId: poor, amount: "0.01", currency: "CZK" }, "422 insufficient_funds"],
      ["withdrawals", { accountId: "nobody", amount: "1", currency: "CZK" }, "404 account_not_found"],
    ];
    const before = await Promise.all([rich, poor, euro, frozen, closed].map(balanceOf));
    for (const [route, body, code] of cases)
      expect([route, body, codeOf(await post(url, `/v1/${route}`, body, newKey()))]).toEqual([route, body, code]);
    expect(await Promise.all([rich, poor, euro, frozen, closed].map(balanceOf))).toEqual(before);
  });

  it("R-LED-5: an agreed overdraft is used to the last unit and no further", async () => {
    const id = await account({ overdraftLimit: "10" });
    expect((await post(url, "/v1/withdrawals", { accountId: id, amount: "10", currency: "CZK" }, newKey())).status).toBe(201);
    expectProblem(
      await post(url, "/v1/withdrawals", { accountId: id, amount: "0.01", currency: "CZK" }, newKey()),
      422,
      "insufficient_funds",
    );
    expect(await balanceOf(id)).toBe("-10.00");
  });

  it("R-LED-6: three concurrent credits of 500, 100 and 50 give 650", async () => {
    const id = await account();
    await Promise.all(
      ["500", "100", "50"].map((amount) => post(url, "/v1/deposits", { accountId: id, amount, currency: "CZK" }, newKey())),
    );
    expect(await balanceOf(id)).toBe("650.00");
  });

  it("R-LED-1: a missing, malformed or doubled key is refused before anything else", async () => {
    const id = await account();
    const body = { accountId: id, amount: "1", currency: "CZK" };
    expectProblem(await post(url, "/v1/deposits", body), 400, "idempotency_key_missing");
    for (const key of ["", "a b", "a,b", 'a"b', '"a', '"a" b', "x".repeat(256), "schlüssel"])
      expectProblem(await post(url, "/v1/deposits", body, key), 400, "idempotency_key_invalid");
    expectProblem(await post(url, "/v1/deposits", body, "a", [["Idempotency-Key", "a"]]), 400, "idempotency_key_invalid");
    expectProblem(await post(url, "/v1/deposits", body, '"a', [["IDEMPOTENCY-KEY", 'b"']]), 400, "idempotency_key_invalid");
    expectProblem(await post(url, "/v1/deposits", body, "b", [["content-type", "application/json"]]), 400, "validation_failed");
    expect(await balanceOf(id)).toBe("0.00");
  });

  it("a transfer that nobody asked for is transfer_not_found", async () => {
    expectProblem(await get(url, `/v1/transfers/${transferIdOf("local", "never")}`), 404, "transfer_not_found");
  });
});

describe("R-LED-7: statement and trial balance", () => {
  it("pages by key to the end: every entry once, in order, with the running balance", async () => {
    const id = await account();
    for (let n = 1; n <= 7; n++) await post(url, "/v1/deposits", { accountId: id, amount: `${n}`, currency: "CZK" }, newKey());
    await post(url, "/v1/withdrawals", { accountId: id, amount: "8", currency: "CZK" }, newKey());
    const seen: unknown[] = [];
    let next: unknown = null;
    let pages = 0;
    do {
      const page = fieldsOf(await get(url, `/v1/accounts/${id}/entries?limit=3${next === null ? "" : `&after=${String(next)}`}`));
      seen.push(...(page.items as unknown[]));
      next = page.next;
      pages++;
    } while (next !== null);
    expect(pages).toBe(3);
    const amounts = ["1.00", "2.00", "3.00", "4.00", "5.00", "6.00", "7.00", "-8.00"];
    const balances = ["1.00", "3.00", "6.00", "10.00", "15.00", "21.00", "28.00", "20.00"];
    const expected = amounts.map((amount, at) => ({
      sequence: at + 1,
      amount,
      balance: balances[at],
      transferId: expect.any(String),
      at: expect.stringMatching(/Z$/),
    }));
    expect(seen).toEqual(expected);
    expect(fieldsOf(await get(url, `/v1/accounts/${id}/entries`)).next).toBeNull();
    expect(fieldsOf(await get(url, `/v1/accounts/${id}/entries?after=8`))).toEqual({ items: [], next: null });
  });

  it("an account without entries has an empty page; an unknown one is account_not_found", async () => {
    expect(fieldsOf(await get(url, `/v1/accounts/${await account()}/entries`))).toEqual({ items: [], next: null });
    expectProblem(await get(url, "/v1/accounts/nobody/entries"), 404, "account_not_found");
  });

  it.each([
    "limit=0",
    "limit=201",
    "limit=-1",
    "limit=a",
    "limit=1.5",
    "limit=",
    "limit=1&limit=2",
    "after=-1",
    "after=x",
    "after=",
    "offset=1",
  ])("refuses ?%s", async (query) => {
    expectProblem(await get(url, `/v1/accounts/${await account()}/entries?${query}`), 400, "validation_failed");
  });

  it("the trial balance carries its position and the in-transit line, and adds up to 0", async () => {
    await account({ currency: "HUF", balance: "12.34" });
    const { position, lines } = fieldsOf(await get(url, "/v1/ledger/trial-balance"));
    expect(position).toBeGreaterThan(0);
    expect(lines).toContainEqual({
      currency: "HUF",
      customer: "12.34",
      system: "0.00",
      world: "-12.34",
      inTransit: "0.00",
      total: "0.00",
      accounts: expect.any(Number),
      entries: 2,
    });
    for (const line of lines as Array<{ total: string }>) expect(line.total).toMatch(/^0(\.0+)?$/);
  });
});

describe("R-API-2: whatever goes wrong is a problem", () => {
  it.each([
    ["GET", "/v1/nothing"],
    ["DELETE", "/v1/accounts/a"],
    ["PUT", "/v1/transfers"],
    ["GET", "/v1/transfers"],
    ["TRACE", "/livez"],
  ])("%s %s is not_found", async (method, path) => {
    expectProblem(await send(url, method, path), 404, "not_found");
  });

  it("names the methods that a path does have", async () => {
    expect(String(fieldsOf(await get(url, "/v1/transfers")).detail)).toContain("there is POST");
  });

  it.each([
    ["a path that is no UTF-8", "/v1/accounts/%ff", 400, "validation_failed"],
    ["a broken escape", "/v1/accounts/%zz", 400, "validation_failed"],
    ["an id with a slash", "/v1/accounts/a%2fb", 400, "validation_failed"],
    ["an id with a control character", "/v1/accounts/a%00b", 400, "validation_failed"],
    ["an id of 201 bytes", `/v1/accounts/${"a".repeat(201)}`, 400, "validation_failed"],
    ["a path of 2,000 characters", `/v1/accounts/${"a".repeat(2000)}`, 400, "validation_failed"],
  ])("%s", async (_name, path, status, code) => {
    const answer = await get(url, path);
    expectProblem(answer, status, code);
  });

  it("the answer to a HEAD is that of GET without its body", async () => {
    const answer = await send(url, "HEAD", "/livez");
    expect([answer.status, answer.text, answer.headers["content-type"]]).toEqual([200, "", "application/json"]);
  });
});

describe("service", () => {
  it("livez and readyz are green", async () => {
    expect(fieldsOf(await get(url, "/livez"))).toEqual({ status: "live" });
    expect(fieldsOf(await get(url, "/readyz"))).toMatchObject({
      status: "ready",
      durability: expect.any(String),
      position: expect.any(Number),
    });
  });

  it("R-API-12: answers from the limit up are compressed for who takes gzip, and only for them", async () => {
    const { gunzipSync } = await import("node:zlib");
    const plain = await get(url, "/openapi.json");
    expect([plain.headers["content-encoding"], plain.headers.vary]).toEqual([undefined, "accept-encoding"]);
    const small = await get(url, "/openapi.json", [["accept-encoding", "br, gzip;q=0.5"]]);
    expect(small.headers["content-encoding"]).toBe("gzip");
    expect(gunzipSync(small.bytes).equals(plain.bytes)).toBe(true);
    expect((await get(url, "/openapi.json", [["accept-encoding", "gzip;q=0"]])).headers["content-encoding"]).toBeUndefined();
    expect((await get(url, "/livez", [["accept-encoding", "gzip"]])).headers).not.toHaveProperty("vary");
  });

  it("every answer says nosniff and no-store", async () => {
    for (const path of ["/livez", "/docs", "/v1/nothing"])
      expect((await get(url, path)).headers).toMatchObject({ "x-content-type-options": "nosniff", "cache-control": "no-store" });
  });
});
