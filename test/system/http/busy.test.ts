/** What a client sees of a system that is slow, busy or stopping. Over the fake, which can be told to be so. */
import { once } from "node:events";
import { connect } from "node:net";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { transferIdOf } from "../../../src/actors/index.ts";
import { type Code, STATUS_OF_CODE } from "../../../src/runtime/index.ts";
import { FakeLedger } from "../../support/fake-ledger.ts";
import { fieldsOf, get, type HttpAnswer, post } from "../../support/http-client.ts";
import { type OpenLedger, serve } from "../../support/open-ledger.ts";

let ledger: OpenLedger & { readonly system: FakeLedger };
let url: string;
beforeEach(async () => {
  ledger = await serve(new FakeLedger(), ["--http.answer-ms-max", "100"]);
  url = ledger.url;
  await post(url, "/v1/accounts", { id: "a", currency: "CZK" });
});
afterEach(async () => {
  await ledger[Symbol.asyncDispose]();
});

const deposit = (key: string): Promise<HttpAnswer> => post(url, "/v1/deposits", { accountId: "a", amount: "1", currency: "CZK" }, key);

describe("a slow system", () => {
  it("a transfer that is durable and not finished in time answers 202 with Location and the pending transfer, then its outcome", async () => {
    ledger.system.hold();
    const answer = await deposit("k");
    expect(answer.status).toBe(202);
    expect(answer.headers.location).toBe(`/v1/transfers/${transferIdOf("local", "k")}`);
    expect(fieldsOf(answer)).toMatchObject({ status: "PENDING", legs: [] });
    expect((await get(url, answer.headers.location ?? "")).text).toBe(answer.text);
    ledger.system.release();
    const done = await deposit("k");
    expect([done.status, done.headers["idempotency-replayed"]]).toEqual([201, "true"]);
    expect((await get(url, answer.headers.location ?? "")).text).toBe(done.text);
  });

  it("R-LED-2: the same key while the first is running is key_in_progress with Retry-After", async () => {
    ledger.system.hold();
    const [first, second] = await Promise.all([deposit("k"), deposit("k")]);
    const refused = first.status === 409 ? first : second;
    expect([refused.status, fieldsOf(refused).code, refused.headers["retry-after"]]).toEqual([409, "key_in_progress", "1"]);
    ledger.system.release();
    expect(fieldsOf(await get(url, "/v1/accounts/a")).balance).toBe("1.00");
  });

  it("OUTCOME_UNKNOWN of a transfer that is not there stays 504; of one that finished it is the outcome", async () => {
    ledger.system.refuseNext("OUTCOME_UNKNOWN");
    const unknown = await deposit("k");
    expect([unknown.status, fieldsOf(unknown).code]).toEqual([504, "OUTCOME_UNKNOWN"]);
    const done = await deposit("k");
    expect(done.status).toBe(201);
    ledger.system.refuseNext("OUTCOME_UNKNOWN");
    const looked = await deposit("k");
    expect([looked.status, looked.text]).toEqual([201, done.text]);
  });

  it("R-LED-2: OUTCOME_UNKNOWN of a key that began another transfer is key_reused, while that runs and when it is done", async () => {
    ledger.system.hold();
    expect((await deposit("k")).status).toBe(202);
    const other = () => post(url, "/v1/deposits", { accountId: "a", amount: "2", currency: "CZK" }, "k");
    for (const isDone of [false, true]) {
      if (isDone) ledger.system.release();
      ledger.system.refuseNext("OUTCOME_UNKNOWN");
      const answer = await other();
      expect([answer.status, fieldsOf(answer).code]).toEqual([422, "key_reused"]);
    }
  });

  it("OUTCOME_UNKNOWN of a transfer that is not there begins nothing: its caller was told to wait no longer", async () => {
    ledger.system.refuseNext("OUTCOME_UNKNOWN");
    expect((await deposit("k")).status).toBe(504);
    expect((await get(url, `/v1/transfers/${transferIdOf("local", "k")}`)).status).toBe(404);
  });

  it("R-API-11: a command stands in the trace of its request, below the request's own span; a malformed traceparent is as if not there", async () => {
    const trace = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
    const child = expect.stringMatching(/^00-0af7651916cd43dd8448eb211c80319c-(?!b7ad6b7169203331)[0-9a-f]{16}-01$/);
    const body = { accountId: "a", amount: "1", currency: "CZK" };
    await post(url, "/v1/deposits", body, "k1", [["traceparent", trace]]);
    await post(url, "/v1/deposits", body, "k2", [["traceparent", `00-${"0".repeat(32)}-b7ad6b7169203331-01`]]);
    const traces = ledger.system.asked.filter(({ command }) => command === "request").map(({ options }) => [options.id, options.trace]);
    expect(traces).toEqual([
      ["k1", child],
      ["k2", undefined],
    ]);
  });
});

