import { readdirSync, readFileSync } from "node:fs";
import { getPriority } from "node:os";
import { Worker } from "node:worker_threads";
import { expect, it } from "vitest";
import { folder } from "../../support/journal-bench.ts";
import { TestNats } from "../../support/nats-server.ts";
import { endThread, openNode, until } from "../../support/test-node.ts";

/** Null when the thread has ended since it was listed. */
function statOf(task: string): string | null {
  try {
    return readFileSync(`/proc/self/task/${task}/stat`, "utf8");
  } catch {
    return null;
  }
}

/** What `nice` says of the threads of this process, by name. */
function nicenessByName(): ReadonlyMap<string, readonly number[]> {
  const found = new Map<string, number[]>();
  for (const task of readdirSync("/proc/self/task")) {
    const stat = statOf(task);
    if (stat === null) continue;
    const name = stat.slice(stat.indexOf("(") + 1, stat.lastIndexOf(")"));
    const rest = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
    found.set(name, [...(found.get(name) ?? []), Number(rest[16])]); // The 19th field of proc_pid_stat(5); the third is the first here.
  }
  return found;
}

it("read models, checkpoints and the outbox give way to commands, and so do their successors; nothing else does", async () => {
  await using nats = await TestNats.start({ jetstream: true });
  using dir = folder();
  const { node } = await openNode(dir.path, { "--nats.servers": nats.url });
  await using _closed = node;
  const usual = getPriority(process.pid);
  const giving = ["views", "checkpoint", "outbox"];
  const doViewsGiveWay = (): boolean =>
    nicenessByName()
      .get("views")
      ?.includes(usual + 5) === true;
  await until("the views give way", doViewsGiveWay); // Once they have caught up with the journal.
  const first = nicenessByName();
  for (const name of giving) expect(first.get(name), name).toContain(usual + 5);
  for (const [name, values] of first) if (!giving.includes(name)) expect(new Set(values), name).toEqual(new Set([usual]));
  expect([...first.keys()]).toEqual(expect.arrayContaining(["shard-0", "journal", "effects"]));
  await endThread(node, "/system/views"); // Its successor is the spare, which has the name too and gives way once it has its part.
  await until("a successor gives way", doViewsGiveWay);
});

it("in a process that was started with a niceness of its own it is more than that, and never more than there is", async () => {
  const given = new URL("../../../src/system/threads/give-way.ts", import.meta.url).href;
  const program = `
    const os = require("node:os");
    const { parentPort, workerData } = require("node:worker_threads");
    const real = os.getPriority;
    os.getPriority = () => workerData;
    require("node:module").syncBuiltinESMExports();
    import(${JSON.stringify(given)}).then(({ giveWay }) => { giveWay(); giveWay(); parentPort.postMessage(real()); });`;
  const after = (niceness: number): Promise<number> =>
    new Promise((resolve, reject) => {
      new Worker(program, { eval: true, workerData: niceness }).once("message", resolve).once("error", reject);
    });
  expect(await after(3)).toBe(8);
  expect(await after(17)).toBe(19);
});
