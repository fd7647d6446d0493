/** What Node.js itself says of its compile cache, in the main thread and all others. */
import { writeFileSync } from "node:fs";
import { basename, join } from "node:path";
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
  for (const module of ["/src/system/cli/demo-command.ts", "/src/system/shard-worker.ts", "/src/system/journal-worker.ts"])
    expect(named(module).some((line) => line.includes("was accepted"))).toBe(true);
  expect(said).not.toContain("was rejected");
  expect(said).not.toContain("no such file or directory");
});

it("where nothing can be written beside the packages it is kept elsewhere", () => {
  using folder = tempFolder();
  const notAFolder = join(folder.path, "file");
  writeFileSync(notAFolder, "");
  expect(basename(compiledCodeFolder("elsewhere"))).toBe("compiled");
  expect(compiledCodeFolder("elsewhere", join(notAFolder, "compiled"))).toBe("elsewhere");
});
