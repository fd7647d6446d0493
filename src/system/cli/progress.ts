const EVERY_MS = 100;
const WIDTH = 24;

/**
 * A bar on standard error for long work, when that is a terminal; elsewhere nothing is written. To be ended by `done`, which
 * leaves the line empty for what comes next.
 */
export class Progress {
  readonly #what: string;
  readonly #unit: string;
  readonly #startedMs = performance.now();
  readonly #isShown = process.stderr.isTTY === true;
  #drawnMs = 0;

  constructor(options: { readonly what: string; readonly unit: string }) {
    this.#what = options.what;
    this.#unit = options.unit;
  }

  /** `total` 0 means that nobody knows it: then there is no bar, only the count. Draws at most ten times a second. */
  update(done: number, total: number): void {
    const nowMs = performance.now();
    if (!this.#isShown || (nowMs - this.#drawnMs < EVERY_MS && done !== total)) return;
    this.#drawnMs = nowMs;
    const elapsed = Math.max(nowMs - this.#startedMs, 1);
    const rate = (done / elapsed) * 1000;
    const share = total > 0 ? Math.min(done / total, 1) : 0;
    const filled = Math.round(share * WIDTH);
    const bar = total > 0 ? ` [${"#".repeat(filled)}${".".repeat(WIDTH - filled)}] ${Math.floor(share * 100)} %` : "";
    const left = total > done && rate > 0 ? `, ${Math.ceil((total - done) / rate)} s left` : "";
    const count = `${done.toLocaleString("en-US")} ${this.#unit}`;
    const line = `${this.#what}${bar} ${count}, ${Math.round(rate).toLocaleString("en-US")}/s${left}`;
    process.stderr.write(`\r\x1b[2K${line.slice(0, (process.stderr.columns || 80) - 1)}`);
  }

  done(): void {
    if (this.#isShown && this.#drawnMs > 0) process.stderr.write("\r\x1b[2K");
  }
}
