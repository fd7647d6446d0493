/** A program that embeds the system ends by itself: nothing of ours is left open, whether the system was used or did not come up. */
import { execFile } from "node:child_process";
import { mkdirSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { expect, it } from "vitest";
import { DataDir } from "../../src/system/data-dir.ts";
import type { EmbedderMode, EmbedderReport } from "../support/embedder.ts";
import { folder } from "../support/journal-bench.ts";

const program = fileURLToPath(new URL("../support/embedder.ts", import.meta.url));

/** Rejects when the program does not end by itself: then it is killed at the limit. */
async function embed(mode: EmbedderMode, dir: string): Promise<EmbedderReport> {
  const { stdout } = await promisify(execFile)(process.execPath, [program, mode, dir], { timeout: 30_000, killSignal: "SIGKILL" });
  return JSON.parse(stdout) as EmbedderReport;
}

it("issue 3, 4: `await using` closes everything: no thread, no timer, no handle, and the process ends", async () => {
  using dir = folder();
  const report = await embed("use", dir.path);
  expect(report).toMatchObject({ outcome: "10.50", threadsLeft: 0, resources: [] });
  expect([6, 7, 8, 9]).toContain(report.threads); // Two shard threads, journal, effects, checkpoint and views; after a second a spare each for shards, journal and views.
});

it("TRAPS 19: a directory that is in use: no thread is started, none is left", async () => {
  using dir = folder();
  using _held = new DataDir(dir.path);
  expect(await embed("refused", dir.path)).toEqual({ outcome: "DATA_DIR_IN_USE", threads: 0, threadsLeft: 0, resources: [] });
});

it("TRAPS 19: a thread that fails to start takes those down that had started", async () => {
  using dir = folder();
  mkdirSync(join(dir.path, "views.db-wal"));
  const report = await embed("refused", dir.path);
  expect(report).toMatchObject({ outcome: "INTERNAL_ERROR", threadsLeft: 0, resources: [] });
  expect(report.threads).toBeGreaterThan(2);
});

it("TRAPS 19: a door whose port is taken: the system behind it closes", async () => {
  using dir = folder();
  expect(await embed("port-taken", dir.path)).toMatchObject({ outcome: "EADDRINUSE", threadsLeft: 0, resources: [] });
});
