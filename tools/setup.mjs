// Makes the clone ready to run: the locked packages, the pinned Node among them; with --test also nats-server and strace.
// Plain JavaScript for the machine's own Node (20 is enough), before anything is installed. All text goes to stderr,
// because the standard output belongs to the command that runs next.
//
// S1. The stamp is written last and lives inside node_modules, so an interrupted install is never taken for a whole one.
// S2. One set-up at a time in one clone: the lock file names its holder and npm's process; it is taken over when both are gone.
import { spawn, spawnSync } from "node:child_process";
import { createHash } from "node:crypto";
import { appendFileSync, existsSync, linkSync, mkdirSync, readFileSync, renameSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { findNatsServer, natsLines, obtainNatsServer } from "./nats-server.mjs";
import { findStrace, obtainStrace } from "./strace.mjs";

const root = fileURLToPath(new URL("..", import.meta.url));
const lockFile = join(root, ".setup.lock");
const stampFile = join(root, "node_modules", ".troupe-setup");
const pinnedNode = join(root, "node_modules", ".bin", "node");
const lockWaitMsMax = 600_000; // An install takes seconds; after this a person must look.
const compileMsMax = 60_000; // It takes one or two seconds.

const say = (text) => process.stderr.write(`troupe set-up: ${text}\n`);

function wantedStamp() {
  const hash = createHash("sha256");
  for (const name of ["package.json", "package-lock.json"]) hash.update(readFileSync(join(root, name))).update("\0");
  return hash.update(`${process.platform}-${process.arch}`).digest("hex");
}

function isInstalled() {
  if (!existsSync(stampFile) || readFileSync(stampFile, "utf8") !== wantedStamp()) return false;
  return spawnSync(pinnedNode, ["--version"], { stdio: "ignore" }).status === 0;
}

/** A process id alone may belong to somebody else by now; with its start time (Linux) it is one process. */
function processName(pid) {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, "utf8");
    return `${pid}:${stat.slice(stat.lastIndexOf(")") + 2).split(" ")[19]}`;
  } catch {
    return `${pid}:`;
  }
}

function isAlive(name) {
  const pid = Number(name.split(":")[0]);
  if (!Number.isSafeInteger(pid) || pid <= 0) return false;
  try {
    process.kill(pid, 0);
  } catch (error) {
    if (error.code === "ESRCH") return false; // EPERM: it lives and is another user's.
  }
  return processName(pid) === name;
}

function readLock() {
  try {
    return readFileSync(lockFile, "utf8");
  } catch (error) {
    if (error.code === "ENOENT") return undefined;
    throw error;
  }
}

/** Creates the lock whole (a link appears with its content, an opened file is empty first). False when somebody has it. */
function tryLock() {
  const mine = `${lockFile}.${process.pid}`;
  writeFileSync(mine, `${processName(process.pid)}\n`);
  try {
    linkSync(mine, lockFile);
    return true;
  } catch (error) {
    if (error.code === "EEXIST") return false;
    throw error;
  } finally {
    rmSync(mine, { force: true });
  }
}

/** Removes the lock of dead holders. Moved aside first and looked at: between reading and moving it may have become a living one's. */
function dropDeadLock(seen) {
  const aside = `${lockFile}.dead.${process.pid}`;
  try {
    renameSync(lockFile, aside);
    if (readFileSync(aside, "utf8") !== seen) linkSync(aside, lockFile);
  } catch (error) {
    if (error.code !== "ENOENT" && error.code !== "EEXIST") throw error;
  } finally {
    rmSync(aside, { force: true });
  }
}

async function withLock(work) {
  const startedMs = Date.now();
  for (let isTold = false; !tryLock(); ) {
    const seen = readLock();
    if (seen === undefined) continue;
    if (!seen.trim().split("\n").some(isAlive)) {
      dropDeadLock(seen);
      continue;
    }
    if (!isTold) say(`waiting for another set-up in this folder (process ${seen.split(":")[0]})`);
    isTold = true;
    if (Date.now() - startedMs > lockWaitMsMax) throw new Error(`${lockFile} is held for too long; remove it if nothing installs here`);
    await delay(200);
  }
  try {
    return await work();
  } finally {
    rmSync(lockFile, { force: true });
  }
}

