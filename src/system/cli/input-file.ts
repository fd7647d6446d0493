import { closeSync, createReadStream, openSync, readSync, statSync } from "node:fs";
import { pipeline, type Readable } from "node:stream";
import { createGunzip } from "node:zlib";
import { CliError, errnoOf } from "./cli-error.ts";

/** The bytes of a file, unpacked when its first ones say that it is gzipped; in a stream. */
export function bytesOf(path: string): Readable {
  const file = createReadStreamOf(path);
  if (!isGzip(path)) return file;
  const plain = createGunzip();
  // Errors of either end in `plain`, whose reader meets them.
  pipeline(file, plain, () => undefined);
  return plain;
}

/** What went wrong with the file, said with its name: a CliError, or the cause itself when it has to do with something else. `expected`: what the file should be. */
export function fileError(cause: unknown, path: string, expected: string): unknown {
  if (cause instanceof CliError) return new CliError(cause.code, `${path}: ${cause.message}`, { cause });
  const code = errnoOf(cause);
  if (code === null || !(code in WHY_NOT_READ || code.startsWith("Z_"))) return cause;
  const why = WHY_NOT_READ[code] ?? "it is gzipped and damaged or cut off";
  return new CliError("FILE_UNREADABLE", `${path} cannot be read: ${why}. Expected ${expected}, plain or gzipped.`, { cause });
}

const WHY_NOT_READ: Readonly<Record<string, string>> = {
  ENOENT: "there is no such file",
  EACCES: "this user may not read it",
  EISDIR: "it is a folder",
};

function createReadStreamOf(path: string): Readable {
  if (statSync(path).isDirectory()) throw Object.assign(new Error("a folder"), { code: "EISDIR" });
  return createReadStream(path);
}

function isGzip(path: string): boolean {
  const file = openSync(path, "r");
  try {
    const head = Buffer.alloc(2);
    return readSync(file, head, 0, 2, 0) === 2 && head[0] === 0x1f && head[1] === 0x8b;
  } finally {
    closeSync(file);
  }
}
