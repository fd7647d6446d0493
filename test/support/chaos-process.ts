import { type ChildProcess, execFile, fork } from "node:child_process";
import { once } from "node:events";
import { setTimeout as delay } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import type { ThreadFault } from "./chaos-faults.ts";
import type { ChaosOrder, ChaosReport } from "./chaos-server.ts";

const support = (name: string): string => fileURLToPath(new URL(`./${name}.ts`, import.meta.url));
const READY_MS_MAX = 60_000;
const STOP_MS_MAX = 90_000;
const WORDS_MAX = 20_000;
/** Resets a soft limit that stands below the hard one. */
const NO_LIMIT = "unlimited";
/** Nothing may be written beyond the first byte of a file: the kernel refuses it with EFBIG, as it refuses it with ENOSPC on a full disk. */
const FULL = "1:unlimited";

/** The process of `chaos-server.ts`. */
export class ChaosProcess {
  readonly url: string;
  readonly threadCount: number;
  readonly #child: ChildProcess;
  readonly #reports: Reports;

  private constructor(child: ChildProcess, reports: Reports, ready: { readonly url: string; readonly threadCount: number }) {
    this.#child = child;
    this.#reports = reports;
    this.url = ready.url;
    this.threadCount = ready.threadCount;
  }

  /** @throws Error with the server's own words. */
  static async start(flags: Readonly<Record<string, string>>, weaken: string): Promise<ChaosProcess> {
    const child = fork(support("chaos-server"), Object.entries(flags).flat(), {
      execArgv: ["--import", support("chaos-faults")],
      env: { ...process.env, CHAOS_WEAKEN: weaken },
      stdio: ["ignore", "pipe", "pipe", "ipc"],
    });
    const kill = (): void => void child.kill("SIGKILL");
    process.once("exit", kill);
    child.once("exit", () => process.off("exit", kill));
    const reports = new Reports(child);
    const ready = await reports.next(READY_MS_MAX);
    if (ready.kind !== "ready") throw new Error(`the server did not become ready: ${JSON.stringify(ready)}`);
    return new ChaosProcess(child, reports, ready);
  }

  get said(): string {
    return this.#reports.said;
  }

  /** Resolves when the part at this address serves again. @throws Error with the server's own words when it does not. */
  async commit(address: string, fault: ThreadFault): Promise<{ readonly endedMs: number; readonly servingMs: number }> {
    this.#child.send({ kind: "fault", address, fault } satisfies ChaosOrder);
    const served = await this.#reports.next(READY_MS_MAX);
    if (served.kind !== "served") throw new Error(`${fault} at ${address}: ${JSON.stringify(served)}\n${this.said}`);
    return served;
  }

  /** From now on no file of the process grows, or all may again. @throws Error when the machine has no `prlimit` (util-linux). */
  async fillDisk(isFull: boolean): Promise<void> {
    await promisify(execFile)("prlimit", ["--pid", String(this.#child.pid), `--fsize=${isFull ? FULL : NO_LIMIT}`]);
  }

  /** Stops it in order. @returns its exit code; null when it had to be killed. */
  async stop(): Promise<number | null> {
    const exited = once(this.#child, "exit");
    this.#child.send({ kind: "stop", address: "", fault: "exit" } satisfies ChaosOrder);
    const isOver = await Promise.race([exited.then(() => true), delay(STOP_MS_MAX, false, { ref: false })]);
    if (!isOver) this.#child.kill("SIGKILL");
    await exited;
    return this.#child.exitCode;
  }
}

/** What the server tells, one at a time, and what it wrote. */
class Reports {
  said = "";
  readonly #told: ChaosReport[] = [];
  #wake: (() => void) | null = null;

  constructor(child: ChildProcess) {
    for (const stream of [child.stdout, child.stderr]) {
      stream?.on("data", (chunk: Buffer) => {
        this.said = (this.said + chunk.toString()).slice(-WORDS_MAX);
      });
    }
    child.on("message", (told: ChaosReport) => this.#tell(told));
    child.once("exit", (code, signal) => this.#tell({ kind: "failed", why: `the server ended with ${code ?? signal}:\n${this.said}` }));
  }

  #tell(told: ChaosReport): void {
    this.#told.push(told);
    this.#wake?.();
  }

  async next(msMax: number): Promise<ChaosReport> {
    const until = performance.now() + msMax;
    while (this.#told.length === 0 && performance.now() < until) {
      await Promise.race([
        new Promise<void>((resolve) => {
          this.#wake = resolve;
        }),
        delay(until - performance.now(), undefined, { ref: false }),
      ]);
    }
    return this.#told.shift() ?? { kind: "failed", why: `the server said nothing for ${msMax} ms:\n${this.said}` };
  }
}
