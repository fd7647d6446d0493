/** R-API-12, TRAPS 44 and 45: what a client may send, and how slowly. Whatever is refused reaches no entity. */
import type { IncomingMessage } from "node:http";
import { connect } from "node:net";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { SlowBodies } from "../../../src/system/http/slow-bodies.ts";
import { FakeLedger } from "../../support/fake-ledger.ts";
import { fieldsOf, get, type HttpAnswer, post, send, sendBytes } from "../../support/http-client.ts";
import { type OpenLedger, serve } from "../../support/open-ledger.ts";

let ledger: OpenLedger & { readonly system: FakeLedger };
let url: string;
beforeAll(async () => {
  ledger = await serve(new FakeLedger());
  url = ledger.url;
  await post(url, "/v1/accounts", { id: "a", currency: "CZK" });
  ledger.system.asked = [];
});
afterAll(async () => {
  expect(ledger.system.asked).toEqual([]);
  expect(ledger.defects).toEqual([]);
  await ledger[Symbol.asyncDispose]();
});

let keys = 0;
const deposit = (body: string | Buffer): Promise<HttpAnswer> => post(url, "/v1/deposits", body, `k${++keys}`);
const seen = (answer: HttpAnswer) => [answer.status, fieldsOf(answer).code, answer.headers["content-type"]];
const refused = (status: number, code: string) => [status, code, "application/problem+json"];

describe("bodies", () => {
  it.each([
    ["1e400", '{"accountId":"a","amount":1e400,"currency":"CZK"}'],
    ["2^53 + 1", '{"accountId":"a","amount":9007199254740993,"currency":"CZK"}'],
    ["depth 10,000 of arrays", "[".repeat(10_000) + "]".repeat(10_000)],
    ["depth 10,000 of objects", `${'{"a":'.repeat(10_000)}1${"}".repeat(10_000)}`],
    ["1,001 keys", `{${Array.from({ length: 1001 }, (_, n) => `"k${n}":1`).join(",")}}`],
    ["a key twice", '{"accountId":"a","amount":"1","amount":"2","currency":"CZK"}'],
    ["__proto__", '{"__proto__":{"amount":"1"},"accountId":"a","currency":"CZK"}'],
    ["bad UTF-8", Buffer.from([0x7b, 0x22, 0xc3, 0x28, 0x22, 0x3a, 0x31, 0x7d])],
    ["an array", "[]"],
    ["nothing", ""],
    ["half", '{"accountId":'],
  ])("refuses %s with validation_failed", async (_name, body) => {
    expect(seen(await deposit(body))).toEqual(refused(400, "validation_failed"));
  });

  it("no body at all is validation_failed", async () => {
    expect(seen(await send(url, "POST", "/v1/deposits", [["idempotency-key", "none"]]))).toEqual(refused(400, "validation_failed"));
  });

  it("a body beyond the limit is payload_too_large, with its length said or in chunks", async () => {
    const big = Buffer.alloc(1_048_577, 0x20);
    const answer = await deposit(big);
    expect(seen(answer)).toEqual(refused(413, "payload_too_large"));
    expect(fieldsOf(answer).detail).toContain("send less, or many movements to /v1/transfers/bulk");
    const head =
      "POST /v1/deposits HTTP/1.1\r\nhost: x\r\nconnection: close\r\nidempotency-key: c\r\ncontent-type: application/json\r\ntransfer-encoding: chunked\r\n\r\n";
    const chunk = Buffer.concat([Buffer.from(`${big.length.toString(16)}\r\n`), big, Buffer.from("\r\n0\r\n\r\n")]);
    expect(seen(await sendBytes(url, Buffer.concat([Buffer.from(head), chunk])))).toEqual(refused(413, "payload_too_large"));
  });

  it.each([
    "text/plain",
    "application/x-www-form-urlencoded",
    "application/x-ndjson",
    "multipart/form-data; boundary=x",
    "nonsense",
    "application/jsonp",
  ])("content type %s is refused", async (type) => {
    const headers = [
      ["idempotency-key", "t"],
      ["content-type", type],
    ] as const;
    expect(seen(await send(url, "POST", "/v1/deposits", headers, "{}"))).toEqual(refused(400, "validation_failed"));
  });
});

