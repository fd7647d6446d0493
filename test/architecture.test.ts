/**
 * Keeps the house of DESIGN 3 standing: reads the imports of every file in src and compares them with the rules A1-A7 of
 * `test/support/architecture.ts`. Planted sources prove that every rule notices its breach.
 */
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { breachesOf, type Rules, type Sources } from "./support/architecture.ts";
import { codeOf, importsOf } from "./support/imports.ts";

/** Files of runtime and actors that may use what A7 forbids, with what they may use. Keep it short: time is a port (L9). */
const allowed: Rules["allowed"] = {};
const { dependencies } = JSON.parse(readFileSync("package.json", "utf8"));
const rules: Rules = { dependencies: Object.keys(dependencies), allowed };

function sources(): Sources {
  const names = readdirSync("src", { recursive: true, encoding: "utf8" }).filter((name) => /\.[cm]?tsx?$/.test(name));
  return new Map(names.sort().map((name) => [`src/${name.replaceAll("\\", "/")}`, readFileSync(join("src", name), "utf8")]));
}

const planted = (files: Record<string, string>, extra: Partial<Rules> = {}) =>
  breachesOf(new Map(Object.entries(files)), { ...rules, ...extra });

test("the sources keep the rules of the house", () => {
  expect(sources().size).toBeGreaterThan(0);
  expect(breachesOf(sources(), rules)).toEqual([]);
});

test("a house in order has no breaches", () => {
  const files = {
    "src/runtime/index.ts": `export { shard } from "./shard/shard.ts";`,
    "src/runtime/kernel/ids.ts": `import { createHash } from "node:crypto"; // import "zod"\nexport const company = "any Date.now";`,
    "src/runtime/shard/shard.ts": `import { company } from "../kernel/ids.ts"; export const shard = company;`,
    "src/actors/ledger/account.ts": `import { z } from "zod"; import { shard } from "../../runtime/index.ts"; export const a = [z, shard];`,
    "src/system/http/server.ts": `import Fastify from "fastify"; import { z } from "zod"; import { a } from "../../actors/ledger/account.ts"; import "../../runtime/records.ts"; setTimeout(() => [Fastify, z, a], Date.now());`,
    "src/system/http/problem.ts": `import type { FastifyReply } from "fastify";`,
    "src/system/comlink-node-adapter.d.ts": `declare module "comlink/x" { import type { Endpoint } from "comlink"; export default nodeEndpoint; }`,
    "src/system/threads/control.ts": `import { wrap } from "comlink"; import { virtualClock } from "../../runtime/testing/index.ts";`,
  };
  expect(planted(files)).toEqual([]);
});

