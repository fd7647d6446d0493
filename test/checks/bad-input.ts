/**
 * Every bad input that issue 2 names (TRAPS 13 and 44, R-LED-5, the vectors of RFC 9651 that start with a quote), sent to a running server: each
 * must get its documented code and leave the books as they were. Starts a server of its own on a free port and a new folder, or takes `--url`.
 *
 *   check:input [--url http://127.0.0.1:7070] [--vectors <folder of http-structured-fields>] [--json]
 *
 * With `--json` the last line of standard output is {ok, inputs, vectors, answered, defects, trialBalanceUnchanged}; exit 0 only when ok.
 * Against a server that is in use by others "nothing written" cannot be told: use one of your own.
 */
import { randomUUID } from "node:crypto";
import { parseArgs } from "node:util";
import { whyNotId } from "../../src/runtime/index.ts";
import { sendFailures } from "../data/structured-fields.ts";
import { fieldsOf, get, type Header, type HttpAnswer, post, send, sendBytes } from "../support/http-client.ts";
import { INJECTIONS } from "../support/injection-corpus.ts";
import { startServer } from "../support/server-process.ts";
import { stringVectors } from "../support/structured-field-vectors.ts";

const { values } = parseArgs({
  options: {
    url: { type: "string" },
    vectors: { type: "string" },
    json: { type: "boolean", default: false },
    help: { type: "boolean", default: false },
  },
});

interface Input {
  readonly name: string;
  readonly expected: string;
  readonly send: (url: string) => Promise<HttpAnswer>;
}

if (values.help) {
  process.stdout.write("check:input [--url <running server>] [--vectors <folder of http-structured-fields>] [--json]\n");
} else {
  try {
    const own = values.url === undefined ? await startServer() : null;
    try {
      await check(own?.url ?? values.url ?? "");
    } finally {
      await own?.stop();
    }
  } catch (error) {
    const why = error instanceof Error ? error.message : String(error);
    process.stdout.write(`the check could not run: ${why}\n`);
    if (values.json) process.stdout.write(`${JSON.stringify({ ok: false, why })}\n`);
    process.exitCode = 1;
  }
}

async function check(url: string): Promise<void> {
  const run = randomUUID().slice(0, 8);
  const names = await prepare(url, run);
  const defects: string[] = [];
  const books = await booksOf(url, Object.values(names));
  const inputs = inputsOf(run, names);
  for (const input of inputs) {
    const answer = await input.send(url);
    const got = `${answer.status} ${String(fieldsOf(answer).code)}`;
    if (got !== input.expected) defects.push(`${input.name}: expected ${input.expected}, got ${got}`);
    if (answer.headers["content-type"] !== "application/problem+json") defects.push(`${input.name}: the refusal is no problem document`);
    if (/node_modules|\bat .*\.[jt]s:\d/.test(answer.text)) defects.push(`${input.name}: the refusal shows a stack`);
  }
  const after = await booksOf(url, Object.values(names));
  const trialBalanceUnchanged = after === books;
  if (!trialBalanceUnchanged) defects.push(`something was written: before ${books}, after ${after}`);
  const vectors = values.vectors === undefined ? [] : stringVectors(values.vectors);
  if (vectors.length > 0) await post(url, "/v1/accounts", { id: "vectors", currency: "EUR" });
  for (const vector of vectors) {
    const before = await booksOf(url, ["vectors"]);
    defects.push(...(await sendFailures(url, vector)));
    if (vector.expected === null && (await booksOf(url, ["vectors"])) !== before)
      defects.push(`${vector.name}: was refused and yet written`);
  }
  const ok = defects.length === 0;
  for (const defect of defects) process.stdout.write(`DEFECT ${defect}\n`);
  process.stdout.write(`${inputs.length} bad inputs and ${vectors.length} vectors sent, ${defects.length} defects\n`);
  if (values.json)
    process.stdout.write(
      `${JSON.stringify({ ok, inputs: inputs.length, vectors: vectors.length, defects: defects.length, trialBalanceUnchanged })}\n`,
    );
  process.exitCode = ok ? 0 : 1;
}

/** Sums without the position: a refusal by an account may be recorded under its key, but must move nothing. */
async function booksOf(url: string, accounts: readonly string[]): Promise<string> {
  const { lines } = fieldsOf(await get(url, "/v1/ledger/trial-balance"));
  const states = await Promise.all(accounts.map(async (id) => (await get(url, `/v1/accounts/${id}`)).text));
  return JSON.stringify({ lines, states });
}

interface Names {
  readonly rich: string;
  readonly poor: string;
  readonly euro: string;
  readonly frozen: string;
  readonly closed: string;
}

