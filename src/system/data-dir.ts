import {
  chmodSync,
  closeSync,
  existsSync,
  fsyncSync,
  mkdirSync,
  openSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  writeFileSync,
} from "node:fs";
import { dirname, join, resolve } from "node:path";
import { Fault } from "../runtime/index.ts";
import { tryLock } from "./sqlite/file-lock.ts";

/** Who runs on a data directory, for people and for programs that look for the URLs. */
export interface RunFile {
  readonly pid: number;
  readonly urls: readonly string[];
  /** Of the admin port; null while there is none. */
  readonly adminUrl: string | null;
  /** ISO 8601. */
  readonly startedAt: string;
}

/**
 * The data directory of one process. The lock is the operating system's: it ends with the process however that dies, so nothing stale ever
 * has to be cleaned up, and `run.json` is believed only while somebody holds the lock.
 */
export class DataDir implements Disposable {
  readonly path: string;
  readonly #lock: Disposable;
  readonly #startedAt = new Date().toISOString();

  /**
   * Makes the directory (only its owner may look into it) and takes it.
   * @throws Fault `DATA_DIR_IN_USE` naming the process that has it; `CONFIG_INVALID` when it is no directory or cannot be written.
   */
  constructor(dir: string) {
    this.path = resolve(dir);
    makeFolder(this.path);
    const lock = tryLock(join(this.path, "lock.db"));
    if (lock === null) throw inUse(this.path);
    this.#lock = lock;
    this.announce([]);
  }

  /** Writes `run.json`. To be called again when the URLs are known. */
  announce(urls: readonly string[], adminUrl: string | null = null): void {
    const content: RunFile = { pid: process.pid, urls, adminUrl, startedAt: this.#startedAt };
    const whole = join(this.path, "run.json");
    writeFileSync(`${whole}.new`, `${JSON.stringify(content)}\n`, { mode: 0o600 });
    renameSync(`${whole}.new`, whole); // At once: a reader never sees half of it.
  }

  /** Removes `run.json` and lets the directory go. */
  close(): void {
    rmSync(join(this.path, "run.json"), { force: true });
    this.#lock[Symbol.dispose]();
  }

  [Symbol.dispose](): void {
    this.close();
  }
}

/** What `run.json` of a directory says, null when there is none. It may be left over from a process that was killed. */
export function readRunFile(dir: string): RunFile | null {
  try {
    const { pid, urls, adminUrl = null, startedAt } = JSON.parse(readFileSync(join(dir, "run.json"), "utf8")) as Partial<RunFile>;
    if (typeof pid !== "number" || !Array.isArray(urls) || typeof startedAt !== "string") return null;
    return { pid, urls, adminUrl, startedAt };
  } catch {
    return null;
  }
}

/**
 * What the process that runs on the directory said of itself; null when none does. Left over from a process that was killed, run.json may name a port
 * that is somebody else's by now; the lock never lies.
 */
export function runFileOf(dir: string): RunFile | null {
  const path = join(dir, "lock.db");
  if (!existsSync(path)) return null; // Trying the lock would make the file.
  const lock = tryLock(path);
  lock?.[Symbol.dispose]();
  return lock === null ? readRunFile(dir) : null;
}

function inUse(dir: string): Fault {
  const run = readRunFile(dir);
  const who = run === null ? "another process, which is just starting," : `process ${run.pid}`;
  const url = run?.urls[0];
  const way = url === undefined ? "Use --url to talk to it" : `Use --url ${url} to talk to it`;
  return new Fault("DATA_DIR_IN_USE", `${dir} is in use by ${who}. ${way}, stop it, or choose another directory with --data.dir.`);
}

function makeFolder(path: string): void {
  try {
    const made = topmostMade(path);
    if (made !== undefined) {
      chmodSync(path, 0o700); // The umask may have taken more away, or a parent's default may have added.
      syncFolders(path, made);
    }
    if (statSync(path).isDirectory()) return;
  } catch (cause) {
    const why = cause instanceof Error ? cause.message : String(cause);
    throw new Fault("CONFIG_INVALID", `data.dir: ${path} cannot be made or used: ${why}`, { cause });
  }
  throw new Fault("CONFIG_INVALID", `data.dir: ${path} is not a directory.`);
}

/**
 * Makes the folder and those above it that are missing; undefined when none was. Not by `recursive`: that never returns where the system says that
 * there is no such folder although its parent is there, as in /proc (Node.js 24.21).
 */
function topmostMade(path: string): string | undefined {
  try {
    return isMade(path) ? path : undefined;
  } catch (cause) {
    if ((cause as NodeJS.ErrnoException).code !== "ENOENT" || dirname(path) === path) throw cause;
  }
  const above = topmostMade(dirname(path));
  return isMade(path) ? (above ?? path) : above;
}

/** False when it is there, by whomever it was made. */
function isMade(path: string): boolean {
  try {
    mkdirSync(path, { mode: 0o700 });
    return true;
  } catch (cause) {
    if ((cause as NodeJS.ErrnoException).code === "EEXIST") return false;
    throw cause;
  }
}

/** A new folder's name lies in its parent: without this a power cut could take the folder away with all that was acknowledged in it. */
function syncFolders(path: string, topmostMade: string): void {
  for (let folder = path; ; folder = dirname(folder)) {
    const parent = openSync(dirname(folder), "r");
    try {
      fsyncSync(parent);
    } finally {
      closeSync(parent);
    }
    if (folder === topmostMade || folder === dirname(folder)) return;
  }
}
