/** A program of its own that tells its parent what it sees, and may be killed at any moment. */
import { type ChildProcess, fork } from "node:child_process";
import { once } from "node:events";
import { fileURLToPath } from "node:url";

const WORDS_MAX = 10_000;

/** It ends with its parent: each of these programs leaves when it is disconnected. */
export class PlainProgram {
  readonly #child: ChildProcess;
  readonly #exited: Promise<unknown>;
  #said = "";

  /** `onSaid` gets every message, also those that come after `kill`. */
  constructor(file: URL, args: readonly string[], onSaid: (said: unknown) => void) {
    this.#child = fork(fileURLToPath(file), args, { stdio: ["ignore", "ignore", "pipe", "ipc"], execArgv: [] });
    this.#exited = once(this.#child, "exit");
    this.#child.on("message", onSaid);
    this.#child.stderr?.setEncoding("utf8").on("data", (text: string) => {
      this.#said = (this.#said + text).slice(-WORDS_MAX);
    });
  }

  /** Rejects with its last words when it ends, for whatever reason. */
  async ended(): Promise<never> {
    await this.#exited;
    throw new Error(`a program of the check ended with ${this.#child.signalCode ?? `code ${this.#child.exitCode}`}:\n${this.#said}`);
  }

  /** By kill -9. Resolves when it is gone. */
  async kill(): Promise<void> {
    this.#child.kill("SIGKILL");
    await this.#exited;
  }
}
