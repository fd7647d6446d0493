/**
 * Must show 1 of issue 5: what a command answers over NATS is what it answers over HTTP, status, code and body, because the same ingress stands behind both. The
 * same script runs on two new nodes, over HTTP on one and over NATS on the other with the `nats` package alone; the answers may differ in times only.
 */
import { connect, type NatsConnection } from "nats";
import { afterAll, beforeAll, expect, it } from "vitest";
import { transferIdOf } from "../../../src/actors/index.ts";
import { routeCall } from "../../../src/system/cli/route-call.ts";
import { routes } from "../../../src/system/http/routes.ts";
import { type CommandName, type CommandSpec, commandTable } from "../../../src/system/ingress/command-table.ts";
import { type Header, type HttpAnswer, send } from "../../support/http-client.ts";
import { ask, type NatsAnswer } from "../../support/nats-client.ts";
import { NatsNode } from "../../support/nats-node.ts";
import { TestNats } from "../../support/nats-server.ts";
import { describeWithEachNats } from "../../support/with-nats.ts";

interface Step {
  readonly command: CommandName;
  readonly id?: string;
  readonly key?: string;
  readonly fields?: Readonly<Record<string, unknown>>;
  /** Sent instead of the fields. */
  readonly raw?: string | Buffer;
  /** Status, and code of a refusal. */
  readonly expected: string;
  /** The words depend on how far something in the background is, at both doors. */
  readonly isCodeOnly?: boolean;
}

const BODY_BYTES_MAX = 4_000;
const money = { amount: "10.50", currency: "CZK" };
const toAlice = { accountId: "alice", ...money };
const deposit = (expected: string, key: string | undefined, fields: object | undefined, raw?: string | Buffer): Step => ({
  command: "transfer.deposit",
  expected,
  ...(key === undefined ? {} : { key }),
  ...(fields === undefined ? {} : { fields: { ...fields } }),
  ...(raw === undefined ? {} : { raw }),
});
const of = (command: CommandName, id: string, expected: string, more: Partial<Step> = {}): Step => ({ command, id, expected, ...more });

