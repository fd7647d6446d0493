/** The bulk stream: B1 to B4 of `bulk.ts`. The fake system stands behind it where a test must hold answers back. */
import { once } from "node:events";
import { Agent, type IncomingMessage, request } from "node:http";
import { text } from "node:stream/consumers";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { transferIdOf } from "../../../src/actors/index.ts";
import { openBulk } from "../../support/bulk-client.ts";
import { FakeLedger } from "../../support/fake-ledger.ts";
import { fieldsOf, get, post, send, sendBytes } from "../../support/http-client.ts";
import { type OpenLedger, serve } from "../../support/open-ledger.ts";

let ledger: OpenLedger & { readonly system: FakeLedger };
let url: string;
const flags = ["--http.bulk-in-flight-max", "16", "--http.bulk-line-bytes-max", "256", "--http.answer-ms-max", "2000"];
beforeEach(async () => {
  ledger = await serve(new FakeLedger(), flags);
  url = ledger.url;
  for (const id of ["a", "b"]) await post(url, "/v1/accounts", { id, currency: "CZK", overdraftLimit: null });
});
afterEach(async () => {
  expect(ledger.defects).toEqual([]);
  await ledger[Symbol.asyncDispose]();
});

const move = (key: string, more: object = {}) => ({ key, from: "a", to: "b", amount: "1", currency: "CZK", ...more });
const balanceOf = async (id: string) => fieldsOf(await get(url, `/v1/accounts/${id}`)).balance;

