import { setTimeout as delay } from "node:timers/promises";
import { KeepAliveClient } from "./keep-alive-client.ts";

/** What `/readyz` said to one look. */
interface Look {
  /** When it was asked, and answered. */
  readonly askedMs: number;
  readonly atMs: number;
  readonly isReady: boolean;
  readonly reasons: readonly string[];
}

const EVERY_MS = 10;
/** Looks under way at once: one that a stuck thread holds up must not hide what the others see. */
const AT_ONCE = 20;

/** Somebody who looks at `/readyz` all the time, as a load balancer does, only more often. */
export class ReadinessWatch {
  readonly #client: KeepAliveClient;
  #looks: Look[] = [];
  #underWay = 0;
  #isRunning = true;

  constructor(url: string) {
    this.#client = new KeepAliveClient(url, AT_ONCE);
    void this.#run();
  }

  /** Everything that was named by looks that were answered since then. */
  namedSince(sinceMs: number): readonly string[] {
    return [...new Set(this.#looks.filter(({ atMs }) => atMs >= sinceMs).flatMap(({ reasons }) => reasons))];
  }

  /** Resolves with the time of the first look since then that was ready. @throws Error at the limit, with what the last one named. */
  async readySince(sinceMs: number, msMax: number): Promise<number> {
    while (performance.now() < sinceMs + msMax) {
      const ready = this.#looks.find(({ askedMs, isReady }) => askedMs >= sinceMs && isReady);
      if (ready !== undefined) return ready.atMs;
      await delay(EVERY_MS / 2);
    }
    throw new Error(`not ready for ${msMax} ms: ${this.#looks.at(-1)?.reasons.join(" ") ?? "no answer"}`);
  }

  /** What was seen before is not asked for any more. */
  forget(): void {
    this.#looks = [];
  }

  close(): void {
    this.#isRunning = false;
    this.#client.close();
  }

  async #run(): Promise<void> {
    while (this.#isRunning) {
      if (this.#underWay < AT_ONCE) void this.#look();
      await delay(EVERY_MS);
    }
  }

  async #look(): Promise<void> {
    this.#underWay++;
    const askedMs = performance.now();
    try {
      const { status, body } = await this.#client.send({ method: "GET", path: "/readyz" });
      this.#looks.push({ askedMs, atMs: performance.now(), isReady: status === 200, reasons: status === 200 ? [] : [body] });
    } catch {
      // The server is being stopped.
    } finally {
      this.#underWay--;
    }
  }
}