const steps: readonly Step[] = [
  { command: "account.open", fields: { id: "alice", currency: "CZK" }, expected: "201" },
  { command: "account.open", fields: { id: "alice", currency: "CZK" }, expected: "201" },
  { command: "account.open", fields: { id: "alice", currency: "EUR" }, expected: "409 already_exists" },
  { command: "account.open", fields: { id: "zoë {1}", currency: "CZK", owner: "Zoë" }, key: "zoe", expected: "201" },
  { command: "account.open", fields: { id: "euro", currency: "EUR" }, expected: "201" },
  { command: "account.open", fields: { currency: "CZK" }, key: "open-1", expected: "201" },
  { command: "account.open", fields: { currency: "CZK" }, expected: "400 idempotency_key_missing" },
  { command: "account.open", fields: { id: "a", currency: "ZZZ" }, expected: "400 validation_failed" },
  { command: "account.open", expected: "400 validation_failed" },
  { command: "account.open", fields: { id: "a", currency: "CZK" }, key: "a b", expected: "400 idempotency_key_invalid" },
  of("account.get", "alice", "200"),
  of("account.get", "zoë {1}", "200"),
  of("account.get", "nobody", "404 account_not_found"),
  of("account.get", "a/b", "400 validation_failed"),
  of("account.get", "x".repeat(201), "400 validation_failed"),
  deposit("201", "d-1", { ...toAlice, amount: "100" }),
  deposit("201", "d-1", { ...toAlice, amount: "100" }),
  deposit("422 key_reused", "d-1", { ...toAlice, amount: "101" }),
  deposit("201", '"d-2"', toAlice),
  deposit("400 idempotency_key_missing", undefined, toAlice),
  deposit("400 idempotency_key_invalid", '"d', toAlice),
  deposit("400 idempotency_key_invalid", "d,3", { amount: 1 }),
  deposit("400 amount_invalid", "d-3", { ...toAlice, amount: "-1" }),
  deposit("400 amount_invalid", "d-3", { ...toAlice, amount: 1 }),
  deposit("400 validation_failed", "d-3", { ...toAlice, note: "x" }),
  deposit("404 account_not_found", "d-4", { ...toAlice, accountId: "nobody" }),
  deposit("400 currency_mismatch", "d-5", { ...toAlice, accountId: "euro" }),
  deposit("400 validation_failed", "d-6", undefined),
  deposit("400 validation_failed", "d-6", undefined, "{"),
  deposit("400 validation_failed", "d-6", undefined, "[]"),
  deposit("400 validation_failed", "d-6", undefined, '{"accountId":1e400}'),
  deposit("400 validation_failed", "d-6", undefined, '{"accountId":"alice","accountId":"alice"}'),
  deposit("400 validation_failed", "d-6", undefined, Buffer.from([0x7b, 0xc3, 0x28, 0x7d])),
  deposit("413 payload_too_large", "d-6", undefined, " ".repeat(BODY_BYTES_MAX + 1)),
  { command: "transfer.withdraw", key: "w-1", fields: toAlice, expected: "201" },
  { command: "transfer.withdraw", key: "w-2", fields: { ...toAlice, amount: "1000" }, expected: "422 insufficient_funds" },
  { command: "transfer.withdraw", key: "w-2", fields: { ...toAlice, amount: "1000" }, expected: "422 insufficient_funds" },
  { command: "transfer.create", key: "t-1", fields: { from: "alice", to: "zoë {1}", ...money }, expected: "201" },
  { command: "transfer.create", key: "t-2", fields: { from: "alice", to: "alice", ...money }, expected: "400 same_account" },
  of("transfer.get", transferIdOf("local", "t-1"), "200"),
  of("transfer.get", "nothing", "404 transfer_not_found"),
  of("account.entries", "alice", "200"),
  of("account.entries", "alice", "200", { fields: { limit: 2 } }),
  of("account.entries", "alice", "400 validation_failed", { fields: { limit: 201 } }),
  of("account.entries", "alice", "400 validation_failed", { fields: { after: "x" } }),
  of("account.entries", "alice", "400 validation_failed", { fields: { page: 2 } }),
  of("account.entries", "euro", "200"),
  of("account.entries", "nobody", "404 account_not_found"),
  of("account.freeze", "alice", "200", { key: "f-1" }),
  of("account.freeze", "alice", "200", { key: "f-1" }),
  of("account.freeze", "alice", "400 idempotency_key_missing"),
  deposit("422 account_frozen", "d-7", toAlice),
  of("account.unfreeze", "alice", "409 version_conflict", { key: "u-1", fields: { expectedVersion: 1 } }),
  of("account.unfreeze", "alice", "400 validation_failed", { key: "u-2", fields: { expectedVersion: "1" } }),
  of("account.unfreeze", "alice", "200", { key: "u-3", fields: {} }),
  of("account.close", "alice", "409 illegal_transition", { key: "c-1" }),
  of("account.close", "euro", "200", { key: "c-2" }),
  of("account.close", "nobody", "404 account_not_found", { key: "c-3" }),
  { command: "ledger.trial-balance", expected: "200" },
  { command: "conversation.open", fields: { id: "talk", instructions: "Be short." }, expected: "201" },
  { command: "conversation.open", fields: { id: "talk", instructions: "Be short." }, expected: "201" },
  { command: "conversation.open", fields: { id: "gone" }, key: "o-2", expected: "201" },
  { command: "conversation.open", fields: { id: "talk", onBusy: "what" }, expected: "400 validation_failed" },
  of("conversation.get", "talk", "200"),
  of("conversation.get", "nobody", "404 not_found"),
  of("conversation.post", "talk", "201", { key: "p-1", fields: { content: "Hello there" } }),
  of("conversation.post", "talk", "201", { key: "p-1", fields: { content: "Hello there" } }),
  of("conversation.post", "talk", "422 key_reused", { key: "p-1", fields: { content: "Hello" } }),
  of("conversation.post", "talk", "400 validation_failed", { key: "p-2", fields: { content: 5 } }),
  of("conversation.post", "talk", "400 idempotency_key_missing", { fields: { content: "Hello" } }),
  of("conversation.post", "nobody", "404 not_found", { key: "p-3", fields: { content: "Hello" } }),
  of("conversation.post", "talk", "201", { key: "p-4", fields: { content: "A note.", reply: false } }),
  of("conversation.messages", "talk", "200"),
  of("conversation.messages", "talk", "200", { fields: { limit: 1 } }),
  of("conversation.messages", "nobody", "404 not_found"),
  of("conversation.messages", "no/body", "400 validation_failed", { fields: { limit: 0 } }),
  of("conversation.outcome", "talk", "404 not_found", { fields: { messageId: "nothing" } }),
  of("conversation.regenerate", "talk", "409 illegal_transition", { key: "r-1", fields: { replyId: "nothing" } }),
  of("conversation.summary", "talk", "200"),
  of("conversation.summary", "nobody", "404 not_found"),
  of("conversation.stop", "talk", "200"),
  of("conversation.stop", "nobody", "404 not_found"),
  of("conversation.delete", "gone", "204"),
  of("conversation.get", "gone", "404 not_found"),
  { command: "conversation.open", fields: { id: "gone" }, expected: "409 already_exists", isCodeOnly: true },
];

const flags = { "--http.body-bytes-max": BODY_BYTES_MAX, "--conversation.summaries": "inline" };
const specOf = (command: string): CommandSpec => commandTable.find(({ name }) => name === command) as CommandSpec;
/** Times, and the place in the journal, which depends on what was committed together. */
const withoutTimes = (text: string): string =>
  text.replace(/\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z/g, "<time>").replace(/"position":\d+/, '"position":0');
const codeOf = ({ status, text }: HttpAnswer | NatsAnswer): string =>
  status < 400 ? String(status) : `${status} ${String((JSON.parse(text) as { readonly code: unknown }).code)}`;

