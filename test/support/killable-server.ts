/** A server in a process of its own that a check may kill: started as the command line starts it, on a data folder that outlives it. */
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { readFileSync } from "node:fs";
import { createInterface } from "node:readline";
import { setTimeout as delay } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { NPM_START_ENV } from "./npm-start.ts";

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

/** What a server told under `--json`: one line when it is ready, in each of its lives, and one when it has ended. */
class Heard {
  said = "";
  /** Figures of the last line that had any. */
  figures: Readonly<Record<string, unknown>> = {};
  readonly lives: Array<{ readonly url: string; readonly pid: number }> = [];
  #waiting: Array<{ readonly lives: number; readonly resolve: () => void }> = [];

  text(text: string): void {
    this.said = (this.said + text).slice(-WORDS_MAX);
  }

  line(line: string): void {
    this.text(`${line}\n`);
    const fields = fieldsIn(line);
    if (fields === null) return;
    if (fields.ready !== true) this.figures = fields;
    else if (typeof fields.url === "string" && typeof fields.pid === "number") this.lives.push({ url: fields.url, pid: fields.pid });
    for (const { lives, resolve } of this.#waiting) if (this.lives.length >= lives) resolve();
    this.#waiting = this.#waiting.filter(({ lives }) => this.lives.length < lives);
  }

  async until(lives: number): Promise<void> {
    if (this.lives.length < lives) await new Promise<void>((resolve) => this.#waiting.push({ lives, resolve }));
  }
}

/** A running server. */
export class KillableServer {
  readonly url: string;
  /** From the spawn of the process to the first 200 of `/readyz`, in milliseconds. */
  readonly readyMs: number;
  readonly #child: ChildProcess;
  readonly #exited: Promise<unknown>;
  readonly #closed: Promise<unknown>;
  readonly #heard: Heard;

  private constructor(
    child: ChildProcess,
    ends: { readonly exited: Promise<unknown>; readonly closed: Promise<unknown> },
    heard: Heard,
    ready: { readonly url: string; readonly readyMs: number },
  ) {
    this.#child = child;
    this.#exited = ends.exited;
    this.#closed = ends.closed;
    this.#heard = heard;
    this.url = ready.url;
    this.readyMs = ready.readyMs;
  }

  /** Starts `troupe start` on a free port of the loopback and waits until it is ready. @throws Error with the server's own words. */
  static async start({ dataDir, env = {}, args = [] }: KillableOptions): Promise<KillableServer> {
    const startedAt = performance.now();
    const settings = { TROUPE_HTTP_PORT: "0", TROUPE_HTTP_HOST: "127.0.0.1", TROUPE_DATA_DIR: dataDir, TROUPE_LOG_LEVEL: "error", ...env };
    const child = spawn(process.execPath, ["src/system/cli/troupe.ts", "start", "--json", ...args], {
      cwd: root,
      env: { ...process.env, ...NPM_START_ENV, ...settings },
      stdio: ["ignore", "pipe", "pipe"],
    });
    const ends = { exited: once(child, "exit"), closed: once(child, "close") };
    living.add(child);
    void ends.exited.then(() => living.delete(child));
    const heard = new Heard();
    child.stderr.on("data", (chunk: Buffer) => heard.text(chunk.toString()));
    createInterface({ input: child.stdout }).on("line", (line) => heard.line(line));
    await Promise.race([heard.until(1), ends.exited, delay(READY_MS_MAX, null, { ref: false })]);
    const url = heard.lives[0]?.url;
    if (url === undefined || !(await isReady(url, startedAt))) {
      child.kill("SIGKILL");
      await ends.exited;
      throw new Error(`the server did not become ready:\n${heard.said}`);
    }
    return new KillableServer(child, ends, heard, { url, readyMs: performance.now() - startedAt });
  }

  /** The last of what it wrote. */
  get said(): string {
    return this.#heard.said;
  }

  /** The process that runs the node: under `--supervise` a child of the one that was started, and another one in each life. */
  get nodePid(): number {
    return this.#heard.lives.at(-1)?.pid ?? 0;
  }

  /** What it told when it had stopped in order. */
  get figures(): Readonly<Record<string, unknown>> {
    return this.#heard.figures;
  }

  /** Under `--supervise`: ends the node as `kill` does, and resolves when the next one is ready. @throws Error when it does not come. */
  async killNode(): Promise<void> {
    const startedAt = performance.now();
    const lives = this.#heard.lives.length + 1;
    process.kill(this.nodePid, "SIGKILL");
    await Promise.race([this.#heard.until(lives), this.#exited, delay(READY_MS_MAX, null, { ref: false })]);
    if (this.#heard.lives.length < lives || !(await isReady(this.url, startedAt)))
      throw new Error(`the node did not come back:\n${this.said}`);
  }

  /** Ends the process at once, as a power cut of the machine's would end it but for the disk: nothing in it gets to run any more. */
  kill(): void {
    this.#child.kill("SIGKILL");
  }

  /** Resolves when the process is gone. */
  async gone(): Promise<void> {
    await this.#exited;
  }

  /** Resolves when the process and every process that writes where it wrote are gone: a supervisor and its node. @throws Error at the limit. */
  async allGone(): Promise<void> {
    const isOver = await Promise.race([this.#closed.then(() => true), delay(STOP_MS_MAX, false, { ref: false })]);
    if (!isOver) throw new Error(`process ${this.nodePid} is still there:\n${this.said}`);
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

function fieldsIn(line: string): Readonly<Record<string, unknown>> | null {
  try {
    return JSON.parse(line) as Readonly<Record<string, unknown>>;
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
