import { readdirSync, readFileSync } from "node:fs";
import { expect, it } from "vitest";
import { folder } from "../../support/journal-bench.ts";
import { endThread, openNode, until } from "../../support/test-node.ts";

/** What `nice` says of the threads of this process that have one of these names. */
function nicenessOf(names: readonly string[]): Readonly<Record<string, readonly number[]>> {
  const found: Record<string, number[]> = {};
  for (const task of readdirSync("/proc/self/task")) {
    const stat = readFileSync(`/proc/self/task/${task}/stat`, "utf8");
    const name = stat.slice(stat.indexOf("(") + 1, stat.lastIndexOf(")"));
    const rest = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
    if (!names.includes(name)) continue;
    found[name] ??= [];
    found[name].push(Number(rest[16])); // The 19th field of proc_pid_stat(5); the third is the first here.
  }
  return found;
}

it("read models and checkpoints give way to commands, and so do their successors; nothing else does", async () => {
  using dir = folder();
  const { node } = await openNode(dir.path, {});
  await using _closed = node;
  const first = nicenessOf(["views", "checkpoint", "shard-0", "journal"]);
  expect(first.views).toContain(5);
  expect(first.checkpoint).toContain(5);
  await endThread(node, "/system/views"); // Its successor is the spare, which has the name too and gives way once it has its part.
  await until("a successor gives way", async () => nicenessOf(["views"]).views?.includes(5) === true);
  expect(new Set(["shard-0", "journal"].flatMap((name) => nicenessOf([name])[name] ?? []))).toEqual(new Set([0]));
});
