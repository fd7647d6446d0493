/** Conversations over real sockets, a real node with its threads and files, and a process that is killed. */
import { mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { inspect } from "node:util";
import Database from "better-sqlite3";
import { afterEach, expect, it } from "vitest";
import { verifyJournal } from "../../../src/system/sqlite/verify.ts";
import { FakeAi } from "../../support/fake-ai.ts";
import { fieldsOf, get, type HttpAnswer, post, send } from "../../support/http-client.ts";
import { KillableServer } from "../../support/killable-server.ts";
import { type OpenLedger, openDoor, serve } from "../../support/open-ledger.ts";
import { openNode, until } from "../../support/test-node.ts";

const ended: Array<() => unknown> = [];
afterEach(async () => {
  for (const end of ended.splice(0).reverse()) await end();
});

function folder(): string {
  const dir = mkdtempSync(join(tmpdir(), "troupe-talk-"));
  ended.push(() => rmSync(dir, { recursive: true, force: true }));
  return dir;
}

/** A node behind HTTP. `flags` are those of the command line. A busy machine must not look like a dead thread. */
async function started(dir: string, flags: Readonly<Record<string, string | number>> = {}): Promise<OpenLedger> {
  const given = { "--threads.heartbeat-ms": 30_000, ...flags };
  const { node } = await openNode(dir, given);
  const argv = Object.entries(given).flatMap(([flag, value]) => [flag, String(value)]);
  const server = await serve(node, argv);
  ended.push(() => server[Symbol.asyncDispose]());
  return server;
}
const codeOf = (answer: HttpAnswer): string => `${answer.status} ${String(fieldsOf(answer).code)}`;
/** A second door to the same node, that waits half a second for an answer: on a busy machine too short for whatever must be answered. */
async function impatientDoor({ system }: OpenLedger): Promise<string> {
  const door = await openDoor(system, ["--http.answer-ms-max", "500"]);
  ended.push(() => door[Symbol.asyncDispose]());
  return door.url;
}
/** What is said when the command is durable: until then, on a busy machine, a door without patience knows no outcome (504). */
const untilStored = (ask: () => Promise<HttpAnswer>): Promise<HttpAnswer> =>
  until("the command is durable", async () => {
    const answer = await ask();
    return ["504 OUTCOME_UNKNOWN", "409 key_in_progress"].includes(codeOf(answer)) ? null : answer;
  });
async function withAi(settings: Parameters<typeof FakeAi.start>[0] = {}): Promise<FakeAi> {
  const ai = await FakeAi.start(settings);
  ended.push(() => ai[Symbol.asyncDispose]());
  return ai;
}
const open = async (url: string, id: string, more: object = {}): Promise<void> => {
  expect((await post(url, "/v1/conversations", { id, ...more })).status).toBe(201);
};
const say = (url: string, id: string, key: string, content: string, more: object = {}): Promise<HttpAnswer> =>
  post(url, `/v1/conversations/${id}/messages`, { content, ...more }, key);
const itemsOf = (answer: HttpAnswer) => fieldsOf(answer).items as ReadonlyArray<Readonly<Record<string, unknown>>>;
const summarized = (url: string, id: string, turn: number) =>
  until(`a summary up to turn ${turn}`, async () => {
    const seen = fieldsOf(await get(url, `/v1/conversations/${id}/summary`));
    return Number(seen.upToTurn) >= turn ? seen : null;
  });

it("R-CON-1, L3: a post gets its reply, a repeat the same bytes and no second turn; messages page by number", async () => {
  const { url } = await started(folder());
  await open(url, "c", { instructions: "be kind" });
  const first = await say(url, "c", "k1", "hello");
  expect([first.status, fieldsOf(first)]).toMatchObject([201, { turn: 1, replyId: "r1-1", status: "complete" }]);
  const again = await say(url, "c", "k1", "hello");
  expect(again.bytes.equals(first.bytes)).toBe(true);
  expect(again.headers).toEqual({ ...first.headers, "idempotency-replayed": "true" });
  expect(codeOf(await say(url, "c", "k1", "other"))).toBe("422 key_reused");
  const stored = await say(url, "c", "k2", "noted", { reply: false, speaker: "Ann" });
  expect(fieldsOf(stored)).toMatchObject({ turn: 2, replyId: null, content: null, status: "stored" });
  expect((await say(url, "c", "k2", "noted", { reply: false, speaker: "Ann" })).bytes.equals(stored.bytes)).toBe(true);
  expect((await get(url, first.headers.location ?? "")).text).toBe(first.text);
  const page = await get(url, "/v1/conversations/c/messages?limit=2");
  expect(itemsOf(page).map(({ content }) => content)).toEqual(["hello", fieldsOf(first).content]);
  const next = await get(url, `/v1/conversations/c/messages?limit=2&after=${String(fieldsOf(page).next)}`);
  expect([itemsOf(next).map(({ content, speaker }) => [content, speaker]), fieldsOf(next).next]).toEqual([[["noted", "Ann"]], null]);
  expect(await summarized(url, "c", 2)).toMatchObject({ conversationId: "c", messageCount: 3, content: expect.any(String) });
});

it("a regenerated reply replaces the earlier one, and the key that brought that one still gets its bytes", async () => {
  const ai = await withAi({ content: null });
  const { url } = await started(folder(), { "--ai.url": ai.url });
  await open(url, "c");
  const first = await say(url, "c", "k1", "hello");
  const second = await post(url, "/v1/conversations/c/replies/r1-1/regenerate", {}, "g1");
  expect(fieldsOf(second)).toMatchObject({ turn: 1, replyId: "r1-2", status: "complete" });
  expect((await say(url, "c", "k1", "hello")).bytes.equals(first.bytes)).toBe(true);
  const items = itemsOf(await get(url, "/v1/conversations/c/messages"));
  expect(items.map(({ messageId, status }) => [messageId, status]).slice(1)).toEqual([
    ["r1-1", "superseded"],
    ["r1-2", "complete"],
  ]);
});

it("L3, R-API-2: a reply that failed says that the message is stored, the same to the byte; another one works", async () => {
  const ai = await withAi();
  ai.plant({ kind: "status", status: 400 });
  const { url } = await started(folder(), { "--ai.url": ai.url });
  await open(url, "c");
  const failed = await say(url, "c", "k1", "hello");
  expect([failed.status, fieldsOf(failed)]).toMatchObject([502, { code: "UPSTREAM_BAD_RESPONSE", turn: 1, replyId: "r1-1" }]);
  const { detail } = fieldsOf(failed);
  expect(detail).toContain("it has no reply: the model refused, or gave no answer that can be used; to have another, POST ");
  expect(detail).toContain("/v1/conversations/c/replies/r1-1/regenerate");
  const again = await say(url, "c", "k1", "hello");
  expect([again.status, again.bytes.equals(failed.bytes)]).toEqual([502, true]);
  const shown = itemsOf(await get(url, "/v1/conversations/c/messages"));
  expect(shown.map(({ content, status, code }) => [content, status, code])).toEqual([
    ["hello", "complete", undefined],
    [null, "failed", "UPSTREAM_BAD_RESPONSE"],
  ]);
  expect((await post(url, "/v1/conversations/c/replies/r1-1/regenerate", {}, "g1")).status).toBe(201);
  const after = itemsOf(await get(url, "/v1/conversations/c/messages"));
  expect(after.map(({ messageId, status }) => [messageId, status]).slice(1)).toEqual([
    ["r1-1", "failed"],
    ["r1-2", "complete"],
  ]);
});

it("R-API-3, TRAPS 17: an answer that takes too long is 202 with the place of what comes of it; stop ends the reply and is told there", async () => {
  const ai = await withAi({ replyMs: 600_000 });
  const server = await started(folder(), { "--ai.url": ai.url });
  const { url } = server;
  await open(url, "c");
  const impatient = await impatientDoor(server);
  const late = await untilStored(() => say(impatient, "c", "k1", "hello"));
  expect([late.status, fieldsOf(late)]).toMatchObject([202, { turn: 1, content: null, status: "pending" }]);
  const place = late.headers.location ?? "";
  expect(fieldsOf(await get(url, place))).toMatchObject({ status: "pending" });
  expect(codeOf(await say(url, "c", "k2", "again", { onBusy: "reject" }))).toBe("409 illegal_transition");
  await ai.seen((calls) => calls.length === 1); // On a busy machine the first call of all takes longer than the answer may.
  const stopped = await post(url, "/v1/conversations/c/stop", ""); // A type and no body, as many clients send it.
  expect([stopped.status, fieldsOf(stopped)]).toEqual([200, { replyId: "r1-1" }]);
  expect(fieldsOf(await get(url, place))).toMatchObject({ replyId: "r1-1", content: null, status: "stopped" });
  expect(ai.calls.length).toBe(1);
});

it("R-CON-7: inline, the answer comes when the turn is summarized too", async () => {
  const { url } = await started(folder(), { "--conversation.summaries": "inline" });
  await open(url, "c");
  for (const turn of [1, 2, 3]) {
    await say(url, "c", `k${turn}`, `message ${turn}`);
    expect(fieldsOf(await get(url, "/v1/conversations/c/summary"))).toMatchObject({ upToTurn: turn });
  }
});

it("R-API-2: what is not allowed is refused by name, quotes no text, and uses no key", async () => {
  const { url } = await started(folder());
  await open(url, "c");
  const refusals: ReadonlyArray<readonly [object, string]> = [
    [{}, "400 validation_failed"],
    [{ content: "" }, "400 validation_failed"],
    [{ content: "x".repeat(100_001) }, "400 validation_failed"],
    [{ content: "secret-\ud800" }, "400 validation_failed"],
    [{ content: "secret", mood: "x" }, "400 validation_failed"],
    [{ content: "secret", speaker: "" }, "400 validation_failed"],
    [{ content: "secret", onBusy: "wait" }, "400 validation_failed"],
    [{ content: "secret", role: "assistant", reply: true }, "400 validation_failed"],
  ];
  for (const [body, code] of refusals) {
    const answer = await post(url, "/v1/conversations/c/messages", body, "k");
    expect([body, codeOf(answer)]).toEqual([body, code]);
    expect(answer.text).not.toContain("secret");
  }
  expect(codeOf(await post(url, "/v1/conversations/c/messages", { content: "x" }))).toBe("400 idempotency_key_missing");
  expect(codeOf(await say(url, "nobody", "k", "x"))).toBe("404 not_found");
  expect(codeOf(await get(url, "/v1/conversations/nobody/messages"))).toBe("404 not_found");
  const long = await say(url, "c", "k", "x".repeat(1_100_000));
  expect([codeOf(long), fieldsOf(long).detail]).toEqual(["413 payload_too_large", "the body is larger than 1048576 bytes; send less"]);
  const wide = await say(url, "c", "k", "\u20ac".repeat(100_000), { reply: false });
  expect(wide.status).toBe(201);
  expect(itemsOf(await get(url, "/v1/conversations/c/messages"))[0]?.content).toBe("\u20ac".repeat(100_000));
});

it("R-CON-4: what was answered is there after kill -9, to the byte, and the summaries go on", async () => {
  const dataDir = folder();
  const env = { TROUPE_THREADS_HEARTBEAT_MS: "30000", TROUPE_LOG_LEVEL: "info" };
  let server = await KillableServer.start({ dataDir, env });
  await open(server.url, "c");
  const answers: HttpAnswer[] = [];
  for (const turn of [1, 2, 3]) answers.push(await say(server.url, "c", `k${turn}`, `message ${turn}`));
  server.kill();
  await server.gone();
  server = await KillableServer.start({ dataDir, env });
  const running = server;
  ended.push(() => running.stop());
  for (const [at, answer] of answers.entries()) {
    expect((await say(server.url, "c", `k${at + 1}`, `message ${at + 1}`)).bytes.equals(answer.bytes)).toBe(true);
  }
  const items = itemsOf(await get(server.url, "/v1/conversations/c/messages"));
  expect(items.filter(({ role }) => role === "user").map(({ content }) => content)).toEqual(["message 1", "message 2", "message 3"]);
  expect(items.length).toBe(6);
  expect(await summarized(server.url, "c", 3)).toMatchObject({ upToTurn: 3, messageCount: 6 });
  expect(server.said).not.toContain("message 1"); // R-CON-8: not in what it logs.
});

/** Files of the folder that hold the bytes, whatever they are: databases, logs before they are moved, and the rest. */
const filesWith = (dir: string, bytes: Buffer): readonly string[] =>
  readdirSync(dir, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile() && readFileSync(join(entry.parentPath, entry.name)).includes(bytes))
    .map(({ name }) => name);

it("DESIGN 4.4, R-CON-8: no file holds a readable text at any time; after DELETE none holds its key, and the chain is whole", async () => {
  const WORDS = ["zanzibar-instructions", "zanzibar-message", "zanzibar-partial-reply", "zanzibar-speaker"];
  const dir = folder();
  const ai = await withAi({ content: WORDS[2] ?? "" });
  const { url, system } = await started(dir, { "--ai.url": ai.url, "--log.level": "trace" });
  await open(url, "c", { instructions: WORDS[0] });
  await open(url, "other");
  await say(url, "other", "k1", "kept");
  const spoken = { speaker: WORDS[3] };
  expect(fieldsOf(await say(url, "c", "k1", WORDS[1] ?? "", spoken))).toMatchObject({ content: WORDS[2] });
  // Sealed, and used all the same: shown, and told to the model.
  expect(itemsOf(await get(url, "/v1/conversations/c/messages")).map(({ speaker }) => speaker)).toEqual([WORDS[3], "assistant"]);
  expect(JSON.stringify(ai.calls)).toContain(WORDS[3]);
  await summarized(url, "c", 1); // The endpoint's summary is the third word too.
  const keyOf = (id: string): Buffer => {
    const db = new Database(join(dir, "keys.db"), { readonly: true });
    const key = db.prepare<[string], Buffer>("SELECT key FROM keys WHERE name = ?").pluck().get(id);
    db.close();
    if (key === undefined) throw new Error(`${id} has no key`);
    return key;
  };
  const [key, otherKey] = [keyOf("c"), keyOf("other")];
  // The look itself works: the key is found while it is there, and so is the sealed text.
  expect(filesWith(dir, key)).not.toEqual([]);
  expect(filesWith(dir, Buffer.from('"text":"s1.'))).toContain("journal.db-wal");
  expect(filesWith(dir, Buffer.from('"speaker":"s1.'))).toContain("journal.db-wal");
  for (const word of WORDS) expect([word, filesWith(dir, Buffer.from(word))]).toEqual([word, []]);
  expect((await send(url, "DELETE", "/v1/conversations/c")).status).toBe(204);
  expect([keyOf("c").equals(Buffer.alloc(32)), filesWith(dir, key)]).toEqual([true, []]); // By the time of the answer.
  expect((await send(url, "DELETE", "/v1/conversations/c")).status).toBe(204); // Its answer may have got lost.
  expect(codeOf(await send(url, "DELETE", "/v1/conversations/nobody"))).toBe("404 not_found");
  for (const path of ["", "/messages", "/summary"]) expect(codeOf(await get(url, `/v1/conversations/c${path}`))).toBe("404 not_found");
  expect(codeOf(await say(url, "c", "k2", "x"))).toBe("404 not_found");
  expect(codeOf(await post(url, "/v1/conversations", { id: "c" }))).toBe("409 already_exists");
  expect(filesWith(dir, otherKey)).not.toEqual([]);
  expect(itemsOf(await get(url, "/v1/conversations/other/messages"))[0]?.content).toBe("kept");
  await system[Symbol.asyncDispose]();
  for (const word of WORDS) expect([word, filesWith(dir, Buffer.from(word))]).toEqual([word, []]);
  expect(filesWith(dir, key)).toEqual([]);
  expect(verifyJournal(join(dir, "journal.db"))).toMatchObject({ ok: true });
});

it("DESIGN 4.4: DELETE says so when the key is not destroyed in time, and again when it is", async () => {
  const dir = folder();
  const server = await started(dir, { "--journal.busy-timeout-ms": 50 });
  const { url } = server;
  const impatient = await impatientDoor(server);
  await open(url, "c");
  const reader = new Database(join(dir, "keys.db"), { readonly: true });
  ended.push(() => reader.close());
  reader.exec("BEGIN");
  reader.prepare("SELECT count(*) FROM keys").get(); // A backup that reads keeps the log from being emptied.
  await open(url, "later"); // What is in the log is behind what it reads.
  const first = await untilStored(() => send(impatient, "DELETE", "/v1/conversations/c"));
  expect([first.status, fieldsOf(first)]).toEqual([202, { id: "c", status: "deleting" }]);
  expect(codeOf(await get(url, "/v1/conversations/c"))).toBe("404 not_found");
  reader.exec("COMMIT");
  await until("the key is destroyed", async () => (await send(url, "DELETE", "/v1/conversations/c")).status === 204);
});

it("R-CON-8, TRAPS 46: a defect is logged with the path, without what stands behind it or in the conversation", async () => {
  const dir = folder();
  const { url, defects } = await started(dir);
  await open(url, "c");
  await say(url, "c", "k1", "zanzibar-message", { reply: false, speaker: "zanzibar-speaker" });
  const db = new Database(join(dir, "keys.db"));
  db.prepare("UPDATE keys SET key = randomblob(32) WHERE name = 'c'").run(); // A damaged disk: nothing that was sealed opens.
  db.close();
  const broken = await get(url, "/v1/conversations/c/messages?limit=5");
  expect([codeOf(broken), defects]).toMatchObject(["500 INTERNAL_ERROR", [{ path: "/v1/conversations/c/messages" }]]);
  for (const said of [broken.text, inspect(defects, { depth: 9 })]) expect(said).not.toContain("zanzibar");
});
