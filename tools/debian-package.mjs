// Programs that tests need, had without root: Debian's packages unpacked into .tools.
// Plain JavaScript, because set-up runs it under the machine's own Node.
import { spawnSync } from "node:child_process";
import { accessSync, constants, existsSync, mkdirSync, readdirSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { delimiter, join } from "node:path";
import { fileURLToPath } from "node:url";
import { sourcesOf } from "./debian-sources.mjs";

const tools = fileURLToPath(new URL("../.tools", import.meta.url));
const stepMsMax = 60_000; // per apt call: a network that swallows packets must not hang the tests

/** The folder that the packages of a program are unpacked into. */
export const unpackedFolder = (name) => join(tools, name);

/** The path of a program that can be run and is the right one, or undefined: looked for in PATH, then in `folders`. Changes nothing. */
export function findProgram(name, folders, isRight = () => true) {
  const all = [...(process.env.PATH ?? "").split(delimiter).filter(Boolean), ...folders];
  return all.map((folder) => join(folder, name)).find((path) => isRunnable(path) && isRight(path));
}

function isRunnable(path) {
  try {
    accessSync(path, constants.X_OK);
    return true;
  } catch {
    return false;
  }
}

/**
 * Downloads packages and unpacks them into one folder. Needs apt-get, dpkg and the network.
 * `program` is the path inside the folder that must be there afterwards. `release` is that of Debian from which they come, instead of the machine's own.
 * @throws {Error} saying which step failed.
 */
export function unpackPackages(name, { packages, program, release }) {
  const work = join(tools, `${name}.work`);
  rmSync(work, { recursive: true, force: true });
  // apt wants its partial folders to exist, and state of its own because we are not root.
  mkdirSync(join(work, "lists", "partial"), { recursive: true });
  mkdirSync(join(work, "cache", "archives", "partial"), { recursive: true });
  const options = [
    ...["-o", `Dir::State::Lists=${join(work, "lists")}`, "-o", `Dir::Cache=${join(work, "cache")}`, "-o", "APT::Sandbox::User="],
    ...["-o", "Acquire::Retries=1", "-o", "Acquire::http::Timeout=10", "-o", "Acquire::https::Timeout=10", "-o", "Acquire::Languages=none"],
  ];
  try {
    if (release !== undefined) options.push(...useSources(join(work, "sources"), sourcesOf(release)));
    run("apt-get", [...options, "-q", "update"], work);
    run("apt-get", [...options, "-q", "download", ...packages], work);
    const debs = readdirSync(work).filter((file) => file.endsWith(".deb"));
    if (debs.length !== packages.length) throw new Error(`apt-get download left ${debs.length} .deb files for ${packages.join(" ")}`);
    for (const deb of debs) run("dpkg", ["-x", join(work, deb), join(work, "root")], work);
    if (!existsSync(join(work, "root", program))) throw new Error(`${debs.join(" ")} holds no ${program}`);
    rmSync(unpackedFolder(name), { recursive: true, force: true });
    renameSync(join(work, "root"), unpackedFolder(name)); // Last and at once: a half unpacked program is never found.
  } finally {
    rmSync(work, { recursive: true, force: true });
  }
  return join(unpackedFolder(name), program);
}

/** The options with which apt knows these sources and no others. */
function useSources(folder, sources) {
  mkdirSync(folder);
  for (const [name, text] of Object.entries(sources)) writeFileSync(join(folder, name), text);
  return ["-o", "Dir::Etc::sourcelist=/dev/null", "-o", `Dir::Etc::sourceparts=${folder}`];
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
