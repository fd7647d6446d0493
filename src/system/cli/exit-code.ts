/** What the exit code of a command says to whoever started it, for example a supervisor. */
import type { Result } from "./command.ts";

/** Done as asked; for `start`: stopped in order with nothing left unanswered. */
export const EXIT_OK = 0;
/** It failed, and may succeed when it is tried again. */
export const EXIT_FAILED = 1;
/** Refused for a reason that trying again does not change (EX_CONFIG of sysexits.h): somebody has to look. */
export const EXIT_REFUSED = 78;

const REFUSED: ReadonlySet<unknown> = new Set([
  "USAGE",
  "CONFIG_INVALID",
  "PLATFORM_UNSUPPORTED",
  "DATA_DIR_IN_USE",
  "FORMAT_UNSUPPORTED",
  "JOURNAL_CORRUPT",
  "JOURNAL_TRUNCATED",
]);

/** The exit code of a result: its own `exitCode` when it has one (a supervisor's is its node's), else by its `code`. */
export function exitCodeOf({ ok, code, exitCode }: Result): number {
  if (ok) return EXIT_OK;
  if (typeof exitCode === "number" && exitCode !== EXIT_OK) return exitCode;
  return REFUSED.has(code) ? EXIT_REFUSED : EXIT_FAILED;
}
