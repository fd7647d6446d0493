// Loads what a start of the program loads, under the same flags, so that the first one finds it compiled and without its types.
import { useCompiledCode } from "../src/system/compiled-code.ts";
import { keepYoungHeapYoung } from "../src/system/young-heap.ts";

keepYoungHeapYoung();
useCompiledCode();
for (const module of ["cli/program", "cli/start-command", "http/index"])
  await import(new URL(`../src/system/${module}.ts`, import.meta.url));
