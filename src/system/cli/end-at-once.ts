import { spawn } from "node:child_process";

/**
 * Ends this process with exit code 1; where that does not happen at once, by SIGKILL. `process.exit` waits for every thread, and one that waits for another
 * program's lock on the journal, or for a disk, cannot be cut short: that took as long as `journal.busyTimeoutMs`. As nothing of this process runs meanwhile, a child
 * counts the time. It ends without doing anything when this process is gone, which it sees by the end of its standard input.
 */
export function endAtOnce(): never {
  try {
    const watch = spawn(process.execPath, ["--eval", WATCH, String(process.pid)], { stdio: ["pipe", "ignore", "ignore"], detached: true });
    watch.on("error", () => undefined);
    watch.unref();
  } finally {
    process.exit(1);
  }
}

const EXIT_MS_MAX = 1_000;
const WATCH = `process.stdin.on("error", () => process.exit()).on("end", () => process.exit()).resume();
setTimeout(() => { try { process.kill(Number(process.argv[1]), "SIGKILL"); } finally { process.exit(); } }, ${EXIT_MS_MAX});`;
