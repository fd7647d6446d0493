/** What the README shows is what happens. */
import { execFileSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { expect, it } from "vitest";
import type {} from "../../../docs/examples/embed.ts"; // So that the example is type-checked with the project.
import { tryCommand } from "../../../src/system/cli/banner.ts";

it("the program in the README is docs/examples/embed.ts, has under 20 lines, and prints what it says", () => {
  const program = readFileSync("docs/examples/embed.ts", "utf8");
  expect(program.trim().split("\n").length).toBeLessThan(20);
  expect(readFileSync("README.md", "utf8")).toContain(program);
  const output = execFileSync(process.execPath, ["docs/examples/embed.ts"], { encoding: "utf8" });
  expect(output).toMatch(/^COMPLETED\nCOMPLETED, replayed\n/);
  expect(output).toContain("balance: '10.50'");
});

it("the curl in the README is the one that the banner prints", () => {
  expect(readFileSync("README.md", "utf8")).toContain(tryCommand("http://127.0.0.1:7070"));
});
