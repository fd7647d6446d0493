import { account } from "../../src/actors/index.ts";
import { shardOf } from "../../src/runtime/index.ts";
import { loadConfig } from "../../src/system/config/config.ts";
import type { Node } from "../../src/system/node.ts";
import { startSystem } from "../../src/system/start.ts";
import { tell } from "./check-run.ts";
import {
  COMPARED_LATEST,
  COMPARED_OLDER,
  type KillFigures,
  type KillHit,
  type KillRun,
  randomMs,
  untilAcknowledged,
} from "./kill-figures.ts";
import { accountId, overdraftOf } from "./ledger-load.ts";
import { nodeDoor, openOnNode } from "./node-door.ts";

/** Each death of a thread within half a minute doubles the rest before it is replaced; so a node is then replaced itself. */
const KILLS_PER_NODE = 8;
const READY_MS_MAX = 30_000;

/** Kills one shard thread after the other, chosen at random, while all of them are under load; the node lives on. */
export async function killThreads(run: KillRun): Promise<KillFigures> {
  const { load } = run;
  const hits: KillHit[] = [];
  const readyMs: number[] = [];
  for (let nodes = 0; hits.length < run.kills; nodes++) {
    const node = await start(run, nodes);
    if (nodes === 0)
      await Promise.all(Array.from({ length: run.accounts }, (_, number) => openOnNode(node, accountId(number), overdraftOf(number))));
    const door = nodeDoor(node);
    const running = load.run(door);
    for (let kills = 0; kills < KILLS_PER_NODE && hits.length < run.kills; kills++) {
      const { hit, ms } = await killOne(run, node);
      hits.push(hit);
      readyMs.push(ms);
      load.compareLater(COMPARED_LATEST, COMPARED_OLDER, run.random);
      if (hits.length % 10 === 0) tell(`${hits.length} kills, ${load.acknowledged.size} acknowledged, ${load.changed.size} changed`);
    }
    load.stop();
    await running;
    await load.settle(door);
    await node.close();
  }
  return { hits, readyMs, defects: [] };
}

async function killOne(run: KillRun, node: Node): Promise<{ readonly hit: KillHit; readonly ms: number }> {
  const { load, random } = run;
  const thread = Math.floor(random() * node.threadCount);
  const before = load.acknowledged.size;
  const unknownBefore = load.unknown;
  const { promise: killed, resolve } = Promise.withResolvers<{ readonly at: number; readonly acknowledged: number }>();
  let killedAt = 0;
  const kill = (): void => {
    killedAt = performance.now();
    const acknowledged = load.acknowledged.size - before;
    void node.killShardThread(thread).then(() => resolve({ at: Date.now(), acknowledged }));
  };
  untilAcknowledged(run, () => {
    // Half of the kills come with an acknowledgement, half some time after one.
    if (random() < 0.5) kill();
    else setTimeout(kill, randomMs(run));
  });
  const { at, acknowledged } = await killed;
  await untilAnswers(node, thread);
  const ms = performance.now() - killedAt;
  return { hit: { at, acknowledged, inFlight: load.unknown - unknownBefore, isInCheckpoint: false, isJournalHeld: false }, ms };
}

/** The successor answers for an account of one of its shards. */
async function untilAnswers(node: Node, thread: number): Promise<void> {
  const until = performance.now() + READY_MS_MAX;
  let number = 0;
  while (shardOf(`account/${accountId(number)}`, SHARDS) % node.threadCount !== thread) number++;
  while (performance.now() < until) {
    const answer = await node.entity(account, accountId(number)).ask.get({}, { timeoutMs: READY_MS_MAX });
    if (answer.ok) return;
    if (answer.code !== "OUTCOME_UNKNOWN") throw new Error(`shard thread ${thread} answers ${answer.code}: ${answer.detail}`);
  }
  throw new Error(`shard thread ${thread} was not replaced within ${READY_MS_MAX} ms`);
}

const SHARDS = 64;

function start({ dataDir, threads }: KillRun, nodes: number): Promise<Node> {
  const flags = {
    "--data.dir": dataDir,
    "--shard.count": String(SHARDS),
    "--shard.threads": String(threads[nodes % threads.length] ?? 2),
    "--checkpoint.every-entities": "200",
    "--checkpoint.every-ms": "50",
    "--checkpoint.batch-rows": "20",
    // Every kill is told as an error, which here is none.
    "--log.level": "fatal",
  };
  return startSystem(loadConfig({ argv: Object.entries(flags).flat(), env: {}, cwd: process.cwd() }));
}
