/** One press of Ctrl-C under npm arrives twice: from the terminal, and passed on by npm. So near together they are one signal. */
const SAME_PRESS_MS = 300;

/** The first SIGTERM or SIGINT, for an ordered stop. A second one ends the process at once with exit code 1. */
export class StopSignal implements Disposable {
  /** Resolves with the name of the first signal. */
  readonly arrived: Promise<string>;
  readonly #arrive: (signal: string) => void;
  #firstMs: number | null = null;

  constructor() {
    const { promise, resolve } = Promise.withResolvers<string>();
    this.arrived = promise;
    this.#arrive = resolve;
    process.on("SIGTERM", this.#receive);
    process.on("SIGINT", this.#receive);
  }

  get hasArrived(): boolean {
    return this.#firstMs !== null;
  }

  readonly #receive = (signal: NodeJS.Signals): void => {
    const nowMs = performance.now();
    if (this.#firstMs === null) {
      this.#firstMs = nowMs;
      this.#arrive(signal);
    } else if (nowMs - this.#firstMs > SAME_PRESS_MS) {
      process.stderr.write(`troupe: ${signal} again: stopped at once. What was acknowledged is in the journal.\n`);
      process.exit(1);
    }
  };

  [Symbol.dispose](): void {
    process.off("SIGTERM", this.#receive);
    process.off("SIGINT", this.#receive);
  }
}