describe("broken HTTP", () => {
  it.each([
    ["no HTTP at all", "hello\r\n\r\n"],
    ["a bare line feed in a header", 'POST /v1/deposits HTTP/1.1\r\nhost: x\r\nidempotency-key: " \n "\r\n\r\n'],
    ["two lengths", "POST /v1/deposits HTTP/1.1\r\nhost: x\r\ncontent-length: 2\r\ncontent-length: 3\r\n\r\n{}"],
    [
      "a length and chunks (smuggling)",
      "POST /v1/deposits HTTP/1.1\r\nhost: x\r\ncontent-length: 2\r\ntransfer-encoding: chunked\r\n\r\n{}",
    ],
    ["headers of 20 KiB", `GET /livez HTTP/1.1\r\nhost: x\r\nx-long: ${"x".repeat(20_480)}\r\n\r\n`],
  ])("%s is answered with a problem and the connection ends", async (_name, text) => {
    const answer = await sendBytes(url, Buffer.from(text));
    expect(seen(answer)).toEqual(refused(400, "validation_failed"));
  });
});

describe("TRAPS 45: connections", () => {
  it("a body that does not come in time is answered and cut; others and bulk streams are not", async () => {
    const own = await serve(new FakeLedger(), ["--http.request-timeout-ms", "1000"]);
    const head =
      "POST /v1/deposits HTTP/1.1\r\nhost: x\r\nidempotency-key: s\r\ncontent-type: application/json\r\ncontent-length: 50\r\n\r\n{";
    const answer = await sendBytes(own.url, Buffer.from(head));
    expect(seen(answer)).toEqual(refused(400, "validation_failed"));
    expect(fieldsOf(answer).detail).toContain("1000 ms");
    expect(own.system.asked).toEqual([]);
    await own[Symbol.asyncDispose]();
  });

  it("headers that do not come in time are answered and cut (Slowloris)", async () => {
    const own = await serve(new FakeLedger(), ["--http.request-timeout-ms", "1000"]);
    const answer = await sendBytes(own.url, Buffer.from("GET /livez HTTP/1.1\r\nx: "));
    expect(seen(answer)).toEqual(refused(400, "validation_failed"));
    await own[Symbol.asyncDispose]();
  });

  it("slow bodies are counted in sweeps: at the limit kept, beyond it cut, once", () => {
    const cut: unknown[] = [];
    const bodies = new SlowBodies({ msMax: 2000, onSlow: (request) => cut.push(request) });
    const request = (complete: boolean) => ({ complete, destroyed: false }) as IncomingMessage;
    const [slow, done, removed] = [request(false), request(true), request(false)];
    for (const each of [slow, done, removed]) bodies.add(each);
    bodies.remove(removed);
    bodies.sweep();
    bodies.sweep();
    expect(cut).toEqual([]);
    bodies.sweep();
    bodies.sweep();
    expect(cut).toEqual([slow]);
    bodies.close();
  });

  it("connections beyond the limit are closed on arrival; the others go on", async () => {
    const own = await serve(new FakeLedger(), ["--http.connections-max", "2"]);
    const port = Number(new URL(own.url).port);
    const held = [connect(port, "127.0.0.1"), connect(port, "127.0.0.1")];
    await Promise.all(held.map((socket) => new Promise((resolve) => socket.on("connect", resolve))));
    await expect(get(own.url, "/livez")).rejects.toThrow();
    held[0]?.destroy();
    held[1]?.write("GET /livez HTTP/1.1\r\nhost: x\r\n\r\n");
    expect(String(await new Promise((resolve) => held[1]?.on("data", resolve)))).toContain("200 OK");
    held[1]?.destroy();
    await own[Symbol.asyncDispose]();
  });

  it("listens on the loopback alone unless told otherwise", () => {
    expect(new URL(url).hostname).toBe("127.0.0.1");
  });
});