function overHttp(url: string, { command, id, key, fields = {}, raw }: Step): Promise<HttpAnswer> {
  const call = routeCall(specOf(command), id ?? null, fields);
  const keyed: Header[] = key === undefined ? [] : [["idempotency-key", key]];
  const isBare = call.fields === null || (raw === undefined && Object.keys(call.fields).length === 0);
  if (isBare) return send(url, call.method, call.path, keyed);
  return send(url, call.method, call.path, [...keyed, ["content-type", "application/json"]], raw ?? JSON.stringify(call.fields));
}

function overNats(connection: NatsConnection, { command, id, key, fields, raw }: Step): Promise<NatsAnswer> {
  const headers: Header[] = [];
  if (id !== undefined) headers.push(["Troupe-Id", encodeURIComponent(id)]);
  if (key !== undefined) headers.push(["Idempotency-Key", key]);
  return ask(connection, `troupe.v1.${command}`, { body: raw ?? fields, headers });
}

it("every command is a route of HTTP, so that no command is only here", () => {
  const keys = new Set<string>(routes.map(({ key }) => key));
  expect(commandTable.filter(({ method, template }) => !keys.has(`${method} ${template}`))).toEqual([]);
});

it("the script has every command", () => {
  const used = new Set(steps.map(({ command }) => command));
  expect(commandTable.map(({ name }) => name).filter((name) => !used.has(name))).toEqual([]);
});

describeWithEachNats("commands by request and reply", (version) => {
  let server: TestNats;
  let one: NatsNode;
  let other: NatsNode;
  let connection: NatsConnection;
  beforeAll(async () => {
    server = await TestNats.start({ version });
    // The first node takes no commands: its connection ends with a server that is not there.
    one = await NatsNode.start({ servers: "nats://127.0.0.1:1", flags });
    other = await NatsNode.start({ servers: server.url, flags });
    await other.connected();
    connection = await connect({ servers: server.url });
  });
  afterAll(async () => {
    await connection.close();
    expect([...one.defects, ...other.defects]).toEqual([]);
    await one[Symbol.asyncDispose]();
    await other[Symbol.asyncDispose]();
    await server.stop();
  });

  it("answer what HTTP answers: status, code, body, replayed, Retry-After", async () => {
    for (const step of steps) {
      const http = await overHttp(one.url, step);
      const nats = await overNats(connection, step);
      const { command, id = "-", key = "-" } = step;
      const name = `${command} ${id} ${key}`;
      expect([name, codeOf(http)]).toEqual([name, step.expected]);
      const shown = (answer: HttpAnswer | NatsAnswer): string => (step.isCodeOnly === true ? codeOf(answer) : withoutTimes(answer.text));
      expect([name, nats.status, shown(nats)]).toEqual([name, http.status, shown(http)]);
      expect([name, nats.headers["Idempotency-Replayed"], nats.headers["Retry-After"]]).toEqual([
        name,
        http.headers["idempotency-replayed"],
        http.headers["retry-after"],
      ]);
      // ADR-32: what a client of NATS looks at to see whether it went well.
      expect([name, nats.headers["Nats-Service-Error-Code"]]).toEqual([name, http.status < 400 ? undefined : String(http.status)]);
      expect(nats.headers["Nats-Service-Error"] !== undefined).toBe(http.status >= 400);
    }
  });

  it("answer what HTTP answers to a post that is there, and to another reply", async () => {
    const [http, nats] = await Promise.all([
      overHttp(one.url, of("conversation.post", "talk", "201", { key: "p-1", fields: { content: "Hello there" } })),
      overNats(connection, of("conversation.post", "talk", "201", { key: "p-1", fields: { content: "Hello there" } })),
    ]);
    const { messageId, replyId } = JSON.parse(nats.text) as { readonly messageId: string; readonly replyId: string };
    expect(JSON.parse(http.text)).toMatchObject({ messageId, replyId });
    for (const step of [
      of("conversation.outcome", "talk", "200", { fields: { messageId } }),
      of("conversation.regenerate", "talk", "201", { key: "r-2", fields: { replyId } }),
      of("conversation.regenerate", "talk", "201", { key: "r-2", fields: { replyId } }),
      of("conversation.messages", "talk", "200"),
    ]) {
      const [first, second] = [await overHttp(one.url, step), await overNats(connection, step)];
      expect(codeOf(first)).toBe(step.expected);
      expect([step.command, second.status, withoutTimes(second.text)]).toEqual([step.command, first.status, withoutTimes(first.text)]);
    }
  });

  it("L3: a key that one door took is known at the other, byte for byte", async () => {
    const step = (key: string): Step => deposit("201", key, { accountId: "zoë {1}", ...money });
    const [first, again] = [await overHttp(other.url, step("both-1")), await overNats(connection, step("both-1"))];
    expect([again.status, again.text, again.headers["Idempotency-Replayed"]]).toEqual([first.status, first.text, "true"]);
    const [nats, http] = [await overNats(connection, step("both-2")), await overHttp(other.url, step("both-2"))];
    expect([http.status, http.text, http.headers["idempotency-replayed"]]).toEqual([nats.status, nats.text, "true"]);
  });
});