describe("R-SYS-1: a busy system", () => {
  const codes: readonly Code[] = [
    "MAILBOX_FULL",
    "OVERLOADED",
    "JOURNAL_UNAVAILABLE",
    "NOT_OWNER",
    "SHUTTING_DOWN",
    "keys_exhausted",
    "rate_limited",
    "DEADLINE_EXCEEDED",
    "ENTITY_FAILED",
    "INTERNAL_ERROR",
  ];
  it.each(codes)("%s is its status, with Retry-After when it passes, and a repeat with the key is the first", async (code) => {
    ledger.system.refuseNext(code);
    const refused = await deposit("k");
    const status = STATUS_OF_CODE[code];
    expect([refused.status, fieldsOf(refused).code]).toEqual([status, code]);
    expect(refused.headers["retry-after"]).toBe(status === 503 || code === "rate_limited" ? "1" : undefined); // Keys are kept for a day.
    expect((await deposit("k")).headers).not.toHaveProperty("idempotency-replayed");
  });

  it("readyz is red and names the reason", async () => {
    ledger.system.reasons = ["the disk of the journal is full"];
    ledger.system.readinessCode = "JOURNAL_UNAVAILABLE";
    const answer = await get(url, "/readyz");
    expect([answer.status, fieldsOf(answer).code]).toEqual([503, "JOURNAL_UNAVAILABLE"]);
    expect(fieldsOf(answer).detail).toContain("the disk of the journal is full");
    expect((await get(url, "/livez")).status).toBe(200);
  });

  it("TRAPS 23: readyz?verbose lists every check with the failing ones by name, in a 503 too", async () => {
    expect(fieldsOf(await get(url, "/readyz?verbose"))).toMatchObject({ status: "ready", failing: [] });
    ledger.system.reasons = ["shard thread 1 is late"];
    const answer = await get(url, "/readyz?verbose");
    const checks = [{ name: "fake", ok: false, detail: "shard thread 1 is late" }];
    expect([answer.status, fieldsOf(answer)]).toMatchObject([503, { code: "OVERLOADED", failing: ["fake"], checks }]);
  });

  it.each([null, "OVERLOADED", "VIEW_BEHIND"] as const)(
    "readyz is red with the reason's own code %s, OVERLOADED when it has none",
    async (code) => {
      ledger.system.reasons = ["shard thread 1 is late"];
      ledger.system.readinessCode = code;
      const answer = await get(url, "/readyz");
      expect([answer.status, fieldsOf(answer).code, answer.headers["retry-after"]]).toEqual([503, code ?? "OVERLOADED", "1"]);
    },
  );

  it("H1: a defect is INTERNAL_ERROR, logged with its cause, and never shown", async () => {
    ledger.system.ask = async () => {
      throw new Error("secret stack");
    };
    const answer = await deposit("k");
    expect([answer.status, fieldsOf(answer).code]).toEqual([500, "INTERNAL_ERROR"]);
    expect(answer.text).not.toContain("secret");
    expect(ledger.defects).toHaveLength(1);
  });
});

