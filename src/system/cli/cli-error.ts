import { Fault } from "../../runtime/index.ts";
import { ConfigError } from "../config/config.ts";

/**
 * A command could not do what it was asked. The message is for the person at the terminal: what happened, what was expected, what to do.
 * `code` is for programs that read `--json`.
 */
export class CliError extends Error {
  readonly code: string;
  /** The same read has a chance to succeed soon. */
  readonly isRetryable: boolean;

  constructor(code: string, message: string, options: { readonly cause?: unknown; readonly isRetryable?: boolean } = {}) {
    super(message, { cause: options.cause });
    this.name = "CliError";
    this.code = code;
    this.isRetryable = options.isRetryable ?? false;
  }
}

/** An error as it is told: `isDefect` when nobody foresaw it, so that its stack is worth showing. */
export interface Told {
  readonly code: string;
  readonly message: string;
  readonly isDefect: boolean;
}

/** Says an error in words. Never throws. */
export function told(error: unknown): Told {
  if (error instanceof CliError) return { code: error.code, message: error.message, isDefect: false };
  // Its message begins with its code; said once is enough.
  if (error instanceof ConfigError) return { code: error.code, message: error.message.replace(/^CONFIG_INVALID: /, ""), isDefect: false };
  if (error instanceof Fault) return { code: error.code, message: error.message, isDefect: error.code === "INTERNAL_ERROR" };
  if (error instanceof Error) return { code: "INTERNAL_ERROR", message: error.stack ?? error.message, isDefect: true };
  return { code: "INTERNAL_ERROR", message: String(error), isDefect: true };
}

/** The code of an operating system error, like ENOENT; null when there is none. */
export function errnoOf(error: unknown): string | null {
  const code = error instanceof Error && "code" in error ? error.code : null;
  return typeof code === "string" ? code : null;
}
