/** Two real shard threads that tell each other more than the other handles (issue 3 E, DESIGN 4.2, L6). */
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, it } from "vitest";
import { tagOfShard } from "../../../src/runtime/index.ts";
import { loadConfig } from "../../../src/system/config/config.ts";
import type { Node } from "../../../src/system/node.ts";
import { startSystem } from "../../../src/system/start.ts";
import { ball, counter } from "../../runtime/shard/domain-bench.ts";
import { holder } from "../../support/held-registry.ts";
import { until } from "../../support/test-node.ts";

const MESSAGES_MAX = 3;
/** The default of `shard.hopsMax`. */
const HOPS_MAX = 100;
const SHARDS = 8;
/** Shard 0 is thread 0's, shard 1 thread 1's. */
const on = (thread: number, name: string): string => `${name}-{${tagOfShard(thread, SHARDS)}}`;

let dir: string;
let node: Node;
beforeEach(async () => {
  dir = mkdtempSync(join(tmpdir(), "troupe-credits-"));
  const flags = ["--shard.threads", "2", "--shard.count", `${SHARDS}`, "--shard.port-messages-max", `${MESSAGES_MAX}`];
  const config = loadConfig({ argv: ["--data.dir", dir, "--log.level", "error", ...flags], env: {}, cwd: dir });
  node = await startSystem(config, { registryUrl: new URL("../../support/held-registry.ts", import.meta.url).href });
});
afterEach(async () => {
  await node.close();
  rmSync(dir, { recursive: true });
});

const tell = (from: string, to: string) =>
  node.entity(counter, from).ask.tell({ to: `counter/${to}`, command: "add", by: 1, isAnswered: false });
async function totalOf(id: string): Promise<number> {
  const answer = await node.entity(counter, id).ask.get({});
  return answer.ok ? answer.value.total : -1;
}
/** Holds a thread until the answer is called. */
function hold(thread: number): () => Promise<unknown> {
  const path = join(dir, `release-${thread}`);
  const held = node.entity(holder, on(thread, "h")).ask.hold({ path });
  return () => {
    writeFileSync(path, "");
    return held;
  };
}

it("a thread whose messages another does not handle takes no new commands, until it has handled them", async () => {
  const [here, there] = [on(0, "here"), on(1, "there")];
  const release = hold(1);
  for (let n = 0; n < MESSAGES_MAX; n++) expect(await tell(here, there)).toMatchObject({ ok: true });
  const refused = await tell(here, there);
  expect(refused).toMatchObject({ ok: false, code: "OVERLOADED" });
  expect(refused.ok ? "" : refused.detail).toContain("Another shard thread");
  await release();
  await until("the door opens again", async () => (await tell(here, there)).ok);
  await node.checkpointNow();
  expect(await totalOf(there)).toBe(MESSAGES_MAX + 1);
});

it("no two threads wait for each other: what both had accepted is told and handled, far beyond the credits", async () => {
  const [a, b] = [on(0, "a"), on(1, "b")];
  const releases = [hold(0), hold(1)];
  // Accepted together, before any of them is handled: each thread owes the other many times its credits.
  const told = Array.from({ length: 50 }, () => [tell(a, b), tell(b, a)]).flat();
  await new Promise((resolve) => setImmediate(resolve));
  await Promise.all(releases.map((release) => release()));
  const accepted = (await Promise.all(told)).filter(({ ok }) => ok).length;
  expect(accepted).toBeGreaterThan(4 * MESSAGES_MAX);
  await until("both are idle", async () => (await totalOf(a)) + (await totalOf(b)) === accepted);
  await node.checkpointNow();
  expect((await node.figures()).shardThreads.map(({ openEffects }) => openEffects)).toEqual([0, 0]);
});

it("DESIGN 4.2: a ping-pong between two threads ends at the hop limit with nothing left open", async () => {
  const [a, b] = [on(0, "ping"), on(1, "pong")];
  expect(await node.entity(ball, a).ask.hit({ to: b, again: false })).toMatchObject({ ok: true });
  const hits = async (): Promise<number> => {
    const seen = await Promise.all([a, b].map((id) => node.entity(ball, id).ask.get({})));
    return seen.reduce((sum, answer) => sum + (answer.ok ? answer.value : 0), 0);
  };
  await until("the chain ends", async () => (await hits()) === HOPS_MAX + 1);
  await node.checkpointNow();
  const { shardThreads } = await node.figures();
  expect(shardThreads.map(({ openEffects }) => openEffects)).toEqual([0, 0]);
  expect(await hits()).toBe(HOPS_MAX + 1);
});
