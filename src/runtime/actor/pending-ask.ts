import type { Answer, Refusal } from "../kernel/decision.ts";
import type { Code } from "../kernel/fault.ts";
import type { Deadlines, Expirable } from "../supervision/deadlines.ts";
import type { Turn, Waiter } from "./caller-chain.ts";

export const refusal = (code: Code, detail: string): Refusal => ({ ok: false, code, detail });

/** One ask that waits for its answer. The first answer counts; later ones go nowhere. */
export class PendingAsk implements Expirable {
  readonly target: Waiter;
  readonly promise: Promise<Answer<unknown>>;
  bucket: number | null = null;
  readonly #resolve: (answer: Answer<unknown>) => void;
  readonly #deadlines: Deadlines;
  readonly #caller: Turn | null;
  #isSettled = false;
  #hasBegun = false;

  constructor(options: { readonly target: Waiter; readonly caller: Turn | null; readonly deadlines: Deadlines }) {
    const { promise, resolve } = Promise.withResolvers<Answer<unknown>>();
    this.target = options.target;
    this.promise = promise;
    this.#resolve = resolve;
    this.#deadlines = options.deadlines;
    this.#caller = options.caller;
    if (this.#caller !== null) {
      this.#caller.waits ??= new Set();
      this.#caller.waits.add(this);
    }
  }

  /** Nobody waits any more and nothing has run: the message is dropped. */
  get isDropped(): boolean {
    return this.#isSettled && !this.#hasBegun;
  }

  begin(): void {
    this.#hasBegun = true;
  }

  answer(answer: Answer<unknown>): void {
    if (this.#isSettled) return;
    this.#isSettled = true;
    this.#deadlines.remove(this);
    this.#caller?.waits?.delete(this);
    this.#resolve(answer);
  }

  expired(): void {
    const { address } = this.target;
    this.answer(
      this.#hasBegun
        ? refusal("OUTCOME_UNKNOWN", `${address} was handling this at the deadline; it may have been done.`)
        : refusal("DEADLINE_EXCEEDED", `${address} had not begun with this at the deadline; nothing was done.`),
    );
  }
}