async function prepare(url: string, run: string): Promise<Names> {
  const names = { rich: `rich-${run}`, poor: `poor-${run}`, euro: `euro-${run}`, frozen: `frozen-${run}`, closed: `closed-${run}` };
  for (const [name, id] of Object.entries(names))
    expectStatus(await post(url, "/v1/accounts", { id, currency: name === "euro" ? "EUR" : "CZK" }), 201);
  expectStatus(await post(url, "/v1/deposits", { accountId: names.rich, amount: "100", currency: "CZK" }, `${run}-rich`), 201);
  expectStatus(await post(url, `/v1/accounts/${names.frozen}/freeze`, {}, `${run}-freeze`), 200);
  expectStatus(await post(url, `/v1/accounts/${names.closed}/close`, {}, `${run}-close`), 200);
  return names;
}

function expectStatus(answer: HttpAnswer, status: number): void {
  if (answer.status !== status) throw new Error(`the check could not prepare its accounts: ${answer.status} ${answer.text}`);
}

function inputsOf(run: string, { rich, poor, euro, frozen, closed }: Names): readonly Input[] {
  let keys = 0;
  const newKey = (): string => `${run}-${++keys}`;
  const good = { from: rich, to: poor, amount: "1", currency: "CZK" };
  const body = (name: string, expected: string, route: string, json: unknown): Input => ({
    name,
    expected,
    send: (url) => post(url, `/v1/${route}`, json, newKey()),
  });
  const transfer = (name: string, expected: string, more: object): Input => body(name, expected, "transfers", { ...good, ...more });
  const amount = (value: unknown): Input => transfer(`amount ${JSON.stringify(value)}`, "400 amount_invalid", { amount: value });
  const keyed = (name: string, expected: string, headers: readonly Header[]): Input => ({
    name,
    expected,
    send: (url) => post(url, "/v1/transfers", good, null, headers),
  });
  const malformedKey = (value: string): Input =>
    keyed(`key ${JSON.stringify(value.slice(0, 40))}`, "400 idempotency_key_invalid", [["idempotency-key", value]]);
  const raw = (name: string, text: string): Input => ({
    name,
    expected: "400 validation_failed",
    send: (url) => sendBytes(url, Buffer.from(text)),
  });
  const query = (path: string, expected: string): Input => ({ name: `GET ${path}`, expected, send: (url) => get(url, path) });
  const text = JSON.stringify(good);
  return [
    // TRAPS 13, R-LED-5
    ...[
      "-1",
      "-0.01",
      "0",
      "0.00",
      "+1",
      "1e3",
      "1E3",
      " 1",
      "1 ",
      "1,5",
      "1.",
      ".5",
      "1.005",
      "0x10",
      "NaN",
      "Infinity",
      "١",
      "",
      "9".repeat(19),
    ].map(amount),
    ...[1, 1.5, -1, 0, null, true, [], {}, ["1"]].map(amount),
    body("amount missing", "400 amount_invalid", "transfers", { from: rich, to: poor, currency: "CZK" }),
    transfer("from = to", "400 same_account", { to: rich }),
    transfer("other currency of both", "400 currency_mismatch", { currency: "EUR" }),
    transfer("other currency of the destination", "400 currency_mismatch", { to: euro }),
    transfer("no such currency", "400 validation_failed", { currency: "ZZZ" }),
    transfer("unknown destination", "404 account_not_found", { to: `nobody-${run}` }),
    transfer("unknown source", "404 account_not_found", { from: `nobody-${run}` }),
    transfer("more than there is", "422 insufficient_funds", { amount: "100.01" }),
    transfer("from a frozen account", "422 account_frozen", { from: frozen, to: rich }),
    transfer("to a frozen account", "422 account_frozen", { to: frozen }),
    transfer("to a closed account", "422 account_closed", { to: closed }),
    body("deposit into a frozen account", "422 account_frozen", "deposits", { accountId: frozen, amount: "1", currency: "CZK" }),
    body("deposit into a closed account", "422 account_closed", "deposits", { accountId: closed, amount: "1", currency: "CZK" }),
    body("deposit into an unknown account", "404 account_not_found", "deposits", {
      accountId: `nobody-${run}`,
      amount: "1",
      currency: "CZK",
    }),
    body("deposit beyond 18 digits", "422 limit_exceeded", "deposits", {
      accountId: rich,
      amount: `${"9".repeat(16)}.99`,
      currency: "CZK",
    }),
    body("withdrawal below zero", "422 insufficient_funds", "withdrawals", { accountId: poor, amount: "0.01", currency: "CZK" }),
    transfer("unknown field", "400 validation_failed", { note: "x" }),
    transfer("from the world", "400 validation_failed", { from: "world-CZK-{0}" }),
    transfer("to money in transit", "400 validation_failed", { to: "in-transit-CZK-0" }),
    transfer("an id that is a number", "400 validation_failed", { to: 5 }),
    // R-LED-1
    keyed("no key", "400 idempotency_key_missing", []),
    ...["", "a b", "a,b", 'a"b', '"a', '"a" b', "x".repeat(256), "schlüssel", "a\tb", '"a";P'].map(malformedKey),
    keyed("two equal keys", "400 idempotency_key_invalid", [
      ["idempotency-key", `${run}-two`],
      ["Idempotency-Key", `${run}-two`],
    ]),
    keyed("two halves of a String", "400 idempotency_key_invalid", [
      ["idempotency-key", '"a'],
      ["idempotency-key", 'b"'],
    ]),
    keyed("two content types", "400 validation_failed", [
      ["idempotency-key", `${run}-type`],
      ["content-type", "application/json"],
    ]),
    // TRAPS 44
    body("1e400", "400 validation_failed", "transfers", text.replace('"1"', "1e400")),
    body("-1e400", "400 validation_failed", "transfers", text.replace('"1"', "-1e400")),
    body("2^53 + 1", "400 validation_failed", "transfers", text.replace('"1"', "9007199254740993")),
    body("depth 10,000 of arrays", "400 validation_failed", "transfers", "[".repeat(10_000) + "]".repeat(10_000)),
    body(
      "depth 10,000 inside a field",
      "400 validation_failed",
      "transfers",
      text.replace('"1"', `${'{"a":'.repeat(10_000)}1${"}".repeat(10_000)}`),
    ),
    body("depth 1,000,000", "413 payload_too_large", "transfers", "[".repeat(1_048_577)),
    body("10,000 keys", "400 validation_failed", "transfers", `{${Array.from({ length: 10_000 }, (_, n) => `"k${n}":1`).join(",")}}`),
    body("a key twice", "400 validation_failed", "transfers", text.replace('"amount"', '"amount":"2","amount"')),
    body("__proto__", "400 validation_failed", "transfers", text.replace("{", '{"__proto__":{"amount":"5"},')),
    body(
      "bad UTF-8",
      "400 validation_failed",
      "transfers",
      Buffer.concat([Buffer.from('{"from":"'), Buffer.from([0xc3, 0x28]), Buffer.from('"}')]),
    ),
    body("no object", "400 validation_failed", "transfers", "[]"),
    body("half a body", "400 validation_failed", "transfers", text.slice(0, -1)),
    body("an empty body", "400 validation_failed", "transfers", ""),
    {
      name: "text/plain",
      expected: "400 validation_failed",
      send: (url) =>
        send(
          url,
          "POST",
          "/v1/transfers",
          [
            ["idempotency-key", newKey()],
            ["content-type", "text/plain"],
          ],
          text,
        ),
    },
    raw("no HTTP", "hello\r\n\r\n"),
    raw(
      "a length and chunks",
      `POST /v1/transfers HTTP/1.1\r\nhost: x\r\nidempotency-key: ${run}-s\r\ncontent-type: application/json\r\ncontent-length: 2\r\ntransfer-encoding: chunked\r\n\r\n{}`,
    ),
    // Accounts and reads
    body("an account of the world", "400 validation_failed", "accounts", { id: "world-CZK-{0}", currency: "CZK" }),
    // TRAPS 42: words that try to be something else, as far as they are no ids; over NATS in test/system/nats/injection.test.ts.
    ...INJECTIONS.filter((word) => whyNotId(word) !== null).map((word) =>
      body(`an account called ${JSON.stringify(word.slice(0, 40))}`, "400 validation_failed", "accounts", { id: word, currency: "CZK" }),
    ),
    body("an account with an unknown currency", "400 validation_failed", "accounts", { id: `new-${run}`, currency: "ZZZ" }),
    body("an account with a numeric limit", "400 amount_invalid", "accounts", { id: `new-${run}`, currency: "CZK", overdraftLimit: 5 }),
    body("an account that is taken", "409 already_exists", "accounts", { id: rich, currency: "EUR" }),
    body("a version that is past", "409 version_conflict", `accounts/${rich}/freeze`, { expectedVersion: 0 }),
    ...["1.00000000000000000001", "9007199254740990.6", "1e-400"].map((number) =>
      body(`a version of ${number}`, "400 validation_failed", `accounts/${rich}/freeze`, `{"expectedVersion":${number}}`),
    ),
    body("closing an account with money", "409 illegal_transition", `accounts/${rich}/close`, {}),
    query(`/v1/accounts/nobody-${run}`, "404 account_not_found"),
    query(`/v1/accounts/nobody-${run}/entries`, "404 account_not_found"),
    query("/v1/transfers/nothing", "404 transfer_not_found"),
    query(`/v1/accounts/${rich}/entries?limit=201`, "400 validation_failed"),
    query(`/v1/accounts/${rich}/entries?after=-1`, "400 validation_failed"),
    query("/v1/accounts/%ff", "400 validation_failed"),
    query("/v1/nothing", "404 not_found"),
  ];
}
