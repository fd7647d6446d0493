/** What Node.js itself says of its compile cache, in the main thread and all others. */
import { execFile } from "node:child_process";
import { writeFileSync } from "node:fs";
import { basename, join } from "node:path";
import { pathToFileURL } from "node:url";
import { promisify } from "node:util";
import { expect, it } from "vitest";
import { compiledCodeFolder } from "../../src/system/compiled-code.ts";
import { figuresOf, runCliWith, tempFolder } from "../support/cli.ts";

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

it("what a start has compiled is kept for the next start, although V8's flags change before requests come", async () => {
  using folder = tempFolder();
  const module = join(folder.path, "loaded.mjs");
  writeFileSync(module, "export const loaded = 1;\n");
  const youngHeap = new URL("../../src/system/young-heap.ts", import.meta.url).href;
  const program = `await import(${JSON.stringify(pathToFileURL(module).href)}); (await import(${JSON.stringify(youngHeap)})).keepYoungHeapYoung();`;
  const run = async (): Promise<string> => {
    const env = { ...process.env, NODE_COMPILE_CACHE: join(folder.path, "compiled"), NODE_DEBUG_NATIVE: "COMPILE_CACHE" };
    const { stdout, stderr } = await promisify(execFile)(process.execPath, ["--input-type=module", "-e", program], { env });
    return stdout + stderr;
  };
  await run();
  const said = (await run()).split("\n").filter((line) => line.includes("loaded.mjs"));
  expect(said.some((line) => line.includes("was accepted"))).toBe(true);
  expect(said.join("\n")).not.toContain("was rejected");
});

it("where nothing can be written beside the packages it is kept elsewhere", () => {
  using folder = tempFolder();
  const notAFolder = join(folder.path, "file");
  writeFileSync(notAFolder, "");
  expect(basename(compiledCodeFolder("elsewhere"))).toBe("compiled");
  expect(compiledCodeFolder("elsewhere", join(notAFolder, "compiled"))).toBe("elsewhere");
});