describe("R-LED-10: bulk", () => {
  it("B1: answers every line in order with key, status, code and transferId, and moves the money", async () => {
    const bulk = openBulk(url);
    bulk.line(move("k1"));
    bulk.line({ key: "k2", kind: "deposit", accountId: "b", amount: "2.50", currency: "CZK" });
    bulk.line({ key: "k3", kind: "withdrawal", accountId: "a", amount: "0.25", currency: "CZK" });
    bulk.line(move("k4", { to: "nobody" }));
    bulk.line(move("k1"));
    expect(await bulk.rest()).toEqual([
      { key: "k1", status: 201, transferId: transferIdOf("local", "k1") },
      { key: "k2", status: 201, transferId: transferIdOf("local", "k2") },
      { key: "k3", status: 201, transferId: transferIdOf("local", "k3") },
      { key: "k4", status: 404, code: "account_not_found", transferId: transferIdOf("local", "k4") },
      { key: "k1", status: 201, transferId: transferIdOf("local", "k1"), replayed: true },
    ]);
    expect((await bulk.response).headers["content-type"]).toBe("application/x-ndjson");
    expect([await balanceOf("a"), await balanceOf("b")]).toEqual(["-1.25", "3.50"]);
  });

  it("B1: the first answer is there before the last line is sent", async () => {
    const bulk = openBulk(url);
    bulk.line(move("k1"));
    expect(await bulk.next()).toMatchObject({ key: "k1", status: 201 });
    bulk.line(move("k2"));
    expect(await bulk.next()).toMatchObject({ key: "k2", status: 201 });
    expect(await bulk.rest()).toEqual([]);
  });

  it("B3: bad lines are answered with their code and the run goes on", async () => {
    const bulk = openBulk(url);
    const bad: ReadonlyArray<readonly [object | string, unknown, number, string]> = [
      ["no json", null, 400, "validation_failed"],
      ["[1]", null, 400, "validation_failed"],
      [`{"key":"deep","a":${"[".repeat(100)}`, null, 400, "validation_failed"],
      ['{"key":"n","from":"a","to":"b","amount":1e400,"currency":"CZK"}', null, 400, "validation_failed"],
      ['{"key":"n","key":"m","from":"a","to":"b","amount":"1","currency":"CZK"}', null, 400, "validation_failed"],
      [{ from: "a", to: "b", amount: "1", currency: "CZK" }, null, 400, "idempotency_key_missing"],
      [move("", {}), null, 400, "idempotency_key_invalid"],
      [{ ...move("x"), key: 5 }, null, 400, "idempotency_key_invalid"],
      [move("k1", { amount: 1 }), "k1", 400, "amount_invalid"],
      [move("k2", { to: "a" }), "k2", 400, "same_account"],
      [move("k3", { kind: "gift" }), "k3", 400, "validation_failed"],
      [move("k4", { note: "x" }), "k4", 400, "validation_failed"],
      [move("k5", { amount: "1".repeat(300) }), null, 413, "payload_too_large"],
      [move("k6", { from: "world-CZK-{0}" }), "k6", 400, "validation_failed"],
    ];
    for (const [line] of bad) bulk.line(line);
    bulk.line(move("good"));
    const answers = await bulk.rest();
    const refused = bad.map(([, key, status, code]) => ({ key, status, code, transferId: null, detail: expect.any(String) }));
    expect(answers).toEqual([...refused, { key: "good", status: 201, transferId: transferIdOf("local", "good") }]);
    expect(await balanceOf("b")).toBe("1.00");
  });

  it("takes blank lines, CRLF and a last line without its newline", async () => {
    const body = `\n${JSON.stringify(move("k1"))}\r\n  \r\n${JSON.stringify(move("k2"))}`;
    const answer = await send(url, "POST", "/v1/transfers/bulk", [["content-type", "application/x-ndjson"]], body);
    expect(answer.text.match(/"status":201/g)?.length).toBe(2);
  });

  it("an empty stream has an empty answer", async () => {
    expect(await openBulk(url).rest()).toEqual([]);
  });

  it("B2: reads no more than the lines in flight allow while no answer comes, then goes on in order", async () => {
    ledger.system.hold();
    ledger.system.asked = [];
    const bulk = openBulk(url);
    for (let n = 0; n < 100; n++) bulk.line(move(`k${n}`));
    await bulk.response;
    // Answers to reads show that the server had time to read on if it wanted to.
    for (let n = 0; n < 20; n++) await get(url, "/livez");
    expect(ledger.system.asked.filter(({ command }) => command === "request").length).toBe(16);
    ledger.system.release();
    const answers = await bulk.rest();
    expect(answers.map(({ key }) => key)).toEqual(Array.from({ length: 100 }, (_, n) => `k${n}`));
    expect(answers.every(({ status }) => status === 201)).toBe(true);
  });

  it("B2, TRAPS 45: a client that does not read is not read from; what it sent later waits in its own socket", async () => {
    const bulk = openBulk(url);
    const response = await bulk.response;
    response.pause();
    let sent = 0;
    const padding = " ".repeat(100);
    // The server has stopped reading when the connection takes no more although it had time for 50 other requests.
    for (let isStalled = false; !isStalled; ) {
      if (bulk.line(`${JSON.stringify(move(`k${sent++}`))}${padding}`)) continue;
      for (let n = 0; n < 50 && bulk.request.writableNeedDrain; n++) await get(url, "/livez");
      isStalled = bulk.request.writableNeedDrain;
      if (sent > 400_000) throw new Error("the server reads on without end");
    }
    const handled = ledger.system.asked.filter(({ command }) => command === "request").length;
    expect(handled).toBeLessThan(sent);
    const answers = await bulk.rest();
    expect(answers.length).toBe(sent);
    expect(answers.at(-1)).toMatchObject({ key: `k${sent - 1}`, status: 201 });
  });

  it("B3: a line that is refused for a passing reason is tried again inside", async () => {
    ledger.system.refuseNext("MAILBOX_FULL", 3);
    ledger.system.refuseNext("JOURNAL_UNAVAILABLE", 2);
    const bulk = openBulk(url);
    bulk.line(move("k1"));
    bulk.line(move("k2"));
    expect((await bulk.rest()).map(({ status }) => status)).toEqual([201, 201]);
    expect(await balanceOf("b")).toBe("2.00");
  });

  it("B3: a refusal that does not pass in time is the line's answer", async () => {
    await ledger[Symbol.asyncDispose]();
    ledger = await serve(new FakeLedger(), ["--http.answer-ms-max", "50"]);
    ledger.system.refuseNext("OVERLOADED", 1000);
    const bulk = openBulk(ledger.url);
    bulk.line(move("k1"));
    expect(await bulk.rest()).toEqual([
      { key: "k1", status: 503, code: "OVERLOADED", transferId: transferIdOf("local", "k1"), detail: expect.any(String) },
    ]);
  });

  it("a client that goes away stops the reading", async () => {
    ledger.system.hold();
    ledger.system.asked = [];
    const bulk = openBulk(url);
    for (let n = 0; n < 100; n++) bulk.line(move(`k${n}`));
    await bulk.response;
    while (ledger.system.asked.length < 16) await get(url, "/livez");
    bulk.response.then((response) => response.on("error", () => {}));
    bulk.request.on("error", () => {});
    bulk.request.destroy();
    ledger.system.release();
    for (let n = 0; n < 20; n++) await get(url, "/livez");
    expect(ledger.system.asked.filter(({ command }) => command === "request").length).toBeLessThan(100);
  });

  it("B4: a stop of the server answers the lines in flight and says that the rest was not read", async () => {
    const bulk = openBulk(url);
    bulk.line(move("k1"));
    expect(await bulk.next()).toMatchObject({ key: "k1" });
    const closed = ledger.server.close(5000);
    expect(await bulk.next()).toMatchObject({ key: null, status: 503, code: "SHUTTING_DOWN" });
    expect(await bulk.next()).toBeNull();
    bulk.request.on("error", () => {});
    bulk.request.destroy();
    await closed;
  });

  it("another content type is refused before anything is read", async () => {
    const answer = await send(url, "POST", "/v1/transfers/bulk", [["content-type", "application/json"]], JSON.stringify(move("k1")));
    expect([answer.status, fieldsOf(answer).code]).toEqual([400, "validation_failed"]);
    expect(await balanceOf("b")).toBe("0.00");
  });

  it("bulk after bulk on one connection leaves nothing behind on it", async () => {
    const agent = new Agent({ keepAlive: true, maxSockets: 1 });
    const warnings: string[] = [];
    const onWarning = ({ name }: Error) => void warnings.push(name);
    process.on("warning", onWarning);
    const ports = new Set<number | undefined>();
    for (let count = 0; count < 15; count++) {
      const outgoing = request(`${url}/v1/transfers/bulk`, { method: "POST", agent, headers: { "content-type": "application/x-ndjson" } });
      outgoing.end(`${JSON.stringify(move(`k${count}`))}\n`);
      const [incoming] = (await once(outgoing, "response")) as [IncomingMessage];
      ports.add(incoming.socket.localPort);
      expect(await text(incoming)).toContain('"status":201');
    }
    agent.destroy();
    process.off("warning", onWarning);
    expect([ports.size, warnings]).toEqual([1, []]);
  });

  it("TRAPS 45: a stream on which nothing moves for the request timeout is cut", async () => {
    await ledger[Symbol.asyncDispose]();
    ledger = await serve(new FakeLedger(), ["--http.request-timeout-ms", "1000"]);
    const head = "POST /v1/transfers/bulk HTTP/1.1\r\nhost: x\r\ncontent-type: application/x-ndjson\r\ntransfer-encoding: chunked\r\n\r\n";
    const answer = await sendBytes(ledger.url, Buffer.from(`${head}8\r\nno json\n\r\n`));
    expect(answer.text).toContain('"validation_failed"');
    expect(answer.text).not.toMatch(/\r\n0\r\n/);
  });
});
