/** DESIGN 4.4: keys that are gone are told by name before anything new takes their place. A real node on real files. */
import { copyFileSync, existsSync, readdirSync, rmSync, statSync, truncateSync } from "node:fs";
import { join } from "node:path";
import { afterEach, expect, it } from "vitest";
import { giveKeysUp } from "../../../src/system/keys/lost-keys.ts";
import { verifyJournal } from "../../../src/system/sqlite/verify.ts";
import { runCli } from "../../support/cli.ts";
import { fieldsOf, get, post, send } from "../../support/http-client.ts";
import { folder } from "../../support/journal-bench.ts";
import { serve } from "../../support/open-ledger.ts";
import { openNode } from "../../support/test-node.ts";

const FLAGS = { "--threads.heartbeat-ms": 30_000 };
const ended: Array<() => unknown> = [];
afterEach(async () => {
  for (const end of ended.splice(0).reverse()) await end();
});

function tempDir(): string {
  const dir = folder();
  ended.push(() => dir[Symbol.dispose]());
  return dir.path;
}
async function served(dir: string) {
  const { node } = await openNode(dir, FLAGS);
  return await serve(
    node,
    Object.entries(FLAGS).flatMap(([flag, value]) => [flag, String(value)]),
  );
}
/** A store that was stopped, with conversations `a` and `b`, of which `b` was deleted, and an account. */
async function storeWithConversations(dir: string): Promise<void> {
  await using server = await served(dir);
  for (const id of ["a", "b"]) {
    expect((await post(server.url, "/v1/conversations", { id })).status).toBe(201);
    expect((await post(server.url, `/v1/conversations/${id}/messages`, { content: "hello", reply: false }, "k")).status).toBe(201);
  }
  expect((await send(server.url, "DELETE", "/v1/conversations/b")).status).toBe(204);
  for (const suffix of ["", "-wal", "-shm"])
    expect([suffix, statSync(join(dir, `keys.db${suffix}`)).mode & 0o777]).toEqual([suffix, 0o600]);
}
const lose = (dir: string, name: string): void => {
  for (const suffix of ["", "-wal", "-shm"]) rmSync(join(dir, name + suffix), { force: true });
};
const refusal = expect.objectContaining({
  code: "JOURNAL_CORRUPT",
  message: expect.stringMatching(/keys\.db is missing or empty.*conversations.*Nothing was changed.*backup.*troupe keys give-up.*for ever/),
});

it("a store without conversations starts without keys.db, as one of an older program has none", async () => {
  const dir = tempDir();
  await (await openNode(dir, FLAGS)).node.close();
  lose(dir, "keys.db");
  await (await openNode(dir, FLAGS)).node.close();
  expect(statSync(join(dir, "keys.db")).mode & 0o777).toBe(0o600);
});

it("a start without the keys of conversations is refused, whether the read model is there or not, and works again when they are restored", async () => {
  const dir = tempDir();
  await storeWithConversations(dir);
  const backup = join(tempDir(), "keys.db");
  copyFileSync(join(dir, "keys.db"), backup);
  truncateSync(join(dir, "keys.db"), 0);
  await expect(openNode(dir, FLAGS)).rejects.toEqual(refusal);
  lose(dir, "keys.db");
  await expect(openNode(dir, FLAGS)).rejects.toEqual(refusal);
  lose(dir, "views.db");
  await expect(openNode(dir, FLAGS)).rejects.toEqual(refusal);
  expect(readdirSync(dir).filter((name) => name.startsWith("keys.db") || name.startsWith("views.db"))).toEqual([]);
  copyFileSync(backup, join(dir, "keys.db"));
  await using server = await served(dir);
  expect(fieldsOf(await get(server.url, "/v1/conversations/a/messages"))).toMatchObject({ items: [{ content: "hello" }] });
});

it("`troupe keys give-up` is the way on: no text is readable, no id gets a second key, and it touches no keys that are there", async () => {
  const dir = tempDir();
  await storeWithConversations(dir);
  expect(giveKeysUp({ dir, busyTimeoutMs: 1_000 })).toBeNull();
  lose(dir, "keys.db");
  const given = await runCli("keys", "give-up", "--data-dir", dir, "--json");
  expect([given.code, JSON.parse(given.stdout)]).toEqual([0, { ok: true, conversations: 2 }]);
  const again = await runCli("keys", "give-up", "--data-dir", dir, "--json");
  expect([again.code, JSON.parse(again.stdout)]).toMatchObject([1, { ok: false, code: "KEYS_PRESENT" }]);
  expect([statSync(join(dir, "keys.db")).mode & 0o777, existsSync(join(dir, "keys.db.new"))]).toEqual([0o600, false]);
  const server = await served(dir);
  expect((await get(server.url, "/v1/conversations/a/messages")).status).toBe(404);
  expect((await post(server.url, "/v1/conversations/a/messages", { content: "x" }, "k2")).status).toBe(404);
  for (const id of ["a", "b"]) expect((await post(server.url, "/v1/conversations", { id })).status).toBe(409);
  expect((await post(server.url, "/v1/conversations", { id: "c" })).status).toBe(201);
  expect((await send(server.url, "DELETE", "/v1/conversations/a")).status).toBe(204);
  await server[Symbol.asyncDispose]();
  expect(verifyJournal(join(dir, "journal.db"))).toMatchObject({ ok: true });
});
