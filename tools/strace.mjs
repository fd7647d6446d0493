// Finds or obtains strace without root: PATH, /usr/bin, .tools, else Debian's package unpacked into .tools. Tests make a process's own
// fsync and write fail with it, which needs neither root nor a compiler.
import { spawnSync } from "node:child_process";
import { existsSync, readdirSync } from "node:fs";
import { join } from "node:path";
import { findProgram, unpackedFolder, unpackPackages } from "./debian-package.mjs";

const name = "strace";
const unpacked = unpackedFolder(name);

/** The path of a strace that can be run, or undefined. Looks only, changes nothing. */
export const findStrace = () => (process.platform === "linux" ? findProgram(name, ["/usr/bin", join(unpacked, "usr", "bin")]) : undefined);

/** Downloads and unpacks Debian's packages. Needs apt-get, dpkg and the network. @throws {Error} saying which step failed. */
export const obtainStrace = () => unpackPackages(name, { packages: [name, "libunwind8"], program: join("usr", "bin", name) });

/**
 * How to run a command under strace: command, arguments before the traced command, environment. The libraries of an unpacked strace are
 * for it alone, so the traced command gets the environment without them.
 */
export function straceCommand(path, args) {
  if (!path.startsWith(unpacked)) return { command: path, args, env: process.env };
  const libraries = join(unpacked, "usr", "lib");
  const folders = existsSync(libraries) ? readdirSync(libraries).map((folder) => join(libraries, folder)) : [];
  return { command: path, args: [...args, "-E", "LD_LIBRARY_PATH"], env: { ...process.env, LD_LIBRARY_PATH: folders.join(":") } };
}

/** Why strace cannot trace here, or null when it can: some containers forbid it. */
export function whyNoTracing() {
  const path = findStrace();
  if (path === undefined) return "strace is not here";
  const { command, args, env } = straceCommand(path, ["-f", "-qq", "-o", "/dev/null", "-e", "trace=fdatasync"]);
  const { status, stderr, error } = spawnSync(command, [...args, process.execPath, "--version"], {
    env,
    encoding: "utf8",
    timeout: 20_000,
  });
  return status === 0 ? null : `strace cannot trace here: ${error?.message ?? stderr.trim().split("\n").at(-1)}`;
}
