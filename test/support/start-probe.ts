/** Starts a node in a fresh process and tells what it was like when it was ready. Run as a program it is that process. */
import { execFile } from "node:child_process";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { loadConfig } from "../../src/system/config/config.ts";
import { startSystem } from "../../src/system/start.ts";

export interface StartFigures {
  /** Duration of `startSystem`. */
  readonly startMs: number;
  /** Entities in memory when it had resolved, of all shard threads. */
  readonly entitiesInMemory: number;
  readonly rssMib: number;
}

/** @throws Error with what the process wrote when it failed. */
export async function probeStart(dataDir: string, registryUrl = ""): Promise<StartFigures> {
  const { stdout } = await promisify(execFile)(process.execPath, [fileURLToPath(import.meta.url), dataDir, registryUrl]);
  return JSON.parse(stdout) as StartFigures;
}

if (import.meta.main) {
  const config = loadConfig({ argv: ["--data.dir", process.argv[2] ?? "", "--log.level", "error"], env: {}, cwd: process.cwd() });
  const startedAt = performance.now();
  const registryUrl = process.argv[3] ?? "";
  const node = await startSystem(config, registryUrl === "" ? {} : { registryUrl });
  const startMs = performance.now() - startedAt;
  const { shardThreads } = await node.figures();
  const figures: StartFigures = {
    startMs: Math.round(startMs),
    entitiesInMemory: shardThreads.reduce((sum, thread) => sum + thread.entitiesInMemory, 0),
    rssMib: Math.round(process.memoryUsage.rss() / (1024 * 1024)),
  };
  process.stdout.write(JSON.stringify(figures));
  await node.close();
}
