/** What Node.js itself says of its compile cache, in the main thread and all others. */
import { writeFileSync } from "node:fs";
import { basename, join } from "node:path";
import { expect, it } from "vitest";
import { compiledCodeFolder } from "../../src/system/compiled-code.ts";
import { figuresOf, runCliWith, startCliWith, tempFolder } from "../support/cli.ts";
import { openConversation, postMessage } from "../support/talk-client.ts";
import { until } from "../support/test-node.ts";

it("a start, on a new store too, compiles nothing that an earlier one has compiled", async () => {
  const run = async (): Promise<string> => {
    const result = await runCliWith({ NODE_DEBUG_NATIVE: "COMPILE_CACHE" }, "demo", "--json");
    expect(figuresOf(result).ok).toBe(true);
    return result.stderr;
  };
  await run(); // The set-up has kept nearly all; the first command adds the rest.
  const said = await run();
  const named = (name: string): string[] => said.split("\n").filter((line) => line.includes(name));
  for (const module of [
    "/src/system/cli/troupe.ts",
    "/src/system/cli/demo-command.ts",
    "/src/system/shard-worker.ts",
    "/src/system/journal-worker.ts",
  ])
    expect(named(module).some((line) => line.includes("was accepted"))).toBe(true);
  expect(said).not.toContain("was rejected");
  expect(said).not.toContain("no such file or directory");
});

/** Node.js has a folder for each set of V8's flags: which one a thread reads its first module from says under which flags it began. */
it("a start's threads begin under the flags that Node.js was built with, those that begin when it serves under ours", async () => {
  using folder = tempFolder();
  const debug = { NODE_DEBUG_NATIVE: "COMPILE_CACHE" };
  await using server = await startCliWith(debug, folder.path);
  // Not line by line: a thread says what it reads and how that ended in two writes, and another one may speak between them.
  const foldersOf = (module: string): string[] =>
    [...server.stderr.matchAll(/reading cache from (\S+)\/\w+ for ESM (\S+?)\.\.\./g)].flatMap(([, read, name]) =>
      read !== undefined && name?.endsWith(module) === true ? [read] : [],
    );
  const threads = ["journal", "views", "shard"];
  const [ofEntry] = await until("what the start has read is told", () => {
    const isTold = threads.every((thread) => foldersOf(`/src/system/${thread}-worker.ts`).length > 0);
    return isTold && foldersOf("/src/system/cli/troupe.ts");
  });
  expect(ofEntry).toBeDefined();
  for (const thread of threads) expect(foldersOf(`/src/system/${thread}-worker.ts`)[0]).toBe(ofEntry);
  // A thread of the pool begins with the first task: the summary of this turn. (Spares begin a second after their parts, which may be before it serves.)
  await openConversation(server.url, "c");
  await postMessage(server.url, "c", "Hello.", { key: "k" });
  const [ofTask] = await until("the pool has loaded it", () => {
    const folders = foldersOf("/src/system/pools/summary-task.ts");
    return folders.length > 0 && folders;
  });
  expect(ofTask).not.toBe(ofEntry);
});

it("threads keep what they compile where the environment says", async () => {
  using folder = tempFolder();
  const [own, data] = [join(folder.path, "own"), join(folder.path, "data")];
  await using server = await startCliWith({ NODE_COMPILE_CACHE: own, NODE_DEBUG_NATIVE: "COMPILE_CACHE" }, data);
  const read = server.stderr.split("\n").filter((line) => line.includes("reading cache from") && line.includes("-worker.ts"));
  expect(read.length).toBeGreaterThan(0);
  for (const line of read) expect(line).toContain(`reading cache from ${own}/`);
});

it("where nothing can be written beside the packages it is kept elsewhere", () => {
  using folder = tempFolder();
  const notAFolder = join(folder.path, "file");
  writeFileSync(notAFolder, "");
  expect(basename(compiledCodeFolder("elsewhere"))).toBe("compiled");
  expect(compiledCodeFolder("elsewhere", join(notAFolder, "compiled"))).toBe("elsewhere");
});
