/** A node in a child process of its own: one life of it. */
import { type ChildProcess, spawn } from "node:child_process";
import { constants } from "node:os";

/** What a supervised node says, before it stops on purpose, on the channel to its supervisor. */
export const STOPPING = "stopping";

export interface NodeEnd {
  /** The exit code; 128 and the number of the signal when one ended it, as shells say it. */
  readonly exitCode: number;
  /** For people: "exit code 1", "signal SIGKILL". */
  readonly how: string;
  /** It was told to stop, by its supervisor or by somebody else. */
  readonly isOnPurpose: boolean;
}

/**
 * One life of a node. It writes to the terminal or the pipes of this process as if it were this process. The channel between the two carries
 * one word (`STOPPING`); that it closes tells the node that its supervisor is gone, however that died.
 */
export class SupervisedNode {
  readonly pid: number;
  readonly ended: Promise<NodeEnd>;
  readonly #child: ChildProcess;
  readonly #stopMsMax: number;
  #isStopping = false;
  #killer: NodeJS.Timeout | null = null;

  /** Starts it. `args` follow the program's name; `stopMsMax` is how long it may take to stop before it is killed. */
  constructor({ args, stopMsMax }: { readonly args: readonly string[]; readonly stopMsMax: number }) {
    this.#stopMsMax = stopMsMax;
    this.#child = spawn(process.execPath, [...process.execArgv, process.argv[1] ?? "", ...args], {
      stdio: ["inherit", "inherit", "inherit", "ipc"],
    });
    this.pid = this.#child.pid ?? 0;
    this.#child.on("message", (message) => {
      if (message === STOPPING) this.#expectEnd();
    });
    this.ended = new Promise((resolve) => {
      const end = (exitCode: number, how: string): void => {
        if (this.#killer !== null) clearTimeout(this.#killer);
        resolve({ exitCode, how, isOnPurpose: this.#isStopping });
      };
      this.#child.on("error", (error) => this.pid === 0 && end(1, `it could not be started: ${error.message}`));
      this.#child.once("exit", (code, signal) => {
        if (signal === null) end(code ?? 1, `exit code ${code}`);
        else end(128 + constants.signals[signal], `signal ${signal}`);
      });
    });
  }

  /** Passes a signal on. The node stops in order at the first, at once at a second; it is killed when it does neither in time. */
  signal(signal: NodeJS.Signals): void {
    this.#expectEnd();
    this.#child.kill(signal);
  }

  #expectEnd(): void {
    if (this.#isStopping) return;
    this.#isStopping = true;
    this.#killer = setTimeout(() => this.#child.kill("SIGKILL"), this.#stopMsMax);
  }
}
