/** Starts a `FakeAi` in a process of its own, so that it takes no time from the event loop of what is measured. */
import { type ChildProcess, fork } from "node:child_process";
import { once } from "node:events";
import { fileURLToPath } from "node:url";
import type { AiCall, AiFault, AiSettings } from "./fake-ai.ts";

export interface AiRequest {
  readonly id: number;
  readonly kind: "set" | "plant" | "calls" | "count" | "down" | "up";
  readonly settings?: Partial<AiSettings>;
  readonly faults?: readonly AiFault[];
}
interface AiReply {
  readonly id: number;
  readonly value: unknown;
}

export class AiProcess implements AsyncDisposable {
  readonly url: string;
  readonly #child: ChildProcess;
  readonly #waiting = new Map<number, (value: unknown) => void>();
  #requests = 0;

  private constructor(child: ChildProcess, url: string) {
    this.#child = child;
    this.url = url;
    child.on("message", ({ id, value }: AiReply) => {
      this.#waiting.get(id)?.(value);
      this.#waiting.delete(id);
    });
  }

  static async start(settings: Partial<AiSettings> = {}, seed = 1): Promise<AiProcess> {
    const entry = fileURLToPath(new URL("./fake-ai-server.ts", import.meta.url));
    const child = fork(entry, [JSON.stringify(settings), String(seed)], { stdio: ["ignore", "inherit", "inherit", "ipc"] });
    const [{ value }] = (await Promise.race([
      once(child, "message"),
      once(child, "exit").then(() => Promise.reject(new Error("the fake AI did not start"))),
    ])) as [AiReply];
    return new AiProcess(child, String(value));
  }

  /** As of `FakeAi`, when it is done. */
  set(settings: Partial<AiSettings>): Promise<unknown> {
    return this.#ask({ kind: "set", settings });
  }
  plant(...faults: readonly AiFault[]): Promise<unknown> {
    return this.#ask({ kind: "plant", faults });
  }
  down(): Promise<unknown> {
    return this.#ask({ kind: "down" });
  }
  up(): Promise<unknown> {
    return this.#ask({ kind: "up" });
  }
  async calls(): Promise<readonly AiCall[]> {
    return (await this.#ask({ kind: "calls" })) as readonly AiCall[];
  }
  async callCount(): Promise<number> {
    return Number(await this.#ask({ kind: "count" }));
  }
  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#child.exitCode !== null || this.#child.signalCode !== null) return;
    const exited = once(this.#child, "exit");
    this.#child.kill("SIGKILL");
    await exited;
  }

  #ask(request: Omit<AiRequest, "id">): Promise<unknown> {
    const id = ++this.#requests;
    return new Promise((resolve) => {
      this.#waiting.set(id, resolve);
      this.#child.send({ ...request, id } satisfies AiRequest);
    });
  }
}
