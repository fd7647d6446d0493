import { writeSync } from "node:fs";
import { endAtOnce } from "./end-at-once.ts";

/** One press of Ctrl-C under npm arrives twice: from the terminal, and passed on by npm. So near together they are one signal. */
const SAME_PRESS_MS = 300;
/** A supervised node gets each signal of a terminal or of a service manager twice, the second time from a supervisor that may be scheduled late. */
const SAME_PRESS_SUPERVISED_MS = 2_000;

/** The first SIGTERM or SIGINT, or another reason for an ordered stop. A later signal ends the process at once with exit code 1, or by SIGKILL. */
export class StopSignal implements Disposable {
  /** Resolves with the name of the first signal, or the reason. */
  readonly arrived: Promise<string>;
  readonly #arrive: (signal: string) => void;
  readonly #samePressMs: number;
  #firstMs: number | null = null;

  constructor({ isSupervised = false }: { readonly isSupervised?: boolean } = {}) {
    this.#samePressMs = isSupervised ? SAME_PRESS_SUPERVISED_MS : SAME_PRESS_MS;
    const { promise, resolve } = Promise.withResolvers<string>();
    this.arrived = promise;
    this.#arrive = resolve;
    process.on("SIGTERM", this.#receive);
    process.on("SIGINT", this.#receive);
  }

  get hasArrived(): boolean {
    return this.#firstMs !== null;
  }

  /** Stops as the first signal does, for another reason; nothing when a stop has begun. */
  stop(reason: string): void {
    if (this.#firstMs !== null) return;
    this.#firstMs = performance.now();
    this.#arrive(reason);
  }

  readonly #receive = (signal: NodeJS.Signals): void => {
    const nowMs = performance.now();
    if (this.#firstMs === null) this.stop(signal);
    else if (nowMs - this.#firstMs > this.#samePressMs) {
      tell(`troupe: ${signal} again: stopped at once. What was acknowledged is in the journal and resumes at the next start.\n`);
      endAtOnce();
    }
  };

  [Symbol.dispose](): void {
    process.off("SIGTERM", this.#receive);
    process.off("SIGINT", this.#receive);
  }
}

/** Written before the process ends, also when standard error is a pipe. */
function tell(text: string): void {
  try {
    writeSync(process.stderr.fd, text);
  } catch {} // Nobody reads it, or the pipe is full: that must not keep the process.
}