test.each<[string, string, string, string]>([
  ["A1", "src/runtime/kernel/x.ts", `import { a } from "../../system/main.ts";`, "runtime must not import src/system/main.ts"],
  ["A1", "src/actors/x.ts", `export * from "../system/main.ts";`, "actors must not import src/system/main.ts"],
  ["A1", "src/runtime/index.ts", `type A = typeof import("../actors/a.ts");`, "runtime must not import src/actors/a.ts"],
  ["A1", "src/system/x.ts", `import pkg from "../../package.json" with { type: "json" };`, "outside src"],
  ["A2", "src/runtime/kernel/x.ts", `import { z } from "zod";`, "runtime must not import zod"],
  ["A2", "src/runtime/kernel/x.ts", `const p = await import("pino");`, "runtime must not import pino"],
  ["A2", "src/actors/x.ts", `import { readFileSync } from "node:fs";`, "actors must not import node:fs"],
  ["A2", "src/actors/x.ts", `import type {\n  Logger,\n} from "pino";`, "actors must not import pino"],
  ["A3", "src/system/x.ts", `import { f } from "../runtime/kernel/fault.ts";`, "enters runtime by src/runtime/kernel/fault.ts"],
  ["A3", "src/actors/x.ts", `import { c } from "../runtime/testing/index.ts";`, "enters runtime by src/runtime/testing/index.ts"],
  [
    "A4",
    "src/runtime/kernel/x.ts",
    `import type { M } from "../mailbox/mailbox.ts";`,
    "runtime/kernel must not import src/runtime/mailbox/mailbox.ts",
  ],
  ["A4", "src/runtime/shard/x.ts", `import "../index.ts";`, "runtime/shard must not import src/runtime/index.ts"],
  ["A4", "src/runtime/utils/x.ts", `import { a } from "../kernel/a.ts";`, "utils is no known folder"],
  ["A5", "src/system/http/x.ts", `import leftPad from "left-pad";`, "left-pad is not in the dependencies"],
  ["A5", "src/system/http/x.ts", `import { bench } from "tinybench";`, "tinybench is not in the dependencies"],
  ["A6", "src/system/x.ts", `export default 1;`, "default export"],
  ["A6", "src/system/x.ts", `const a = 1; export { a as default };`, "default export"],
  ["A6", "src/system/x.ts", `import { a } from "./x.ts";`, "import cycle src/system/x.ts > src/system/x.ts"],
  ["A7", "src/actors/x.ts", `const a: any = 1;`, "uses any"],
  ["A7", "src/runtime/kernel/x.ts", `const a = new Map<string, any>();`, "uses any"],
  ["A7", "src/runtime/kernel/x.ts", `const a = b as any;`, "uses any"],
  ["A7", "src/runtime/kernel/x.ts", `const a = \`at \${Date.now()}\`;`, "uses Date.now"],
  ["A7", "src/actors/x.ts", `const a = new Date();`, "uses new Date()"],
  ["A7", "src/actors/x.ts", `const a = Math.random();`, "uses Math.random"],
  ["A7", "src/runtime/shard/x.ts", `setTimeout(run, 1);`, "uses setTimeout"],
  ["A7", "src/runtime/shard/x.ts", `const a = performance.now();`, "uses performance.now"],
  ["A7", "src/runtime/shard/x.ts", `import { randomUUID } from "node:crypto";`, "uses a random source"],
])("%s notices in %s: %s", (_rule, path, text, what) => {
  const breaches = planted({ [path]: text });
  expect(breaches).toHaveLength(1);
  expect(breaches[0]).toContain(path);
  expect(breaches[0]).toContain(what);
});

test("A5 notices a package in two folders of system, by type too", () => {
  const files = {
    "src/system/http/a.ts": `import Fastify from "fastify";`,
    "src/system/admin/b.ts": `import type { FastifyReply } from "fastify";`,
  };
  expect(planted(files)).toEqual(["src/system/http/a.ts, src/system/admin/b.ts: fastify is imported in 2 folders of system"]);
});

test("A6 notices a cycle over several files", () => {
  const files = { a: "b", b: "c", c: "a" };
  const texts = Object.entries(files).map(([from, to]) => [`src/actors/${from}.ts`, `import type { X } from "./${to}.ts";`]);
  expect(planted(Object.fromEntries(texts))).toEqual([
    "src/actors/a.ts: import cycle src/actors/a.ts > src/actors/b.ts > src/actors/c.ts > src/actors/a.ts",
  ]);
});

test("A7 lets a named file use what it is allowed, and nothing else", () => {
  const files = { "src/runtime/kernel/clock.ts": `export const now = () => Date.now() + Math.random();` };
  expect(planted(files, { allowed: { "src/runtime/kernel/clock.ts": ["Date.now"] } })).toEqual([
    "src/runtime/kernel/clock.ts: uses Math.random",
  ]);
});

test("imports are found in code only", () => {
  const source = [
    `/* import "a" */ import b, { type B } from 'b'; // import "c"`,
    `const text = \`import "d" \${await import("e")} from "f"\`;`,
    `const quote = /["'/]/; import "g"; export type { H } from "h"; export const from = "i";`,
    `const half = 4 / 2; const s = "it's /* not"; export * as j from "j"; const k = x ? y / 1 : "k";`,
  ].join("\n");
  expect(importsOf(source)).toEqual(["b", "e", "g", "h", "j"]);
  expect(codeOf(source)).toHaveLength(source.length);
});
