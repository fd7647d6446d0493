import { PortFailure } from "../../runtime/index.ts";

/**
 * The time limits of one request, one at a time and one over all: whichever passes aborts `signal` with a failure that names it, and so does the
 * caller's own signal with its reason. `end` must be called, or a timer stays behind.
 */
export class LayeredTimeout {
  readonly #controller = new AbortController();
  readonly #outer: AbortSignal;
  readonly #forward = (): void => this.#controller.abort(this.#outer.reason);
  #phase: NodeJS.Timeout | null = null;
  #whole: NodeJS.Timeout | null = null;

  constructor(outer: AbortSignal) {
    this.#outer = outer;
    if (outer.aborted) this.#forward();
    else outer.addEventListener("abort", this.#forward, { once: true });
  }

  get signal(): AbortSignal {
    return this.#controller.signal;
  }

  /** The limit of what is done now; it takes the place of the one before. */
  enter(what: string, ms: number): void {
    this.leave();
    this.#phase = this.#timer(what, ms);
  }

  /** What comes now has no limit of its own. */
  leave(): void {
    clearTimeout(this.#phase ?? undefined);
    this.#phase = null;
  }

  /** The limit over all that is still to come. */
  limit(what: string, ms: number): void {
    clearTimeout(this.#whole ?? undefined);
    this.#whole = this.#timer(what, ms);
  }

  end(): void {
    this.leave();
    clearTimeout(this.#whole ?? undefined);
    this.#outer.removeEventListener("abort", this.#forward);
  }

  #timer(what: string, ms: number): NodeJS.Timeout {
    return setTimeout(() => this.#controller.abort(timedOut(what, ms)), ms);
  }
}

const timedOut = (what: string, ms: number): PortFailure =>
  new PortFailure(`${what} took longer than ${ms} ms`, { code: "UPSTREAM_TIMEOUT" });