/** `npm ci` by the npm that runs us. Its process goes into the lock: it outlives us when we are killed. */
function runNpmCi() {
  const flags = ["ci", "--include=dev", "--include=optional", "--engine-strict=false", "--loglevel=error"];
  const npm = process.env.npm_execpath;
  const isNpm = npm !== undefined && /npm-cli\.[cm]?js$/.test(npm);
  const [command, args] = isNpm ? [process.execPath, [npm, ...flags]] : ["npm", flags];
  return new Promise((resolve, reject) => {
    const child = spawn(command, args, { cwd: root, stdio: ["ignore", 2, 2] });
    if (child.pid !== undefined) appendFileSync(lockFile, `${processName(child.pid)}\n`);
    child.on("error", reject);
    child.on("exit", (code, signal) => (code === 0 ? resolve() : reject(new Error(`npm ci ended with ${signal ?? `code ${code}`}`))));
  });
}

/** Where no pinned Node exists (macOS, musl) the machine's own serves, if it is new enough for `using`, type stripping and Node-API 10. */
function useMachineNode() {
  if (Number(process.versions.node.split(".")[0]) < 24) {
    throw new Error(
      `there is no pinned Node for ${process.platform}-${process.arch} that runs here; install Node 24 or newer (Windows: use WSL)`,
    );
  }
  mkdirSync(join(root, "node_modules", ".bin"), { recursive: true });
  rmSync(pinnedNode, { force: true });
  symlinkSync(process.execPath, pinnedNode);
}

async function install() {
  if (isInstalled()) return; // Another set-up did it while we waited.
  say("installing the locked packages (once)");
  rmSync(stampFile, { force: true });
  await runNpmCi();
  if (spawnSync(pinnedNode, ["--version"], { stdio: "ignore" }).status !== 0) useMachineNode();
  if (!keepCompiledCode()) say("compiled code could not be kept; starts will take a little longer");
  writeFileSync(stampFile, wantedStamp());
}

/** See src/system/compiled-code.ts. The entry of the program is read before it can name a folder, so the environment names it, as `npm start` does. */
function keepCompiledCode() {
  const { NODE_COMPILE_CACHE: _, ...env } = process.env;
  const run = (args, more = {}) =>
    spawnSync(pinnedNode, args, { cwd: root, env: { ...env, ...more }, stdio: "ignore", timeout: compileMsMax }).status === 0;
  return (
    run(["tools/compile.mjs", "starting"]) &&
    run(["tools/compile.mjs", "serving"]) &&
    run(["src/system/cli/troupe.ts", "--help"], { NODE_COMPILE_CACHE: "node_modules/.cache/compiled" })
  );
}

/** What some tests need besides packages. Without the network all other tests still run; those say why they were skipped (of NATS: fail, where CI=true). */
const testPrograms = [
  ...natsLines.map((line) => ({ name: `nats-server ${line}`, find: () => findNatsServer(line), obtain: () => obtainNatsServer(line) })),
  { name: "strace", find: findStrace, obtain: obtainStrace },
];
const isMissing = ({ name, find }) => find() === undefined && (name !== "strace" || process.platform === "linux");

async function obtainForTests() {
  for (const { name, obtain } of testPrograms.filter(isMissing)) {
    say(`getting ${name} (once)`);
    try {
      say(`${name} is at ${obtain()}`);
    } catch (error) {
      say(`WARNING: ${name} is not here and cannot be had: ${error.message}. Tests that need it will not run.`);
    }
  }
}

try {
  const isForTests = process.argv.includes("--test");
  if (!isInstalled()) await withLock(install);
  if (isForTests && testPrograms.some(isMissing)) await withLock(obtainForTests);
} catch (error) {
  say(`FAILED: ${error.message}`);
  process.exitCode = 1;
}
