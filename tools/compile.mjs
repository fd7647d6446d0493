// Loads what a start of the program loads, so that the first one finds it compiled and without its types. `serving`: as threads find it that begin when the program
// serves, which is under other flags of V8.
import { useCompiledCode } from "../src/system/compiled-code.ts";
import { keepYoungHeapYoung } from "../src/system/young-heap.ts";

if (process.argv[2] === "serving") keepYoungHeapYoung();
useCompiledCode();
for (const module of ["cli/program", "cli/start-command", "http/index"])
  await import(new URL(`../src/system/${module}.ts`, import.meta.url));
