/**
 * What Node.js compiled and stripped of types is kept for the next start, in one folder beside the packages for the main thread and all others. Loading modules
 * is most of a start, and half of that is saved. The set-up fills nearly all of it (`tools/compile.mjs`); what it lacks is added as threads have
 * loaded, and when the process ends in order. Inside, Node.js has a folder for each of its versions, each user and each set of V8's flags (two here: see
 * `young-heap.ts`). Any of it may be deleted at any time.
 */
import { accessSync, constants, mkdirSync } from "node:fs";
import { enableCompileCache } from "node:module";
import { fileURLToPath } from "node:url";

const FOLDER = fileURLToPath(new URL("../../node_modules/.cache/compiled", import.meta.url));

/**
 * For the main thread, before anything else is loaded, where `npm start` has not named a folder: the entry of the program is read before this can be called, and
 * stripping one file of its types takes 40 ms. A folder that this user cannot write is no failure: then the main thread compiles at each start.
 */
export function useCompiledCode(): void {
  enableCompileCache(FOLDER);
}

/** Where threads keep theirs, in the folder that the environment names or ours: `otherwise` when this user may not write beside the packages. */
export function compiledCodeFolder(otherwise: string, folder = process.env.NODE_COMPILE_CACHE || FOLDER): string {
  try {
    mkdirSync(folder, { recursive: true });
    accessSync(folder, constants.W_OK);
    return folder;
  } catch {
    return otherwise;
  }
}
