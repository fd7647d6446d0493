/** A server in a process of its own that a check may kill: started as the command line starts it, on a data folder that outlives it. */
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { readFileSync } from "node:fs";
import { createInterface } from "node:readline";
import { setTimeout as delay } from "node:timers/promises";
import { fileURLToPath } from "node:url";

const root = fileURLToPath(new URL("../..", import.meta.url));
const READY_MS_MAX = 60_000;
const STOP_MS_MAX = 90_000;
const WORDS_MAX = 10_000;

export interface KillableOptions {
  readonly dataDir: string;
  /** Settings as environment variables, e.g. `TROUPE_SHARD_THREADS`. */
  readonly env?: Readonly<Record<string, string>>;
  /** Further words of the command line. */
  readonly args?: readonly string[];
}

/** A running server. */
export class KillableServer {
  readonly url: string;
  /** From the spawn of the process to the first 200 of `/readyz`, in milliseconds. */
  readonly readyMs: number;
  readonly #child: ChildProcess;
  readonly #exited: Promise<unknown>;
  readonly #words: { readonly said: string };

  private constructor(
    child: ChildProcess,
    exited: Promise<unknown>,
    words: { readonly said: string },
    ready: { readonly url: string; readonly readyMs: number },
  ) {
    this.#child = child;
    this.#exited = exited;
    this.#words = words;
    this.url = ready.url;
    this.readyMs = ready.readyMs;
  }

  /** Starts `troupe start` on a free port of the loopback and waits until it is ready. @throws Error with the server's own words. */
  static async start({ dataDir, env = {}, args = [] }: KillableOptions): Promise<KillableServer> {
    const startedAt = performance.now();
    const settings = { TROUPE_HTTP_PORT: "0", TROUPE_HTTP_HOST: "127.0.0.1", TROUPE_DATA_DIR: dataDir, TROUPE_LOG_LEVEL: "error", ...env };
    const child = spawn(process.execPath, ["src/system/cli/troupe.ts", "start", "--json", ...args], {
      cwd: root,
      env: { ...process.env, ...settings },
      stdio: ["ignore", "pipe", "pipe"],
    });
    const exited = once(child, "exit");
    living.add(child);
    void exited.then(() => living.delete(child));
    const words = { said: "" };
    const hear = (text: string): void => {
      words.said = (words.said + text).slice(-WORDS_MAX);
    };
    child.stderr.on("data", (chunk: Buffer) => hear(chunk.toString()));
    const announced = new Promise<string>((resolve) => {
      createInterface({ input: child.stdout }).on("line", (line) => {
        hear(`${line}\n`);
        const url = urlIn(line);
        if (url !== null) resolve(url);
      });
    });
    const url = await Promise.race([announced, exited.then(() => null), delay(READY_MS_MAX, null, { ref: false })]);
    if (url === null || !(await isReady(url, startedAt))) {
      child.kill("SIGKILL");
      await exited;
      throw new Error(`the server did not become ready:\n${words.said}`);
    }
    return new KillableServer(child, exited, words, { url, readyMs: performance.now() - startedAt });
  }

  /** The last of what it wrote. */
  get said(): string {
    return this.#words.said;
  }

  /** Ends the process at once, as a power cut of the machine's would end it but for the disk: nothing in it gets to run any more. */
  kill(): void {
    this.#child.kill("SIGKILL");
  }

  /** Resolves when the process is gone. */
  async gone(): Promise<void> {
    await this.#exited;
  }

  /** Stops it in order. @returns its exit code, null when it had to be killed. */
  async stop(): Promise<number | null> {
    this.#child.kill("SIGTERM");
    const timer = setTimeout(() => this.kill(), STOP_MS_MAX);
    await this.#exited;
    clearTimeout(timer);
    return this.#child.exitCode;
  }

  /** Resident memory in KiB, as the kernel counts it. */
  rssKiB(): number {
    return Number(/VmRSS:\s+(\d+)/.exec(readFileSync(`/proc/${this.#child.pid}/status`, "utf8"))?.[1] ?? 0);
  }
}

/** A check that ends early must not leave servers behind. */
const living = new Set<ChildProcess>();
process.on("exit", () => {
  for (const child of living) child.kill("SIGKILL");
});
for (const signal of ["SIGINT", "SIGTERM"] as const) process.once(signal, () => process.exit(1));

/** The line that announces readiness under `--json`. */
function urlIn(line: string): string | null {
  try {
    const { ready, url } = JSON.parse(line) as { readonly ready?: unknown; readonly url?: unknown };
    return ready === true && typeof url === "string" ? url : null;
  } catch {
    return null;
  }
}

async function isReady(url: string, startedAt: number): Promise<boolean> {
  while (performance.now() - startedAt < READY_MS_MAX) {
    try {
      const answer = await fetch(`${url}/readyz`);
      await answer.text();
      if (answer.ok) return true;
    } catch {
      return false; // It announced itself and listens no more: it is gone.
    }
    await delay(5);
  }
  return false;
}
