// Finds or obtains nats-server without root: PATH, /usr/sbin, .tools, else Debian's package unpacked into .tools.
// Plain JavaScript, because set-up runs it under the machine's own Node.
import { spawnSync } from "node:child_process";
import { accessSync, constants, existsSync, mkdirSync, readdirSync, renameSync, rmSync } from "node:fs";
import { delimiter, join } from "node:path";
import { fileURLToPath } from "node:url";

const tools = fileURLToPath(new URL("../.tools", import.meta.url));
const unpacked = join(tools, "nats-server");
const stepMsMax = 60_000; // per apt call: a network that swallows packets must not hang the tests

/** The path of a nats-server that can be run, or undefined. Looks only, changes nothing. */
export function findNatsServer() {
  const folders = [...(process.env.PATH ?? "").split(delimiter).filter(Boolean), "/usr/sbin", join(unpacked, "usr", "sbin")];
  return folders.map((folder) => join(folder, "nats-server")).find(isRunnable);
}

function isRunnable(path) {
  try {
    accessSync(path, constants.X_OK);
    return true;
  } catch {
    return false;
  }
}

/** Downloads and unpacks Debian's package. Needs apt-get, dpkg and the network. @throws {Error} saying which step failed. */
export function obtainNatsServer() {
  const work = join(tools, "nats-server.work");
  rmSync(work, { recursive: true, force: true });
  // apt wants its partial folders to exist, and state of its own because we are not root.
  mkdirSync(join(work, "lists", "partial"), { recursive: true });
  mkdirSync(join(work, "cache", "archives", "partial"), { recursive: true });
  const options = [
    ...["-o", `Dir::State::Lists=${join(work, "lists")}`, "-o", `Dir::Cache=${join(work, "cache")}`, "-o", "APT::Sandbox::User="],
    ...["-o", "Acquire::Retries=1", "-o", "Acquire::http::Timeout=10", "-o", "Acquire::https::Timeout=10"],
  ];
  try {
    run("apt-get", [...options, "-q", "update"], work);
    run("apt-get", [...options, "-q", "download", "nats-server"], work);
    const deb = readdirSync(work).find((name) => name.endsWith(".deb"));
    if (deb === undefined) throw new Error("apt-get download left no .deb file");
    run("dpkg", ["-x", join(work, deb), join(work, "root")], work);
    if (!existsSync(join(work, "root", "usr", "sbin", "nats-server"))) throw new Error(`${deb} holds no usr/sbin/nats-server`);
    rmSync(unpacked, { recursive: true, force: true });
    renameSync(join(work, "root"), unpacked); // Last and at once: a half unpacked server is never found.
  } finally {
    rmSync(work, { recursive: true, force: true });
  }
  return join(unpacked, "usr", "sbin", "nats-server");
}

function run(command, args, cwd) {
  const result = spawnSync(command, args, {
    cwd,
    encoding: "utf8",
    timeout: stepMsMax,
    killSignal: "SIGKILL",
    stdio: ["ignore", "pipe", "pipe"],
  });
  if (result.error !== undefined) throw new Error(`${command}: ${result.error.message}`);
  if (result.status === 0) return;
  const last = `${result.stdout}\n${result.stderr}`.trim().split("\n").at(-1);
  throw new Error(`${command} ${args.at(-1)} ended with ${result.signal ?? `code ${result.status}`}: ${last}`);
}
