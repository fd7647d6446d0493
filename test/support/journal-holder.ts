/**
 * Another program that takes the write lock of a journal and keeps it, as a backup tool may. While it does, nothing can be committed, so a service
 * that keeps its word acknowledges nothing. Run as a program it is the holder itself: a process of its own, which ends by kill -9, because
 * a connection that is closed in order would write the dead server's log into the file.
 */
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { fileURLToPath } from "node:url";
import Database from "better-sqlite3";

const BUSY_MS_MAX = 10_000;

export class JournalHolder {
  readonly #child: ChildProcess;

  /** Starts the program; it holds nothing yet. */
  constructor(journalPath: string) {
    this.#child = spawn(process.execPath, [fileURLToPath(import.meta.url), journalPath], { stdio: ["pipe", "pipe", "inherit"] });
  }

  /** Resolves when nobody else can commit any more. @throws Error when the program ended instead. */
  async hold(): Promise<void> {
    this.#child.stdin?.write("hold\n");
    const ended = once(this.#child, "exit").then(() => Promise.reject(new Error("the journal's lock could not be taken")));
    ended.catch(() => undefined); // It ends in any case, mostly much later.
    await Promise.race([once(this.#child.stdout ?? this.#child, "data"), ended]);
  }

  /** Ends it; the operating system takes the lock away. */
  async kill(): Promise<void> {
    const gone = once(this.#child, "exit");
    if (this.#child.kill("SIGKILL")) await gone;
  }
}

if (import.meta.main) {
  const db = new Database(process.argv[2] ?? "", { timeout: BUSY_MS_MAX, fileMustExist: true });
  process.stdin.once("data", () => {
    db.exec("BEGIN IMMEDIATE");
    process.stdout.write("held\n");
  });
  // Whoever started it is gone: so is the reason to hold.
  process.stdin.once("end", () => process.exit(0));
}
