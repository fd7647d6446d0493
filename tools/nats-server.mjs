// Finds or obtains nats-server without root, in the two lines of versions that Troupe is tested with: PATH, /usr/sbin, .tools, else the packages of
// the two releases of Debian that hold them, unpacked into .tools.
import { spawnSync } from "node:child_process";
import { join } from "node:path";
import { findProgram, unpackedFolder, unpackPackages } from "./debian-package.mjs";

const name = "nats-server";

/** Which release of Debian holds which line of versions: 2.9.10 and 2.10.27. */
const releases = { 2.9: "bookworm", "2.10": "trixie" };

/** The lines of versions, the oldest first. */
export const natsLines = Object.keys(releases);

/** The path of a nats-server of this line that can be run, or undefined. Looks only, changes nothing. */
export const findNatsServer = (line = "2.10") =>
  findProgram(name, ["/usr/sbin", join(unpackedFolder(`${name}-${line}`), "usr", "sbin")], (path) => lineOf(path) === line);

/** Downloads and unpacks Debian's package. Needs apt-get, dpkg and the network. @throws {Error} saying which step failed, or which version came instead. */
export function obtainNatsServer(line) {
  const path = unpackPackages(`${name}-${line}`, { packages: [name], program: join("usr", "sbin", name), release: releases[line] });
  if (lineOf(path) !== line) throw new Error(`${path} is ${lineOf(path) ?? "no program that runs here"}, expected ${line}`);
  return path;
}

/** `2.10` of a program that says `nats-server: v2.10.27`. */
function lineOf(path) {
  const { stdout } = spawnSync(path, ["--version"], { encoding: "utf8", timeout: 10_000 });
  return /v(\d+\.\d+)\./.exec(stdout ?? "")?.[1];
}
