/**
 * Many entities touched once: what they take in memory is bounded, because the largest and idlest leave.
 *
 *   check:memory -- [--entities 1000000] [--entities-mib 64] [--growth-mib 256] [--threads 1] [--json]
 *
 * Each entity is a counter of its own that is written once, through the whole path of a command but the HTTP server. The bound on their count is out of
 * the way, so that it is the bytes that bound them. `rssMib` is the resident memory of the process at each tenth of the way; from the half on it may
 * grow by `growth-mib`. Entities that had left are read again.
 */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { loadConfig } from "../../src/system/config/config.ts";
import type { Node } from "../../src/system/node.ts";
import { startSystem } from "../../src/system/start.ts";
import { counter } from "../runtime/shard/domain-bench.ts";
import { runCheck, tell } from "../support/check-run.ts";

const USAGE = "check:memory [--entities 1000000] [--entities-mib 64] [--growth-mib 256] [--threads 1] [--json]";
const IN_FLIGHT = 1_024;
const BYTES_PER_MIB = 1024 * 1024;
const LOOKS = 10;
const REST_MS_MAX = 30_000;

await runCheck(
  USAGE,
  { entities: 1_000_000, "entities-mib": 64, "growth-mib": 256, threads: 1 },
  async ({ entities, "entities-mib": entitiesMib, "growth-mib": growthMibMax, threads }) => {
    const dir = mkdtempSync(join(tmpdir(), "troupe-memory-"));
    const flags = {
      "--data.dir": dir,
      "--log.level": "error",
      "--shard.threads": threads,
      "--shard.entities-bytes-max": entitiesMib * BYTES_PER_MIB,
      "--shard.entities-max": 10_000_000,
      "--shard.entities-idle-ms": 3_600_000,
    };
    const config = loadConfig({ argv: Object.entries(flags).flatMap(([flag, value]) => [flag, String(value)]), env: {}, cwd: dir });
    const node = await startSystem(config, { registryUrl: new URL("../support/held-registry.ts", import.meta.url).href });
    try {
      const startedAt = performance.now();
      const { refused, looks } = await touchAll(node, entities);
      const seconds = (performance.now() - startedAt) / 1_000;
      const end = await rested(node, entitiesMib * threads);
      const growthMib = (looks.at(-1) ?? 0) - (looks[LOOKS / 2 - 1] ?? 0);
      const kept = await readBack(node, entities);
      const hasPassivated = end.passivations >= entities - end.entities;
      return {
        ok: end.mib <= entitiesMib * threads && hasPassivated && growthMib <= growthMibMax && kept.wrong === 0,
        entities,
        passivations: end.passivations,
        entitiesInMemory: end.entities,
        entitiesMib: end.mib,
        rssMib: looks,
        rssGrowthMib: growthMib,
        refused,
        readBack: kept.count,
        readWrong: kept.wrong,
        seconds: Math.round(seconds * 10) / 10,
      };
    } finally {
      await node.close();
      rmSync(dir, { recursive: true, force: true });
    }
  },
);

/** Touches each once; a command that was refused is sent again. */
async function touchAll(node: Node, entities: number): Promise<{ readonly refused: number; readonly looks: readonly number[] }> {
  const looks: number[] = [];
  let next = 0;
  let done = 0;
  let refused = 0;
  const touch = async (): Promise<void> => {
    while (next < entities) {
      const { ask } = node.entity(counter, `n-${next++}`);
      while (!(await ask.add({ by: 1 })).ok) {
        refused++;
        await delay(5);
      }
      if (++done % Math.ceil(entities / LOOKS) === 0 || done === entities) {
        looks.push(Math.round(process.memoryUsage.rss() / BYTES_PER_MIB));
        tell(`${done} entities, ${looks.at(-1)} MiB resident`);
      }
    }
  };
  await Promise.all(Array.from({ length: IN_FLIGHT }, touch));
  return { refused, looks };
}

interface Rest {
  readonly passivations: number;
  readonly entities: number;
  readonly mib: number;
}

/** The figures once what may leave has left, at most `REST_MS_MAX` later. */
async function rested(node: Node, mibMax: number): Promise<Rest> {
  const until = performance.now() + REST_MS_MAX;
  for (;;) {
    const { shardThreads } = await node.figures();
    const sum = (of: (thread: (typeof shardThreads)[number]) => number): number => shardThreads.reduce((total, one) => total + of(one), 0);
    const mib = Math.round((sum(({ entitiesBytes }) => entitiesBytes) / BYTES_PER_MIB) * 10) / 10;
    const rest = { passivations: sum(({ passivations }) => passivations), entities: sum(({ entitiesInMemory }) => entitiesInMemory), mib };
    if (mib <= mibMax || performance.now() > until) return rest;
    await delay(100);
  }
}

/** What left memory is not lost: some of them are read again. */
async function readBack(node: Node, entities: number): Promise<{ readonly count: number; readonly wrong: number }> {
  const count = Math.min(entities, 1_000);
  let wrong = 0;
  for (let n = 0; n < count; n++) {
    const answer = await node.entity(counter, `n-${Math.floor((n * entities) / count)}`).ask.get({});
    if (!answer.ok || answer.value.total !== 1) wrong++;
  }
  return { count, wrong };
}