describe("H2: stop", () => {
  /** A keep-alive connection whose answers are read as they come. */
  async function connection() {
    const socket = connect(Number(new URL(url).port), "127.0.0.1");
    await once(socket, "connect");
    let text = "";
    socket.on("data", (chunk) => {
      text += chunk.toString();
    });
    const until = async (pattern: RegExp): Promise<string> => {
      while (!pattern.test(text)) await once(socket, "data");
      const seen = text;
      text = "";
      return seen;
    };
    return { socket, until };
  }

  const DEPOSIT = '{"accountId":"a","amount":"1","currency":"CZK"}';
  const depositBytes = (key: string): string =>
    `POST /v1/deposits HTTP/1.1\r\nhost: x\r\nidempotency-key: ${key}\r\ncontent-type: application/json\r\ncontent-length: ${DEPOSIT.length}\r\n\r\n${DEPOSIT}`;
  const isAsked = (key: string): boolean => ledger.system.asked.some(({ options }) => options.id === key);

  it("finishes what is in flight; meanwhile idle connections live and new ones are told SHUTTING_DOWN, not refused; then listens no more", async () => {
    const busy = await connection();
    const idle = await connection();
    ledger.system.hold();
    idle.socket.write("GET /livez HTTP/1.1\r\nhost: x\r\n\r\n");
    await idle.until(/live/);
    busy.socket.write(depositBytes("k"));
    while (!isAsked("k")) await get(url, "/livez");
    const closed = ledger.server.close(5000);
    const asked = ledger.system.asked.length;
    const late = await post(url, "/v1/deposits", DEPOSIT, "late");
    expect([late.status, fieldsOf(late).code, late.headers.connection, late.headers["retry-after"]]).toEqual([
      503,
      "SHUTTING_DOWN",
      "close",
      "1",
    ]);
    expect(fieldsOf(await get(url, "/readyz")).code).toBe("SHUTTING_DOWN");
    expect((await get(url, "/livez")).status).toBe(200);
    idle.socket.write("GET /readyz HTTP/1.1\r\nhost: x\r\n\r\n");
    expect(await idle.until(/SHUTTING_DOWN/)).toMatch(/^HTTP\/1.1 503 [\s\S]*connection: close/i);
    expect(ledger.system.asked.length).toBe(asked);
    ledger.system.release();
    expect(await busy.until(/COMPLETED/)).toMatch(/^HTTP\/1.1 201 [\s\S]*connection: close/i);
    await closed;
    await expect(get(url, "/livez")).rejects.toThrow();
  });

  it("leave: readyz is red before anything is refused, so that load balancers see it in time", async () => {
    ledger.server.leave();
    const red = await get(url, "/readyz");
    expect([red.status, fieldsOf(red).code]).toEqual([503, "SHUTTING_DOWN"]);
    await post(url, "/v1/accounts", { id: "a", currency: "CZK" });
    const taken = await connection();
    taken.socket.write(depositBytes("taken"));
    expect(await taken.until(/COMPLETED/)).not.toMatch(/connection: close/i);
    expect(await ledger.server.drain(5000)).toBe(0);
    taken.socket.write(depositBytes("refused"));
    expect(await taken.until(/SHUTTING_DOWN/)).toMatch(/connection: close/i);
    expect(isAsked("refused")).toBe(false);
  });

  it("drain: counts what has no answer at its deadline, and forgets a request whose client went away", async () => {
    const [stays, goes] = [await connection(), await connection()];
    goes.socket.on("error", () => {});
    ledger.system.hold();
    stays.socket.write(depositBytes("stays"));
    goes.socket.write(depositBytes("goes") + depositBytes("goes-too"));
    while (!isAsked("stays") || !isAsked("goes-too")) await get(url, "/livez");
    expect(await ledger.server.drain(20)).toBe(3);
    goes.socket.destroy();
    ledger.system.release();
    expect(await ledger.server.drain(5000)).toBe(0);
  });

  it("an answer whose client reads slowly leaves whole", async () => {
    const slow = connect(Number(new URL(url).port), "127.0.0.1");
    await once(slow, "connect");
    slow.pause();
    // More than the buffers of both ends take: the last answer is still with the server when the drain begins.
    const COUNT = 400;
    slow.write("GET /openapi.json HTTP/1.1\r\nhost: x\r\n\r\n".repeat(COUNT));
    await get(url, "/livez");
    const closed = ledger.server.close(20_000);
    const chunks: Buffer[] = [];
    slow.on("data", (chunk: Buffer) => chunks.push(chunk)).resume();
    await Promise.all([closed, once(slow, "close")]);
    const text = Buffer.concat(chunks).toString("utf8");
    const length = Number(/content-length: (\d+)/i.exec(text)?.[1]);
    const last = text.slice(text.lastIndexOf("HTTP/1.1 "));
    expect(Buffer.byteLength(last.slice(last.indexOf("\r\n\r\n") + 4))).toBe(length);
  });

  it("a request that comes on an open connection after the stop began is told SHUTTING_DOWN, and so is readyz", async () => {
    const late = await connection();
    const probe = await connection();
    // Half a request keeps the connection in use, so that the stop waits for it.
    late.socket.write(
      "POST /v1/deposits HTTP/1.1\r\nhost: x\r\nidempotency-key: k\r\ncontent-type: application/json\r\ncontent-length: 2\r\n",
    );
    probe.socket.write("GET /readyz HTTP/1.1\r\nhost: x\r\n");
    await get(url, "/livez");
    const closed = ledger.server.close(5000);
    late.socket.write("\r\n{}");
    probe.socket.write("\r\n");
    expect(await late.until(/SHUTTING_DOWN/)).toMatch(/^HTTP\/1.1 503 [\s\S]*retry-after: 1/i);
    expect(await probe.until(/SHUTTING_DOWN/)).toMatch(/^HTTP\/1.1 503 /);
    await closed;
  });

  it.each([
    "GET /v1/accounts/a",
    "GET /v1/accounts/a/entries",
    "GET /v1/transfers/x",
    "GET /v1/ledger/trial-balance",
    "GET /readyz",
    "POST /v1/accounts",
    "POST /v1/accounts/a/freeze",
    "POST /v1/deposits",
    "POST /v1/transfers/bulk",
  ])("%s on a connection that is kept is SHUTTING_DOWN, reaches no entity, and ends the connection", async (route) => {
    const kept = await connection();
    // A bulk stream whose answer has begun keeps its connection through the stop; the next request comes on it.
    kept.socket.write(
      "POST /v1/transfers/bulk HTTP/1.1\r\nhost: x\r\ncontent-type: application/x-ndjson\r\ntransfer-encoding: chunked\r\n\r\n",
    );
    await kept.until(/200 OK/);
    const asked = ledger.system.asked.length;
    const ended = once(kept.socket, "close");
    const closed = ledger.server.close(5000);
    await kept.until(/SHUTTING_DOWN/);
    const type = route.endsWith("bulk") ? "application/x-ndjson" : "application/json";
    const body = route.startsWith("POST") ? `idempotency-key: k\r\ncontent-type: ${type}\r\ncontent-length: 2\r\n\r\n{}` : "\r\n";
    kept.socket.write(`0\r\n\r\n${route} HTTP/1.1\r\nhost: x\r\n${body}`);
    const refused = await kept.until(/HTTP[\s\S]*SHUTTING_DOWN/);
    expect(refused).toMatch(/HTTP\/1.1 503 /);
    expect(refused).toMatch(/connection: close/i);
    expect(refused).toMatch(/retry-after: 1/i);
    await Promise.all([closed, ended]);
    expect(ledger.system.asked.length).toBe(asked);
  });

  it("cuts what is not done at the deadline", async () => {
    const stuck = await connection();
    stuck.socket.on("error", () => {});
    stuck.socket.write("POST /v1/deposits HTTP/1.1\r\nhost: x\r\n");
    await get(url, "/livez");
    const ended = once(stuck.socket, "close");
    await ledger.server.close(50);
    await ended;
  });
});
