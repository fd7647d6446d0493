/** `troupe keys give-up`: the way on for a store whose keys of conversations are gone for good. */
import { existsSync } from "node:fs";
import { DataDir } from "../data-dir.ts";
import { giveKeysUp } from "../keys/lost-keys.ts";
import { storePaths } from "../sqlite/open-stores.ts";
import { CliError } from "./cli-error.ts";
import { configOf, counted, type Result, type Run, say } from "./command.ts";

/** Refused while a node runs on the store, and when there are keys. @throws CliError, Fault `DATA_DIR_IN_USE`. */
export function runGiveUp(run: Run, dataDir?: string): Result {
  const { data, journal } = configOf(run, dataDir);
  const { dir } = data;
  const paths = storePaths(dir);
  if (!existsSync(paths.journal))
    throw new CliError("STORE_NOT_FOUND", `there is no store in ${dir} (no journal.db). Name its folder with --data-dir`);
  using _held = new DataDir(dir);
  const conversations = giveKeysUp({ dir, busyTimeoutMs: journal.busyTimeoutMs });
  if (conversations === null)
    throw new CliError(
      "KEYS_PRESENT",
      `${paths.keys} is there and holds keys; nothing was changed. To make a conversation unreadable, delete it.`,
    );
  say(run, `${paths.keys} is made. The texts of ${counted(conversations)} conversations cannot be read any more; a start works again.`);
  return { ok: true, conversations };
}
